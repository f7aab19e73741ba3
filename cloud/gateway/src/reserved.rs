//! Requests on reserved topics: what they mean, whichever way they came.

use marram_aws::ApiError;
use marram_fleet::Fleet;
use marram_model::fleet_status;
use marram_model::shadow_topics::{ShadowTopic, ShadowVerb};

/// The client id of a request that came over HTTP: none has it, because the broker names clients
/// that give no name. So answers reach those who subscribed to them and nobody else.
pub(crate) const NO_CONNECTION: &str = "";

/// What a reserved topic is for.
#[derive(Debug, PartialEq, Eq)]
enum Reserved<'a> {
    Jobs { thing: &'a str },
    Shadow(ShadowTopic),
    FleetStatus { thing: &'a str },
    Telemetry { thing: &'a str },
    Unknown,
}

/// Has the fleet take a request; what it answers goes to `client_id` and to subscribers.
///
/// # Errors
/// Devices do not publish to the topic, or a status message could not be stored.
pub(crate) async fn take(
    fleet: &Fleet,
    client_id: &str,
    topic: &str,
    payload: &[u8],
) -> Result<(), ApiError> {
    match Reserved::parse(topic) {
        Reserved::Jobs { thing } => fleet.jobs_request(client_id, thing, topic, payload).await,
        Reserved::Shadow(shadow) => fleet.shadow_request(client_id, &shadow, payload).await,
        Reserved::FleetStatus { thing } => fleet.report_status(thing, payload).await?,
        Reserved::Telemetry { thing } => {
            tracing::debug!(thing, bytes = payload.len(), "telemetry");
        }
        Reserved::Unknown => {
            return Err(ApiError::invalid_request(format!(
                "`topic` is `{topic}`: of the reserved topics devices publish to those of jobs, \
                 shadows, status and telemetry below `$aws/things/`"
            )));
        }
    }
    Ok(())
}

impl<'a> Reserved<'a> {
    fn parse(topic: &'a str) -> Self {
        if let Some(thing) = fleet_status::thing_of_topic(topic) {
            return Self::FleetStatus { thing };
        }
        if let Some(shadow) = ShadowTopic::parse(topic) {
            let is_request =
                matches!(shadow.verb, ShadowVerb::Get | ShadowVerb::Update | ShadowVerb::Delete);
            let is_valid = shadow.shadow.as_deref().is_none_or(marram_shadow::is_valid_name);
            return if is_request && is_valid { Self::Shadow(shadow) } else { Self::Unknown };
        }
        let thing_and_rest =
            topic.strip_prefix("$aws/things/").and_then(|rest| rest.split_once('/'));
        match thing_and_rest {
            Some((thing, rest)) if !thing.is_empty() && rest.starts_with("jobs/") => {
                Self::Jobs { thing }
            }
            Some((thing, "greengrass/health/json")) if !thing.is_empty() => {
                Self::Telemetry { thing }
            }
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_topics_are_told_apart() {
        let thing = "core1";
        assert_eq!(Reserved::parse("$aws/things/core1/jobs/$next/get"), Reserved::Jobs { thing });
        assert_eq!(Reserved::parse("$aws/things/core1/jobs/nonsense"), Reserved::Jobs { thing });
        assert!(matches!(Reserved::parse("$aws/things/core1/shadow/get"), Reserved::Shadow(_)));
        assert_eq!(
            Reserved::parse("$aws/things/core1/greengrassv2/health/json"),
            Reserved::FleetStatus { thing }
        );
        assert_eq!(
            Reserved::parse("$aws/things/core1/greengrass/health/json"),
            Reserved::Telemetry { thing }
        );
        for unknown in [
            "$aws/things/core1",
            "$aws/rules/r",
            "$SYS/x",
            "$aws/things//jobs/get",
            "$aws/things//greengrass/health/json",
            "$aws/things/core1/shadow/update/accepted",
            "$aws/things/core1/shadow/update/delta",
        ] {
            assert_eq!(Reserved::parse(unknown), Reserved::Unknown, "{unknown}");
        }
        let long = format!("$aws/things/core1/shadow/name/{}/get", "n".repeat(65));
        assert_eq!(Reserved::parse(&long), Reserved::Unknown);
    }
}

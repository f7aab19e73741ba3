//! What the broker asks: who a device is, what it may do, and what its requests mean.

use std::sync::Arc;

use marram_broker::{
    Action, ConnectRequest, Disconnect, Handler, Intercept, Peer, Publish, Refusal, SessionInfo,
};
use marram_fleet::Fleet;
use marram_model::arn::Account;
use marram_model::fleet_status;
use marram_model::shadow_topics::ShadowTopic;
use marram_registry::{DeviceIdentity, RefuseCertificate, Registry};

/// Devices, as the registry knows them and the fleet answers them.
#[derive(Debug)]
pub(crate) struct DeviceHandler {
    registry: Registry,
    fleet: Fleet,
    /// `arn:aws:iot:REGION:ACCOUNT:`, what all resources of policies begin with.
    arn_prefix: String,
}

impl DeviceHandler {
    pub(crate) fn new(registry: Registry, fleet: Fleet) -> Self {
        let arn_prefix = arn_prefix(registry.account());
        Self { registry, fleet, arn_prefix }
    }

    fn is_allowed(
        &self,
        identity: &DeviceIdentity,
        client_id: &str,
        action: &str,
        kind: &str,
        name: &str,
    ) -> bool {
        let resource = format!("{}{kind}/{name}", self.arn_prefix);
        identity.decide_mqtt(client_id, action, &resource).is_allowed()
    }
}

/// `arn:aws:iot:REGION:ACCOUNT:`.
pub(crate) fn arn_prefix(account: &Account) -> String {
    let Account { partition, region, account_id } = account;
    format!("arn:{partition}:iot:{region}:{account_id}:")
}

impl Handler for DeviceHandler {
    type Identity = Arc<DeviceIdentity>;

    async fn connect(
        &self,
        peer: &Peer,
        request: &ConnectRequest,
    ) -> Result<Self::Identity, Refusal> {
        let client_id: &str = &request.client_id;
        let Some(certificate) = &peer.certificate else {
            tracing::info!(address = %peer.address, client_id, "a client without certificate");
            return Err(Refusal::NotAuthorized);
        };
        let identity = match self.registry.authenticate_certificate(certificate).await {
            Ok(identity) => identity,
            Err(RefuseCertificate::Load(error)) => {
                tracing::error!(client_id, %error, "cannot load a device's identity");
                return Err(Refusal::Unavailable);
            }
            Err(error) => {
                tracing::info!(client_id, %error, "a device may not connect");
                return Err(Refusal::NotAuthorized);
            }
        };
        if !self.is_allowed(&identity, client_id, "iot:Connect", "client", client_id) {
            let certificate_id = identity.certificate_id();
            tracing::info!(client_id, certificate_id, "no policy allows this client id");
            return Err(Refusal::NotAuthorized);
        }
        Ok(identity)
    }

    fn authorize(&self, identity: &Self::Identity, client_id: &str, action: Action<'_>) -> bool {
        let allows = |action, kind, name| self.is_allowed(identity, client_id, action, kind, name);
        match action {
            Action::Publish { topic, retain } => {
                allows("iot:Publish", "topic", topic)
                    && (!retain || allows("iot:RetainPublish", "topic", topic))
            }
            Action::Subscribe { filter } => allows("iot:Subscribe", "topicfilter", filter),
            Action::Receive { topic } => allows("iot:Receive", "topic", topic),
        }
    }

    /// Everything below `$` is a request to the service, or of no meaning; nothing of it is
    /// forwarded.
    async fn intercept(
        &self,
        session: &SessionInfo<Self::Identity>,
        publish: &Publish,
    ) -> Intercept {
        let client_id: &str = &session.client_id;
        let topic: &str = &publish.topic;
        match Reserved::parse(topic) {
            Reserved::Jobs { thing } => {
                self.fleet.jobs_request(client_id, thing, topic, &publish.payload).await;
            }
            Reserved::Shadow(shadow) => {
                self.fleet.shadow_request(client_id, &shadow, &publish.payload).await;
            }
            Reserved::FleetStatus { thing } => {
                if let Err(error) = self.fleet.report_status(thing, &publish.payload).await {
                    tracing::error!(thing, %error, "a status message was lost");
                }
            }
            Reserved::Telemetry { thing } => {
                tracing::debug!(thing, bytes = publish.payload.len(), "telemetry");
            }
            Reserved::Unknown => {
                tracing::warn!(client_id, topic, "a message to a reserved topic without meaning");
            }
        }
        Intercept::Consumed
    }

    fn connected(&self, session: &SessionInfo<Self::Identity>) {
        let client_id: &str = &session.client_id;
        tracing::info!(client_id, address = %session.peer.address, "device connected");
    }

    fn disconnected(&self, session: &SessionInfo<Self::Identity>, reason: &Disconnect) {
        let client_id: &str = &session.client_id;
        tracing::info!(client_id, ?reason, "device disconnected");
    }
}

/// What a reserved topic is for.
#[derive(Debug, PartialEq, Eq)]
enum Reserved<'a> {
    Jobs { thing: &'a str },
    Shadow(ShadowTopic),
    FleetStatus { thing: &'a str },
    Telemetry { thing: &'a str },
    Unknown,
}

impl<'a> Reserved<'a> {
    fn parse(topic: &'a str) -> Self {
        if let Some(thing) = fleet_status::thing_of_topic(topic) {
            return Self::FleetStatus { thing };
        }
        if let Some(shadow) = ShadowTopic::parse(topic) {
            let is_valid = shadow.shadow.as_deref().is_none_or(marram_shadow::is_valid_name);
            return if is_valid { Self::Shadow(shadow) } else { Self::Unknown };
        }
        let thing_and_rest =
            topic.strip_prefix("$aws/things/").and_then(|rest| rest.split_once('/'));
        match thing_and_rest {
            Some((thing, rest)) if !thing.is_empty() && rest.starts_with("jobs/") => {
                Self::Jobs { thing }
            }
            Some((thing, "greengrass/health/json")) => Self::Telemetry { thing },
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
        for unknown in ["$aws/things/core1", "$aws/rules/r", "$SYS/x", "$aws/things//jobs/get"] {
            assert_eq!(Reserved::parse(unknown), Reserved::Unknown, "{unknown}");
        }
        let long = format!("$aws/things/core1/shadow/name/{}/get", "n".repeat(65));
        assert_eq!(Reserved::parse(&long), Reserved::Unknown);
    }
}

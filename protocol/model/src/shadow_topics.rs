//! Topics of device shadows, and the documents of the deployment shadow
//! (device-cloud protocol, sections 5 and 10).

use serde::{Deserialize, Serialize};

use crate::error_code::{ErrorCode, ErrorType};
use crate::status::{DeploymentOutcome, DeploymentStatus};
use crate::text::words;

/// The named shadow that carries a deployment to one thing.
pub const DEPLOYMENT_SHADOW: &str = "AWSManagedGreengrassV2Deployment";

words! {
    /// What follows a shadow's prefix.
    ShadowVerb {
        /// Ask for the document.
        Get = "get",
        /// The document.
        GetAccepted = "get/accepted",
        /// No document.
        GetRejected = "get/rejected",
        /// Change it.
        Update = "update",
        /// What was changed.
        UpdateAccepted = "update/accepted",
        /// Nothing was changed.
        UpdateRejected = "update/rejected",
        /// Where desired and reported differ.
        UpdateDelta = "update/delta",
        /// The documents before and after.
        UpdateDocuments = "update/documents",
        /// Remove it.
        Delete = "delete",
        /// Removed.
        DeleteAccepted = "delete/accepted",
        /// Not removed.
        DeleteRejected = "delete/rejected",
    }
}

impl ShadowVerb {
    /// True for what a device sends.
    pub fn is_request(self) -> bool {
        matches!(self, Self::Get | Self::Update | Self::Delete)
    }
}

/// A topic of a shadow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowTopic {
    /// The thing.
    pub thing: String,
    /// The named shadow; absent for the classic one.
    pub shadow: Option<String>,
    /// What it is for.
    pub verb: ShadowVerb,
}

impl ShadowTopic {
    /// The deployment shadow of a thing.
    pub fn deployment(thing: &str, verb: ShadowVerb) -> Self {
        Self { thing: thing.to_owned(), shadow: Some(DEPLOYMENT_SHADOW.to_owned()), verb }
    }

    /// Reads a topic; `None` if it is no shadow's.
    pub fn parse(topic: &str) -> Option<Self> {
        let (thing, rest) = topic.strip_prefix("$aws/things/")?.split_once('/')?;
        let rest = rest.strip_prefix("shadow/")?;
        let (shadow, verb) = match rest.strip_prefix("name/") {
            Some(named) => {
                let (name, verb) = named.split_once('/')?;
                (Some(name), verb)
            }
            None => (None, rest),
        };
        if thing.is_empty() || shadow.is_some_and(str::is_empty) {
            return None;
        }
        Some(Self {
            thing: thing.to_owned(),
            shadow: shadow.map(str::to_owned),
            verb: verb.parse().ok()?,
        })
    }

    /// The topic's text.
    pub fn to_topic(&self) -> String {
        let Self { thing, shadow, verb } = self;
        match shadow {
            Some(name) => format!("$aws/things/{thing}/shadow/name/{name}/{verb}"),
            None => format!("$aws/things/{thing}/shadow/{verb}"),
        }
    }

    /// The same shadow, another verb.
    pub fn with(&self, verb: ShadowVerb) -> Self {
        Self { verb, ..self.clone() }
    }
}

/// What the cloud wants of a thing: `state.desired` of the deployment shadow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredDeployment {
    /// The deployment document as a JSON string; stays while cancelled.
    pub fleet_config: String,
    /// `CANCELED` cancels, anything else (`SUCCEEDED`) deploys.
    pub desired_status: String,
}

impl DesiredDeployment {
    /// True if the deployment is to be given up.
    pub fn is_cancel(&self) -> bool {
        self.desired_status == DeploymentStatus::Canceled.as_str()
    }
}

/// What the device tells of it: `state.reported` of the deployment shadow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedDeployment {
    /// The configuration ARN of the document.
    pub fleet_configuration_arn_for_status: String,
    /// How it stands.
    pub status: DeploymentStatus,
    /// How it ended.
    #[serde(default)]
    pub status_details: ReportedDetails,
    /// The nucleus's version.
    #[serde(default)]
    pub ggc_version: String,
}

/// How a deployment ended, as shadows and fleet statuses tell it. Absent parts are empty, as
/// the Java nucleus sends them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReportedDetails {
    /// A [`DetailedStatus`](crate::status::DetailedStatus), or empty.
    #[serde(deserialize_with = "null_is_default")]
    pub detailed_status: String,
    /// The chain of causes in words.
    #[serde(deserialize_with = "null_is_default")]
    pub failure_cause: String,
    /// From general to specific.
    #[serde(deserialize_with = "null_is_default")]
    pub error_stack: Vec<ErrorCode>,
    /// Whose fault; words of newer nuclei are kept.
    #[serde(deserialize_with = "null_is_default")]
    pub error_types: Vec<String>,
}

pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

impl From<&DeploymentOutcome> for ReportedDetails {
    fn from(outcome: &DeploymentOutcome) -> Self {
        Self {
            detailed_status: outcome.detailed.map(|d| d.to_string()).unwrap_or_default(),
            failure_cause: outcome.failure_cause.clone().unwrap_or_default(),
            error_stack: outcome.error_stack.clone(),
            error_types: outcome.error_types.iter().map(ToString::to_string).collect(),
        }
    }
}

impl ReportedDetails {
    /// The outcome of a deployment with this status; unknown words are left out.
    pub fn to_outcome(&self, status: DeploymentStatus) -> DeploymentOutcome {
        DeploymentOutcome {
            status,
            detailed: self.detailed_status.parse().ok(),
            failure_cause: Some(self.failure_cause.clone()).filter(|cause| !cause.is_empty()),
            error_stack: self.error_stack.clone(),
            error_types: self
                .error_types
                .iter()
                .filter_map(|word| word.parse::<ErrorType>().ok())
                .collect(),
        }
    }
}

impl ReportedDeployment {
    /// What a device reports of a deployment.
    pub fn new(
        configuration_arn: &str,
        outcome: &DeploymentOutcome,
        nucleus_version: &str,
    ) -> Self {
        Self {
            fleet_configuration_arn_for_status: configuration_arn.to_owned(),
            status: outcome.status,
            status_details: ReportedDetails::from(outcome),
            ggc_version: nucleus_version.to_owned(),
        }
    }

    /// The outcome that it tells.
    pub fn outcome(&self) -> DeploymentOutcome {
        self.status_details.to_outcome(self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::DetailedStatus;

    #[test]
    fn every_topic_comes_back() {
        for verb in ShadowVerb::ALL {
            for shadow in [None, Some("n:1".to_owned())] {
                let topic = ShadowTopic { thing: "a:b".into(), shadow, verb: *verb };
                assert_eq!(ShadowTopic::parse(&topic.to_topic()), Some(topic));
            }
        }
        for bad in
            ["$aws/things/T/shadow/", "$aws/things/T/shadow/name/get", "$aws/things//shadow/get"]
        {
            assert_eq!(ShadowTopic::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_reported_form_is_that_of_the_nucleus_and_comes_back() {
        let outcome = DeploymentOutcome::failed(
            DetailedStatus::FailedRollbackComplete,
            "broken",
            [ErrorCode::ComponentUpdateError, ErrorCode::ComponentBroken],
        );
        let reported = ReportedDeployment::new("arn:1", &outcome, "2.17.0");
        assert_eq!(reported.outcome(), outcome);
        let plain = ReportedDeployment::new(
            "arn:1",
            &DeploymentOutcome::plain(DeploymentStatus::InProgress),
            "2.17.0",
        );
        assert_eq!(
            serde_json::to_string(&plain).unwrap(),
            r#"{"fleetConfigurationArnForStatus":"arn:1","status":"IN_PROGRESS","statusDetails":{"detailedStatus":"","failureCause":"","errorStack":[],"errorTypes":[]},"ggcVersion":"2.17.0"}"#
        );
    }

    #[test]
    fn nulls_and_absent_members_are_empty() {
        let text = r#"{"fleetConfigurationArnForStatus":"a","status":"FAILED","statusDetails":{"errorStack":null}}"#;
        let reported: ReportedDeployment = serde_json::from_str(text).unwrap();
        assert_eq!(reported.status_details, ReportedDetails::default());
    }
}

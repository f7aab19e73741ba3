//! Messages of the device's HTTPS calls: the Greengrass data plane and the credentials provider
//! (device-cloud protocol, sections 6 and 7).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Body of `POST /greengrass/v2/resolveComponentCandidates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolveComponentCandidatesRequest {
    /// What the device is.
    #[serde(default)]
    pub platform: ComponentPlatform,
    /// What it needs.
    #[serde(default)]
    pub component_candidates: Vec<ComponentCandidate>,
}

/// What a device is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentPlatform {
    /// A label; nucleus-lite sends `linux`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `os`, `architecture`, …
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// One component that a device needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentCandidate {
    /// The component.
    pub component_name: String,
    /// The version that the device has and that would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component_version: Option<String>,
    /// Requirement by requirer: a component, `thinggroup/G`, `thing/T`, `LOCAL_DEPLOYMENT`, or
    /// nucleus-lite's `requirements`. Texts are as the device has them; all must match.
    #[serde(default)]
    pub version_requirements: BTreeMap<String, String>,
}

/// Reply to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolveComponentCandidatesResponse {
    /// One for each candidate.
    #[serde(default)]
    pub resolved_component_versions: Vec<ResolvedComponentVersion>,
}

/// The version chosen for a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedComponentVersion {
    /// The component version's ARN.
    pub arn: String,
    /// The component.
    pub component_name: String,
    /// The version.
    pub component_version: String,
    /// The recipe as JSON, in standard base64.
    pub recipe: String,
    /// `ACTIVE`, `DISCONTINUED` or `DELETED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_guidance: Option<String>,
    /// A word on the guidance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Reply to `GetDeploymentConfiguration`. Its path is Marram's own:
/// `GET /greengrass/v2/coreDevices/THING/deployments/ID/configuration`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetDeploymentConfigurationResponse {
    /// Where the whole document is.
    pub pre_signed_url: String,
    /// By what the device knows that it got it.
    pub integrity_check: IntegrityCheck,
}

/// A digest and how it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrityCheck {
    /// `SHA-256`.
    pub algorithm: String,
    /// In standard base64.
    pub digest: String,
}

/// Reply to `GET /greengrass/v2/coreDevices/THING/thingGroups`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListThingGroupsResponse {
    /// The groups that the device is directly in.
    #[serde(default)]
    pub thing_groups: Vec<ThingGroupMembership>,
    /// Where to go on; absent at the end, as an empty one makes the Java nucleus ask for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A group that a device is directly in, with those above it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingGroupMembership {
    /// Its name.
    pub thing_group_name: String,
    /// Its ARN.
    #[serde(default)]
    pub thing_group_arn: String,
    /// The groups above it, the root first.
    #[serde(default)]
    pub root_to_parent_thing_groups: Vec<ThingGroupName>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingGroupName {
    /// Its name.
    pub thing_group_name: String,
    /// Its ARN.
    #[serde(default)]
    pub thing_group_arn: String,
}

/// Reply to `GET /greengrass/v2/components/ARN/artifacts/NAME`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetComponentVersionArtifactResponse {
    /// Where to get it without further credentials, for a while; never logged.
    pub pre_signed_url: String,
}

impl fmt::Debug for GetComponentVersionArtifactResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetComponentVersionArtifactResponse").finish_non_exhaustive()
    }
}

/// Reply to `GET /role-aliases/ALIAS/credentials`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsResponse {
    /// The credentials.
    pub credentials: Credentials,
}

/// Temporary credentials of a role alias.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// `ASIA…`.
    pub access_key_id: String,
    /// Secret.
    pub secret_access_key: String,
    /// Secret.
    pub session_token: String,
    /// ISO 8601 with `Z`, whole seconds.
    pub expiration: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_reach_a_log() {
        let credentials = Credentials {
            access_key_id: "ASIAX".into(),
            secret_access_key: "hush".into(),
            session_token: "quiet".into(),
            expiration: "2026-01-02T04:04:05Z".into(),
        };
        let text = format!("{:?}", CredentialsResponse { credentials });
        assert!(text.contains("ASIAX") && !text.contains("hush") && !text.contains("quiet"));
        let url = GetComponentVersionArtifactResponse { pre_signed_url: "https://x?sig".into() };
        assert!(!format!("{url:?}").contains("sig"));
    }

    #[test]
    fn resolve_requests_of_both_nuclei_are_read() {
        let java = r#"{"platform":{"attributes":{"os":"linux","architecture":"amd64"}},"componentCandidates":[{"componentName":"com.example.Hello","componentVersion":"1.0.0","versionRequirements":{"thinggroup/G1":"=1.0.0"}}]}"#;
        let request: ResolveComponentCandidatesRequest = serde_json::from_str(java).unwrap();
        assert_eq!(request.component_candidates[0].version_requirements["thinggroup/G1"], "=1.0.0");
        let lite = r#"{"componentCandidates":[{"componentName":"a","versionRequirements":{"requirements":">=1.0.0 <2.0.0"}}],"platform":{"name":"linux","attributes":{"runtime":"aws_nucleus_lite"}}}"#;
        let request: ResolveComponentCandidatesRequest = serde_json::from_str(lite).unwrap();
        assert_eq!(request.component_candidates[0].component_version, None);
    }

    #[test]
    fn the_last_page_of_groups_has_no_token_at_all() {
        let page = ListThingGroupsResponse::default();
        assert_eq!(serde_json::to_string(&page).unwrap(), r#"{"thingGroups":[]}"#);
    }
}

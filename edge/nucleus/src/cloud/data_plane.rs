//! The Greengrass data plane: HTTPS calls with the device's certificate
//! (device-cloud protocol, section 6).

use std::time::Duration;

use marram_http::StatusCode;
use marram_http::client::{Client, Download, Request, Response, SendRequest, is_transient_status};
use marram_model::data_plane::{
    GetComponentVersionArtifactResponse, GetDeploymentConfigurationResponse,
    ListThingGroupsResponse, ResolveComponentCandidatesRequest, ResolveComponentCandidatesResponse,
    ResolvedComponentVersion, ThingGroupMembership,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::settings::{CloudSettings, ReadIdentity};

/// How long one call may take.
const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// How long an artifact's server may be silent.
const DOWNLOAD_SILENCE: Duration = Duration::from_secs(60);
/// The longest answer: recipes of one component are at most 16 kB; this leaves room.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// More pages than any device has groups: a cloud that never ends its list must not hold us.
const MAX_PAGES: usize = 100;

/// The data plane's client; clones share its connections.
#[derive(Debug, Clone)]
pub struct DataPlane {
    /// Shows the device's certificate.
    device: Client,
    /// Shows none: a presigned URL is its own credential, and its host need not be the cloud's.
    anonymous: Client,
    base_url: String,
    thing: String,
}

/// Why a call of the data plane failed.
#[derive(Debug, thiserror::Error)]
pub enum CallDataPlane {
    /// No answer.
    #[error("{operation} got no answer from the cloud")]
    Unreachable {
        /// The operation.
        operation: &'static str,
        /// Why not.
        #[source]
        source: SendRequest,
    },
    /// The cloud refused.
    #[error("{operation} was answered with {status}{}: {message}", code_suffix(code))]
    Refused {
        /// The operation.
        operation: &'static str,
        /// The HTTP status.
        status: StatusCode,
        /// The error's code, for example `ResourceNotFoundException`; empty when it has none.
        code: String,
        /// The cloud's words.
        message: String,
    },
    /// The answer cannot be read.
    #[error("{operation} was answered with something else than documented: {reason}")]
    BadAnswer {
        /// The operation.
        operation: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl CallDataPlane {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => source.is_transient(),
            Self::Refused { status, .. } => is_transient_status(*status),
            Self::BadAnswer { .. } => false,
        }
    }

    /// Whether the device's policy does not allow the call.
    pub fn is_access_denied(&self) -> bool {
        matches!(self, Self::Refused { status: StatusCode::FORBIDDEN, .. })
    }

    /// The cloud's words, when it says that something does not exist.
    pub fn not_found_message(&self) -> Option<&str> {
        match self {
            Self::Refused { status: StatusCode::NOT_FOUND, message, .. } => Some(message),
            _ => None,
        }
    }
}

impl DataPlane {
    /// A client for the device's cloud; reads the device's identity.
    pub fn new(settings: &CloudSettings) -> Result<Self, ReadIdentity> {
        Ok(Self {
            device: Client::new(Some(settings.tls(&[])?)),
            anonymous: Client::new(Some(settings.anonymous_tls()?)),
            base_url: settings.data_plane_url.clone(),
            thing: settings.thing.clone(),
        })
    }

    /// Asks which versions satisfy the requirements, one answer per candidate.
    pub async fn resolve_component_candidates(
        &self,
        request: &ResolveComponentCandidatesRequest,
    ) -> Result<Vec<ResolvedComponentVersion>, CallDataPlane> {
        const OPERATION: &str = "ResolveComponentCandidates";
        let body = serde_json::to_vec(request).map_err(|error| bad_answer(OPERATION, &error))?;
        let url = format!("{}/greengrass/v2/resolveComponentCandidates", self.base_url);
        let request = Request::post(url, body).header("content-type", "application/json");
        let answer: ResolveComponentCandidatesResponse = self.call(OPERATION, request).await?;
        Ok(answer.resolved_component_versions)
    }

    /// The groups that the device is directly in, each with those above it: all pages.
    pub async fn thing_groups(&self) -> Result<Vec<ThingGroupMembership>, CallDataPlane> {
        const OPERATION: &str = "ListThingGroupsForCoreDevice";
        let thing = escaped(&self.thing, "");
        let url = format!("{}/greengrass/v2/coreDevices/{thing}/thingGroups", self.base_url);
        let mut groups = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let page_url = match &next {
                Some(token) => format!("{url}?nextToken={}", escaped(token, "")),
                None => url.clone(),
            };
            let page: ListThingGroupsResponse =
                self.call(OPERATION, Request::get(page_url)).await?;
            groups.extend(page.thing_groups);
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(groups);
            }
        }
        let reason = format!("more than {MAX_PAGES} pages");
        Err(CallDataPlane::BadAnswer { operation: OPERATION, reason })
    }

    /// Where the whole of a document that went out in short form can be fetched for a while.
    pub async fn deployment_configuration(
        &self,
        deployment_id: &str,
    ) -> Result<GetDeploymentConfigurationResponse, CallDataPlane> {
        let url = format!(
            "{}/greengrass/v2/coreDevices/{}/deployments/{}/configuration",
            self.base_url,
            escaped(&self.thing, ""),
            escaped(deployment_id, ""),
        );
        self.call("GetDeploymentConfiguration", Request::get(url)).await
    }

    /// Where an artifact can be fetched for a while. `name` is what follows `greengrass:`.
    pub async fn artifact_url(
        &self,
        component_arn: &str,
        name: &str,
    ) -> Result<String, CallDataPlane> {
        let url = format!(
            "{}/greengrass/v2/components/{}/artifacts/{}",
            self.base_url,
            escaped(component_arn, ""),
            escaped(name, "/"),
        );
        let answer: GetComponentVersionArtifactResponse =
            self.call("GetComponentVersionArtifact", Request::get(url)).await?;
        Ok(answer.pre_signed_url)
    }

    /// Fetches a presigned URL from a byte on; at most `max_bytes` of it.
    pub async fn download(
        &self,
        url: &str,
        from_byte: u64,
        max_bytes: usize,
    ) -> Result<Download, SendRequest> {
        let request = Request::get(url).deadline(DOWNLOAD_SILENCE).max_body(max_bytes);
        self.anonymous.download(request, from_byte).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: Request,
    ) -> Result<T, CallDataPlane> {
        let request = request.deadline(CALL_DEADLINE).max_body(MAX_ANSWER);
        let answer = self
            .device
            .send(request)
            .await
            .map_err(|source| CallDataPlane::Unreachable { operation, source })?;
        if !answer.status.is_success() {
            return Err(refused(operation, &answer));
        }
        serde_json::from_slice(&answer.body).map_err(|error| bad_answer(operation, &error))
    }
}

fn bad_answer(operation: &'static str, error: &serde_json::Error) -> CallDataPlane {
    CallDataPlane::BadAnswer { operation, reason: error.to_string() }
}

/// Reads rest-json's error form: the code in a header or in `__type`, either possibly with a
/// namespace before `#` or a URL after `:`.
fn refused(operation: &'static str, answer: &Response) -> CallDataPlane {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let member = |name: &str| body.get(name).and_then(Value::as_str);
    let code = answer
        .header("x-amzn-errortype")
        .or_else(|| member("__type"))
        .or_else(|| member("code"))
        .unwrap_or_default();
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    let message = member("message").or_else(|| member("Message")).map_or_else(
        || String::from_utf8_lossy(&answer.body[..answer.body.len().min(500)]).into_owned(),
        str::to_owned,
    );
    CallDataPlane::Refused { operation, status: answer.status, code, message }
}

fn code_suffix(code: &str) -> String {
    if code.is_empty() { String::new() } else { format!(" {code}") }
}

/// Percent-encodes all but the unreserved characters of RFC 3986 and those in `keep`.
fn escaped(text: &str, keep: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let is_plain = byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || keep.as_bytes().contains(&byte);
        if is_plain {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests;

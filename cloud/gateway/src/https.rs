//! Device HTTPS: the Greengrass data plane, the credentials provider, shadows, jobs, publishing.
//!
//! The certificate is the caller. Each operation is one action on one resource of its policies
//! (cloud API, section 5.2), checked before anything is looked up.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderValue;
use marram_aws::ApiError;
use marram_aws::greengrassv2::GetConnectivityInfoRequest;
use marram_aws::iot_jobs_data;
use marram_aws::route::{BindError, Kind, Labels, Route, find};
use marram_fleet::{Fleet, Origin, shadow_error};
use marram_http::StatusCode;
use marram_http::server::{Peer, Reply, Request, read_body, reply};
use marram_model::data_plane::{CredentialsResponse, ResolveComponentCandidatesRequest};
use marram_registry::{DeviceIdentity, RefuseCertificate, Registry};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::broker_sink::DeviceTopics;
use crate::device::arn_prefix;
use crate::jobs_https;
use crate::reserved::{self, NO_CONNECTION};
use crate::service_error::{access_denied, error_reply, unreadable};

/// AWS IoT's bound on a payload; requests of the data plane are far smaller.
const MAX_BODY_BYTES: usize = 256 * 1024;
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// AWS IoT's bound on an MQTT payload in bytes.
const MAX_PAYLOAD_BYTES: usize = 128 * 1024;
/// AWS IoT's bound on a topic in bytes.
const MAX_TOPIC_BYTES: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Credentials,
    DeleteShadow,
    GetArtifact,
    GetConfiguration,
    GetConnectivity,
    GetShadow,
    ListThingGroups,
    Publish,
    Resolve,
    UpdateConnectivity,
    UpdateShadow,
}

type Query = &'static [(&'static str, &'static str, Kind)];

const fn route(
    operation: Operation,
    method: &'static str,
    template: &'static str,
    query: Query,
) -> Route<Operation> {
    Route { operation, method, template, query, headers: &[], status: 200 }
}

/// The signing name of the service of shadows and publishing.
const IOT_DATA: &str = "iotdata";

const CONNECTIVITY: &str = "/greengrass/things/{thingName}/connectivityInfo";
const SHADOW: &str = "/things/{thingName}/shadow";
const SHADOW_NAME: Query = &[("name", "shadowName", Kind::Text)];
const PUBLISH: Query = &[("qos", "qos", Kind::Int), ("retain", "retain", Kind::Bool)];

const ROUTES: &[Route<Operation>] = &[
    Route {
        headers: &[("x-amzn-iot-thingname", "thingName")],
        ..route(Operation::Credentials, "GET", "/role-aliases/{roleAlias}/credentials", &[])
    },
    route(
        Operation::ListThingGroups,
        "GET",
        "/greengrass/v2/coreDevices/{thingName}/thingGroups",
        &[],
    ),
    route(Operation::Resolve, "POST", "/greengrass/v2/resolveComponentCandidates", &[]),
    route(
        Operation::GetArtifact,
        "GET",
        "/greengrass/v2/components/{arn}/artifacts/{artifactName+}",
        &[],
    ),
    route(Operation::GetConnectivity, "GET", CONNECTIVITY, &[]),
    route(Operation::UpdateConnectivity, "PUT", CONNECTIVITY, &[]),
    route(
        Operation::GetConfiguration,
        "GET",
        "/greengrass/v2/coreDevices/{thingName}/deployments/{deploymentId}/configuration",
        &[],
    ),
    route(Operation::GetShadow, "GET", SHADOW, SHADOW_NAME),
    route(Operation::UpdateShadow, "POST", SHADOW, SHADOW_NAME),
    route(Operation::DeleteShadow, "DELETE", SHADOW, SHADOW_NAME),
    route(Operation::Publish, "POST", "/topics/{topic+}", PUBLISH),
];

/// What device HTTPS needs.
#[derive(Debug)]
pub(crate) struct DeviceHttp {
    registry: Registry,
    fleet: Fleet,
    topics: DeviceTopics,
    arn_prefix: String,
}

/// A request whose caller is known and whose members are bound.
struct Call<'a> {
    identity: &'a DeviceIdentity,
    members: Map<String, Value>,
    body: Bytes,
}

impl Call<'_> {
    fn text(&self, member: &str) -> &str {
        self.members.get(member).and_then(Value::as_str).unwrap_or_default()
    }

    fn shadow_name(&self) -> Option<&str> {
        Some(self.text("shadowName")).filter(|name| !name.is_empty())
    }

    /// Denies what no policy of the certificate allows.
    fn check(&self, action: &str, resource: &str) -> Result<(), ApiError> {
        if self.identity.decide_http(action, resource).is_allowed() {
            return Ok(());
        }
        let id = self.identity.certificate_id();
        Err(access_denied(format_args!(
            "no policy of the certificate `{id}` allows {action} on {resource}"
        )))
    }
}

impl DeviceHttp {
    pub(crate) fn new(registry: Registry, fleet: Fleet, topics: DeviceTopics) -> Self {
        let arn_prefix = arn_prefix(registry.account());
        Self { registry, fleet, topics, arn_prefix }
    }

    /// Answers one request; errors are answers too.
    pub(crate) async fn answer(&self, request: Request, peer: Peer) -> Reply {
        let service = service_of(request.uri().path());
        let mut reply = match self.call(request, &peer).await {
            Ok(body) => reply(StatusCode::OK, "application/json", body),
            Err(error) => {
                let address = peer.address;
                if error.status >= 500 {
                    tracing::error!(%address, %error, "a device's call failed");
                } else {
                    tracing::debug!(%address, %error, "a device's call was refused");
                }
                error_reply(&error.named_for(service))
            }
        };
        if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
            reply.headers_mut().insert("x-amzn-requestid", id);
        }
        reply
    }

    async fn call(&self, request: Request, peer: &Peer) -> Result<Vec<u8>, ApiError> {
        let Some(certificate) = &peer.certificate else {
            return Err(access_denied("show a client certificate"));
        };
        let identity = self.registry.authenticate_certificate(certificate).await.map_err(
            |error| match error {
                RefuseCertificate::Load(error) => error,
                refused => access_denied(refused),
            },
        )?;
        let (parts, body) = request.into_parts();
        let body = read_body(body, MAX_BODY_BYTES, BODY_DEADLINE)
            .await
            .map_err(|error| unreadable(&error))?;
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        if let Some((route, labels)) = find(iot_jobs_data::ROUTES, method, path) {
            let query = parts.uri.query().unwrap_or_default();
            return self.jobs(&identity, (route, labels), query, &body).await;
        }
        let Some((route, labels)) = find(ROUTES, method, path) else {
            return Err(unknown(&parts, body.len()));
        };
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let query = parts.uri.query().unwrap_or_default();
        let members = route
            .bind(labels, query, header, Map::new())
            .map_err(|error| unbound(&error, service_of(parts.uri.path())))?;
        let call = Call { identity: &identity, members, body };
        self.dispatch(route.operation, &call).await
    }

    async fn jobs(
        &self,
        identity: &DeviceIdentity,
        (route, labels): (&Route<iot_jobs_data::Operation>, Labels),
        query: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, ApiError> {
        let members = route
            .bind(labels, query, |_| None, jobs_https::members(body)?)
            .map_err(|error| ApiError::invalid_request(error.to_string()))?;
        let call = Call { identity, members, body: Bytes::new() };
        let resource = format!("{}thing/{}", self.arn_prefix, call.text("thingName"));
        call.check(&jobs_https::action(route.operation), &resource)?;
        jobs_https::answer(&self.fleet, route.operation, call.members).await
    }

    async fn dispatch(&self, operation: Operation, call: &Call<'_>) -> Result<Vec<u8>, ApiError> {
        match operation {
            Operation::Credentials => self.credentials(call).await,
            Operation::ListThingGroups => self.list_thing_groups(call).await,
            Operation::Resolve => self.resolve(call).await,
            Operation::GetArtifact => self.get_artifact(call).await,
            Operation::GetConnectivity => self.get_connectivity(call).await,
            Operation::UpdateConnectivity => self.update_connectivity(call).await,
            Operation::GetConfiguration => self.get_configuration(call).await,
            Operation::GetShadow | Operation::UpdateShadow | Operation::DeleteShadow => {
                self.shadow(operation, call).await
            }
            Operation::Publish => self.publish(call).await,
        }
    }

    async fn credentials(&self, call: &Call<'_>) -> Result<Vec<u8>, ApiError> {
        let thing = Some(call.text("thingName")).filter(|thing| !thing.is_empty());
        let alias = call.text("roleAlias");
        let credentials = self.registry.issue_role_credentials(call.identity, alias, thing).await?;
        json(&CredentialsResponse { credentials })
    }

    async fn list_thing_groups(&self, call: &Call<'_>) -> Result<Vec<u8>, ApiError> {
        let thing = call.text("thingName");
        let resource = format!("{}thing/{thing}", self.arn_prefix);
        call.check("greengrass:ListThingGroupsForCoreDevice", &resource)?;
        json(&self.fleet.thing_groups_for_core(thing).await?)
    }

    async fn resolve(&self, call: &Call<'_>) -> Result<Vec<u8>, ApiError> {
        call.check("greengrass:ResolveComponentCandidates", "*")?;
        let request: ResolveComponentCandidatesRequest = serde_json::from_slice(&call.body)
            .map_err(|error| ApiError::validation("CANNOT_PARSE", error.to_string(), &[]))?;
        json(&self.fleet.resolve_component_candidates(request).await?)
    }

    async fn get_artifact(&self, call: &Call<'_>) -> Result<Vec<u8>, ApiError> {
        call.check("greengrass:GetComponentVersionArtifact", call.text("arn"))?;
        let request = serde_json::from_value(Value::Object(call.members.clone()))
            .map_err(|error| ApiError::validation("CANNOT_PARSE", error.to_string(), &[]))?;
        json(&self.fleet.get_component_version_artifact(request).await?)
    }

    async fn get_connectivity(&self, call: &Call<'_>) -> Result<Vec<u8>, ApiError> {
        let thing_name = call.text("thingName").to_owned();
        let resource = format!("{}thing/{thing_name}", self.arn_prefix);
        call.check("greengrass:GetConnectivityInfo", &resource)?;
        let request = GetConnectivityInfoRequest { thing_name };
        json(&self.fleet.get_connectivity_info(request).await?)
    }

    async fn update_connectivity(&self, call: &Call<'_>) -> Result<Vec<u8>, ApiError> {
        let thing = call.text("thingName");
        let resource = format!("{}thing/{thing}", self.arn_prefix);
        call.check("greengrass:UpdateConnectivityInfo", &resource)?;
        let unreadable =
            |error: serde_json::Error| ApiError::validation("CANNOT_PARSE", error.to_string(), &[]);
        let mut members: Map<String, Value> =
            serde_json::from_slice(&call.body).map_err(unreadable)?;
        members.insert("thingName".to_owned(), Value::from(thing));
        let request = serde_json::from_value(Value::Object(members)).map_err(unreadable)?;
        json(&self.fleet.update_connectivity_info(request).await?)
    }

    /// AWS knows this action on all resources only, which would let every device read what is
    /// another's; so the certificate must be the thing's.
    async fn get_configuration(&self, call: &Call<'_>) -> Result<Vec<u8>, ApiError> {
        let (thing, id) = (call.text("thingName"), call.text("deploymentId"));
        call.check("greengrass:GetDeploymentConfiguration", "*")?;
        if !call.identity.is_attached_to(thing) {
            return Err(access_denied(format_args!("the certificate is not that of `{thing}`")));
        }
        json(&self.fleet.get_deployment_configuration(thing, id).await?)
    }

    async fn shadow(&self, operation: Operation, call: &Call<'_>) -> Result<Vec<u8>, ApiError> {
        let (thing, shadow) = (call.text("thingName"), call.shadow_name());
        let action = match operation {
            Operation::UpdateShadow => "iot:UpdateThingShadow",
            Operation::DeleteShadow => "iot:DeleteThingShadow",
            _ => "iot:GetThingShadow",
        };
        let name = shadow.map(|shadow| format!("/{shadow}")).unwrap_or_default();
        call.check(action, &format!("{}thing/{thing}{name}", self.arn_prefix))?;
        let origin = Origin::Elsewhere;
        let document = match operation {
            Operation::UpdateShadow => {
                self.fleet.update_shadow(thing, shadow, &call.body, origin).await
            }
            Operation::DeleteShadow => self.fleet.delete_shadow(thing, shadow, b"", origin).await,
            _ => self.fleet.get_shadow(thing, shadow, b"", origin).await,
        };
        json(&document.map_err(shadow_error)?)
    }

    /// Publishes as MQTT would. A reserved topic takes its request, whose answer is published too.
    async fn publish(&self, call: &Call<'_>) -> Result<Vec<u8>, ApiError> {
        let topic = call.text("topic");
        let is_name = !topic.is_empty() && !topic.contains(['+', '#', '\0']);
        if !is_name || topic.len() > MAX_TOPIC_BYTES {
            let message = format!(
                "`topic` is `{topic}`: use 1 to {MAX_TOPIC_BYTES} bytes without `+` and `#`"
            );
            return Err(ApiError::invalid_request(message));
        }
        let retain = call.members.get("retain").and_then(Value::as_bool).unwrap_or(false);
        let resource = format!("{}topic/{topic}", self.arn_prefix);
        call.check("iot:Publish", &resource)?;
        if retain {
            call.check("iot:RetainPublish", &resource)?;
        }
        if call.body.len() > MAX_PAYLOAD_BYTES {
            let message = format!("the payload is longer than {MAX_PAYLOAD_BYTES} bytes");
            return Err(ApiError::new("RequestEntityTooLargeException", 413, message));
        }
        let at_least_once = match call.members.get("qos").and_then(Value::as_i64) {
            None | Some(0) => false,
            Some(1) => true,
            Some(qos) => {
                return Err(ApiError::invalid_request(format!("`qos` is {qos}: use 0 or 1")));
            }
        };
        if topic.starts_with('$') {
            reserved::take(&self.fleet, NO_CONNECTION, topic, &call.body).await?;
        } else {
            self.topics.publish(topic, call.body.clone(), at_least_once, retain);
            if retain || at_least_once {
                self.topics.kept().await?;
            }
        }
        json(&serde_json::json!({ "message": "OK" }))
    }
}

fn json<T: Serialize>(answer: &T) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(answer)
        .map_err(|error| ApiError::internal(format!("an answer has no JSON: {error}")))
}

/// The AWS service that a path belongs to, by its signing name.
fn service_of(path: &str) -> &'static str {
    if path.starts_with("/things/") || path.starts_with("/topics/") {
        IOT_DATA
    } else {
        "greengrass"
    }
}

fn unbound(error: &BindError, service: &str) -> ApiError {
    if service == IOT_DATA {
        return ApiError::invalid_request(error.to_string());
    }
    ApiError::validation("CANNOT_PARSE", error.to_string(), &[])
}

/// Four operations of the data plane have paths that nobody outside AWS has written down; that a
/// nucleus asked for one is kept in the log, for whoever comes to implement them. Not its body,
/// which may hold what is secret.
fn unknown(parts: &hyper::http::request::Parts, body_bytes: usize) -> ApiError {
    let (method, path) = (&parts.method, parts.uri.path());
    if path.starts_with("/greengrass/") {
        tracing::warn!(%method, path, body_bytes, "a Greengrass request that is not known");
    }
    ApiError::new("UnknownOperationException", 404, format!("there is no {method} {path}"))
}

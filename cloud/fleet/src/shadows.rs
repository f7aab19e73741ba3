//! Shadows of any thing, for devices and the cloud itself; what devices report in the deployment
//! shadow is taken as a deployment's status.

use marram_aws::ApiError;
use marram_model::arn::{ConfigurationArn, Target};
use marram_model::shadow_topics::{DEPLOYMENT_SHADOW, ReportedDeployment, ShadowTopic, ShadowVerb};
use marram_shadow::{Rejected, Stored};
use marram_store::{DeploymentRow, ShadowRow};
use serde::Serialize;
use serde_json::Value;

use crate::effective;
use crate::fleet::Fleet;
use crate::paging;
use crate::unit::Unit;

/// A refusal with the error that the model of `iotdata` has for it.
pub fn shadow_error(rejected: Rejected) -> ApiError {
    let (code, status) = match rejected.code {
        401 => ("UnauthorizedException", 401),
        403 => ("ForbiddenException", 403),
        404 => ("ResourceNotFoundException", 404),
        409 => ("ConflictException", 409),
        413 => ("RequestEntityTooLargeException", 413),
        415 => ("UnsupportedDocumentEncodingException", 415),
        429 => ("ThrottlingException", 429),
        500.. => ("InternalFailureException", 500),
        _ => ("InvalidRequestException", 400),
    };
    ApiError::new(code, status, rejected.message)
}

/// Pages of `ListNamedShadowsForThing`.
const MAX_PAGE: i64 = 100;

/// Answer to `ListNamedShadowsForThing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListNamedShadowsResponse {
    results: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    /// In seconds since 1970.
    timestamp: i64,
}

/// Who asks; the answer on MQTT goes to it even if it did not subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// The MQTT connection with this client id.
    Client(&'a str),
    /// Somebody else, for instance over HTTP: only subscribers hear.
    Elsewhere,
}

impl Fleet {
    /// Answers a shadow request that came over MQTT; replies go through the sink. Topics that are
    /// not requests are ignored: devices only receive on them.
    pub async fn shadow_request(&self, client_id: &str, topic: &ShadowTopic, payload: &[u8]) {
        let origin = Origin::Client(client_id);
        let shadow = topic.shadow.as_deref();
        let (done, verb) = match topic.verb {
            ShadowVerb::Get => {
                let done = self.get_shadow(&topic.thing, shadow, payload, origin).await;
                (done, ShadowVerb::GetRejected)
            }
            ShadowVerb::Update => {
                let done = self.update_shadow(&topic.thing, shadow, payload, origin).await;
                (done, ShadowVerb::UpdateRejected)
            }
            ShadowVerb::Delete => {
                let done = self.delete_shadow(&topic.thing, shadow, payload, origin).await;
                (done, ShadowVerb::DeleteRejected)
            }
            _ => return,
        };
        if let (Err(rejected), Some(sink)) = (done, self.inner.sink()) {
            let document = rejected.document(self.inner.now_ms().div_euclid(1000));
            let payload = document.to_string().into_bytes();
            sink.reply(client_id, topic.with(verb).to_topic(), payload);
        }
    }

    /// The shadow's document; from MQTT it is also sent as `get/accepted`.
    ///
    /// # Errors
    /// See [`marram_shadow::get`]; 500 when the store refused.
    pub async fn get_shadow(
        &self,
        thing: &str,
        shadow: Option<&str>,
        payload: &[u8],
        origin: Origin<'_>,
    ) -> Result<Value, Rejected> {
        let (mut unit, current) = self.open_shadow(thing, shadow).await?;
        let document =
            marram_shadow::get(current.as_ref(), payload, &name_of(thing, shadow), unit.now_s())?;
        if let Origin::Client(client_id) = origin {
            let topic = topic(thing, shadow, ShadowVerb::GetAccepted);
            unit.reply(client_id, topic, document.to_string().into_bytes());
            unit.commit().await.map_err(failed)?;
        }
        Ok(document)
    }

    /// Changes the shadow and sends `accepted`, `documents` and, if there is one, `delta`.
    ///
    /// # Errors
    /// See [`marram_shadow::update`]; 500 when the store refused.
    pub async fn update_shadow(
        &self,
        thing: &str,
        shadow: Option<&str>,
        payload: &[u8],
        origin: Origin<'_>,
    ) -> Result<Value, Rejected> {
        check_name(shadow)?;
        let mut unit = self.unit().await.map_err(failed)?;
        let accepted = update(&mut unit, thing, shadow, payload, origin).await?;
        if shadow == Some(DEPLOYMENT_SHADOW) {
            take_report(&mut unit, thing, &accepted).await.map_err(failed)?;
        }
        unit.commit().await.map_err(failed)?;
        Ok(accepted)
    }

    /// Deletes the shadow and sends `accepted`.
    ///
    /// # Errors
    /// See [`marram_shadow::delete`]; 500 when the store refused.
    pub async fn delete_shadow(
        &self,
        thing: &str,
        shadow: Option<&str>,
        payload: &[u8],
        origin: Origin<'_>,
    ) -> Result<Value, Rejected> {
        let (mut unit, current) = self.open_shadow(thing, shadow).await?;
        let name = name_of(thing, shadow);
        let deletion = marram_shadow::delete(current.as_ref(), payload, &name, unit.now_s())?;
        save(&mut unit, thing, shadow, &deletion.stored).await.map_err(failed)?;
        send(
            &mut unit,
            origin,
            topic(thing, shadow, ShadowVerb::DeleteAccepted),
            &deletion.accepted,
        );
        unit.commit().await.map_err(failed)?;
        Ok(deletion.accepted)
    }

    /// `ListNamedShadowsForThing`: by name; none for a thing without shadows, which need not be
    /// registered.
    ///
    /// # Errors
    /// A page size or token that is not valid.
    pub async fn list_named_shadows(
        &self,
        thing: &str,
        page_size: Option<i64>,
        next_token: Option<&str>,
    ) -> Result<ListNamedShadowsResponse, ApiError> {
        let size = paging::size_of("pageSize", page_size, MAX_PAGE)?;
        let after = paging::iot_after(next_token)?;
        let mut reader = self.inner.store.read().await?;
        let names = reader.shadow_names_after(thing, &after, paging::limit(size)).await?;
        let (results, next_token) = paging::cut(names, size, String::clone);
        let timestamp = self.inner.now_ms().div_euclid(1000);
        Ok(ListNamedShadowsResponse { results, next_token, timestamp })
    }

    /// A change that begins with reading the shadow.
    async fn open_shadow(
        &self,
        thing: &str,
        shadow: Option<&str>,
    ) -> Result<(Unit, Option<Stored>), Rejected> {
        check_name(shadow)?;
        let mut unit = self.unit().await.map_err(failed)?;
        let current = load(&mut unit, thing, shadow).await.map_err(failed)?;
        Ok((unit, current))
    }
}

fn check_name(shadow: Option<&str>) -> Result<(), Rejected> {
    if shadow.is_none_or(marram_shadow::is_valid_name) {
        return Ok(());
    }
    let message = "the shadow's name must be 1 to 64 letters, digits, `$`, `:`, `_` and `-`";
    Err(Rejected::new(400, message))
}

/// Changes the shadow within a unit.
pub(crate) async fn update(
    unit: &mut Unit,
    thing: &str,
    shadow: Option<&str>,
    payload: &[u8],
    origin: Origin<'_>,
) -> Result<Value, Rejected> {
    let current = load(unit, thing, shadow).await.map_err(failed)?;
    let update = marram_shadow::update(current.as_ref(), payload, unit.now_s())?;
    save(unit, thing, shadow, &update.stored).await.map_err(failed)?;
    send(unit, origin, topic(thing, shadow, ShadowVerb::UpdateAccepted), &update.accepted);
    let everybody = Origin::Elsewhere;
    send(unit, everybody, topic(thing, shadow, ShadowVerb::UpdateDocuments), &update.documents);
    if let Some(delta) = &update.delta {
        send(unit, everybody, topic(thing, shadow, ShadowVerb::UpdateDelta), delta);
    }
    Ok(update.accepted)
}

/// What the device reports of its deployment, if the update said so.
async fn take_report(unit: &mut Unit, thing: &str, accepted: &Value) -> Result<(), ApiError> {
    let Some(reported) = accepted.pointer("/state/reported").filter(|value| value.is_object())
    else {
        return Ok(());
    };
    let report: ReportedDeployment = match serde_json::from_value(reported.clone()) {
        Ok(report) => report,
        Err(error) => {
            tracing::warn!(thing, %error, "a deployment status in the shadow cannot be read");
            return Ok(());
        }
    };
    let Some(deployment) = reported_deployment(unit, thing, &report).await? else {
        let arn = report.fleet_configuration_arn_for_status;
        tracing::warn!(thing, arn, "a deployment status is about no deployment of this thing");
        return Ok(());
    };
    effective::record(unit, &deployment, thing, &report.outcome()).await
}

async fn reported_deployment(
    unit: &mut Unit,
    thing: &str,
    report: &ReportedDeployment,
) -> Result<Option<DeploymentRow>, ApiError> {
    let Ok(arn) = ConfigurationArn::parse(&report.fleet_configuration_arn_for_status) else {
        return Ok(None);
    };
    if arn.target != Target::Thing(thing.to_owned()) {
        return Ok(None);
    }
    let target_arn = unit.inner.account.thing(thing);
    let revision = i64::try_from(arn.revision).unwrap_or(i64::MAX);
    Ok(unit.tx.deployment_revision(&target_arn, revision).await?)
}

async fn load(
    unit: &mut Unit,
    thing: &str,
    shadow: Option<&str>,
) -> Result<Option<Stored>, ApiError> {
    let Some(row) = unit.tx.shadow(thing, shadow.unwrap_or("")).await? else {
        return Ok(None);
    };
    let document =
        row.document_json.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| {
            ApiError::internal(format!("the shadow of `{thing}` is damaged: {error}"))
        })?;
    Ok(Some(Stored { version: u64::try_from(row.version).unwrap_or_default(), document }))
}

async fn save(
    unit: &mut Unit,
    thing: &str,
    shadow: Option<&str>,
    stored: &Stored,
) -> Result<(), ApiError> {
    let document_json = stored
        .document
        .as_ref()
        .map(serde_json::to_string)
        .transpose()
        .map_err(|error| ApiError::internal(format!("a shadow has no JSON: {error}")))?;
    let version = i64::try_from(stored.version).unwrap_or(i64::MAX);
    let row = ShadowRow { version, document_json };
    unit.tx.put_shadow(thing, shadow.unwrap_or(""), &row).await?;
    Ok(())
}

fn send(unit: &mut Unit, origin: Origin<'_>, topic: String, document: &Value) {
    let payload = document.to_string().into_bytes();
    match origin {
        Origin::Client(client_id) => unit.reply(client_id, topic, payload),
        Origin::Elsewhere => unit.publish(topic, payload),
    }
}

fn topic(thing: &str, shadow: Option<&str>, verb: ShadowVerb) -> String {
    ShadowTopic { thing: thing.to_owned(), shadow: shadow.map(str::to_owned), verb }.to_topic()
}

/// How AWS names a shadow in messages.
fn name_of(thing: &str, shadow: Option<&str>) -> String {
    shadow.map_or_else(|| thing.to_owned(), |shadow| format!("{thing}~{shadow}"))
}

fn failed(error: ApiError) -> Rejected {
    tracing::error!(%error, "a shadow request failed");
    Rejected::new(500, "Internal service failure")
}

#[cfg(test)]
mod tests;

//! One call from its head to its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use marram_aws::ApiError;
use marram_aws::sigv4::{Claim, Family};
use marram_blobs::s3;
use marram_http::server::{ReadBody, Reply, Request, read_body};
use tokio::time::timeout;
use uuid::Uuid;

use crate::api::Services;
use crate::audit::{Deed, Record};
use crate::authority::Authority;
use crate::bind::unknown_operation;
use crate::caller::{Claimed, presumed_family, read_claim};
use crate::envelope::{About, refuse};
use crate::{greengrass, iam, iot, iot_data, iot_jobs_data, own, sts};

/// Room for a deployment of 10 MiB, whose configuration updates are JSON within JSON strings. Only
/// those who name a known access key may send it.
const MAX_GREENGRASS_BODY: usize = 24 * 1024 * 1024;
/// The longest body of a call other than S3's and Greengrass's; AWS's own is 1 MiB and less.
const MAX_BODY: usize = 1024 * 1024;
/// How long such a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// How long an operation of AWS's services but S3 may take; SDKs give up after 60 s.
const CALL_DEADLINE: Duration = Duration::from_secs(50);
/// How long one of our own may take: a back-up copies all there is.
const OWN_DEADLINE: Duration = Duration::from_secs(3600);

/// Answers a request; whatever goes wrong is an answer too.
pub(crate) async fn answer(services: &Services, request: Request, source: SocketAddr) -> Reply {
    let request_id = Uuid::new_v4().to_string();
    let (parts, body) = request.into_parts();
    let (method, uri) = (parts.method.clone(), parts.uri.clone());
    let claim = read_claim(&parts);
    let service =
        claim.as_ref().map_or_else(|_| String::new(), |claim| claim.scope.service.clone());
    let about = About {
        family: if claim.is_ok() { Family::of(&service) } else { presumed_family(&parts) },
        service: &service,
        request_id: &request_id,
        method: &method,
        path: uri.path(),
    };
    let answered = match claim {
        Ok(claim) if service == "s3" => {
            Box::pin(answer_s3(services, parts, body, claim, about, source)).await
        }
        Ok(claim) => Box::pin(answer_other(services, &parts, body, claim, about, source)).await,
        Err(error) => Err(error),
    };
    answered.unwrap_or_else(|error| refuse(&error, about))
}

/// S3 streams: the head is verified before the body is read, and the body while it is.
async fn answer_s3(
    services: &Services,
    parts: Parts,
    body: Incoming,
    claim: Claim,
    about: About<'_>,
    source: SocketAddr,
) -> Result<Reply, ApiError> {
    let claimed = Claimed::look_up(services, &parts, claim).await?;
    let caller = claimed.verify(services, None, source)?;
    let access = match caller.authority.is_for_artifacts() {
        true => s3::Access::Reserved,
        false => s3::Access::Permitted(Arc::clone(&caller.authority) as Arc<dyn s3::Permit>),
    };
    let call = s3::Call {
        request: hyper::Request::from_parts(parts, body),
        payload: caller.payload,
        chunks: caller.chunks,
        access,
        request_id: about.request_id.to_owned(),
    };
    let mut record = record(&caller.authority, about, source);
    let s3::Handled { reply, operation, resource } = services.s3.handle(call).await;
    record.deed = Deed { operation: operation.map(|name| format!("s3:{name}")), resource };
    record.status = Some(reply.status().as_u16());
    Ok(reply)
}

/// All other services sign the whole body, so it is read first.
async fn answer_other(
    services: &Services,
    parts: &Parts,
    body: Incoming,
    claim: Claim,
    about: About<'_>,
    source: SocketAddr,
) -> Result<Reply, ApiError> {
    let claimed = Claimed::look_up(services, parts, claim).await?;
    let limit = if about.service == "greengrass" { MAX_GREENGRASS_BODY } else { MAX_BODY };
    let body = read_body(body, limit, BODY_DEADLINE).await.map_err(|error| unread(&error))?;
    let caller = claimed.verify(services, Some(&body), source)?;
    let mut record = record(&caller.authority, about, source);
    let running = dispatch(services, parts, body, &caller.authority, about, &mut record.deed);
    let deadline = if about.service == own::SERVICE { OWN_DEADLINE } else { CALL_DEADLINE };
    let answered = timeout(deadline, running).await.unwrap_or_else(|_| Err(overdue(deadline)));
    let reply = answered.unwrap_or_else(|error| refuse(&error, about));
    record.status = Some(reply.status().as_u16());
    Ok(reply)
}

async fn dispatch(
    services: &Services,
    parts: &Parts,
    body: Bytes,
    authority: &Authority,
    about: About<'_>,
    deed: &mut Deed,
) -> Result<Reply, ApiError> {
    let registry = &services.registry;
    let answer = match about.service {
        own::SERVICE => return own::answer(services, parts, &body, authority, about, deed).await,
        "greengrass" => greengrass::answer(services, parts, &body, authority, deed).await,
        "iot" => iot::answer(services, parts, &body, authority, deed).await,
        "iot-jobs-data" => iot_jobs_data::answer(services, parts, &body, authority, deed).await,
        "iotdata" => iot_data::answer(services, parts, body, authority, deed).await,
        "sts" => {
            deed.operation = Some("sts:GetCallerIdentity".to_owned());
            let account = &registry.account().account_id;
            sts::answer(account, &authority.principal, parts, &body, about.request_id)
        }
        "iam" => iam::answer(registry, parts, &body, about.request_id, authority, deed).await,
        service => {
            let error = unknown_operation(parts);
            let message = format!("the service `{service}` is not offered: {}", error.message);
            Err(ApiError { message, ..error })
        }
    };
    Ok(answer?.into_reply(about.request_id))
}

fn record<'a>(authority: &'a Authority, about: About<'a>, source: SocketAddr) -> Record<'a> {
    Record {
        request_id: about.request_id,
        principal: &authority.principal,
        source,
        service: about.service,
        method: about.method,
        path: about.path,
        deed: Deed::default(),
        status: None,
    }
}

fn unread(error: &ReadBody) -> ApiError {
    let (code, status) = match error {
        ReadBody::TooLarge { .. } => ("RequestEntityTooLargeException", 413),
        ReadBody::Deadline { .. } => ("RequestTimeoutException", 408),
        ReadBody::Interrupted(_) => ("InvalidRequestException", 400),
    };
    ApiError::new(code, status, error.to_string())
}

fn overdue(deadline: Duration) -> ApiError {
    let seconds = deadline.as_secs();
    let message = format!("the operation took longer than {seconds} s and was given up: try again");
    ApiError::new("ServiceUnavailableException", 503, message)
}

//! The service `marram`: what AWS has no call for. So far one operation, `POST /backup`.

use std::fmt;
use std::fs::File;
use std::net::SocketAddr;
use std::pin::Pin;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use marram_aws::ApiError;
use marram_aws::sigv4::Claim;
use marram_blobs::ContentBody;
use marram_http::server::{Reply, read_body, streamed};
use marram_registry::Principal;

use crate::api::Services;
use crate::bind::unknown_operation;
use crate::call::{BODY_DEADLINE, MAX_BODY, record, unread};
use crate::caller::Claimed;
use crate::envelope::{About, refuse};

/// The signing name.
pub(crate) const SERVICE: &str = "marram";

/// A back-up being made.
pub type BackingUp<'b> = Pin<Box<dyn Future<Output = Result<File, ApiError>> + Send + 'b>>;

/// Makes back-ups of the whole cloud.
pub trait Backups: Send + Sync + fmt::Debug {
    /// Makes one; gives its archive, open for reading from its start.
    fn back_up(&self) -> BackingUp<'_>;
}

/// Answers with the archive. It holds every secret of the cloud, so only the root key gets it,
/// whatever policies say.
pub(crate) async fn answer(
    services: &Services,
    parts: &Parts,
    body: Incoming,
    claim: Claim,
    about: About<'_>,
    source: SocketAddr,
) -> Result<Reply, ApiError> {
    let claimed = Claimed::look_up(services, parts, claim).await?;
    let body = read_body(body, MAX_BODY, BODY_DEADLINE).await.map_err(|error| unread(&error))?;
    let caller = claimed.verify(Some(&body), services.clock.now_ms())?;
    let reply = match run(services, parts, &caller.principal).await {
        Ok(reply) => reply,
        Err(error) => refuse(&error, about),
    };
    record(&caller.principal, about, source).write(reply.status().as_u16());
    Ok(reply)
}

async fn run(services: &Services, parts: &Parts, who: &Principal) -> Result<Reply, ApiError> {
    if parts.method != hyper::Method::POST || parts.uri.path() != "/backup" {
        return Err(unknown_operation(parts));
    }
    if !who.is_root() {
        return Err(ApiError::access_denied(format!(
            "User: {} is not authorized to perform: marram:Backup: a back-up holds every secret, \
             so only the root key may make one",
            who.arn()
        )));
    }
    let file = services.backups.back_up().await?;
    let length = file.metadata().map_err(|error| ApiError::internal(error.to_string()))?.len();
    let mut reply = streamed(StatusCode::OK, ContentBody::of(file, length));
    let headers = reply.headers_mut();
    headers.insert(hyper::header::CONTENT_LENGTH, length.into());
    headers.insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/zip"),
    );
    Ok(reply)
}

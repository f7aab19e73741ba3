//! A small AWS client: signed calls to a cloud, as the AWS CLI makes them.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use hyper::Method;
use marram_aws::sigv4::{Credentials, Payload, Request as SignedParts, Signer};
use marram_cloud::Ready;
use marram_http::client::{Client, Download, Request, SendRequest};
use marram_os::clock::{Clock, SystemClock};
use serde_json::Value;

/// How long the cloud may be silent in a download, and before it: it makes the archive first.
const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(600);

/// Calls one cloud with its first access key.
#[derive(Debug)]
pub(crate) struct AwsClient {
    http: Client,
    endpoint: String,
    host: String,
    region: String,
    credentials: Credentials,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallCloud {
    /// The cloud refused.
    #[error("{code}: {message}")]
    Refused { status: u16, code: String, message: String },
    /// The cloud could not be asked.
    #[error("the cloud could not be reached: is it running?")]
    Send(#[source] SendRequest),
    /// The reply is not what was asked for.
    #[error("the cloud's reply is not JSON")]
    Reply(#[source] serde_json::Error),
}

impl CallCloud {
    /// True if the cloud refused with this code.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// True if the cloud refused with this HTTP status.
    pub(crate) fn is_status(&self, wanted: u16) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == wanted)
    }
}

impl AwsClient {
    /// A client that trusts the cloud's own CA and nothing else.
    pub(crate) fn new(ready: &Ready) -> Result<Self> {
        let path = &ready.ca_file;
        let ca = std::fs::read_to_string(path)
            .with_context(|| format!("reading the cloud's CA {}", path.display()))?;
        let tls = marram_tls::client_config(&ca, None, &[])
            .with_context(|| format!("trusting the cloud's CA {}", path.display()))?;
        let host = ready.endpoint_url.trim_start_matches("https://").trim_end_matches('/');
        Ok(Self {
            http: Client::new(Some(tls)),
            endpoint: ready.endpoint_url.trim_end_matches('/').to_owned(),
            host: host.to_owned(),
            region: ready.region.clone(),
            credentials: Credentials {
                access_key_id: ready.access_key_id.clone(),
                secret_access_key: ready.secret_access_key.clone(),
                session_token: None,
            },
        })
    }

    /// One rest-json call; `target` is the encoded path with its query.
    pub(crate) async fn call(
        &self,
        service: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Value, CallCloud> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let reply = self.send(service, method, target, headers, body.as_bytes()).await?;
        if reply.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&reply).map_err(CallCloud::Reply)
    }

    /// One call of any service, with any body; gives the reply's bytes.
    pub(crate) async fn send(
        &self,
        service: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Bytes, CallCloud> {
        let request = self.signed(service, method, target, headers, body);
        self.exchange(if service == "s3" { whole_object(request) } else { request }).await
    }

    /// Follows a presigned URL.
    pub(crate) async fn fetch(&self, url: &str) -> Result<Bytes, CallCloud> {
        self.exchange(whole_object(Request::get(url))).await
    }

    async fn exchange(&self, request: Request) -> Result<Bytes, CallCloud> {
        let response = self.http.send(request).await.map_err(CallCloud::Send)?;
        if response.status.is_success() {
            return Ok(response.body);
        }
        let code = response
            .header("x-amzn-errortype")
            .map_or_else(|| response.status.to_string(), ToOwned::to_owned);
        Err(refused(response.status.as_u16(), &code, &response.body))
    }

    /// Starts a call whose answer is too long for memory.
    pub(crate) async fn download(
        &self,
        service: &str,
        method: &str,
        target: &str,
    ) -> Result<Download, CallCloud> {
        let request = self
            .signed(service, method, target, &[], &[])
            .deadline(DOWNLOAD_DEADLINE)
            .max_body(usize::MAX);
        self.http.download(request, 0).await.map_err(|error| match error {
            SendRequest::Status { status, body, .. } => {
                refused(status.as_u16(), &status.to_string(), &body)
            }
            error => CallCloud::Send(error),
        })
    }

    fn signed(
        &self,
        service: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Request {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut sent: Vec<(&str, &str)> = vec![("host", &self.host)];
        sent.extend_from_slice(headers);
        let signer = Signer {
            credentials: &self.credentials,
            region: &self.region,
            service,
            now_ms: SystemClock.now_ms(),
        };
        let parts = SignedParts { method, path, query, headers: &sent };
        let added = signer.sign(&parts, &Payload::of(body));
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        let mut request = Request::new(method, format!("{}{target}", self.endpoint))
            .body(Bytes::copy_from_slice(body));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in added {
            request = request.header(name, value);
        }
        request
    }

    /// For calls that make a thing which may be there already: that is no failure.
    pub(crate) fn already_exists<T: Default>(error: CallCloud) -> Result<T, CallCloud> {
        if error.is("ResourceAlreadyExistsException") { Ok(T::default()) } else { Err(error) }
    }
}

/// Objects of S3 are as long as they are.
fn whole_object(request: Request) -> Request {
    request.deadline(DOWNLOAD_DEADLINE).max_body(usize::MAX)
}

fn refused(status: u16, code: &str, body: &[u8]) -> CallCloud {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = json["message"]
        .as_str()
        .map_or_else(|| String::from_utf8_lossy(body).into_owned(), ToOwned::to_owned);
    CallCloud::Refused { status, code: code.to_owned(), message }
}

/// One path segment: every byte outside the unreserved set is percent-encoded.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_segment_is_encoded_whole() {
        assert_eq!(encoded("a:b/c d~é"), "a%3Ab%2Fc%20d~%C3%A9");
    }
}

//! Gets credentials from the cloud and keeps them, and its refusals, for a while.

use std::time::Duration;

use bytes::Bytes;
use marram_http::StatusCode;
use marram_http::client::{Client, Response, SendRequest};
use marram_model::data_plane::CredentialsResponse;
use marram_nucleus::cloud::CloudSettings;
use marram_nucleus::config::ConfigStore;
use marram_os::clock::SharedClock;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use tracing::warn;

/// Credentials are asked for anew so long before their end.
const EARLY_REFRESH_MS: i64 = 300_000;
/// How long a request waits for another one's question to the cloud.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest pause before the one retry of a failed connection, in milliseconds.
const JITTER_MS: i64 = 200;
const MAX_ANSWER: usize = 64 * 1024;

/// How long refusals are kept, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetrySettings {
    client_error_s: i64,
    server_error_s: i64,
    unknown_error_s: i64,
}

impl RetrySettings {
    /// Reads `credentialRetryInSec`; a value outside 10 to 42900 is replaced by its default.
    pub(crate) fn read(configuration: &Value) -> Self {
        let seconds = |key: &str, default: i64| {
            let value = configuration.get("credentialRetryInSec").and_then(|retry| retry.get(key));
            let number = value.and_then(|v| v.as_i64().or_else(|| v.as_str()?.trim().parse().ok()));
            number.filter(|seconds| (10..=42_900).contains(seconds)).unwrap_or(default)
        };
        Self {
            client_error_s: seconds("clientError", 120),
            server_error_s: seconds("serverError", 60),
            unknown_error_s: seconds("unknownError", 300),
        }
    }

    fn of(&self, status: StatusCode) -> i64 {
        if status.is_client_error() {
            self.client_error_s
        } else if status.is_server_error() {
            self.server_error_s
        } else {
            self.unknown_error_s
        }
    }
}

/// What a component gets: credentials, or the reason why there are none.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The body may hold credentials.
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    fn failed(body: String) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, body: body.into() }
    }
}

#[derive(Debug)]
pub(crate) struct Provider {
    config: ConfigStore,
    clock: SharedClock,
    retry: RetrySettings,
    /// Held while the cloud is asked, so that it is asked once for all who wait.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The client, and what it was made from: other settings mean other credentials.
    client: Option<(CloudSettings, Client)>,
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    answer: Answer,
    until_ms: i64,
}

impl Provider {
    pub(crate) fn new(config: ConfigStore, clock: SharedClock, retry: RetrySettings) -> Self {
        Self { config, clock, retry, state: Mutex::default() }
    }

    /// The kept answer, or a new one.
    pub(crate) async fn credentials(&self) -> Answer {
        let Ok(mut state) = timeout(PATIENCE, self.state.lock()).await else {
            let body = Bytes::from_static(b"the credentials provider is slow");
            return Answer { status: StatusCode::GATEWAY_TIMEOUT, body };
        };
        let client = match self.client(&mut state) {
            Ok(client) => client,
            Err(reason) => return Answer::failed(reason),
        };
        let now_ms = self.clock.now_ms();
        if let Some(kept) = state.kept.as_ref().filter(|kept| now_ms < kept.until_ms) {
            return kept.answer.clone();
        }
        let (answer, until_ms) = self.ask(&client).await;
        state.kept = until_ms.map(|until_ms| Kept { answer: answer.clone(), until_ms });
        answer
    }

    /// The client for the present settings; with other ones than before, nothing is kept.
    fn client(&self, state: &mut State) -> Result<(CloudSettings, Client), String> {
        let settings = CloudSettings::from_config(&self.config)
            .ok_or_else(|| "the device is not configured for a cloud".to_owned())?;
        if let Some((known, client)) = &state.client
            && *known == settings
        {
            return Ok((settings, client.clone()));
        }
        let tls = settings.tls(&[]).map_err(|error| {
            warn!(error = &error as &dyn std::error::Error, "the device's identity is unusable");
            "Failed to get connection".to_owned()
        })?;
        let client = Client::new(Some(tls));
        *state = State { client: Some((settings.clone(), client.clone())), kept: None };
        Ok((settings, client))
    }

    /// Asks the cloud; with the answer, until when it is to be kept.
    async fn ask(&self, (settings, client): &(CloudSettings, Client)) -> (Answer, Option<i64>) {
        let response = match self.exchange(settings, client).await {
            Ok(response) => response,
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "no credentials from the cloud");
                let until_ms = self.clock.now_ms() + self.retry.unknown_error_s * 1000;
                return (Answer::failed("Failed to get connection".to_owned()), Some(until_ms));
            }
        };
        let status = response.status;
        if status != StatusCode::OK {
            let body = format!(
                "TES responded with status code: {}. Caching response. {}",
                status.as_u16(),
                String::from_utf8_lossy(&response.body)
            );
            warn!(body, "no credentials from the cloud");
            let until_ms = self.clock.now_ms() + self.retry.of(status) * 1000;
            return (Answer { status, body: body.into() }, Some(until_ms));
        }
        self.read(&response.body)
    }

    async fn exchange(
        &self,
        settings: &CloudSettings,
        client: &Client,
    ) -> Result<Response, SendRequest> {
        let request = settings.credentials_request().max_body(MAX_ANSWER);
        match client.send(request.clone()).await {
            Err(SendRequest::Connect { .. } | SendRequest::Exchange { .. }) => {
                let jitter = self.clock.now_ms().rem_euclid(JITTER_MS);
                sleep(Duration::from_millis(jitter.unsigned_abs())).await;
                client.send(request).await
            }
            done => done,
        }
    }

    fn read(&self, body: &[u8]) -> (Answer, Option<i64>) {
        let credentials = match serde_json::from_slice::<CredentialsResponse>(body) {
            Ok(response) => response.credentials,
            Err(error) => return (Answer::failed(format!("Bad TES response: {error}")), None),
        };
        let expires = match OffsetDateTime::parse(&credentials.expiration, &Rfc3339) {
            Ok(expires) => expires.unix_timestamp().saturating_mul(1000),
            Err(error) => {
                let reason = format!("Bad TES response: expiration: {error}");
                return (Answer::failed(reason), None);
            }
        };
        if expires <= self.clock.now_ms() {
            let instant = &credentials.expiration;
            let reason = format!("TES responded with credentials that expired at {instant}");
            return (Answer::failed(reason), None);
        }
        let body = json!({
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "Token": credentials.session_token,
            "Expiration": credentials.expiration,
        });
        let answer = Answer { status: StatusCode::OK, body: body.to_string().into() };
        // Credentials that end within the time of early refresh are never kept.
        (answer, Some(expires - EARLY_REFRESH_MS))
    }
}

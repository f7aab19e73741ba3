//! Requests over MQTT: a publish, and its answer on another topic, found by its client token.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::oneshot;
use uuid::Uuid;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// On `…/accepted`.
    Accepted(Bytes),
    /// On `…/rejected`.
    Rejected(Bytes),
}

/// The requests that wait for their answer.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    waiting: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
}

/// A request that waits; dropping it gives up.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    requests: &'a Requests,
    token: String,
    answer: oneshot::Receiver<Answer>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(rename = "clientToken")]
    client_token: Option<String>,
}

impl Requests {
    /// A new request with a token of its own.
    pub(crate) fn begin(&self) -> Waiting<'_> {
        let token = Uuid::new_v4().to_string();
        let (sender, answer) = oneshot::channel();
        self.lock().insert(token.clone(), sender);
        Waiting { requests: self, token, answer }
    }

    /// Whether a message is about a request of this device that still waits.
    pub(crate) fn is_own(&self, token: &str) -> bool {
        self.lock().contains_key(token)
    }

    /// Hands an answer to its request, if it is one's.
    pub(crate) fn answer(&self, answer: Answer) {
        let (Answer::Accepted(payload) | Answer::Rejected(payload)) = &answer;
        let token =
            serde_json::from_slice(payload).ok().and_then(|token: Token| token.client_token);
        let waiting = token.and_then(|token| self.lock().remove(&token));
        if let Some(waiting) = waiting {
            // Nobody waits any more: its deadline has passed.
            let _ = waiting.send(answer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    /// What the request must carry as `clientToken`.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The answer; `None` when the link is gone.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.requests.lock().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(token: &str) -> Bytes {
        format!(r#"{{"timestamp":1,"clientToken":"{token}"}}"#).into()
    }

    #[tokio::test]
    async fn answer_finds_its_request_by_token() {
        let requests = Requests::default();
        let mut one = requests.begin();
        let mut two = requests.begin();
        let (first, second) = (payload(one.token()), payload(two.token()));
        requests.answer(Answer::Rejected(second.clone()));
        requests.answer(Answer::Accepted(payload("stranger")));
        requests.answer(Answer::Accepted("not json".into()));
        requests.answer(Answer::Accepted(first.clone()));
        assert_eq!(one.answer().await, Some(Answer::Accepted(first)));
        assert_eq!(two.answer().await, Some(Answer::Rejected(second)));
    }

    #[test]
    fn request_that_was_given_up_is_forgotten() {
        let requests = Requests::default();
        let waiting = requests.begin();
        let token = waiting.token().to_owned();
        assert!(requests.is_own(&token));
        drop(waiting);
        assert!(!requests.is_own(&token));
    }
}

//! The three requests, and the messages that answer them.

use serde_json::{Map, Value, json};

use crate::MAX_STATE_BYTES;
use crate::delta::delta;
use crate::document::{Document, Section, SectionChange, Stored, change_metadata};
use crate::request::{UpdateRequest, parse_envelope, parse_update};

/// Why a request was refused: the message on `…/rejected`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Rejected {
    /// An HTTP-like status: 400, 404, 409, 413, 415 …
    pub code: u16,
    /// For people; clients act on the code.
    pub message: String,
    /// The request's token, if it could be read.
    pub client_token: Option<String>,
}

impl Rejected {
    /// A refusal without a client token.
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), client_token: None }
    }

    /// The same refusal, answering the request with this token.
    #[must_use]
    pub fn for_token(mut self, client_token: Option<String>) -> Self {
        self.client_token = client_token;
        self
    }

    /// The document to publish.
    pub fn document(&self, now_s: i64) -> Value {
        let body = json!({"code": self.code, "message": self.message, "timestamp": now_s});
        with_token(body, self.client_token.as_ref())
    }
}

/// What an accepted update leads to. The messages are sent in the order of the fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// What to keep.
    pub stored: Stored,
    /// For `…/update/accepted`.
    pub accepted: Value,
    /// For `…/update/documents`.
    pub documents: Value,
    /// For `…/update/delta`; `None` when desired and reported agree.
    pub delta: Option<Value>,
}

/// What an accepted deletion leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Deletion {
    /// The tombstone to keep: it carries the version on.
    pub stored: Stored,
    /// For `…/delete/accepted`.
    pub accepted: Value,
}

/// Applies an update to the shadow; `current` is `None` only if it never existed.
///
/// # Errors
/// 400 malformed, 409 another version, 413 too large, 415 not UTF-8.
pub fn update(current: Option<&Stored>, payload: &[u8], now_s: i64) -> Result<Update, Rejected> {
    let request = parse_update(payload)?;
    apply(current, &request, now_s)
        .map_err(|rejected| rejected.for_token(request.envelope.client_token.clone()))
}

fn apply(
    current: Option<&Stored>,
    request: &UpdateRequest,
    now_s: i64,
) -> Result<Update, Rejected> {
    check_version(current, request.envelope.version)?;
    let previous = current.and_then(|stored| stored.document.as_ref());
    let document =
        previous.cloned().unwrap_or_default().changed(&request.desired, &request.reported, now_s);
    if document.state_bytes() > MAX_STATE_BYTES {
        let message = "The payload exceeds the maximum size allowed";
        return Err(Rejected::new(413, message));
    }
    let version = current.map_or(0, |stored| stored.version) + 1;
    let token = request.envelope.client_token.as_ref();
    let delta = delta(&document).map(|section| delta_message(section, version, now_s, token));
    Ok(Update {
        accepted: accepted_message(request, version, now_s),
        documents: documents_message(current, &document, version, now_s, token),
        delta,
        stored: Stored { version, document: Some(document) },
    })
}

fn accepted_message(request: &UpdateRequest, version: u64, now_s: i64) -> Value {
    let sections: [(&str, &SectionChange); 2] =
        [("desired", &request.desired), ("reported", &request.reported)];
    let metadata: Map<String, Value> = sections
        .into_iter()
        .filter_map(|(name, change)| {
            change_metadata(change, now_s).map(|m| (name.to_owned(), Value::Object(m)))
        })
        .collect();
    let body = json!({
        "state": request.state,
        "metadata": metadata,
        "version": version,
        "timestamp": now_s,
    });
    with_token(body, request.envelope.client_token.as_ref())
}

fn documents_message(
    current: Option<&Stored>,
    document: &Document,
    version: u64,
    now_s: i64,
    token: Option<&String>,
) -> Value {
    let mut body = Map::new();
    let previous = current.and_then(|s| s.document.as_ref().map(|d| (d, s.version)));
    if let Some((previous, version)) = previous {
        body.insert("previous".to_owned(), snapshot(previous, version));
    }
    body.insert("current".to_owned(), snapshot(document, version));
    body.insert("timestamp".to_owned(), Value::from(now_s));
    with_token(Value::Object(body), token)
}

fn snapshot(document: &Document, version: u64) -> Value {
    json!({"state": document.state(), "metadata": document.metadata(), "version": version})
}

fn delta_message(section: Section, version: u64, now_s: i64, token: Option<&String>) -> Value {
    let body = json!({
        "version": version,
        "timestamp": now_s,
        "state": section.state,
        "metadata": section.metadata,
    });
    with_token(body, token)
}

/// Reads the shadow: the message for `…/get/accepted`. `name` is for the refusal's text.
///
/// # Errors
/// 400 malformed, 404 no shadow, 415 not UTF-8.
pub fn get(
    current: Option<&Stored>,
    payload: &[u8],
    name: &str,
    now_s: i64,
) -> Result<Value, Rejected> {
    let envelope = parse_envelope(payload)?;
    let Some((document, version)) = existing(current) else {
        return Err(not_found(name).for_token(envelope.client_token));
    };
    let mut state = document.state();
    if let Some(section) = delta(document) {
        state.insert("delta".to_owned(), Value::Object(section.state));
    }
    let body = json!({
        "state": state,
        "metadata": document.metadata(),
        "version": version,
        "timestamp": now_s,
    });
    Ok(with_token(body, envelope.client_token.as_ref()))
}

/// Deletes the shadow: reports the deleted version, and moves the counter one further, so that
/// whoever creates it again and knows of the deletion sends that one. `name` is for the text.
///
/// # Errors
/// 400 malformed, 404 no shadow, 409 another version, 415 not UTF-8.
pub fn delete(
    current: Option<&Stored>,
    payload: &[u8],
    name: &str,
    now_s: i64,
) -> Result<Deletion, Rejected> {
    let envelope = parse_envelope(payload)?;
    let Some((_, version)) = existing(current) else {
        return Err(not_found(name).for_token(envelope.client_token));
    };
    check_version(current, envelope.version)
        .map_err(|rejected| rejected.for_token(envelope.client_token.clone()))?;
    let body = json!({"version": version, "timestamp": now_s});
    Ok(Deletion {
        stored: Stored { version: version + 1, document: None },
        accepted: with_token(body, envelope.client_token.as_ref()),
    })
}

fn existing(current: Option<&Stored>) -> Option<(&Document, u64)> {
    current.and_then(|stored| stored.document.as_ref().map(|document| (document, stored.version)))
}

fn not_found(name: &str) -> Rejected {
    Rejected::new(404, format!("No shadow exists with name: '{name}'"))
}

fn check_version(current: Option<&Stored>, asked: Option<u64>) -> Result<(), Rejected> {
    let matches = match (asked, current) {
        (None, _) => true,
        (Some(asked), Some(stored)) => asked == stored.version,
        (Some(asked), None) => asked <= 1,
    };
    if matches { Ok(()) } else { Err(Rejected::new(409, "Version conflict")) }
}

fn with_token(mut body: Value, token: Option<&String>) -> Value {
    if let (Some(token), Value::Object(members)) = (token, &mut body) {
        members.insert("clientToken".to_owned(), Value::from(token.as_str()));
    }
    body
}

#[cfg(test)]
mod tests;

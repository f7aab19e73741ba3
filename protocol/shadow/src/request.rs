//! Reading a request's bytes, and refusing what AWS refuses.

use serde_json::{Map, Value};

use crate::document::SectionChange;
use crate::reply::Rejected;

const MAX_CLIENT_TOKEN_BYTES: usize = 64;

/// A non-empty object or array is refused below this level; the section itself is level 1.
const MAX_DEPTH: usize = 6;

/// Whether `name` may be a named shadow's name: 1 to 64 of `$ a-z A-Z 0-9 : _ -`.
pub fn is_valid_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"$:_-".contains(&b))
}

/// What every request may carry.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Envelope {
    pub(crate) version: Option<u64>,
    pub(crate) client_token: Option<String>,
}

/// An update, checked as far as it can be without the stored shadow.
#[derive(Debug, PartialEq)]
pub(crate) struct UpdateRequest {
    pub(crate) envelope: Envelope,
    /// `state` as sent, for the echo; without `delta`.
    pub(crate) state: Value,
    pub(crate) desired: SectionChange,
    pub(crate) reported: SectionChange,
}

/// Reads a get's or delete's payload; no payload at all is as good as `{}`.
pub(crate) fn parse_envelope(payload: &[u8]) -> Result<Envelope, Rejected> {
    if payload.is_empty() {
        return Ok(Envelope::default());
    }
    let mut members = parse_object(payload)?;
    envelope(&mut members)
}

/// Reads an update's payload.
pub(crate) fn parse_update(payload: &[u8]) -> Result<UpdateRequest, Rejected> {
    let mut members = parse_object(payload)?;
    let envelope = envelope(&mut members)?;
    let token = envelope.client_token.clone();
    let (state, desired, reported) =
        parse_state(members.remove("state")).map_err(|rejected| rejected.for_token(token))?;
    Ok(UpdateRequest { envelope, state, desired, reported })
}

fn parse_object(payload: &[u8]) -> Result<Map<String, Value>, Rejected> {
    let text = std::str::from_utf8(payload).map_err(|_| {
        Rejected::new(415, "Unsupported documented encoding; supported encoding is UTF-8")
    })?;
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Rejected::new(400, "Invalid JSON: the payload must be an object")),
        Err(error) => Err(Rejected::new(400, format!("Invalid JSON: {error}"))),
    }
}

fn envelope(members: &mut Map<String, Value>) -> Result<Envelope, Rejected> {
    let client_token = match members.remove("clientToken") {
        None | Some(Value::Null) => None,
        Some(Value::String(token)) if token.len() <= MAX_CLIENT_TOKEN_BYTES => Some(token),
        Some(_) => {
            let message = "Invalid clientToken: it must be a string of at most 64 bytes";
            return Err(Rejected::new(400, message));
        }
    };
    let version = match members.remove("version") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_u64().ok_or_else(|| {
            let message =
                format!("Invalid version `{value}`: it must be a whole number, 0 or more");
            Rejected::new(400, message).for_token(client_token.clone())
        })?),
    };
    Ok(Envelope { version, client_token })
}

type State = (Value, SectionChange, SectionChange);

fn parse_state(state: Option<Value>) -> Result<State, Rejected> {
    let mut state = match state {
        None => return Err(Rejected::new(400, "Missing required node: state")),
        Some(Value::Null) => {
            return Ok((Value::Null, SectionChange::Remove, SectionChange::Remove));
        }
        Some(Value::Object(state)) => state,
        Some(_) => return Err(Rejected::new(400, "State node must be an object")),
    };
    state.shift_remove("delta");
    if let Some(other) = state.keys().find(|key| !matches!(key.as_str(), "desired" | "reported")) {
        let message =
            format!("State contains the node `{other}`: only desired and reported are allowed");
        return Err(Rejected::new(400, message));
    }
    let desired = section(&state, "desired")?;
    let reported = section(&state, "reported")?;
    Ok((Value::Object(state), desired, reported))
}

fn section(state: &Map<String, Value>, name: &str) -> Result<SectionChange, Rejected> {
    match state.get(name) {
        None => Ok(SectionChange::Keep),
        Some(Value::Null) => Ok(SectionChange::Remove),
        Some(value @ Value::Object(map)) => {
            if is_deeper_than(value, MAX_DEPTH) {
                let message = format!("JSON of {name} contains more than {MAX_DEPTH} levels");
                return Err(Rejected::new(400, message));
            }
            Ok(SectionChange::Merge(map.clone()))
        }
        Some(_) => Err(Rejected::new(400, format!("State node {name} must be an object"))),
    }
}

/// Whether a non-empty object or array lies below `levels`, `value` itself being level 1.
fn is_deeper_than(value: &Value, levels: usize) -> bool {
    let mut children: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Object(map) if !map.is_empty() => Box::new(map.values()),
        Value::Array(items) if !items.is_empty() => Box::new(items.iter()),
        _ => return false,
    };
    levels == 0 || children.any(|child| is_deeper_than(child, levels - 1))
}

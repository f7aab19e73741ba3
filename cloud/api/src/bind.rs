//! From a request on the wire to an operation's typed request.

use hyper::http::request::Parts;
use marram_aws::ApiError;
use marram_aws::route::{Route, find};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// How a service words a request that cannot be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `ValidationException` with its reason and fields.
    Greengrass,
    /// `InvalidRequestException`.
    Iot,
}

/// The longest value that a message repeats, in characters.
const SHOWN: usize = 80;
/// A request with more members than any shape has is not searched for the wrong one.
const SEARCHED_MEMBERS: usize = 64;

/// The operation of a request, with all members that the path, query, headers and body give.
pub(crate) struct Bound<O> {
    pub(crate) operation: O,
    /// HTTP status of success.
    pub(crate) status: u16,
    pub(crate) members: Members,
}

/// A request's members by their wire names.
pub(crate) struct Members {
    values: Map<String, Value>,
    dialect: Dialect,
}

/// Finds the route of a request and gathers its members.
pub(crate) fn bind<O: Copy>(
    routes: &'static [Route<O>],
    dialect: Dialect,
    parts: &Parts,
    body: &[u8],
) -> Result<Bound<O>, ApiError> {
    let path = parts.uri.path();
    let Some((route, labels)) = find(routes, parts.method.as_str(), path) else {
        return Err(unknown_operation(parts));
    };
    let body = parse_body(body, dialect)?;
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let query = parts.uri.query().unwrap_or_default();
    let values = route
        .bind(labels, query, header, body)
        .map_err(|error| dialect.unreadable("OTHER", &error.to_string()))?;
    if let Some(field) = values.iter().find_map(|(name, value)| has_nul(value).then_some(name)) {
        return Err(dialect.wrong_field(field, values.get(field), "NUL is no character of a text"));
    }
    Ok(Bound {
        operation: route.operation,
        status: route.status,
        members: Members { values, dialect },
    })
}

/// No text of the API may hold NUL, and PostgreSQL's cannot.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => {
            members.iter().any(|(name, value)| name.contains('\0') || has_nul(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// 404: no operation of the service has this method and path.
pub(crate) fn unknown_operation(parts: &Parts) -> ApiError {
    let message =
        format!("{} {} is no operation that is served here", parts.method, parts.uri.path());
    ApiError::new("UnknownOperationException", 404, message)
}

fn parse_body(body: &[u8], dialect: Dialect) -> Result<Map<String, Value>, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(dialect.unreadable("CANNOT_PARSE", "the body is not a JSON object")),
        Err(error) => {
            Err(dialect.unreadable("CANNOT_PARSE", &format!("the body is not JSON: {error}")))
        }
    }
}

impl Members {
    /// A member that is a text, and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// The texts in a member that is a list.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        let list = self.values.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The operation's typed request.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        let whole = Value::Object(self.values);
        T::deserialize(&whole).map_err(|error| {
            let Value::Object(values) = &whole else {
                return ApiError::internal(error.to_string());
            };
            let text = error.to_string();
            match missing(&text).or_else(|| culprit::<T>(values, &text)) {
                Some(field) => self.dialect.wrong_field(&field, values.get(&field), &text),
                None => self.dialect.unreadable("OTHER", &text),
            }
        })
    }
}

/// The name in serde's "missing field `name`".
fn missing(error: &str) -> Option<String> {
    error.strip_prefix("missing field `")?.strip_suffix('`').map(str::to_owned)
}

/// The member without which the request would not fail in this way. serde does not say which it
/// was; requests are small and this runs only for wrong ones.
fn culprit<T: DeserializeOwned>(values: &Map<String, Value>, error: &str) -> Option<String> {
    if values.len() > SEARCHED_MEMBERS {
        return None;
    }
    let differs = |name: &String| {
        let mut rest = values.clone();
        rest.remove(name);
        match T::deserialize(Value::Object(rest)) {
            Ok(_) => true,
            Err(other) => other.to_string() != error,
        }
    };
    values.keys().find(|name| differs(name)).cloned()
}

impl Dialect {
    fn wrong_field(self, field: &str, value: Option<&Value>, error: &str) -> ApiError {
        let message = match value {
            None => "this member is required".to_owned(),
            Some(value) => {
                let shown: String = value.to_string().chars().take(SHOWN).collect();
                format!("its value is {shown}: {error}")
            }
        };
        match self {
            Self::Greengrass => ApiError::field(field, message),
            Self::Iot => ApiError::invalid_request(format!("`{field}`: {message}")),
        }
    }

    fn unreadable(self, reason: &str, message: &str) -> ApiError {
        match self {
            Self::Greengrass => ApiError::validation(reason, message, &[]),
            Self::Iot => ApiError::invalid_request(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use marram_aws::route::Kind;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    struct Request {
        thing_name: String,
        max_results: Option<i64>,
        tags: Option<Vec<String>>,
    }

    const ROUTES: &[Route<&str>] = &[Route {
        operation: "List",
        method: "POST",
        template: "/things/{thingName}",
        query: &[("maxResults", "maxResults", Kind::Int)],
        headers: &[],
        status: 201,
    }];

    fn read(dialect: Dialect, target: &str, body: &str) -> Result<Request, ApiError> {
        let request = hyper::Request::post(target).body(()).unwrap();
        let (parts, ()) = request.into_parts();
        bind(ROUTES, dialect, &parts, body.as_bytes())?.members.read()
    }

    #[test]
    fn members_come_from_path_query_and_body() {
        let body = r#"{"tags": ["a"], "unknown": 1, "thingName": "not this one"}"#;
        let request = read(Dialect::Iot, "/things/T%3A1?maxResults=5", body).unwrap();
        assert_eq!(
            request,
            Request {
                thing_name: "T:1".to_owned(),
                max_results: Some(5),
                tags: Some(vec!["a".to_owned()])
            }
        );
        assert!(read(Dialect::Iot, "/things/T", "").is_ok());
    }

    #[test]
    fn a_wrong_member_is_named_with_its_value() {
        let error = read(Dialect::Greengrass, "/things/T", r#"{"tags": "x"}"#).unwrap_err();
        assert_eq!((error.code, error.status), ("ValidationException", 400));
        assert_eq!(error.members["reason"], "FIELD_VALIDATION_FAILED");
        assert_eq!(error.members["fields"][0]["name"], "tags");
        assert!(error.message.contains("\"x\""), "{}", error.message);
        let error = read(Dialect::Iot, "/things/T?maxResults=ten", "").unwrap_err();
        assert_eq!(error.code, "InvalidRequestException");
        assert!(error.message.contains("ten"), "{}", error.message);
    }

    #[test]
    fn a_text_with_nul_is_refused_and_named() {
        for body in [r#"{"tags": ["a\u0000"]}"#, r#"{"tags": [{"b\u0000": 1}]}"#] {
            let error = read(Dialect::Greengrass, "/things/T", body).unwrap_err();
            assert_eq!(error.members["fields"][0]["name"], "tags");
        }
        let error = read(Dialect::Iot, "/things/T%00", "").unwrap_err();
        assert!(error.message.contains("thingName"), "{}", error.message);
    }

    #[test]
    fn a_missing_member_is_named() {
        let values = Map::from_iter([("tags".to_owned(), json!([]))]);
        let members = Members { values, dialect: Dialect::Greengrass };
        let error = members.read::<Request>().unwrap_err();
        assert_eq!(error.members["fields"][0]["name"], "thingName");
    }

    #[test]
    fn bodies_that_are_not_objects_cannot_be_parsed() {
        for body in ["[1]", "{", "\"x\""] {
            let error = read(Dialect::Greengrass, "/things/T", body).unwrap_err();
            assert_eq!(error.members["reason"], "CANNOT_PARSE", "{body}");
        }
        let error = read(Dialect::Iot, "/other", "").unwrap_err();
        assert_eq!((error.code, error.status), ("UnknownOperationException", 404));
    }
}

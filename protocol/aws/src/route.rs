//! Route tables of the rest-json services: method, URI template, and where members travel.
//!
//! One table per service, typed by its operation enum. Labels are split on `/` *before* they are
//! percent-decoded, because ARNs travel as `arn%3Aaws%3A…%2F…` inside one segment and
//! nucleus-lite sends the colons raw (cloud API, section 1).

use serde_json::{Map, Value};

/// How a query parameter's text becomes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it stands.
    Text,
    /// A decimal integer.
    Int,
    /// `true` or `false`.
    Bool,
    /// A repeated key: `tagKeys=a&tagKeys=b`.
    List,
}

/// One operation's place on the wire.
#[derive(Debug, Clone, Copy)]
pub struct Route<O: 'static> {
    /// The operation's name in the AWS model, as the API layer dispatches on it.
    pub operation: O,
    /// HTTP method.
    pub method: &'static str,
    /// Path template: `/things/{thingName}`; a last label `{name+}` takes all that is left.
    pub template: &'static str,
    /// Query parameters: wire name, member name, kind.
    pub query: &'static [(&'static str, &'static str, Kind)],
    /// Headers (lower case): wire name, member name.
    pub headers: &'static [(&'static str, &'static str)],
    /// HTTP status of success.
    pub status: u16,
}

/// Why a request's path or query could not be bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// Not percent-encoded UTF-8.
    #[error("`{0}` is not percent-encoded UTF-8")]
    Encoding(String),
    /// A query parameter of the wrong kind.
    #[error("query parameter `{name}` has the value `{value}`: expected {expected}")]
    Query {
        /// The wire name.
        name: String,
        /// The value as sent.
        value: String,
        /// What was expected.
        expected: &'static str,
    },
}

/// Path labels by their names in the template, still percent-encoded.
pub type Labels = Vec<(&'static str, String)>;

/// Finds the route of `method` and raw `path` (still percent-encoded, without the query), and
/// the path labels as sent. Literal segments win over labels, wherever they stand in the table.
pub fn find<'t, O>(
    table: &'t [Route<O>],
    method: &str,
    path: &str,
) -> Option<(&'t Route<O>, Labels)> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    table
        .iter()
        .filter(|route| route.method == method)
        .filter_map(|route| {
            match_template(route.template, &segments).map(|(rank, labels)| (rank, route, labels))
        })
        .max_by(|a, b| a.0.cmp(&b.0))
        .map(|(_, route, labels)| (route, labels))
}

/// A match's rank is one flag per segment, literal before label, so that `max` prefers literals
/// from the left.
type Match = (Vec<bool>, Labels);

fn match_template(template: &'static str, segments: &[&str]) -> Option<Match> {
    let mut rank = Vec::new();
    let mut labels = Vec::new();
    let mut rest = segments;
    for part in template.split('/').skip(1) {
        if let Some(label) = part.strip_prefix('{').and_then(|p| p.strip_suffix("+}")) {
            if rest.is_empty() || rest.iter().all(|s| s.is_empty()) {
                return None;
            }
            labels.push((label, rest.join("/")));
            rank.push(false);
            return Some((rank, labels));
        }
        let (first, tail) = rest.split_first()?;
        rest = tail;
        if let Some(label) = part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            if first.is_empty() {
                return None;
            }
            labels.push((label, (*first).to_owned()));
            rank.push(false);
        } else if part == *first {
            rank.push(true);
        } else {
            return None;
        }
    }
    rest.is_empty().then_some((rank, labels))
}

impl<O> Route<O> {
    /// Gathers labels, query and headers into one object beside the body's members, ready for
    /// `serde_json::from_value` into the operation's request shape.
    ///
    /// # Errors
    /// A label or query that is not percent-encoded UTF-8, or a query value of the wrong kind.
    pub fn bind<'h>(
        &self,
        labels: Labels,
        raw_query: &str,
        header: impl Fn(&str) -> Option<&'h str>,
        mut body: Map<String, Value>,
    ) -> Result<Map<String, Value>, BindError> {
        for (name, raw) in labels {
            body.insert(name.to_owned(), Value::from(percent_decode(&raw)?));
        }
        for (key, value) in parse_query(raw_query)? {
            let Some((wire, member, kind)) = self.query.iter().find(|(wire, _, _)| *wire == key)
            else {
                continue;
            };
            insert_query(&mut body, wire, member, *kind, value)?;
        }
        for (wire, member) in self.headers {
            if let Some(value) = header(wire) {
                body.insert((*member).to_owned(), Value::from(value));
            }
        }
        Ok(body)
    }
}

fn insert_query(
    members: &mut Map<String, Value>,
    wire: &str,
    member: &str,
    kind: Kind,
    value: String,
) -> Result<(), BindError> {
    let wrong =
        |expected| BindError::Query { name: wire.to_owned(), value: value.clone(), expected };
    let parsed = match kind {
        Kind::Text => Value::from(value),
        Kind::Int => Value::from(value.parse::<i64>().map_err(|_| wrong("an integer"))?),
        Kind::Bool => Value::from(value.parse::<bool>().map_err(|_| wrong("`true` or `false`"))?),
        Kind::List => {
            let list = members.entry(member).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(items) = list {
                items.push(Value::from(value));
            }
            return Ok(());
        }
    };
    members.insert(member.to_owned(), parsed);
    Ok(())
}

/// Splits a raw query into decoded pairs; a key without `=` has the value `""`.
///
/// # Errors
/// A part that is not percent-encoded UTF-8.
pub fn parse_query(raw: &str) -> Result<Vec<(String, String)>, BindError> {
    raw.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((percent_decode(key)?, percent_decode(&value.replace('+', " "))?))
        })
        .collect()
}

/// Decodes `%XX`; every other byte stands for itself.
///
/// # Errors
/// A stray `%`, or bytes that are not UTF-8.
pub fn percent_decode(raw: &str) -> Result<String, BindError> {
    let wrong = || BindError::Encoding(raw.to_owned());
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (hex, tail) = rest.split_at_checked(2).ok_or_else(wrong)?;
        let hex = std::str::from_utf8(hex).map_err(|_| wrong())?;
        bytes.push(u8::from_str_radix(hex, 16).map_err(|_| wrong())?);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Op {
        Add,
        Describe,
        Artifact,
    }

    const fn route(operation: Op, method: &'static str, template: &'static str) -> Route<Op> {
        Route { operation, method, template, query: &[], headers: &[], status: 200 }
    }

    const TABLE: &[Route<Op>] = &[
        route(Op::Describe, "PUT", "/thing-groups/{thingGroupName}"),
        route(Op::Add, "PUT", "/thing-groups/addThingToThingGroup"),
        route(Op::Artifact, "GET", "/components/{arn}/artifacts/{artifactName+}"),
    ];

    #[test]
    fn literals_win_over_labels() {
        let (found, labels) = find(TABLE, "PUT", "/thing-groups/addThingToThingGroup").unwrap();
        assert_eq!(found.operation, Op::Add);
        assert!(labels.is_empty());
    }

    #[test]
    fn an_encoded_arn_is_one_label_and_a_greedy_label_keeps_its_slashes() {
        let path = "/components/arn%3Aaws%2Fx/artifacts/a/b%20c.zip";
        let (found, labels) = find(TABLE, "GET", path).unwrap();
        let members = found.bind(labels, "", |_| None, Map::new()).unwrap();
        assert_eq!(members["arn"], "arn:aws/x");
        assert_eq!(members["artifactName"], "a/b c.zip");
    }

    #[test]
    fn a_query_of_the_wrong_kind_names_the_parameter() {
        let route = Route { query: &[("maxResults", "maxResults", Kind::Int)], ..TABLE[0] };
        let error = route.bind(Vec::new(), "maxResults=ten", |_| None, Map::new()).unwrap_err();
        assert!(error.to_string().contains("maxResults"), "{error}");
    }
}

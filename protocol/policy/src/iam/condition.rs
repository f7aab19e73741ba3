//! The `Condition` member: `{operator: {key: value or values}}`, all of which must hold.

use std::net::IpAddr;

use serde_json::Value;

use super::Pattern;
use super::context::{Context, KNOWN, Key};
use super::document::check_variables;
use crate::document::{ParsePolicy, members, one_or_many};
use crate::pattern::Variable;

/// One key of one operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    key: Key,
    /// Holds when none of the values fits (`StringNotEquals`), which a key without a value does.
    negated: bool,
    /// Holds also when the key has no value (`StringEqualsIfExists`).
    if_exists: bool,
    values: Vec<Test>,
}

/// One value, which a key's value fits or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Text(Pattern),
    /// The six parts of an ARN, each by itself: no wildcard crosses a `:` but in the last.
    Arn(Vec<Pattern>),
    /// An address and how many of its leading bits count.
    Network(IpAddr, u8),
}

type ParseTest = fn(&Value, &str) -> Result<Test, ParsePolicy>;

impl Condition {
    /// Reads a statement's `Condition`, whose place in the document is `path`.
    pub(super) fn parse_all(value: &Value, path: &str) -> Result<Vec<Self>, ParsePolicy> {
        let mut conditions = Vec::new();
        for (name, keys) in members(value, path)? {
            let path = format!("{path}.{name}");
            let (operator, if_exists) = match name.strip_suffix("IfExists") {
                Some(operator) => (operator, true),
                None => (name.as_str(), false),
            };
            let (negated, parse) = operator_named(operator).ok_or_else(|| {
                ParsePolicy::field(
                    &path,
                    "is not supported: use StringEquals, StringEqualsIgnoreCase, StringLike, \
                     ArnEquals, ArnLike, IpAddress, their negations (StringNotEquals, \
                     NotIpAddress), or Bool, each also with IfExists",
                )
            })?;
            for (key, value) in members(keys, &path)? {
                let path = format!("{path}.{key}");
                conditions.push(Self {
                    key: key_named(key, &path)?,
                    negated,
                    if_exists,
                    values: values(value, &path, parse)?,
                });
            }
        }
        Ok(conditions)
    }

    /// Whether the condition holds for a caller.
    pub(super) fn holds(&self, context: &Context<'_>) -> bool {
        match self.key.resolve(context) {
            None => self.if_exists || self.negated,
            Some(actual) => {
                self.values.iter().any(|test| test.fits(actual, context)) != self.negated
            }
        }
    }

    /// Whether every variable in the values has a value.
    pub(super) fn resolves(&self, context: &Context<'_>) -> bool {
        self.values.iter().all(|test| match test {
            Test::Text(pattern) => pattern.resolves(context),
            Test::Arn(_) | Test::Network(..) => true,
        })
    }
}

impl Test {
    fn fits(&self, actual: &str, context: &Context<'_>) -> bool {
        match self {
            Self::Text(pattern) => pattern.matches(actual, context),
            Self::Arn(parts) => {
                let actual: Vec<&str> = actual.splitn(ARN_PARTS, ':').collect();
                actual.len() == parts.len()
                    && actual.iter().zip(parts).all(|(text, part)| part.matches(text, context))
            }
            Self::Network(network, bits) => {
                actual.parse().is_ok_and(|address| is_in(address, *network, *bits))
            }
        }
    }
}

/// Partition, service, region, account and resource behind `arn`.
const ARN_PARTS: usize = 6;

/// Whether the operator is a negation, and how its values are read.
fn operator_named(name: &str) -> Option<(bool, ParseTest)> {
    Some(match name {
        "StringEquals" => (false, literal),
        "StringNotEquals" => (true, literal),
        "StringEqualsIgnoreCase" => (false, literal_ignoring_case),
        "StringNotEqualsIgnoreCase" => (true, literal_ignoring_case),
        "StringLike" => (false, like),
        "StringNotLike" => (true, like),
        "ArnEquals" | "ArnLike" => (false, arn),
        "ArnNotEquals" | "ArnNotLike" => (true, arn),
        "IpAddress" => (false, network),
        "NotIpAddress" => (true, network),
        "Bool" => (false, boolean),
        _ => return None,
    })
}

fn key_named(name: &str, path: &str) -> Result<Key, ParsePolicy> {
    match Key::named(name) {
        Key::Unknown(_) => {
            Err(ParsePolicy::field(path, format!("is not a known condition key: use {KNOWN}")))
        }
        key => Ok(key),
    }
}

fn values(value: &Value, path: &str, parse: ParseTest) -> Result<Vec<Test>, ParsePolicy> {
    let values = one_or_many(value);
    if values.is_empty() {
        return Err(ParsePolicy::field(path, "needs at least one value"));
    }
    values.iter().map(|value| parse(value, path)).collect()
}

fn text<'v>(value: &'v Value, path: &str) -> Result<&'v str, ParsePolicy> {
    value.as_str().ok_or_else(|| ParsePolicy::field(path, "must be a string or a list of strings"))
}

fn read_literal(text: &str, path: &str) -> Result<Pattern, ParsePolicy> {
    let pattern = Pattern::without_wildcards(text)
        .map_err(|source| ParsePolicy::field(path, source.to_string()))?;
    check_variables(&pattern, path)?;
    Ok(pattern)
}

fn read_like(text: &str, path: &str) -> Result<Pattern, ParsePolicy> {
    let pattern =
        Pattern::parse(text).map_err(|source| ParsePolicy::field(path, source.to_string()))?;
    check_variables(&pattern, path)?;
    Ok(pattern)
}

fn literal(value: &Value, path: &str) -> Result<Test, ParsePolicy> {
    Ok(Test::Text(read_literal(text(value, path)?, path)?))
}

fn literal_ignoring_case(value: &Value, path: &str) -> Result<Test, ParsePolicy> {
    Ok(Test::Text(read_literal(text(value, path)?, path)?.ignoring_case()))
}

fn like(value: &Value, path: &str) -> Result<Test, ParsePolicy> {
    Ok(Test::Text(read_like(text(value, path)?, path)?))
}

fn arn(value: &Value, path: &str) -> Result<Test, ParsePolicy> {
    let text = text(value, path)?;
    if text.contains("${") {
        // A variable's value may hold `:`, and the parts could not be told apart.
        let problem = format!("has the value `{text}`: variables have no place in an ARN's test");
        return Err(ParsePolicy::field(path, problem));
    }
    let parts: Vec<&str> = text.splitn(ARN_PARTS, ':').collect();
    if parts.len() != ARN_PARTS {
        let problem = format!(
            "has the value `{text}`: write all six parts of an ARN, such as arn:aws:iam::*:user/*"
        );
        return Err(ParsePolicy::field(path, problem));
    }
    let parts = parts.into_iter().map(|part| read_like(part, path));
    Ok(Test::Arn(parts.collect::<Result<_, _>>()?))
}

fn boolean(value: &Value, path: &str) -> Result<Test, ParsePolicy> {
    let text = match value {
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        Value::String(text) if text == "true" || text == "false" => text,
        _ => return Err(ParsePolicy::field(path, "must be \"true\" or \"false\"")),
    };
    Ok(Test::Text(read_literal(text, path)?))
}

fn network(value: &Value, path: &str) -> Result<Test, ParsePolicy> {
    let text = text(value, path)?;
    let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
    let parsed = address.parse::<IpAddr>().ok().and_then(|address| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Test::Network(address, bits))
    });
    parsed.ok_or_else(|| {
        let problem = format!("has the value `{text}`: write an address or a network, 10.0.0.0/8");
        ParsePolicy::field(path, problem)
    })
}

/// Whether the first `bits` of both are the same; IPv4 and IPv6 never are.
fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let shift = |width: u32| width - u32::from(bits).min(width);
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

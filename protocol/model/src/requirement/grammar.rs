//! From the text of a requirement to its comparators.

use super::{Comparator, Operator};
use crate::Version;

/// Why a text is no version requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseRequirement {
    /// A part that is no version, with or without an operator.
    #[error(
        "version requirement `{requirement}`: `{part}` is no version or range; \
         use for example `1.0.0`, `^1.0.0`, `>=1.0.0 <2.0.0` or `1.x || 2.x`"
    )]
    Part {
        /// The whole requirement.
        requirement: String,
        /// The part that was not understood.
        part: String,
    },
    /// Comparators joined by a comma.
    #[error("version requirement `{0}`: separate comparators with a space, not with a comma")]
    Comma(String),
}

/// npm's largest number in a version, 2^53 - 1: one more never overflows.
const MAX_NUMBER: u64 = 9_007_199_254_740_991;

/// Longest first, so that `>=` is not read as `>`.
const PREFIXES: &[(&str, Prefix)] = &[
    (">=", Prefix::Compare(Operator::GreaterOrEqual)),
    ("<=", Prefix::Compare(Operator::LessOrEqual)),
    ("==", Prefix::Compare(Operator::Equal)),
    ("~>", Prefix::Tilde),
    (">", Prefix::Compare(Operator::Greater)),
    ("<", Prefix::Compare(Operator::Less)),
    ("=", Prefix::Compare(Operator::Equal)),
    ("~", Prefix::Tilde),
    ("^", Prefix::Caret),
];

#[derive(Debug, Clone, Copy)]
enum Prefix {
    Compare(Operator),
    Tilde,
    Caret,
}

/// A version whose last numbers may be missing or wildcards.
#[derive(Debug)]
enum Partial {
    Any,
    Major(u64),
    Minor(u64, u64),
    Full(Version),
}

pub(super) fn parse(text: &str) -> Result<Vec<Vec<Comparator>>, ParseRequirement> {
    if text.contains(',') {
        return Err(ParseRequirement::Comma(text.to_owned()));
    }
    text.split("||")
        .map(|set| {
            parse_set(set).map_err(|part| ParseRequirement::Part {
                requirement: text.to_owned(),
                part: part.to_owned(),
            })
        })
        .collect()
}

/// The comparators that must all match, or the part that is wrong.
fn parse_set(text: &str) -> Result<Vec<Comparator>, &str> {
    let text = text.trim();
    if text.is_empty() || text == "latest" {
        return Ok(vec![anything()]);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [from, "-", to] = words[..] {
        return hyphen(from, to);
    }
    let mut set = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (prefix, mut rest) = split_prefix(word);
        if prefix.is_some() && rest.is_empty() {
            rest = words.next().ok_or(word)?;
        }
        let partial = parse_partial(rest)?;
        set.extend(match prefix {
            Some(Prefix::Compare(operator)) => compare(operator, partial),
            Some(Prefix::Tilde) => tilde(partial),
            Some(Prefix::Caret) => caret(partial),
            None => compare(Operator::Equal, partial),
        });
    }
    Ok(set)
}

fn split_prefix(word: &str) -> (Option<Prefix>, &str) {
    PREFIXES
        .iter()
        .find_map(|(text, prefix)| word.strip_prefix(text).map(|rest| (Some(*prefix), rest)))
        .unwrap_or((None, word))
}

fn parse_partial(word: &str) -> Result<Partial, &str> {
    let text = word.strip_prefix(['v', 'V']).unwrap_or(word);
    let numbers_end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, suffix) = text.split_at(numbers_end);
    let mut parts = [None; 3];
    for (place, part) in numbers.split('.').enumerate() {
        let slot = parts.get_mut(place).ok_or(word)?;
        *slot = parse_number(part).ok_or(word)?;
    }
    // Greengrass refuses a bare `x`, but takes `*`.
    if parts[0].is_none() && !numbers.starts_with('*') {
        return Err(word);
    }
    let partial = match parts {
        [None, ..] => Partial::Any,
        [Some(major), None, _] => Partial::Major(major),
        [Some(major), Some(minor), None] => Partial::Minor(major, minor),
        [Some(major), Some(minor), Some(patch)] => {
            let pre = pre_release(suffix).ok_or(word)?;
            return Ok(Partial::Full(Version::new(major, minor, patch).with_pre_release(pre)));
        }
    };
    if suffix.is_empty() { Ok(partial) } else { Err(word) }
}

/// `Some(None)` for a wildcard, `None` for what is no number.
fn parse_number(part: &str) -> Option<Option<u64>> {
    if matches!(part, "*" | "x" | "X") {
        return Some(None);
    }
    let is_decimal = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let has_leading_zero = part.len() > 1 && part.starts_with('0');
    if !is_decimal || has_leading_zero {
        return None;
    }
    part.parse().ok().filter(|&number| number <= MAX_NUMBER).map(Some)
}

/// The pre-release of `-pre+build`; the build part is checked and dropped, as it never counts.
fn pre_release(suffix: &str) -> Option<semver::Prerelease> {
    let (pre, build) = match suffix.split_once('+') {
        Some((pre, build)) => (pre, Some(build)),
        None => (suffix, None),
    };
    if let Some(build) = build
        && (build.is_empty() || semver::BuildMetadata::new(build).is_err())
    {
        return None;
    }
    match pre.strip_prefix('-') {
        Some("") => None,
        Some(pre) => semver::Prerelease::new(pre).ok(),
        None => Some(semver::Prerelease::EMPTY),
    }
}

fn anything() -> Comparator {
    Comparator::at_least(Version::new(0, 0, 0))
}

/// The comparator that no version meets: below the lowest pre-release of 0.0.0.
fn nothing() -> Comparator {
    let lowest = semver::Prerelease::new("0").unwrap_or(semver::Prerelease::EMPTY);
    Comparator::below(Version::new(0, 0, 0).with_pre_release(lowest))
}

/// The first version of a partial one, and the first above all that it stands for.
fn bounds(partial: &Partial) -> Option<(Version, Version)> {
    match *partial {
        Partial::Major(major) => Some((Version::new(major, 0, 0), Version::new(major + 1, 0, 0))),
        Partial::Minor(major, minor) => {
            Some((Version::new(major, minor, 0), Version::new(major, minor + 1, 0)))
        }
        Partial::Any | Partial::Full(_) => None,
    }
}

fn compare(operator: Operator, partial: Partial) -> Vec<Comparator> {
    if let Some((first, beyond)) = bounds(&partial) {
        return match operator {
            Operator::Equal => vec![Comparator::at_least(first), Comparator::below(beyond)],
            Operator::Less => vec![Comparator::below(first)],
            Operator::LessOrEqual => vec![Comparator::below(beyond)],
            Operator::Greater => vec![Comparator::at_least(beyond)],
            Operator::GreaterOrEqual => vec![Comparator::at_least(first)],
        };
    }
    match (partial, operator) {
        (Partial::Full(version), operator) => vec![Comparator { operator, version }],
        (_, Operator::Less | Operator::Greater) => vec![nothing()],
        _ => vec![anything()],
    }
}

fn tilde(partial: Partial) -> Vec<Comparator> {
    match partial {
        Partial::Full(version) => {
            let beyond = Version::new(version.major(), version.minor() + 1, 0);
            vec![Comparator::at_least(version), Comparator::below(beyond)]
        }
        partial => compare(Operator::Equal, partial),
    }
}

fn caret(partial: Partial) -> Vec<Comparator> {
    let (first, beyond) = match partial {
        Partial::Full(version) => {
            let beyond = match (version.major(), version.minor(), version.patch()) {
                (0, 0, patch) => Version::new(0, 0, patch + 1),
                (0, minor, _) => Version::new(0, minor + 1, 0),
                (major, _, _) => Version::new(major + 1, 0, 0),
            };
            (version, beyond)
        }
        Partial::Minor(major, minor) if major > 0 => {
            (Version::new(major, minor, 0), Version::new(major + 1, 0, 0))
        }
        partial => return compare(Operator::Equal, partial),
    };
    vec![Comparator::at_least(first), Comparator::below(beyond)]
}

fn hyphen<'a>(from: &'a str, to: &'a str) -> Result<Vec<Comparator>, &'a str> {
    let mut set = compare(Operator::GreaterOrEqual, parse_partial(from)?);
    set.extend(compare(Operator::LessOrEqual, parse_partial(to)?));
    Ok(set)
}

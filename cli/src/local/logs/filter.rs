//! `--filter`: within one, commas mean "or"; several must all hold.

use anyhow::{Result, bail};
use regex_lite::Regex;

use super::entry::Entry;

const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];

/// What an entry must be to be shown.
#[derive(Debug, Default)]
pub(super) struct Filter {
    all_of: Vec<Vec<Condition>>,
}

#[derive(Debug)]
enum Condition {
    /// At least so grave.
    Level(usize),
    /// Any exception.
    AnyError,
    /// An exception with that text.
    Error(String),
    /// A field with that value.
    Field(String, String),
    /// Something in the line.
    Line(Regex),
}

impl Filter {
    pub(super) fn parse(expressions: &[String]) -> Result<Self> {
        let any_of = |expression: &String| expression.split(',').map(condition).collect();
        Ok(Self { all_of: expressions.iter().map(any_of).collect::<Result<_>>()? })
    }

    /// `entry` is the one that the line is of, if it is of any.
    pub(super) fn matches(&self, line: &str, entry: Option<&Entry>) -> bool {
        self.all_of.iter().all(|any| any.iter().any(|condition| condition.matches(line, entry)))
    }

    /// Where in the line the filter found what it was looking for, without overlaps.
    pub(super) fn marks(&self, shown: &str) -> Vec<(usize, usize)> {
        let mut marks = Vec::new();
        for condition in self.all_of.iter().flatten() {
            match condition {
                Condition::Line(regex) => {
                    marks.extend(regex.find_iter(shown).map(|found| (found.start(), found.end())));
                }
                Condition::Error(text) | Condition::Field(_, text) if !text.is_empty() => {
                    let found = shown.match_indices(text.as_str());
                    marks.extend(found.map(|(at, text)| (at, at + text.len())));
                }
                _ => {}
            }
        }
        marks.sort_unstable();
        let mut end = 0;
        marks.retain(|mark| {
            let keep = mark.0 >= end && mark.1 > mark.0;
            end = if keep { mark.1 } else { end };
            keep
        });
        marks
    }
}

fn condition(text: &str) -> Result<Condition> {
    let text = text.trim();
    let condition = match text.split_once('=') {
        None => match Regex::new(text) {
            Ok(regex) if !text.is_empty() => Condition::Line(regex),
            _ => bail!(
                "Filter expression provided invalid: {text}; write a regular expression, or \
                 NAME=VALUE (see `logs list-keywords`)"
            ),
        },
        Some(("level", level)) => {
            match LEVELS.iter().position(|known| known.eq_ignore_ascii_case(level)) {
                Some(rank) => Condition::Level(rank),
                None => bail!(
                    "Filter expression provided invalid: {text}; the levels are {}",
                    LEVELS.join(", ")
                ),
            }
        }
        Some(("error", "any")) => Condition::AnyError,
        Some(("error", cause)) => Condition::Error(cause.to_owned()),
        Some((name, value)) => Condition::Field(name.to_owned(), value.to_owned()),
    };
    Ok(condition)
}

impl Condition {
    fn matches(&self, line: &str, entry: Option<&Entry>) -> bool {
        match self {
            Self::Line(regex) => regex.is_match(line),
            Self::Level(rank) => entry
                .and_then(|entry| entry.field("level"))
                .and_then(|level| LEVELS.iter().position(|known| *known == level))
                .is_some_and(|has| has >= *rank),
            Self::AnyError => entry.is_some_and(|entry| entry.cause().is_some()),
            Self::Error(text) => {
                entry.and_then(Entry::cause).is_some_and(|cause| cause.contains(text.as_str()))
            }
            Self::Field(name, value) => {
                entry.and_then(|entry| entry.field(name)).is_some_and(|has| has == *value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(filters: &[&str], line: &str) -> bool {
        let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
        Filter::parse(&filters).unwrap().matches(line, Entry::parse(line).as_ref())
    }

    const WARN: &str = r#"{"level":"WARN","thread":"t","contexts":{"serviceName":"a"},"cause":{"message":"boom"}}"#;

    #[test]
    fn c15_a_level_means_at_least() {
        assert!(matches(&["level=INFO"], WARN) && matches(&["level=warn"], WARN));
        assert!(!matches(&["level=ERROR"], WARN));
        assert!(!matches(&["level=TRACE"], "no entry"));
    }

    #[test]
    fn commas_are_or_and_repetition_is_and() {
        assert!(matches(&["thread=x,serviceName=a"], WARN));
        assert!(!matches(&["thread=x", "serviceName=a"], WARN));
        assert!(matches(&["thread=t", "serviceName=a"], WARN));
    }

    #[test]
    fn errors_and_regular_expressions() {
        assert!(matches(&["error=any"], WARN) && matches(&["error=boo"], WARN));
        assert!(!matches(&["error=bang"], WARN));
        assert!(matches(&["bo+m"], WARN) && !matches(&["^x"], WARN));
    }

    #[test]
    fn what_is_no_filter_is_refused_in_the_official_words() {
        for text in ["(", "", "level=LOUD"] {
            let message = Filter::parse(&[text.to_owned()]).unwrap_err().to_string();
            assert!(message.starts_with("Filter expression provided invalid: "), "{message}");
        }
    }

    #[test]
    fn marks_do_not_overlap() {
        let filter = Filter::parse(&["abc,bcd,d".to_owned()]).unwrap();
        assert_eq!(filter.marks("xabcdx"), [(1, 4), (4, 5)]);
    }
}

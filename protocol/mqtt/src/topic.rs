//! Topic names and topic filters (MQTT 5 §4.7, §4.8.2).

/// Longest topic name or filter in bytes that MQTT's length prefix can carry.
pub const MAX_LENGTH: usize = 65_535;

/// Most levels of a topic filter. MQTT has no such limit (AWS IoT allows 8 levels, more below
/// `$aws/`); ours bounds the depth of the [subscription tree](crate::tree).
pub const MAX_FILTER_LEVELS: usize = 128;

/// How long and how deep topics and filters may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicLimits {
    /// Most bytes; twice as many in topics that begin with `$`. AWS IoT: 256.
    pub max_bytes: usize,
    /// Most `/`, except in topics that begin with `$`. AWS IoT: 7.
    pub max_slashes: usize,
}

impl TopicLimits {
    /// Whether the topic or filter keeps to them.
    pub fn allow(&self, topic: &str) -> bool {
        if topic.starts_with('$') {
            return topic.len() <= 2 * self.max_bytes;
        }
        let slashes = topic.bytes().filter(|b| *b == b'/').count();
        topic.len() <= self.max_bytes && slashes <= self.max_slashes
    }
}

/// Whether `topic` may be published to: not empty, no wildcard, no U+0000.
pub fn is_valid_name(topic: &str) -> bool {
    has_valid_length(topic) && !topic.bytes().any(|b| matches!(b, b'+' | b'#' | 0))
}

/// Whether `filter` may be subscribed to: `+` alone in its level, `#` alone in the last level, at
/// most [`MAX_FILTER_LEVELS`] levels.
///
/// A `$share/…` filter must also name a group without wildcards and a filter after it.
pub fn is_valid_filter(filter: &str) -> bool {
    match filter.strip_prefix(SHARE_PREFIX) {
        Some(_) => Shared::parse(filter).is_some(),
        None => is_valid_plain_filter(filter),
    }
}

/// Whether the plain (not shared) `filter` selects `topic`.
///
/// A wildcard in the first level does not select topics that begin with `$` (MQTT 5 §4.7.2).
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut topic_levels = topic.split('/');
    for filter_level in filter.split('/') {
        if filter_level == "#" {
            return true;
        }
        match topic_levels.next() {
            Some(level) if filter_level == "+" || filter_level == level => {}
            _ => return false,
        }
    }
    topic_levels.next().is_none()
}

/// What a `$share/{group}/{filter}` filter is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared<'a> {
    /// Share name: the members of one group get each message once between them.
    pub group: &'a str,
    /// The filter to match and to authorise.
    pub filter: &'a str,
}

const SHARE_PREFIX: &str = "$share/";

impl<'a> Shared<'a> {
    /// Splits a shared filter; `None` when `filter` is not a well-formed one.
    pub fn parse(filter: &'a str) -> Option<Self> {
        let (group, rest) = filter.strip_prefix(SHARE_PREFIX)?.split_once('/')?;
        let valid = !group.is_empty()
            && !group.bytes().any(|b| matches!(b, b'+' | b'#' | 0))
            && is_valid_plain_filter(rest);
        valid.then_some(Self { group, filter: rest })
    }
}

fn is_valid_plain_filter(filter: &str) -> bool {
    if !has_valid_length(filter) {
        return false;
    }
    if filter.bytes().filter(|b| *b == b'/').count() >= MAX_FILTER_LEVELS {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let valid = match level {
            "+" => true,
            "#" => levels.peek().is_none(),
            _ => !level.bytes().any(|b| matches!(b, b'+' | b'#' | 0)),
        };
        if !valid {
            return false;
        }
    }
    true
}

fn has_valid_length(topic: &str) -> bool {
    !topic.is_empty() && topic.len() <= MAX_LENGTH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_not_empty_and_have_no_wildcards() {
        for valid in ["a", "/", "a/b", "a//b", "$aws/things/T/jobs/$next/get", "ä/ü", " "] {
            assert!(is_valid_name(valid), "{valid}");
        }
        for invalid in ["", "+", "a/#", "a+b", "a\0b"] {
            assert!(!is_valid_name(invalid), "{invalid}");
        }
        assert!(is_valid_name(&"a".repeat(65_535)));
        assert!(!is_valid_name(&"a".repeat(65_536)));
    }

    #[test]
    fn filters_have_wildcards_alone_in_their_level() {
        for valid in ["#", "+", "a/+/b", "a/#", "+/+", "/", "$share/g/a/#", "$share/g//", "$aws/#"]
        {
            assert!(is_valid_filter(valid), "{valid}");
        }
        for invalid in ["", "a#", "#/a", "a/#/b", "a+/b", "a/b#", "\0", "$share/", "$share/g"] {
            assert!(!is_valid_filter(invalid), "{invalid}");
        }
        assert!(is_valid_filter(&"/".repeat(MAX_FILTER_LEVELS - 1)));
        assert!(!is_valid_filter(&"/".repeat(MAX_FILTER_LEVELS)));
        for invalid in ["$share//a", "$share/+/a", "$share/g/", "$share/g/a#"] {
            assert!(!is_valid_filter(invalid), "{invalid}");
        }
    }

    #[test]
    fn matching_follows_the_standard_examples() {
        for (filter, topic) in [
            ("sport/tennis/player1/#", "sport/tennis/player1"),
            ("sport/tennis/player1/#", "sport/tennis/player1/ranking"),
            ("sport/#", "sport"),
            ("#", "sport/tennis"),
            ("sport/tennis/+", "sport/tennis/player1"),
            ("sport/+", "sport/"),
            ("+/+", "/finance"),
            ("/+", "/finance"),
            ("$SYS/#", "$SYS/monitor"),
            ("$SYS/monitor/+", "$SYS/monitor/clients"),
        ] {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in [
            ("sport/tennis/+", "sport/tennis/player1/ranking"),
            ("sport/+", "sport"),
            ("+", "/finance"),
            ("a/b", "a/B"),
            ("a/b", "a/b/c"),
            ("a/b/c", "a/b"),
        ] {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }

    #[test]
    fn d_wildcards_at_the_first_level_do_not_select_reserved_topics() {
        assert!(!matches("#", "$aws/things/T/jobs/notify"));
        assert!(!matches("+/things/T/jobs/notify", "$aws/things/T/jobs/notify"));
        assert!(matches("$aws/things/+/jobs/#", "$aws/things/T/jobs/notify"));
    }

    #[test]
    fn shared_filters_split_into_group_and_filter() {
        assert_eq!(
            Shared::parse("$share/workers/a/+/#"),
            Some(Shared { group: "workers", filter: "a/+/#" })
        );
        assert_eq!(Shared::parse("a/b"), None);
    }
}

//! A topic and filters, one a line: the tree finds exactly the filters that match one by one.

use std::collections::BTreeSet;

use marram_mqtt::topic::{self, Shared};
use marram_mqtt::tree::SubscriptionTree;

pub(crate) fn run(data: &[u8]) {
    let Some(([topic], filters)) = crate::lines::split(data) else { return };
    let mut tree = SubscriptionTree::new();
    let mut kept = BTreeSet::new();
    for filter in filters.lines().take(64) {
        assert_eq!(topic::is_valid_filter(filter), is_valid(filter), "{filter}");
        if !topic::is_valid_filter(filter) {
            continue;
        }
        let plain = Shared::parse(filter).map_or(filter, |shared| shared.filter);
        let is_new = tree.insert(plain, plain, ()).is_none();
        assert_eq!(is_new, kept.insert(plain), "{plain}");
    }
    assert_eq!(tree.len(), kept.len());
    if topic::is_valid_name(topic) {
        let mut found = BTreeSet::new();
        tree.visit_matches(topic, &mut |matches| {
            for (filter, ()) in matches {
                assert!(found.insert(*filter), "{filter} found twice for {topic}");
            }
        });
        let expected: BTreeSet<_> =
            kept.iter().copied().filter(|filter| topic::matches(filter, topic)).collect();
        assert_eq!(found, expected, "{topic}");
    }
    for filter in kept {
        assert!(tree.remove(filter, &filter).is_some(), "{filter}");
    }
    assert!(tree.is_empty());
}

/// The rules of MQTT 5 §4.7 and §4.8.2, said another way.
fn is_valid(filter: &str) -> bool {
    if let Some(rest) = filter.strip_prefix("$share/") {
        let Some((group, filter)) = rest.split_once('/') else { return false };
        return !group.is_empty() && !group.contains(['+', '#', '\0']) && is_valid_plain(filter);
    }
    is_valid_plain(filter)
}

fn is_valid_plain(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let last = levels.len() - 1;
    let is_level = |(at, level): (usize, &&str)| match *level {
        "+" => true,
        "#" => at == last,
        text => !text.contains(['+', '#', '\0']),
    };
    !filter.is_empty()
        && filter.len() <= topic::MAX_LENGTH
        && levels.len() <= topic::MAX_FILTER_LEVELS
        && levels.iter().enumerate().all(is_level)
}

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::topic;

fn found(tree: &SubscriptionTree<u32, ()>, topic: &str) -> BTreeSet<u32> {
    let mut keys = BTreeSet::new();
    tree.visit_matches(topic, &mut |entries| keys.extend(entries.iter().map(|(key, ())| *key)));
    keys
}

#[test]
fn replaces_and_removes_by_filter_and_key() {
    let mut tree = SubscriptionTree::new();
    assert_eq!(tree.insert("a/+", 1, "first"), None);
    assert_eq!(tree.insert("a/+", 1, "second"), Some("first"));
    assert_eq!(tree.insert("a/+", 2, "other"), None);
    assert_eq!(tree.len(), 2);
    assert_eq!(tree.remove("a/b", &1), None);
    assert_eq!(tree.remove("a/+", &1), Some("second"));
    assert_eq!(tree.remove("a/+", &2), Some("other"));
    assert!(tree.is_empty());
    assert!(tree.root.is_empty(), "empty nodes are freed");
}

#[test]
fn a_deep_topic_does_not_exhaust_the_stack() {
    let deep = "/".repeat(topic::MAX_LENGTH);
    let mut tree = SubscriptionTree::new();
    tree.insert("#", 1, ());
    assert_eq!(found(&tree, &deep), BTreeSet::from([1]));
}

fn level() -> impl Strategy<Value = String> {
    prop_oneof![Just("a"), Just("b"), Just(""), Just("$aws")].prop_map(str::to_owned)
}

fn filter() -> impl Strategy<Value = String> {
    let levels =
        proptest::collection::vec(prop_oneof![3 => level(), 1 => Just("+".to_owned())], 1..4);
    (levels, any::<bool>()).prop_map(|(mut levels, hash)| {
        if hash {
            levels.push("#".to_owned());
        }
        levels.join("/")
    })
}

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec(level(), 1..5).prop_map(|levels| levels.join("/"))
}

proptest! {
    #[test]
    fn tree_agrees_with_naive_matching(
        filters in proptest::collection::vec((filter(), 0..4_u32, any::<bool>()), 0..40),
        topics in proptest::collection::vec(name(), 1..20),
    ) {
        let mut tree = SubscriptionTree::new();
        let mut naive = BTreeSet::new();
        for (filter, key, add) in filters {
            if add {
                let new = naive.insert((filter.clone(), key));
                prop_assert_eq!(tree.insert(&filter, key, ()).is_none(), new);
            } else {
                let existed = naive.remove(&(filter.clone(), key));
                prop_assert_eq!(tree.remove(&filter, &key).is_some(), existed);
            }
        }
        prop_assert_eq!(tree.len(), naive.len());
        for topic in topics {
            let expected: BTreeSet<u32> = naive
                .iter()
                .filter(|(filter, _)| topic::matches(filter, &topic))
                .map(|(_, key)| *key)
                .collect();
            prop_assert_eq!(found(&tree, &topic), expected);
        }
    }
}

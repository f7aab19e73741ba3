//! Whatever happens to a tree, its journal tells the same story.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::config::edit::{Edit, difference};
use crate::config::origin::Stamp;

#[derive(Debug, Clone)]
enum Step {
    Merge(Vec<&'static str>, Value, i64),
    Replace(Vec<&'static str>, Value, i64),
    Remove(Vec<&'static str>),
    Update(Vec<String>, Map<String, Value>, i64),
    /// A removal and a write in one transaction, with another casing.
    Swap(&'static str, &'static str, Value),
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "A", "b", "ä", "Ä", "services", "c", "configuration"])
}

fn path() -> impl Strategy<Value = Vec<&'static str>> {
    vec(key(), 0..4)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0i64..3).prop_map(Value::from),
        (-1e12..1e12).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            object_of(inner).prop_map(Value::Object),
        ]
    })
}

fn object_of(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    btree_map(key().prop_map(str::to_owned), inner, 0..4).prop_map(|map| map.into_iter().collect())
}

fn step() -> impl Strategy<Value = Step> {
    let ts = 0i64..6;
    prop_oneof![
        (path(), value(), ts.clone()).prop_map(|(p, v, t)| Step::Merge(p, v, t)),
        (path(), value(), ts.clone()).prop_map(|(p, v, t)| Step::Replace(p, v, t)),
        path().prop_map(Step::Remove),
        (vec(key().prop_map(str::to_owned), 0..3), object_of(value()), ts)
            .prop_map(|(p, v, t)| Step::Update(p, v, t)),
        (key(), key(), value()).prop_map(|(from, to, v)| Step::Swap(from, to, v)),
    ]
}

fn carry_out(store: &ConfigStore, step: &Step) {
    match step {
        Step::Merge(path, value, ts) => store.merge(path, value, *ts).unwrap(),
        Step::Replace(path, value, ts) => store.replace(path, value, *ts).unwrap(),
        Step::Remove(path) => store.remove(path).unwrap(),
        Step::Update(path, value, ts) => {
            // Any refusal will do: what counts is that both trees agree on what it left behind.
            let _ = store.update_from_component("c", path, value, *ts, NOW);
        }
        Step::Swap(from, to, value) => store
            .transaction(|tx| {
                tx.remove(&[from]);
                tx.merge(&[to], value, 3)
            })
            .unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn journal_replay_equals_the_live_tree(steps in vec(step(), 1..12)) {
        let fixture = Fixture::new();
        // An object at the root: a configuration never is a leaf.
        fixture.store.merge(&["services", "c"], &json!({}), 1).unwrap();
        for step in steps.iter().filter(|step| keeps_root(step)) {
            carry_out(&fixture.store, step);
        }
        let live = fixture.store.snapshot();
        let replayed = fixture.reopen().store.snapshot();
        prop_assert_eq!(&live, &replayed);
        let bytes = serde_json::to_vec(&live).unwrap();
        prop_assert_eq!(serde_json::from_slice::<ConfigSnapshot>(&bytes).unwrap(), live);
    }

    #[test]
    fn difference_leads_from_any_tree_to_any_other(
        old in object_of(value()), new in object_of(value()), ts in (0i64..3, 0i64..3)
    ) {
        let origin = Arc::new(Origin::Component { name: "c".into() });
        let mut tree = Arc::new(Node::from_object(&old, Stamp { modified: ts.0, origin: None }));
        let wanted = Node::from_object(&new, Stamp { modified: ts.1, origin: Some(&origin) });
        let edits = difference(&tree, &wanted);
        let written = serde_json::to_vec(&edits).unwrap();
        let read: Vec<Edit> = serde_json::from_slice(&written).unwrap();
        prop_assert_eq!(&read, &edits);
        read.iter().for_each(|edit| edit.apply(&mut tree));
        prop_assert_eq!(&*tree, &wanted);
        prop_assert_eq!(difference(&tree, &wanted), vec![]);
    }
}

fn keeps_root(step: &Step) -> bool {
    match step {
        Step::Merge(path, value, _) | Step::Replace(path, value, _) => {
            !path.is_empty() || value.is_object()
        }
        _ => true,
    }
}

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn ids(items: &[QueuedItem]) -> Vec<u64> {
    items.iter().map(|item| item.id).collect()
}

fn segments(folder: &Path) -> Vec<u64> {
    segment_numbers(folder).unwrap()
}

#[test]
fn what_was_added_and_not_removed_comes_back_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (mut queue, items) = Queue::open(folder.path()).unwrap();
    assert!(items.is_empty());
    for id in [3, 1, 2] {
        queue.add(id, format!("item {id}").as_bytes()).unwrap();
    }
    queue.remove(1).unwrap();
    queue.remove(77).unwrap();
    queue.sync().unwrap();
    drop(queue);
    let (_queue, items) = Queue::open(folder.path()).unwrap();
    assert_eq!(ids(&items), [2, 3]);
    assert_eq!(items[0].payload, b"item 2");
}

#[test]
fn segments_that_are_done_with_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (mut queue, _) = Queue::open(folder.path()).unwrap();
    let payload = vec![7; 400 * 1024];
    for id in 0..9 {
        queue.add(id, &payload).unwrap();
    }
    queue.sync().unwrap();
    assert_eq!(segments(folder.path()), [0, 1, 2]);
    for id in 3..9 {
        queue.remove(id).unwrap();
    }
    assert_eq!(segments(folder.path()).len(), 3, "the oldest one is still needed");
    for id in 0..3 {
        queue.remove(id).unwrap();
    }
    assert_eq!(segments(folder.path()), [2]);
    queue.sync().unwrap();
    drop(queue);
    let (_queue, items) = Queue::open(folder.path()).unwrap();
    assert!(items.is_empty());
    assert_eq!(segments(folder.path()), [3]);
}

#[test]
fn one_process_at_a_time_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let _held = Queue::open(folder.path()).unwrap();
    assert!(matches!(Queue::open(folder.path()), Err(OpenJournal::InUse { .. })));
}

#[derive(Debug, Clone)]
enum Step {
    Add(u64, Vec<u8>),
    Remove(u64),
    Sync,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        4 => (0_u64..20, payload).prop_map(|(id, payload)| Step::Add(id, payload)),
        3 => (0_u64..20).prop_map(Step::Remove),
        2 => Just(Step::Sync),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    /// Whatever byte of the last segment is the last that reached the disk, everything synced is
    /// there, and nothing is there that was never added.
    #[test]
    fn a_cut_anywhere_keeps_what_was_synced(
        steps in prop::collection::vec(step(), 1..40),
        cut in 0.0_f64..1.0,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut queue, _) = Queue::open(folder.path()).unwrap();
        let mut live: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let mut synced = live.clone();
        let mut synced_bytes = 0;
        let mut next = 0;
        for step in steps {
            match step {
                Step::Add(id, payload) => {
                    // Numbers are never used twice.
                    let id = next + id;
                    next = id + 1;
                    queue.add(id, &payload).unwrap();
                    live.insert(id, payload);
                }
                Step::Remove(back) => {
                    let id = next.saturating_sub(back);
                    queue.remove(id).unwrap();
                    live.remove(&id);
                }
                Step::Sync => {
                    queue.sync().unwrap();
                    synced = live.clone();
                    synced_bytes = queue.written;
                }
                Step::Reopen => {
                    queue.sync().unwrap();
                    drop(queue);
                    queue = Queue::open(folder.path()).unwrap().0;
                    synced = live.clone();
                    synced_bytes = 0;
                }
            }
        }
        let last = segment_path(folder.path(), *segments(folder.path()).last().unwrap());
        drop(queue);
        let all = std::fs::metadata(&last).unwrap().len();
        let kept = synced_bytes + ((all - synced_bytes) as f64 * cut) as u64;
        OpenOptions::new().write(true).open(&last).unwrap().set_len(kept).unwrap();
        let (_queue, items) = Queue::open(folder.path()).unwrap();
        let found: BTreeMap<u64, Vec<u8>> =
            items.into_iter().map(|item| (item.id, item.payload)).collect();
        for (id, payload) in &synced {
            // Removed since: the removal may or may not have arrived.
            if live.contains_key(id) {
                prop_assert_eq!(found.get(id), Some(payload));
            }
        }
        for id in found.keys() {
            prop_assert!(*id < next);
        }
    }
}

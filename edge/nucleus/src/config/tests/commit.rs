//! Group commit: what is on its way to the disk, in which order, and what becomes of it when the
//! disk fails.

use std::sync::MutexGuard;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

async fn set(store: &ConfigStore, key: &str, value: Value) -> Begun<()> {
    store.begin(|tx| tx.merge(&[key], &value, 5)).await.unwrap()
}

fn records_of(fixture: &Fixture) -> usize {
    let folder = fixture.folder.path().join("config/journal");
    marram_seglog::Journal::look(&folder).unwrap().records.len()
}

/// While it is held, nothing gets to the disk.
fn disk(fixture: &Fixture) -> MutexGuard<'_, ConfigJournal> {
    fixture.store.shared.committer.as_ref().unwrap().disk()
}

/// Takes the disk away: the journal has to be opened again, and cannot be.
fn break_disk(fixture: &Fixture) {
    let journal = fixture.folder.path().join("config/journal");
    disk(fixture).close();
    std::fs::rename(&journal, journal.with_extension("away")).unwrap();
    std::fs::write(&journal, "in the way").unwrap();
}

fn mend_disk(fixture: &Fixture) {
    let journal = fixture.folder.path().join("config/journal");
    std::fs::remove_file(&journal).unwrap();
    std::fs::rename(journal.with_extension("away"), &journal).unwrap();
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the disk is to be slow")]
async fn changes_made_together_share_a_write_and_keep_their_order() {
    let fixture = Fixture::new();
    let mut watcher = fixture.store.watch(&["k"]);
    let slow = disk(&fixture);
    let mut begun = Vec::new();
    for n in 0..200 {
        begun.push(set(&fixture.store, "k", json!(n)).await);
    }
    assert_eq!(fixture.store.get(&["k"]), None, "readers see only what is durable");
    drop(slow);
    for change in begun {
        change.kept().await.unwrap();
    }
    assert_eq!(fixture.store.get(&["k"]), Some(json!(199)));
    assert_eq!(records_of(&fixture), 1);
    for _ in 0..200 {
        assert_eq!(watcher.changed().await.unwrap().path, ["k"]);
    }
    assert_eq!(fixture.reopen().everything(), json!({"k": 199}));
}

#[tokio::test]
async fn a_change_whose_future_is_dropped_happens_all_the_same() {
    let fixture = Fixture::new();
    drop(set(&fixture.store, "dropped", json!(1)).await);
    fixture.store.merge(&["after"], &json!(2), 5).unwrap();
    assert_eq!(fixture.reopen().everything(), json!({"dropped": 1, "after": 2}));
}

#[tokio::test]
async fn a_blocking_change_writes_what_is_staged_before_it() {
    let fixture = Fixture::new();
    let begun = set(&fixture.store, "first", json!(1)).await;
    fixture.store.merge(&["second"], &json!(2), 5).unwrap();
    assert_eq!(fixture.everything(), json!({"first": 1, "second": 2}));
    begun.kept().await.unwrap();
}

#[test]
fn a_runtime_that_ends_leaves_the_next_one_a_writer() {
    let fixture = Fixture::new();
    for n in 0..20 {
        let runtime = runtime();
        let begun = runtime.block_on(set(&fixture.store, "k", json!(n)));
        runtime.shutdown_background();
        drop(begun);
    }
    let wait = async { set(&fixture.store, "k", json!("last")).await.kept().await };
    runtime().block_on(wait).unwrap();
    assert_eq!(fixture.reopen().everything(), json!({"k": "last"}));
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the disk is to be slow")]
async fn what_waits_for_the_disk_is_bounded() {
    let fixture = Fixture::new();
    let text = json!("x".repeat(512 * 1024));
    let slow = disk(&fixture);
    let mut begun = Vec::new();
    for n in 0..8 {
        begun.push(set(&fixture.store, &format!("k{n}"), text.clone()).await);
    }
    let one_more = set(&fixture.store, "more", json!(1));
    let waited = tokio::time::timeout(Duration::from_millis(20), one_more).await;
    assert!(waited.is_err(), "there was room for more than 4 MiB");
    drop(slow);
    set(&fixture.store, "more", json!(1)).await.kept().await.unwrap();
    for change in begun {
        change.kept().await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_write_refuses_all_that_rests_on_it_and_is_mended() {
    let fixture = Fixture::new();
    fixture.store.merge(&["kept"], &json!(1), 5).unwrap();
    let mut watcher = fixture.store.watch(&["lost"]);
    break_disk(&fixture);
    let first = set(&fixture.store, "lost", json!(1)).await;
    let second = set(&fixture.store, "lost", json!(2)).await;
    for begun in [first, second] {
        let error = begun.kept().await.unwrap_err();
        assert!(matches!(error, ChangeConfig::NotWritten(_)), "{error}");
    }
    assert_eq!(fixture.everything(), json!({"kept": 1}));
    assert!(fixture.store.merge(&["lost"], &json!(3), 5).is_err(), "the disk is still away");
    mend_disk(&fixture);
    fixture.store.merge(&["later"], &json!(4), 5).unwrap();
    let expected = json!({"kept": 1, "later": 4});
    assert_eq!(fixture.everything(), expected);
    let told = tokio::time::timeout(Duration::ZERO, watcher.changed()).await;
    assert!(told.is_err(), "{told:?}");
    assert_eq!(fixture.reopen().everything(), expected);
}

#[test]
fn a_change_too_long_for_the_journal_harms_nothing() {
    let fixture = Fixture::new();
    let long = json!("x".repeat(marram_seglog::MAX_RECORD_BYTES));
    let error = fixture.store.merge(&["long"], &long, 5).unwrap_err();
    assert!(matches!(error, ChangeConfig::TooLong { .. }), "{error}");
    fixture.store.merge(&["k"], &json!(1), 5).unwrap();
    assert_eq!(fixture.reopen().everything(), json!({"k": 1}));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Wherever the log is cut, what is left is a state that the tree had after some change, at
    /// least after the last one that was awaited.
    #[test]
    fn a_torn_write_leaves_a_prefix_of_the_changes(
        groups in vec(1usize..6, 1..6), cut in any::<prop::sample::Index>()
    ) {
        let fixture = Fixture::new();
        let mut count = 0;
        // The log's length when so many changes had been awaited.
        let mut durable = vec![(0, 0)];
        let log = fixture.folder.path().join("config/journal/log.0");
        runtime().block_on(async {
            for group in &groups {
                let mut begun = Vec::new();
                for _ in 0..*group {
                    count += 1;
                    begun.push(set(&fixture.store, "count", json!(count)).await);
                }
                for change in begun {
                    change.kept().await.unwrap();
                }
                durable.push((std::fs::metadata(&log).unwrap().len(), count));
            }
        });
        let fixture = fixture.reopen();
        let bytes = std::fs::read(&log).unwrap();
        let cut = cut.index(bytes.len() + 1);
        std::fs::write(&log, &bytes[..cut]).unwrap();
        let fixture = fixture.reopen();
        let found = fixture.store.get(&["count"]).and_then(|count| count.as_i64()).unwrap_or(0);
        let least = durable.iter().rfind(|(length, _)| *length <= cut as u64).unwrap().1;
        prop_assert!((least..=count).contains(&found), "{found} is not in {least}..={count}");
    }
}

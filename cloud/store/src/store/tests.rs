use std::time::Duration;

use super::*;
use crate::Thing;
use crate::testing::{on_both, sqlite_in};

async fn open(database: &Database) -> Store {
    Store::open(database.clone()).await.unwrap()
}

async fn what_was_committed_is_there_after_reopening_and_what_was_not_is_gone(database: Database) {
    let store = open(&database).await;
    let mut tx = store.begin().await.unwrap();
    tx.put_setting("kept", "1").await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.put_setting("dropped", "1").await.unwrap();
    drop(tx);
    store.close().await;

    let store = open(&database).await;
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.setting("kept").await.unwrap().as_deref(), Some("1"));
    assert_eq!(reader.setting("dropped").await.unwrap(), None);
}

/// The files as a killed process leaves them: the log not folded in, its index lost.
#[tokio::test]
async fn a_process_killed_after_a_commit_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data dir?");
    let store = open(&sqlite_in(&path)).await;
    let mut tx = store.begin().await.unwrap();
    tx.put_setting("kept", "1").await.unwrap();
    tx.commit().await.unwrap();
    let mut pending = store.begin().await.unwrap();
    pending.put_setting("pending", "1").await.unwrap();

    let remains = tempfile::tempdir().unwrap();
    for file in ["cloud.db", "cloud.db-wal"] {
        let from = path.join(file);
        std::fs::copy(from, remains.path().join(file)).unwrap();
    }
    let store = Store::open(remains.path().join("cloud.db")).await.unwrap();
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.setting("kept").await.unwrap().as_deref(), Some("1"));
    assert_eq!(reader.setting("pending").await.unwrap(), None);
}

async fn a_second_opener_is_refused_until_the_first_closes(database: Database) {
    let first = open(&database).await;
    let error = Store::open(database.clone()).await.unwrap_err();
    assert!(matches!(&error, OpenStore::InUse(_)), "{error}");
    assert!(error.to_string().contains(&database.to_string()), "{error}");
    first.close().await;
    Store::open(database.clone()).await.unwrap();
}

async fn a_reader_sees_its_snapshot_and_does_not_wait_for_the_writer(database: Database) {
    let store = open(&database).await;
    let mut tx = store.begin().await.unwrap();
    tx.put_setting("a", "new").await.unwrap();
    assert_eq!(tx.setting("a").await.unwrap().as_deref(), Some("new"));
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.setting("a").await.unwrap(), None);
    tx.commit().await.unwrap();
    assert_eq!(reader.setting("a").await.unwrap(), None);
    drop(reader);
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.setting("a").await.unwrap().as_deref(), Some("new"));
}

async fn writers_take_turns(database: Database) {
    let store = open(&database).await;
    let adders: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut tx = store.begin().await.unwrap();
                let sum = tx.setting("sum").await.unwrap();
                let sum: i64 = sum.map_or(0, |text| text.parse().unwrap());
                tx.put_setting("sum", &(sum + 1).to_string()).await.unwrap();
                tx.commit().await.unwrap();
            })
        })
        .collect();
    for adder in adders {
        adder.await.unwrap();
    }
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.setting("sum").await.unwrap().as_deref(), Some("20"));
}

async fn waiting_for_a_held_writer_ends_with_busy(database: Database) {
    let store = open(&database).await;
    let _held = store.begin().await.unwrap();
    let waited = tokio::time::timeout(WAIT + Duration::from_secs(10), store.begin()).await;
    assert!(matches!(waited, Ok(Err(StoreError::Busy))));
}

async fn a_reader_cannot_write(database: Database) {
    let store = open(&database).await;
    let reader = store.read().await.unwrap();
    let mut forged = Tx { reader };
    let error = forged.put_setting("a", "1").await.unwrap_err();
    assert!(matches!(error, StoreError::Statement(_)), "{error}");
}

/// Pages go on after a name, so both databases must agree on what comes after it.
async fn names_sort_by_their_bytes(database: Database) {
    let store = open(&database).await;
    let mut tx = store.begin().await.unwrap();
    let names = ["A", "Z", "_", "a", "a-b", "a:b", "ab", "z"];
    for name in names.iter().rev() {
        let thing = Thing {
            name: (*name).to_owned(),
            id: format!("id-{name}"),
            thing_type: None,
            attributes: Default::default(),
            version: 1,
            created_at_ms: 1,
        };
        assert!(tx.insert_thing(&thing).await.unwrap());
        assert!(!tx.insert_thing(&thing).await.unwrap(), "twice");
    }
    tx.commit().await.unwrap();
    let mut reader = store.read().await.unwrap();
    let things = reader.things_after(None, "A", 100).await.unwrap();
    let found: Vec<_> = things.iter().map(|thing| thing.name.as_str()).collect();
    assert_eq!(found, names[1..]);
}

on_both! {
    names_sort_by_their_bytes,
    what_was_committed_is_there_after_reopening_and_what_was_not_is_gone,
    a_second_opener_is_refused_until_the_first_closes,
    a_reader_sees_its_snapshot_and_does_not_wait_for_the_writer,
    writers_take_turns,
    waiting_for_a_held_writer_ends_with_busy,
    a_reader_cannot_write,
}

use std::time::Duration;

use super::*;

async fn open(directory: &tempfile::TempDir) -> Store {
    Store::open(directory.path().join("data dir?/cloud.db")).await.unwrap()
}

#[tokio::test]
async fn what_was_committed_is_there_after_reopening_and_what_was_not_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let mut tx = store.begin().await.unwrap();
    tx.put_setting("kept", "1").await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.put_setting("dropped", "1").await.unwrap();
    drop(tx);
    store.close().await;

    let store = open(&directory).await;
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.setting("kept").await.unwrap().as_deref(), Some("1"));
    assert_eq!(reader.setting("dropped").await.unwrap(), None);
}

/// The files as a killed process leaves them: the log not folded in, its index lost.
#[tokio::test]
async fn a_process_killed_after_a_commit_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let mut tx = store.begin().await.unwrap();
    tx.put_setting("kept", "1").await.unwrap();
    tx.commit().await.unwrap();
    let mut pending = store.begin().await.unwrap();
    pending.put_setting("pending", "1").await.unwrap();

    let remains = tempfile::tempdir().unwrap();
    for file in ["cloud.db", "cloud.db-wal"] {
        let from = directory.path().join("data dir?").join(file);
        std::fs::copy(from, remains.path().join(file)).unwrap();
    }
    let store = Store::open(remains.path().join("cloud.db")).await.unwrap();
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.setting("kept").await.unwrap().as_deref(), Some("1"));
    assert_eq!(reader.setting("pending").await.unwrap(), None);
}

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_closes() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(&directory).await;
    let path = directory.path().join("data dir?/cloud.db");
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(&error, OpenStore::InUse(_)), "{error}");
    assert!(error.to_string().contains("cloud.db"), "{error}");
    first.close().await;
    Store::open(&path).await.unwrap();
}

#[tokio::test]
async fn a_reader_sees_its_snapshot_and_does_not_wait_for_the_writer() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
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

#[tokio::test]
async fn writers_take_turns() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
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

#[tokio::test]
async fn waiting_for_a_held_writer_ends_with_busy() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let _held = store.begin().await.unwrap();
    let waited = tokio::time::timeout(WAIT + Duration::from_secs(10), store.begin()).await;
    assert!(matches!(waited, Ok(Err(StoreError::Busy))));
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let reader = store.read().await.unwrap();
    let mut forged = Tx { reader };
    let error = forged.put_setting("a", "1").await.unwrap_err();
    assert!(matches!(error, StoreError::Statement(_)), "{error}");
}

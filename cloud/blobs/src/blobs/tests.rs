use std::time::Duration;

use http_body_util::BodyExt;
use marram_aws::s3::CompletedPart;
use marram_os::clock::{Clock, ManualClock};

use super::*;
use crate::{Attributes, ListQuery, Object};

const MIB: usize = 1024 * 1024;

fn clock() -> ManualClock {
    ManualClock::at_ms(1_767_323_045_000)
}

async fn open(directory: &Path) -> Blobs {
    Blobs::open(directory, Limits::default(), clock().shared()).await.unwrap()
}

async fn put(blobs: &Blobs, key: &str, body: &[u8]) -> Arc<Object> {
    let mut staging = blobs.stage(Some(body.len() as u64)).await.unwrap();
    staging.write(body).await.unwrap();
    let staged = staging.finish().await.unwrap();
    blobs.put("bkt", key, staged, Attributes::default()).await.unwrap()
}

async fn read(blobs: &Blobs, key: &str) -> Vec<u8> {
    let content = blobs.get("bkt", key).await.unwrap();
    let size = content.object.size;
    let body = content.into_body(0, size).await.unwrap();
    body.collect().await.unwrap().to_bytes().to_vec()
}

fn keys(blobs: &Blobs) -> Vec<String> {
    let query = ListQuery { max_keys: 1000, ..ListQuery::default() };
    blobs.list("bkt", &query).unwrap().objects.iter().map(|object| object.key.clone()).collect()
}

/// Every file under `path`, relative to it.
fn files(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                folders.push(entry);
            } else {
                found.push(entry.strip_prefix(path).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a5_objects_carry_the_digests_that_recipes_need() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = open(directory.path()).await;
    blobs.create_bucket("bkt").await.unwrap();
    let object = put(&blobs, "a/hello", b"hello").await;
    assert_eq!(object.sha256, "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
    assert_eq!(object.etag, "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(object.size, 5);
    assert_eq!(read(&blobs, "a/hello").await, b"hello");
}

#[tokio::test]
async fn everything_is_there_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = open(directory.path()).await;
    blobs.create_bucket("bkt").await.unwrap();
    let first = put(&blobs, "../../../etc/passwd", b"one").await;
    put(&blobs, "gone", b"two").await;
    blobs.delete("bkt", "gone").await.unwrap();
    blobs.delete("bkt", "never").await.unwrap();
    drop(blobs);

    let blobs = open(directory.path()).await;
    assert_eq!(keys(&blobs), ["../../../etc/passwd"]);
    assert_eq!(blobs.head("bkt", "../../../etc/passwd").unwrap(), first);
    assert_eq!(read(&blobs, "../../../etc/passwd").await, b"one");
    assert_eq!(blobs.buckets(), [("bkt".to_owned(), clock().now_ms())]);
}

#[tokio::test]
async fn a_kill_between_any_two_writes_leaves_the_old_object_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = open(directory.path()).await;
    blobs.create_bucket("bkt").await.unwrap();
    put(&blobs, "k", b"old").await;
    let before = files(directory.path());
    drop(blobs);

    let root = directory.path();
    fs::write(root.join("staging/half"), b"ne").unwrap();
    fs::create_dir(root.join("staging/half-made-bucket")).unwrap();
    fs::write(root.join("buckets/bkt/content/unnamed"), b"new").unwrap();
    fs::write(root.join("buckets/bkt/objects/.x.json.1-0.tmp"), b"{").unwrap();

    let blobs = open(root).await;
    assert_eq!(read(&blobs, "k").await, b"old");
    assert_eq!(files(root), before);
}

#[tokio::test]
async fn damaged_metadata_hides_one_object_and_loses_none() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = open(directory.path()).await;
    blobs.create_bucket("bkt").await.unwrap();
    put(&blobs, "good", b"1").await;
    put(&blobs, "bad", b"2").await;
    let metadata = blobs.inner.layout.metadata("bkt", "bad");
    drop(blobs);
    fs::write(&metadata, b"{").unwrap();
    let before = files(directory.path());
    let blobs = open(directory.path()).await;
    assert_eq!(keys(&blobs), ["good"]);
    assert_eq!(files(directory.path()), before);
}

#[tokio::test]
async fn an_open_object_outlives_its_replacement() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = open(directory.path()).await;
    blobs.create_bucket("bkt").await.unwrap();
    put(&blobs, "k", b"old").await;
    let opened = blobs.get("bkt", "k").await.unwrap();
    put(&blobs, "k", b"newer").await;
    let body = opened.into_body(0, 3).await.unwrap();
    assert_eq!(body.collect().await.unwrap().to_bytes().as_ref(), b"old");
    assert_eq!(read(&blobs, "k").await, b"newer");
    let contents = files(&directory.path().join("buckets/bkt/content"));
    assert_eq!(contents.len(), 1, "the old content is gone: {contents:?}");
}

#[tokio::test]
async fn a_body_that_is_given_up_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = open(directory.path()).await;
    let mut staging = blobs.stage(None).await.unwrap();
    staging.write(b"half").await.unwrap();
    drop(staging);
    assert_eq!(files(directory.path()), Vec::<String>::new());
}

#[tokio::test]
async fn buckets_are_made_once_and_removed_empty() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = open(directory.path()).await;
    assert!(matches!(blobs.create_bucket("../x").await, Err(AccessBlob::InvalidBucketName(_))));
    blobs.create_bucket("bkt").await.unwrap();
    assert!(matches!(blobs.create_bucket("bkt").await, Err(AccessBlob::BucketExists(_))));
    put(&blobs, "k", b"1").await;
    assert!(matches!(blobs.delete_bucket("bkt").await, Err(AccessBlob::BucketNotEmpty(_))));
    blobs.delete("bkt", "k").await.unwrap();
    blobs.delete_bucket("bkt").await.unwrap();
    assert!(matches!(blobs.delete_bucket("bkt").await, Err(AccessBlob::NoSuchBucket(_))));
    assert!(matches!(blobs.head("bkt", "k"), Err(AccessBlob::NoSuchBucket(_))));
    assert_eq!(files(directory.path()), Vec::<String>::new());
}

#[tokio::test]
async fn bodies_are_bounded_and_leave_the_reserve() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { max_body_bytes: 4, reserve_bytes: 0 };
    let blobs = Blobs::open(directory.path(), limits, clock().shared()).await.unwrap();
    assert!(matches!(blobs.stage(Some(5)).await, Err(AccessBlob::TooLarge { limit: 4 })));
    let mut staging = blobs.stage(None).await.unwrap();
    staging.write(b"1234").await.unwrap();
    assert!(matches!(staging.write(b"5").await, Err(AccessBlob::TooLarge { limit: 4 })));

    let full = Limits { max_body_bytes: 4, reserve_bytes: u64::MAX };
    let blobs = Blobs::open(directory.path(), full, clock().shared()).await.unwrap();
    let error = blobs.stage(Some(1)).await.unwrap_err();
    assert!(matches!(error, AccessBlob::DiskFull { needed: 1, .. }), "{error}");
}

#[tokio::test]
async fn copies_share_content_and_stand_alone() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = open(directory.path()).await;
    blobs.create_bucket("bkt").await.unwrap();
    put(&blobs, "a", b"hello").await;
    blobs.copy(("bkt", "a"), ("bkt", "b"), None).await.unwrap();
    blobs.copy(("bkt", "a"), ("bkt", "a"), Some(Attributes::default())).await.unwrap();
    blobs.delete("bkt", "a").await.unwrap();
    assert_eq!(read(&blobs, "b").await, b"hello");
    let missing = blobs.copy(("bkt", "a"), ("bkt", "c"), None).await;
    assert!(matches!(missing, Err(AccessBlob::NoSuchKey { .. })));
}

async fn put_part(blobs: &Blobs, upload: &Upload, number: u32, body: &[u8]) -> CompletedPart {
    let mut staging = blobs.stage(None).await.unwrap();
    staging.write(body).await.unwrap();
    let part = blobs.put_part(upload, number, staging.finish().await.unwrap()).await.unwrap();
    CompletedPart { number: part.number, etag: part.etag }
}

#[tokio::test]
async fn parts_are_joined_in_order_and_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = open(directory.path()).await;
    blobs.create_bucket("bkt").await.unwrap();
    let id = blobs.begin_upload("bkt", "big", Attributes::default()).await.unwrap();
    let upload = Upload { bucket: "bkt".to_owned(), key: "big".to_owned(), id };
    let last = put_part(&blobs, &upload, 7, b"tail").await;
    put_part(&blobs, &upload, 2, b"replaced").await;
    let first = put_part(&blobs, &upload, 2, &vec![b'x'; 5 * MIB]).await;
    drop(blobs);

    let blobs = open(directory.path()).await;
    assert_eq!(blobs.parts(&upload).await.unwrap().into_keys().collect::<Vec<_>>(), [2, 7]);
    let swapped = blobs.complete_upload(&upload, vec![last.clone(), first.clone()]).await;
    assert!(matches!(swapped, Err(AccessBlob::InvalidPartOrder)));
    let object = blobs.complete_upload(&upload, vec![first, last]).await.unwrap();
    assert_eq!(object.size, 5 * MIB as u64 + 4);
    assert!(object.etag.ends_with("-2"), "{}", object.etag);
    assert!(read(&blobs, "big").await.ends_with(b"xxtail"));
    assert!(matches!(blobs.parts(&upload).await, Err(AccessBlob::NoSuchUpload(_))));
    assert_eq!(files(&directory.path().join("buckets/bkt/uploads")), Vec::<String>::new());
}

#[tokio::test]
async fn wrong_parts_are_refused_and_the_upload_stays() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = open(directory.path()).await;
    blobs.create_bucket("bkt").await.unwrap();
    let id = blobs.begin_upload("bkt", "big", Attributes::default()).await.unwrap();
    let upload = Upload { bucket: "bkt".to_owned(), key: "big".to_owned(), id };
    let small = put_part(&blobs, &upload, 1, b"small").await;
    let next = put_part(&blobs, &upload, 2, b"next").await;
    let both = blobs.complete_upload(&upload, vec![small.clone(), next]).await;
    assert!(matches!(both, Err(AccessBlob::PartTooSmall { number: 1, size: 5, .. })));
    let wrong = CompletedPart { number: 1, etag: "0".to_owned() };
    let wrong = blobs.complete_upload(&upload, vec![wrong]).await;
    assert!(matches!(wrong, Err(AccessBlob::InvalidPart { number: 1, .. })));
    assert!(matches!(
        blobs.complete_upload(&upload, Vec::new()).await,
        Err(AccessBlob::InvalidPartOrder)
    ));
    for id in ["", "../../bucket", "0123", "zz"] {
        let other = Upload { id: id.to_owned(), ..upload.clone() };
        assert!(matches!(blobs.abort_upload(&other).await, Err(AccessBlob::NoSuchUpload(_))));
    }
    blobs.complete_upload(&upload, vec![small]).await.unwrap();
}

#[tokio::test]
async fn forgotten_uploads_are_swept_after_a_week() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let limits = Limits::default();
    let blobs = Blobs::open(directory.path(), limits.clone(), clock.shared()).await.unwrap();
    blobs.create_bucket("bkt").await.unwrap();
    blobs.begin_upload("bkt", "old", Attributes::default()).await.unwrap();
    clock.advance(Duration::from_secs(7 * 24 * 3600 + 1));
    blobs.begin_upload("bkt", "new", Attributes::default()).await.unwrap();
    drop(blobs);
    Blobs::open(directory.path(), limits, clock.shared()).await.unwrap();
    assert_eq!(files(&directory.path().join("buckets/bkt/uploads")).len(), 1);
}

#[tokio::test]
async fn readers_never_miss_an_object_that_is_being_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = open(directory.path()).await;
    blobs.create_bucket("bkt").await.unwrap();
    put(&blobs, "k", b"0").await;
    let writer = {
        let blobs = blobs.clone();
        tokio::spawn(async move {
            for _ in 0..30 {
                put(&blobs, "k", b"1").await;
            }
        })
    };
    while !writer.is_finished() {
        assert_eq!(read(&blobs, "k").await.len(), 1);
    }
    writer.await.unwrap();
}

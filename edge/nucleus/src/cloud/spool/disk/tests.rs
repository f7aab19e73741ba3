use std::time::Duration;

use super::*;

fn spooled(id: u64, topic: &str) -> Spooled {
    let mut message = Publish::new(topic, b"\0binary\xff".to_vec()).with_qos(QoS::AtLeastOnce);
    message.retain = id.is_multiple_of(2);
    message.properties = PublishProperties {
        response_topic: Some("answers/here".into()),
        correlation_data: Some(Bytes::from_static(b"\0\x01")),
        user_properties: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
        content_type: Some("text/plain".into()),
        payload_format_utf8: true,
        message_expiry_s: Some(9),
    };
    Spooled { id, message, accepted_ms: 77, retries: 0 }
}

#[test]
fn components_7_every_field_of_a_message_comes_back() {
    for topic in ["a/b", "007"] {
        let spooled = spooled(3, topic);
        assert_eq!(decode(3, &encode(&spooled)), Some(spooled));
    }
    assert_eq!(decode(1, b"{}"), None);
    assert_eq!(decode(1, b"nonsense\0payload"), None);
}

#[tokio::test]
async fn what_a_component_was_answered_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Disk::open(folder.path()).unwrap();
    let disk = opened.disk.clone();
    let path = folder.path().to_owned();
    let writing = tokio::spawn(opened.disk.write(path, opened.queue, Vec::new));
    let heard: Vec<_> = (0..20).map(|id| disk.add(spooled(id, "t"))).collect();
    disk.remove([0, 2]);
    for safe in heard {
        tokio::time::timeout(Duration::from_secs(10), safe).await.unwrap().unwrap();
    }
    // A removal is written with the next addition.
    tokio::time::timeout(Duration::from_secs(10), disk.add(spooled(20, "t")))
        .await
        .unwrap()
        .unwrap();
    writing.abort();
    let _ = writing.await;
    let kept = loop {
        match Disk::open(folder.path()) {
            Ok(opened) => break opened.kept,
            // The aborted task's last write may still hold the folder.
            Err(OpenJournal::InUse { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    let ids: Vec<u64> = kept.iter().map(|spooled| spooled.id).collect();
    assert_eq!(ids, [vec![1], (3..=20).collect()].concat());
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_can_be_written_again_holds_what_waits() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("queue");
    let opened = Disk::open(&folder).unwrap();
    let disk = opened.disk.clone();
    // Numbers 0 to 2 are sent meanwhile.
    let waiting = || (3..=9).map(|id| spooled(id, "t")).collect();
    let writing = tokio::spawn(opened.disk.write(folder.clone(), opened.queue, waiting));
    disk.add(spooled(0, "t")).await.unwrap();

    // The next segment cannot be begun.
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let mut large = spooled(1, "t");
    large.message.payload = vec![b'x'; 2 * 1024 * 1024].into();
    let (first, second) = (disk.add(large), disk.add(spooled(2, "t")));
    first.await.unwrap_err();
    second.await.unwrap_err();
    disk.add(spooled(3, "t")).await.unwrap_err();

    std::fs::remove_file(&folder).unwrap();
    let safe = async {
        // A removal of what is not there, and one more message, before it is known to be safe.
        disk.remove([2]);
        while disk.add(spooled(9, "t")).await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(100), safe).await.unwrap();
    writing.abort();
    let _ = writing.await;
    let kept = Disk::open(&folder).unwrap().kept;
    let ids: Vec<u64> = kept.iter().map(|spooled| spooled.id).collect();
    assert_eq!(ids, (3..=9).collect::<Vec<_>>());
}

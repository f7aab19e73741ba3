use bytes::Bytes;
use serde_json::{Value, json};

use super::plane::Plane;

async fn retain(plane: &Plane, topic: &str, payload: &'static str) {
    let topics = plane.gateway.topics();
    topics.publish(topic, Bytes::from_static(payload.as_bytes()), true, true);
    topics.kept().await.unwrap();
}

fn names(page: &Value) -> Vec<&str> {
    let rows = page["retainedTopics"].as_array().unwrap();
    rows.iter().map(|row| row["topic"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_retained_message_is_shown_as_soon_as_it_is_kept() {
    let plane = Plane::start().await;
    let topics = plane.gateway.topics();
    retain(&plane, "a/b", "old").await;
    retain(&plane, "a/b", "new").await;
    let found = topics.get_retained_message("a/b").await.unwrap();
    assert_eq!((&found["payload"], &found["qos"]), (&json!("bmV3"), &json!(1)));
    assert!(found["lastModifiedTime"].as_i64().unwrap() > 0);
    retain(&plane, "a/b", "").await;
    let error = topics.get_retained_message("a/b").await.unwrap_err();
    assert_eq!((error.code, error.status), ("ResourceNotFoundException", 404));
}

#[tokio::test]
async fn retained_messages_are_listed_in_pages() {
    let plane = Plane::start().await;
    let topics = plane.gateway.topics();
    for topic in ["c", "a", "b"] {
        retain(&plane, topic, "1234").await;
    }
    let first = topics.list_retained_messages(Some(2), None).await.unwrap();
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["retainedTopics"][0]["payloadSize"], 4);
    let token = first["nextToken"].as_str();
    let second = topics.list_retained_messages(Some(2), token).await.unwrap();
    assert_eq!((names(&second), second.get("nextToken")), (vec!["c"], None));
    for (size, token) in [(Some(0), None), (Some(201), None), (None, Some("***"))] {
        let error = topics.list_retained_messages(size, token).await.unwrap_err();
        assert_eq!(error.code, "InvalidRequestException");
    }
}

//! Who may open a WebSocket.

use marram_aws::sigv4::{self, Credentials, Signer};
use serde_json::json;

use super::plane::{NOW_MS, Plane, request};

const UPGRADE: [(&str, &str); 5] = [
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-protocol", "mqtt"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

#[tokio::test]
async fn a_websocket_needs_its_headers_and_a_signature() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let (status, _, _) = plane.call(Some(&device), "GET", "/mqtt", "").await;
    assert_eq!(status, 400, "no upgrade");
    let claim = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260102T030405Z\
        &X-Amz-SignedHeaders=host&X-Amz-Signature=00&X-Amz-Credential=AKIAX%2F20260102%2Fus-east-1%2F";
    for (query, reason) in [
        (String::new(), "signature"),
        (format!("{claim}s3%2Faws4_request&X-Amz-Expires=60"), "iotdevicegateway"),
        (format!("{claim}iotdevicegateway%2Faws4_request"), "AKIAX"),
    ] {
        let (status, body) = plane.call_with(&format!("/mqtt?{query}"), &UPGRADE).await;
        assert_eq!(status, 403, "{body}");
        assert!(body.to_string().to_lowercase().contains(&reason.to_lowercase()), "{body}");
    }
}

#[tokio::test]
async fn a_key_that_a_policy_limits_opens_no_websocket() {
    let plane = Plane::start().await;
    let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
    let limited = json!({"name": "limited", "policy": policy});
    let full = json!({"name": "full", "fullAccess": true});
    for (asked, expected) in [(limited, 403), (full, 101)] {
        let made = plane.registry.create_key(request(asked)).await.unwrap();
        let credentials = Credentials {
            access_key_id: made.key.access_key_id,
            secret_access_key: made.secret_access_key,
            session_token: None,
        };
        let signer = Signer {
            credentials: &credentials,
            region: "us-east-1",
            service: "iotdevicegateway",
            now_ms: NOW_MS,
        };
        let host = format!("127.0.0.1:{}", plane.gateway.https_address().port());
        let headers = [("host", host.as_str())];
        let asked = sigv4::Request { method: "GET", path: "/mqtt", query: "", headers: &headers };
        let query = signer.presign(&asked, 60);
        let (status, body) = plane.call_with(&format!("/mqtt?{query}"), &UPGRADE).await;
        assert_eq!(status, expected, "{body}");
    }
}

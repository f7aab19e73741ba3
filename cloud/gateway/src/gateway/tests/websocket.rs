//! Who may open a WebSocket.

use super::plane::Plane;

#[tokio::test]
async fn a_websocket_needs_its_headers_and_a_signature() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let (status, _, _) = plane.call(Some(&device), "GET", "/mqtt", "").await;
    assert_eq!(status, 400, "no upgrade");
    let headers = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "mqtt"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let claim = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260102T030405Z\
        &X-Amz-SignedHeaders=host&X-Amz-Signature=00&X-Amz-Credential=AKIAX%2F20260102%2Fus-east-1%2F";
    for (query, reason) in [
        (String::new(), "signature"),
        (format!("{claim}s3%2Faws4_request&X-Amz-Expires=60"), "iotdevicegateway"),
        (format!("{claim}iotdevicegateway%2Faws4_request"), "AKIAX"),
    ] {
        let (status, body) = plane.call_with(&format!("/mqtt?{query}"), &headers).await;
        assert_eq!(status, 403, "{body}");
        assert!(body.to_string().to_lowercase().contains(&reason.to_lowercase()), "{body}");
    }
}

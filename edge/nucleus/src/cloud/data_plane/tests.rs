//! Against a small data plane over TLS.

use std::sync::{Arc, Mutex};

use marram_http::server::{self, Peer, Reply, Server, reply};
use marram_tls::{Authority, ClientAuth};
use tokio::net::TcpListener;

use super::*;

mod resume;

/// Answers from a list, in order, and keeps what was asked.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<Vec<(u16, &'static str)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn new(answers: &[(u16, &'static str)]) -> Self {
        let answers = answers.iter().rev().copied().collect();
        Self { answers: Arc::new(Mutex::new(answers)), ..Self::default() }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn answer(&self, request: &server::Request, peer: &Peer) -> Reply {
        assert!(peer.certificate.is_some(), "the device shows its certificate");
        self.asked.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
        let (status, body) = self.answers.lock().unwrap().pop().expect("an answer");
        reply(StatusCode::from_u16(status).unwrap(), "application/json", body)
    }
}

async fn plane(script: &Script) -> (Server, DataPlane) {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::open(dir.path()).unwrap();
    let identity = authority.issue_server(&["127.0.0.1".to_owned()]).unwrap();
    let tls = marram_tls::server_config(&identity, ClientAuth::AnyCertificate, &[]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let script = script.clone();
    let service = move |request: server::Request, peer: Peer| {
        let answer = script.answer(&request, &peer);
        async move { answer }
    };
    let server = Server::start(listener, Some(tls), server::Settings::default(), service).unwrap();
    let device = authority.issue_client("device").unwrap();
    let roots = authority.certificate_pem();
    let client =
        |identity| Client::new(Some(marram_tls::client_config(roots, identity, &[]).unwrap()));
    let plane = DataPlane {
        device: client(Some(&device)),
        anonymous: client(None),
        base_url: format!("https://{}", server.local_addr()),
        thing: "core:1".to_owned(),
    };
    (server, plane)
}

#[tokio::test]
async fn all_pages_of_groups_are_read() {
    let script = Script::new(&[
        (200, r#"{"thingGroups":[{"thingGroupName":"A"}],"nextToken":"t/1"}"#),
        (200, r#"{"thingGroups":[{"thingGroupName":"B"}],"nextToken":""}"#),
    ]);
    let (_server, plane) = plane(&script).await;
    let groups = plane.thing_groups().await.unwrap();
    let names: Vec<&str> = groups.iter().map(|group| group.thing_group_name.as_str()).collect();
    assert_eq!(names, ["A", "B"]);
    assert_eq!(
        script.asked(),
        [
            "GET /greengrass/v2/coreDevices/core%3A1/thingGroups",
            "GET /greengrass/v2/coreDevices/core%3A1/thingGroups?nextToken=t%2F1",
        ]
    );
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let script = Script::new(&[
        (403, r#"{"message":"Forbidden"}"#),
        (
            404,
            r#"{"__type":"aws#ResourceNotFoundException:http://x","message":"a: no usable version for b"}"#,
        ),
        (503, "busy"),
        (200, "not json"),
    ]);
    let (_server, plane) = plane(&script).await;
    let denied = plane.thing_groups().await.unwrap_err();
    assert!(denied.is_access_denied() && !denied.is_transient());
    let missing = plane.thing_groups().await.unwrap_err();
    assert_eq!(missing.not_found_message(), Some("a: no usable version for b"));
    assert_eq!(
        missing.to_string(),
        "ListThingGroupsForCoreDevice was answered with 404 Not Found ResourceNotFoundException: \
         a: no usable version for b"
    );
    assert!(plane.thing_groups().await.unwrap_err().is_transient());
    let odd = plane.thing_groups().await.unwrap_err();
    assert!(matches!(odd, CallDataPlane::BadAnswer { .. }) && !odd.is_transient());
}

#[tokio::test]
async fn artifact_is_asked_for_by_escaped_arn() {
    let script = Script::new(&[(200, r#"{"preSignedUrl":"https://x/y"}"#)]);
    let (_server, plane) = plane(&script).await;
    let arn = "arn:aws:greengrass:eu-west-1:1:components:a:versions:1.0.0";
    assert_eq!(plane.artifact_url(arn, "0af/file 1.zip").await.unwrap(), "https://x/y");
    assert_eq!(
        script.asked(),
        ["GET /greengrass/v2/components/arn%3Aaws%3Agreengrass%3Aeu-west-1%3A1%3Acomponents%3Aa\
          %3Aversions%3A1.0.0/artifacts/0af/file%201.zip"]
    );
}

#[tokio::test]
async fn cloud_that_is_away_is_transient() {
    let (server, plane) = plane(&Script::default()).await;
    drop(server);
    let request = ResolveComponentCandidatesRequest {
        platform: marram_model::data_plane::ComponentPlatform::default(),
        component_candidates: Vec::new(),
    };
    let error = plane.resolve_component_candidates(&request).await.unwrap_err();
    assert!(matches!(error, CallDataPlane::Unreachable { .. }) && error.is_transient());
}

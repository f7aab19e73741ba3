//! The endpoint against a small credentials provider over TLS.

use std::sync::Mutex;

use marram_http::StatusCode;
use marram_http::client::{Client, Request, Response};
use marram_http::server::{self, Peer, Reply, reply};
use marram_nucleus::config::ConfigStore;
use marram_nucleus::paths::NucleusPaths;
use marram_nucleus::supervisor::tokens::Tokens;
use marram_os::clock::{Clock as _, ManualClock};
use marram_tls::{Authority, ClientAuth};
use tempfile::TempDir;

use super::*;

/// 2026-01-02T03:04:05Z.
const NOW_MS: i64 = 1_767_323_045_000;

const CREDENTIALS: &str = r#"{"credentials":{"accessKeyId":"ASIAX","secretAccessKey":"s3cret",
    "sessionToken":"t0ken","expiration":"2026-01-02T04:04:05Z"}}"#;

struct Rig {
    clock: ManualClock,
    asked: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<(u16, String)>>,
    cloud: Option<Server>,
    context: Context,
    token: String,
    running: Option<Box<dyn Running>>,
    _folder: TempDir,
}

impl Rig {
    async fn start() -> Self {
        let mut rig = Self::prepare().await;
        let component = Arc::new(TokenExchange::new(rig.clock.shared()));
        rig.running = Some(component.start(rig.context.clone()).await.unwrap());
        rig
    }

    async fn prepare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path()).unwrap();
        let answer = Arc::new(Mutex::new((200, CREDENTIALS.to_owned())));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let cloud = cloud(&authority, &answer, &asked).await;

        let device = authority.issue_client("device").unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_string_lossy().into_owned()
        };
        let clock = ManualClock::at_ms(NOW_MS);
        let paths = NucleusPaths::new(folder.path().join("root"));
        let config = ConfigStore::open(&paths, None, clock.shared()).unwrap();
        let initial = json!({
            "system": {
                "thingName": "core1",
                "certificateFilePath": file("cert", &device.certificate_pem),
                "privateKeyPath": file("key", &device.private_key_pem),
                "rootCaPath": file("ca", authority.certificate_pem()),
            },
            "services": {"aws.greengrass.Nucleus": {"configuration": {
                "awsRegion": "eu-west-1", "iotDataEndpoint": "localhost",
                "iotCredEndpoint": cloud.local_addr().to_string(), "iotRoleAlias": "Alias",
            }}},
        });
        config.merge(&[], &initial, NOW_MS).unwrap();
        let tokens = Tokens::default();
        let token = tokens.issue(&"com.example.A".parse().unwrap()).unwrap();
        let context = Context {
            name: NAME.parse().unwrap(),
            config,
            tokens,
            operations: Default::default(),
            environment: SharedEnvironment::default(),
            work: folder.path().join("work"),
        };
        let cloud = Some(cloud);
        Self { clock, asked, answer, cloud, context, token, running: None, _folder: folder }
    }

    fn uri(&self) -> String {
        self.context.environment.get()[URI_VARIABLE].clone()
    }

    fn cloud_answers(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn times_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    async fn get(&self) -> Response {
        send(Request::get(self.uri()).header("authorization", &self.token)).await
    }
}

async fn send(request: Request) -> Response {
    Client::new(None).send(request).await.unwrap()
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

async fn cloud(
    authority: &Authority,
    answer: &Arc<Mutex<(u16, String)>>,
    asked: &Arc<Mutex<Vec<String>>>,
) -> Server {
    let identity = authority.issue_server(&["127.0.0.1".to_owned()]).unwrap();
    let tls = marram_tls::server_config(&identity, ClientAuth::AnyCertificate, &[]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (answer, asked) = (Arc::clone(answer), Arc::clone(asked));
    let service = move |request: server::Request, peer: Peer| {
        let thing = request.headers().get("x-amzn-iot-thingname").unwrap().to_str().unwrap();
        let line = format!("{} {thing} {}", request.uri(), peer.certificate.is_some());
        asked.lock().unwrap().push(line);
        let (status, body) = answer.lock().unwrap().clone();
        let answer: Reply = reply(StatusCode::from_u16(status).unwrap(), "application/json", body);
        async move { answer }
    };
    Server::start(listener, Some(tls), server::Settings::default(), service).unwrap()
}

#[tokio::test]
async fn tes_credentials_are_given_and_kept_until_five_minutes_before_their_end() {
    let rig = Rig::start().await;
    let response = rig.get().await;
    assert_eq!(response.status, StatusCode::OK);
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(
        body,
        json!({"AccessKeyId": "ASIAX", "SecretAccessKey": "s3cret", "Token": "t0ken",
               "Expiration": "2026-01-02T04:04:05Z"})
    );
    assert_eq!(*rig.asked.lock().unwrap(), ["/role-aliases/Alias/credentials core1 true"]);
    rig.clock.advance(Duration::from_secs(3299));
    rig.get().await;
    assert_eq!(rig.times_asked(), 1);
    rig.clock.advance(Duration::from_secs(1));
    rig.get().await;
    assert_eq!(rig.times_asked(), 2);
}

#[tokio::test]
async fn tes_statuses_of_wrong_requests() {
    let rig = Rig::start().await;
    let uri = rig.uri();
    let token = rig.token.clone();
    let base = uri.strip_suffix(PATH).unwrap();
    let status = |url: String, method: &str, token: &str| {
        let request = Request::new(method.parse().unwrap(), url).header("authorization", token);
        async move { send(request).await.status.as_u16() }
    };
    assert_eq!(status(uri.clone(), "POST", &token).await, 405);
    assert_eq!(status(format!("{uri}x"), "GET", &token).await, 400);
    assert_eq!(status(format!("{base}/2016-11-01/credentialprovider"), "GET", &token).await, 404);
    assert_eq!(status(format!("{base}/"), "POST", &token).await, 404);
    assert_eq!(status(uri.clone(), "GET", "ABCDEFGHIJKLMNOP").await, 403);
    assert_eq!(status(format!("{uri}?a=b"), "GET", &token).await, 200);
    let anonymous = send(Request::get(uri)).await;
    assert_eq!((anonymous.status.as_u16(), anonymous.body.len()), (403, 0));
}

#[tokio::test]
async fn tes_refusal_of_the_cloud_is_passed_on_and_kept() {
    let rig = Rig::start().await;
    rig.cloud_answers(403, r#"{"message":"Access Denied"}"#);
    let response = rig.get().await;
    assert_eq!(response.status, StatusCode::FORBIDDEN);
    assert_eq!(
        text(&response),
        "TES responded with status code: 403. Caching response. {\"message\":\"Access Denied\"}"
    );
    rig.cloud_answers(200, CREDENTIALS);
    rig.clock.advance(Duration::from_secs(119));
    assert_eq!(rig.get().await.status, StatusCode::FORBIDDEN);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(rig.get().await.status, StatusCode::OK);
    assert_eq!(rig.times_asked(), 2);
}

#[tokio::test]
async fn tes_unusable_answers_are_not_kept() {
    let rig = Rig::start().await;
    rig.cloud_answers(200, "{}");
    assert!(text(&rig.get().await).starts_with("Bad TES response: "));
    rig.cloud_answers(200, &CREDENTIALS.replace("2026", "2025"));
    let response = rig.get().await;
    assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
    let expected = "TES responded with credentials that expired at 2025-01-02T04:04:05Z";
    assert_eq!(text(&response), expected);
    rig.cloud_answers(200, CREDENTIALS);
    assert_eq!(rig.get().await.status, StatusCode::OK);
}

#[tokio::test]
async fn tes_cloud_that_is_away_answers_500_for_a_while() {
    let mut rig = Rig::start().await;
    rig.cloud = None;
    let response = rig.get().await;
    assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(text(&response), "Failed to get connection");
}

#[tokio::test]
async fn tes_changed_role_alias_drops_what_was_kept() {
    let rig = Rig::start().await;
    rig.get().await;
    let alias = ["services", "aws.greengrass.Nucleus", "configuration", "iotRoleAlias"];
    rig.context.config.merge(&alias, &json!("Other"), rig.clock.now_ms() + 1).unwrap();
    rig.get().await;
    assert_eq!(rig.asked.lock().unwrap()[1], "/role-aliases/Other/credentials core1 true");
}

#[tokio::test]
async fn tes_answers_on_both_loopback_addresses_and_withdraws_its_address_when_stopped() {
    let mut rig = Rig::start().await;
    let active = ["services", NAME, "configuration", "activePort"];
    let port = rig.context.config.get(&active).unwrap();
    for host in ["127.0.0.1", "[::1]"] {
        let url = format!("http://{host}:{port}{PATH}");
        if host == "[::1]" && TcpListener::bind("[::1]:0").await.is_err() {
            eprintln!("skipped: this machine has no IPv6 loopback address");
            continue;
        }
        let response = send(Request::get(url).header("authorization", &rig.token)).await;
        assert_eq!(response.status, StatusCode::OK, "{host}");
    }
    rig.running.take().unwrap().stop().await;
    assert!(!rig.context.environment.get().contains_key(URI_VARIABLE));
}

#[tokio::test]
async fn tes_without_a_role_alias_is_an_error_of_the_component() {
    let rig = Rig::prepare().await;
    let alias = ["services", "aws.greengrass.Nucleus", "configuration", "iotRoleAlias"];
    rig.context.config.merge(&alias, &json!(""), rig.clock.now_ms() + 1).unwrap();
    let component = Arc::new(TokenExchange::new(rig.clock.shared()));
    let error = component.start(rig.context.clone()).await.err().unwrap();
    assert!(error.reason.contains("iotRoleAlias"), "{error}");
}

#[test]
fn tes_retry_settings_outside_their_range_are_replaced() {
    let given = json!({"credentialRetryInSec": {"clientError": 9, "serverError": "10",
                                                "unknownError": 42_901}});
    let read = |configuration: &Value| format!("{:?}", RetrySettings::read(configuration));
    let defaults = read(&json!({}));
    assert_eq!(read(&given), defaults.replace("server_error_s: 60", "server_error_s: 10"));
}

use std::io::{self, Write};

use marram_registry::Principal;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::audit::{Deed, Record};

/// Keeps what is logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn every_call_that_may_change_something_leaves_one_line_without_secrets() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let cloud = Fixture::new().await;
    let made = cloud.json("iot", "POST", "/things/T", json!({})).await;
    cloud.call("iot", "GET", "/things/T", b"").await.ok();
    cloud.call("sts", "POST", "/", b"Action=GetCallerIdentity").await;
    cloud.call("s3", "PUT", "/bkt", b"").await.ok();
    let refused = cloud.json("iot", "PUT", "/policies/P", json!({})).await;
    refused.refused(404, "UnknownOperationException");

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(" audit: ")).collect();
    assert_eq!(lines.len(), 3, "{text}");
    for part in [
        made.request_id.as_str(),
        "principal=\"arn:aws:iam::123456789012:root\"",
        "source=127.0.0.1",
        "service=\"iot\" method=POST path=\"/things/T\" status=200",
    ] {
        assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
    }
    assert!(lines[1].contains("service=\"s3\"") && lines[2].contains("status=404"), "{text}");
    assert!(!text.contains(&cloud.root().secret_access_key), "{text}");
    assert!(!text.contains("Signature"), "{text}");
}

#[tokio::test]
async fn what_is_denied_leaves_a_line_though_it_only_reads() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let cloud = Fixture::new().await;
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iot:ListThings", "Resource": "*"},
    ]});
    let made = cloud.json("marram", "POST", "/keys", json!({"name": "reader", "policy": policy}));
    let made = made.await.ok();
    let text = |member: &str| made[member].as_str().unwrap().to_owned();
    let reader = Credentials {
        access_key_id: text("accessKeyId"),
        secret_access_key: text("secretAccessKey"),
        session_token: None,
    };
    cloud.call_as(&reader, "iot", "GET", "/things", &[], b"").await.ok();
    let denied = cloud.call_as(&reader, "iot", "GET", "/things/T", &[], b"").await;
    denied.refused(403, "AccessDeniedException");

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(" audit: ")).collect();
    assert_eq!(lines.len(), 2, "the key, and what was denied to it: {log}");
    for part in [
        "principal=\"arn:aws:iam::123456789012:user/reader\"",
        "operation=\"iot:DescribeThing\"",
        "resource=\"arn:aws:iot:us-east-1:123456789012:thing/T\"",
        "outcome=\"denied\"",
    ] {
        assert!(lines[1].contains(part), "{part} is not in {}", lines[1]);
    }
    assert!(!log.contains(&reader.secret_access_key), "{log}");
}

#[test]
fn a_call_whose_caller_went_away_leaves_its_line() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let principal = Principal::User { arn: "arn:aws:iam::123456789012:root".to_owned() };
    drop(Record {
        request_id: "r",
        principal: &principal,
        source: "127.0.0.1:1".parse().unwrap(),
        service: "iot",
        method: &hyper::Method::POST,
        path: "/things/T",
        deed: Deed { operation: Some("iot:CreateThing".to_owned()), resource: "arn".to_owned() },
        status: None,
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("iot:CreateThing") && text.contains("interrupted"), "{text}");
}

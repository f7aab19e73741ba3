use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use super::*;

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

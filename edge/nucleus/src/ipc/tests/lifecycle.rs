//! PauseComponent and ResumeComponent: who may, and every error (4.5).

use marram_ipc::Operation;
use serde_json::{Value, json};

use super::Device;
use super::client::Client;
use crate::ipc::lifecycle::{Outcome, PauseRefused, Pausing};

const PAUSE: Operation = Operation::PauseComponent;
const RESUME: Operation = Operation::ResumeComponent;

/// Components whose last word says what becomes of them.
#[derive(Debug)]
pub(super) struct Played;

fn outcome(component: &str) -> Outcome<'_> {
    let outcome = match component.rsplit('.').next() {
        Some("Unknown") => Err(PauseRefused::Unknown),
        Some("Native") => Err(PauseRefused::NotGeneric),
        Some("Wrong") => Err(PauseRefused::WrongState),
        Some("Failing") => Err(PauseRefused::Failed("no cgroups".to_owned())),
        _ => Ok(()),
    };
    Box::pin(async move { outcome })
}

impl Pausing for Played {
    fn pause<'a>(&'a self, component: &'a str) -> Outcome<'a> {
        outcome(component)
    }

    fn resume<'a>(&'a self, component: &'a str) -> Outcome<'a> {
        outcome(component)
    }
}

async fn client(device: &Device, resources: &[&str]) -> Client {
    let policy = json!({"p": {"operations": ["*"], "resources": resources}});
    let access = json!({"accessControl": {"aws.greengrass.ipc.lifecycle": policy}});
    device.configure("com.example.A", access);
    device.connect("com.example.A").await
}

fn of(name: &str) -> Value {
    json!({ "componentName": name })
}

#[tokio::test]
async fn pause_and_resume_answer_empty() {
    let device = Device::start();
    let mut client = client(&device, &["com.example.Good"]).await;
    assert_eq!(client.call(PAUSE, of("com.example.Good")).await.unwrap(), json!({}));
    assert_eq!(client.call(RESUME, of("com.example.Good")).await.unwrap(), json!({}));
}

#[tokio::test]
async fn pause_needs_a_name_and_then_a_policy() {
    let device = Device::start();
    let mut client = client(&device, &["com.example.Good"]).await;
    for operation in [PAUSE, RESUME] {
        let (code, message) = client.call(operation, json!({})).await.unwrap_err();
        assert_eq!(code, "InvalidArgumentsError");
        assert_eq!(message, "Component name is required.");
        let (code, _) = client.call(operation, of("com.example.Unknown")).await.unwrap_err();
        assert_eq!(code, "UnauthorizedError", "before it says what there is");
    }
}

#[tokio::test]
async fn pause_and_resume_name_what_is_wrong() {
    let device = Device::start();
    let mut client = client(&device, &["*"]).await;
    let invalid = "InvalidArgumentsError";
    let wrong = [
        (PAUSE, "c.Native", invalid, "Only generic components can be paused."),
        (RESUME, "c.Native", invalid, "Only generic components can be resumed."),
        (PAUSE, "c.Wrong", invalid, "Component c.Wrong is not running"),
        (RESUME, "c.Wrong", invalid, "Component c.Wrong is not paused"),
        (
            PAUSE,
            "c.Failing",
            "ServiceError",
            "Failed to pause component c.Failing due to : no cgroups",
        ),
        (
            RESUME,
            "c.Failing",
            "ServiceError",
            "Failed to resume component c.Failing due to : no cgroups",
        ),
    ];
    for (operation, name, code, message) in wrong {
        let error = client.call(operation, of(name)).await.unwrap_err();
        assert_eq!(error, (code.to_owned(), message.to_owned()));
    }
    let (code, _) = client.call(PAUSE, of("c.Unknown")).await.unwrap_err();
    assert_eq!(code, "ResourceNotFoundError");
}

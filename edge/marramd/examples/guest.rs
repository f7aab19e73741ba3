//! `marramd` with a native component more: a small vault that answers operations of the IPC.
//!
//! It shows how a component inside the nucleus is written, and the interop tests deploy and remove
//! it to hold the interface to the Device SDK.

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use clap::Parser;
use marram_ipc::{IpcError, Operation, shapes};
use marram_nucleus::component::{Context, NativeComponent, Running, StartNative, StartingNative};
use marram_nucleus::ipc::providers::{Answering, Call, Events, OperationProvider, Registration};
use serde_json::{Value, json};
use tokio::sync::Mutex;

const OPERATIONS: [Operation; 2] =
    [Operation::GetSecretValue, Operation::SubscribeToCertificateUpdates];

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    arguments: marramd::Arguments,
}

fn main() -> ExitCode {
    marramd::run_with(Program::parse().arguments, vec![Arc::new(Vault)])
}

/// The component as it is registered with the nucleus.
#[derive(Debug)]
struct Vault;

impl NativeComponent for Vault {
    fn name(&self) -> &'static str {
        "com.example.Vault"
    }

    fn start(self: Arc<Self>, context: Context) -> StartingNative {
        Box::pin(async move {
            let Value::Object(secrets) = context.configuration()["secrets"].take() else {
                let reason = "`secrets` must be an object of ARNs and texts".to_owned();
                return Err(StartNative { component: context.name.to_string(), reason });
            };
            let desk = Arc::new(Desk { secrets: secrets.into(), watchers: Mutex::default() });
            let registration = context.operations.register(&OPERATIONS, desk.clone());
            Ok(Box::new(Open { _registration: registration, desk }) as Box<dyn Running>)
        })
    }
}

/// The component while it runs.
struct Open {
    _registration: Registration,
    desk: Arc<Desk>,
}

impl Running for Open {
    fn stop(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        // The streams end with what was kept of them.
        Box::pin(async move { self.desk.watchers.lock().await.clear() })
    }
}

/// Answers.
#[derive(Debug)]
struct Desk {
    secrets: Value,
    watchers: Mutex<Vec<Events>>,
}

impl OperationProvider for Desk {
    fn answer<'a>(&'a self, call: &'a Call) -> Answering<'a> {
        Box::pin(async move {
            match &call.events {
                Some(events) => self.watch(call, events).await,
                None => self.secret(call),
            }
        })
    }
}

impl Desk {
    fn secret(&self, call: &Call) -> Result<Bytes, IpcError> {
        let request: Value = shapes::parse(call.operation, &call.payload)?;
        let id = request["secretId"].as_str().unwrap_or_default();
        call.authorize(id)?;
        let Some(secret) = self.secrets.get(id) else {
            let text = format!("Secret not configured {id}");
            return Err(IpcError::not_found(text).with_resource("secret", id));
        };
        let answer = json!({
            "secretId": id, "versionId": "1", "versionStage": ["AWSCURRENT"],
            "secretValue": {"secretString": secret},
        });
        Ok(answer.to_string().into())
    }

    /// The present certificate comes at once; a real component would tell of each later one.
    async fn watch(&self, call: &Call, events: &Events) -> Result<Bytes, IpcError> {
        call.authorize("*")?;
        let present = json!({"certificateUpdate": {
            "privateKey": "key", "publicKey": "public", "certificate": "certificate",
            "caCertificates": ["root"],
        }});
        events.send(&present.to_string().into()).await;
        self.watchers.lock().await.push(events.clone());
        Ok(Bytes::from_static(b"{}"))
    }
}

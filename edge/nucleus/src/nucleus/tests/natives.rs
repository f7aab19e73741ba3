//! Components inside the nucleus, as deployments bring and remove them: a guest that answers an
//! operation of the IPC, which nobody answers before and after.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use marram_ipc::IpcError;

use super::*;
use crate::component::{Context, Running, StartingNative};
use crate::ipc::providers::{Answering, Call, OperationProvider, Registration};

const GUEST: &str = "com.example.Vault";
const CALLER: &str = "com.example.Caller";
const ASK: Operation = Operation::GetSecretValue;
const SERVICE: &str = "aws.greengrass.SecretManager";

/// Brings one secret.
#[derive(Debug)]
struct Vault;

#[derive(Debug)]
struct Secrets;

impl OperationProvider for Secrets {
    fn answer<'a>(&'a self, call: &'a Call) -> Answering<'a> {
        Box::pin(async move {
            let request: Value = marram_ipc::shapes::parse(call.operation, &call.payload)?;
            let id = request["secretId"].as_str().unwrap_or_default();
            call.authorize(id)?;
            if id != "arn:secret" {
                return Err(IpcError::not_found("Secret not found").with_resource("secret", id));
            }
            let secret = json!({"secretId": id, "secretValue": {"secretString": call.component}});
            Ok(Bytes::from(secret.to_string()))
        })
    }
}

struct Open {
    _registration: Registration,
}

impl Running for Open {
    fn stop(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async {})
    }
}

impl NativeComponent for Vault {
    fn name(&self) -> &'static str {
        GUEST
    }

    fn start(self: Arc<Self>, context: Context) -> StartingNative {
        Box::pin(async move {
            let registration = context.operations.register(&[ASK], Arc::new(Secrets));
            Ok(Box::new(Open { _registration: registration }) as Box<dyn Running>)
        })
    }
}

impl Offline {
    /// Deploys and waits for the success.
    async fn deploy(&mut self, request: Value) {
        let id = self.create(request).await;
        let end = self.end_of(&id).await;
        assert_eq!(end["status"], "SUCCEEDED", "{end}");
    }

    /// Connects with the token that a component has found in its environment.
    async fn as_component(&self, name: &str) -> Client {
        let file = self.folder.path().join("work").join(name).join("token");
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            let token = fs::read_to_string(&file).unwrap_or_default();
            if token.trim().len() == 16 {
                return Client::connect(self.nucleus.ipc_socket(), token.trim()).await;
            }
            assert!(tokio::time::Instant::now() < deadline, "{name} has found no token");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_is_answered_only_while_a_deployment_has_its_component() {
    let mut device = Offline::start_with(vec![Arc::new(Vault)]).await;
    device.recipe_of(GUEST, "1.0.0", json!({}));
    device.recipe_of(CALLER, "1.0.0", json!({"run": "echo $SVCUID > token; exec sleep 1000"}));
    let policy = json!({"p": {"operations": ["*"], "resources": ["arn:*"]}});
    let access = json!({"accessControl": {SERVICE: policy}});
    device
        .deploy(json!({
            MERGE: {CALLER: "1.0.0"},
            "componentToConfiguration": {CALLER: {"MERGE": access}},
        }))
        .await;
    let mut caller = device.as_component(CALLER).await;
    let ask = |id: &str| json!({"secretId": id});
    let text = "Operation aws.greengrass#GetSecretValue is not supported by Greengrass";
    let unsupported = error("ServiceError", text);
    assert_eq!(caller.call(ASK, ask("arn:secret")).await.unwrap_err(), unsupported);

    device.deploy(json!({MERGE: {GUEST: "1.0.0"}})).await;
    assert_eq!(device.details(GUEST).await.unwrap()["state"], "RUNNING");
    let secret = caller.call(ASK, ask("arn:secret")).await.unwrap();
    assert_eq!(secret["secretValue"]["secretString"], CALLER, "it sees who asks");
    let (code, _) = caller.call(ASK, ask("arn:other")).await.unwrap_err();
    assert_eq!(code, "ResourceNotFoundError");
    let denied = format!(
        "Principal {CALLER} is not authorized to perform \
         {SERVICE}:aws.greengrass#GetSecretValue on resource name"
    );
    assert_eq!(
        caller.call(ASK, ask("name")).await.unwrap_err(),
        error("UnauthorizedError", &denied)
    );

    device.deploy(json!({"rootComponentsToRemove": [GUEST]})).await;
    assert_eq!(caller.call(ASK, ask("arn:secret")).await.unwrap_err(), unsupported);
    device.nucleus.stop().await;
}

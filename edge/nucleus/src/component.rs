//! Native components: guests of the nucleus that run in its process.
//!
//! A native component is absent until a deployment brings it, appears in every listing under
//! Greengrass's own name, and sees the nucleus only through its [`Context`] (design, section 3.4).

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use marram_model::ComponentName;
use serde_json::Value;

use crate::config::ConfigStore;
use crate::ipc::providers::Operations;
use crate::supervisor::tokens::Tokens;

/// What a guest may use of the nucleus.
#[derive(Debug, Clone)]
pub struct Context {
    /// The component's own name.
    pub name: ComponentName,
    /// The device's configuration: the guest reads `services.<name>.configuration` and the nucleus's.
    pub config: ConfigStore,
    /// Who a component's token belongs to.
    pub tokens: Tokens,
    /// Answers operations of the IPC for as long as the component runs.
    pub operations: Operations,
    /// Variables that every process started from now on gets, for example the credentials URI.
    pub environment: crate::supervisor::environment::SharedEnvironment,
    /// The component's working folder.
    pub work: PathBuf,
}

impl Context {
    /// The component's own configuration; an empty object when it has none.
    pub fn configuration(&self) -> Value {
        self.config
            .get(&["services", self.name.as_ref(), "configuration"])
            .unwrap_or_else(|| Value::Object(serde_json::Map::new()))
    }
}

/// Why a guest could not start; the text becomes the component's error reason.
#[derive(Debug, thiserror::Error)]
#[error("{component} could not start: {reason}")]
pub struct StartNative {
    /// The component.
    pub component: String,
    /// What failed, with its cause.
    pub reason: String,
}

/// A guest that runs. Dropping it must end all its work at once.
pub trait Running: Send {
    /// Ends the guest's work; the supervisor gives it at most 15 s.
    fn stop(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// A guest on its way up.
pub type StartingNative =
    Pin<Box<dyn Future<Output = Result<Box<dyn Running>, StartNative>> + Send>>;

/// Makes a guest run each time its component is started.
pub trait NativeComponent: Send + Sync + std::fmt::Debug {
    /// The component name that a deployment must bring, for example
    /// `aws.greengrass.TokenExchangeService`.
    fn name(&self) -> &'static str;

    /// Starts the guest. It counts as RUNNING when this returns.
    fn start(self: Arc<Self>, context: Context) -> StartingNative;
}

//! Operations that components inside the nucleus answer, for as long as they run.
//!
//! Greengrass serves some operations only where a component brings them: secrets, shadows, client
//! devices. Such a component registers itself with [`Operations`] when it starts; when it stops,
//! its [`Registration`] goes, and the operation is "not supported" as it was before.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use marram_ipc::{IpcError, Operation};
use marram_model::ComponentName;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::authorizer::{Authorizer, Service};
use super::outbox::Outbox;
use super::pubsub::DELIVERY_DEADLINE;

/// The answer on its way: the response's JSON, or the error.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Bytes, IpcError>> + Send + 'a>>;

/// Answers operations.
pub trait OperationProvider: fmt::Debug + Send + Sync + 'static {
    /// Answers one request. It has 30 s, and is dropped earlier if its client goes.
    ///
    /// Of an operation with events, [`Call::events`] takes them, now and for as long as it is kept.
    fn answer<'a>(&'a self, call: &'a Call) -> Answering<'a>;
}

/// One request of one component.
#[derive(Debug)]
pub struct Call {
    /// Who asks.
    pub component: ComponentName,
    /// For what.
    pub operation: Operation,
    /// The request as JSON; read it with `marram_ipc::shapes::parse`.
    pub payload: Bytes,
    /// The stream's events, if the operation has any.
    pub events: Option<Events>,
    pub(super) authorizer: Arc<Authorizer>,
    pub(super) service: Service,
}

impl Call {
    /// Whether the asking component's `accessControl` allows the operation on this resource.
    ///
    /// # Errors
    /// `UnauthorizedError`, which is to be the answer.
    pub fn authorize(&self, resource: &str) -> Result<(), IpcError> {
        self.authorizer.authorize(&self.component, self.service, self.operation, resource)
    }
}

/// The events of one stream; clones are of the same. None is sent before the response.
///
/// The stream is over when its client ends it, and when the last of these is dropped, which the
/// client then hears. So a component that stops must drop those that it keeps.
#[derive(Debug, Clone)]
pub struct Events {
    outbox: Arc<Outbox>,
    stream: i32,
    life: mpsc::Sender<Infallible>,
}

impl Events {
    pub(super) fn new(outbox: Arc<Outbox>, stream: i32) -> (Self, mpsc::Receiver<Infallible>) {
        let (life, ended) = mpsc::channel(1);
        (Self { outbox, stream, life }, ended)
    }

    /// Sends one event, the JSON of the union that the operation's model names; false if the
    /// stream is over. Waits up to 250 ms for a client that does not read, then drops its oldest
    /// events.
    pub async fn send(&self, event: &Bytes) -> bool {
        if self.life.is_closed() {
            return false;
        }
        let deadline = Instant::now() + DELIVERY_DEADLINE;
        self.outbox.deliver(self.stream, event, deadline).await;
        !self.life.is_closed()
    }

    /// Ends when the client has ended the stream.
    pub async fn ended(&self) {
        self.life.closed().await;
    }
}

/// Who answers which operation. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Operations(Arc<RwLock<HashMap<Operation, Arc<dyn OperationProvider>>>>);

/// Operations that are answered until this is dropped.
#[derive(Debug)]
#[must_use = "the operations are unsupported again when this is dropped"]
pub struct Registration {
    operations: Operations,
    provider: Arc<dyn OperationProvider>,
}

impl Operations {
    /// Lets `provider` answer these operations, instead of whoever did before. Those that are the
    /// nucleus's own stay so.
    pub fn register(
        &self,
        operations: &[Operation],
        provider: Arc<dyn OperationProvider>,
    ) -> Registration {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for operation in operations.iter().filter(|operation| service_of(**operation).is_some()) {
            table.insert(*operation, provider.clone());
        }
        Registration { operations: self.clone(), provider }
    }

    pub(super) fn find(
        &self,
        operation: Operation,
    ) -> Option<(Arc<dyn OperationProvider>, Service)> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some((table.get(&operation)?.clone(), service_of(operation)?))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut table = self.operations.0.write().unwrap_or_else(PoisonError::into_inner);
        table.retain(|_, provider| !Arc::ptr_eq(provider, &self.provider));
    }
}

/// The service that allows an operation of a component's; `None` for all others.
fn service_of(operation: Operation) -> Option<Service> {
    match operation {
        Operation::GetSecretValue => Some(Service::SecretManager),
        Operation::GetThingShadow
        | Operation::UpdateThingShadow
        | Operation::DeleteThingShadow
        | Operation::ListNamedShadowsForThing => Some(Service::ShadowManager),
        Operation::VerifyClientDeviceIdentity
        | Operation::GetClientDeviceAuthToken
        | Operation::AuthorizeClientDeviceAction
        | Operation::SubscribeToCertificateUpdates => Some(Service::ClientDevices),
        _ => None,
    }
}

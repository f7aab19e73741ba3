//! Which component may do what: `accessControl` of the configuration, compiled and cached.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use marram_ipc::{IpcError, Operation};
use marram_model::ComponentName;
use marram_policy::access_control::{AccessControl, policy_that_allows};

use super::cli;
use crate::config::{Change, ConfigStore};

const ACCESS_CONTROL: &str = "accessControl";
/// Different refusals of one component that are logged as warnings; a component that tries ever
/// new resources must not fill the log.
const LOGGED_REFUSALS: usize = 64;

/// The services whose operations need a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Messages between components.
    PubSub,
    /// Messages to and from AWS IoT Core.
    MqttProxy,
    /// Pausing and resuming components.
    Lifecycle,
    /// What AWS's own components measure.
    ComponentMetric,
    /// Secrets.
    SecretManager,
    /// Shadows on this device.
    ShadowManager,
    /// Devices that connect to this one.
    ClientDevices,
    /// What people do on the device.
    Cli,
}

impl Service {
    fn id(self) -> &'static str {
        match self {
            Self::PubSub => "aws.greengrass.ipc.pubsub",
            Self::Lifecycle => "aws.greengrass.ipc.lifecycle",
            Self::MqttProxy => "aws.greengrass.ipc.mqttproxy",
            Self::ComponentMetric => "aws.greengrass.ipc.componentmetric",
            Self::SecretManager => "aws.greengrass.SecretManager",
            Self::ShadowManager => "aws.greengrass.ShadowManager",
            Self::ClientDevices => "aws.greengrass.clientdevices.Auth",
            Self::Cli => cli::PRINCIPAL,
        }
    }
}

/// Answers from the cache; [`Authorizer::follow_changes`] keeps the cache right.
#[derive(Debug)]
pub(super) struct Authorizer {
    config: ConfigStore,
    cache: RwLock<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    /// Counts changes, so that a value read before a change is not kept after it.
    generation: u64,
    components: HashMap<ComponentName, Arc<Rules>>,
}

/// A decision that was for the asker, with the generation of rules that it is of.
#[derive(Debug)]
pub(super) struct Allowed {
    generation: u64,
    resource: String,
}

/// What one component may do.
#[derive(Debug, Default)]
struct Rules {
    access: AccessControl,
    logged: Mutex<HashSet<(Operation, String)>>,
}

impl Authorizer {
    pub(super) fn new(config: ConfigStore) -> Self {
        Self { config, cache: RwLock::default() }
    }

    /// Lets the component perform the operation on the resource, or says why not.
    ///
    /// [`cli::PRINCIPAL`] may do everything with these services (ipc 4.9).
    ///
    /// The first refusal of each kind is logged with the policy that would allow it.
    pub(super) fn authorize(
        &self,
        component: &ComponentName,
        service: Service,
        operation: Operation,
        resource: &str,
    ) -> Result<(), IpcError> {
        if resource.is_empty() {
            return Err(IpcError::unauthorized("Resource cannot be empty"));
        }
        let is_peoples = matches!(service, Service::PubSub | Service::MqttProxy | Service::Cli);
        if is_peoples && component.as_str() == cli::PRINCIPAL {
            return Ok(());
        }
        let rules = self.rules(component);
        if rules.access.allows(service.id(), operation.wire_name(), resource) {
            return Ok(());
        }
        let name = operation.wire_name();
        if rules.is_new_refusal(operation, resource) {
            let policy = policy_that_allows(component.as_str(), service.id(), name, resource);
            tracing::warn!(
                %component, operation = name, resource,
                "an IPC request was denied; add to the component's accessControl: {policy}"
            );
        }
        Err(IpcError::unauthorized(format!(
            "Principal {component} is not authorized to perform {}:{name} on resource {resource}",
            service.id()
        )))
    }

    /// [`Authorizer::authorize`] for a caller that asks about one resource again and again: a
    /// decision holds until some component's rules change. `last` is one component's and one
    /// operation's.
    pub(super) fn authorize_again(
        &self,
        component: &ComponentName,
        service: Service,
        operation: Operation,
        resource: &str,
        last: &mut Option<Allowed>,
    ) -> Result<(), IpcError> {
        // Read before the rules are: a change in between makes the decision count as old.
        let generation = self.cache.read().unwrap_or_else(PoisonError::into_inner).generation;
        let holds = |last: &Allowed| last.generation == generation && last.resource == resource;
        if last.as_ref().is_some_and(holds) {
            return Ok(());
        }
        self.authorize(component, service, operation, resource)?;
        *last = Some(Allowed { generation, resource: resource.to_owned() });
        Ok(())
    }

    /// Forgets what has changed for as long as it is polled; ends with the store.
    pub(super) async fn follow_changes(&self) {
        let mut watcher = self.config.watch(&["services"]);
        self.forget(&Change { path: Vec::new() });
        while let Some(change) = watcher.changed().await {
            self.forget(&change);
        }
    }

    fn forget(&self, change: &Change) {
        let mut segments = change.path.iter().skip(1);
        let component = segments.next();
        let names = ["configuration", ACCESS_CONTROL];
        if !segments.zip(names).all(|(segment, name)| segment.eq_ignore_ascii_case(name)) {
            return;
        }
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        cache.generation += 1;
        cache.components.retain(|name, _| {
            component.is_some_and(|changed| !changed.eq_ignore_ascii_case(name.as_str()))
        });
    }

    fn rules(&self, component: &ComponentName) -> Arc<Rules> {
        let generation = {
            let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(rules) = cache.components.get(component) {
                return rules.clone();
            }
            cache.generation
        };
        let rules = Arc::new(self.read_rules(component));
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if cache.generation == generation {
            cache.components.insert(component.clone(), rules.clone());
        }
        rules
    }

    fn read_rules(&self, component: &ComponentName) -> Rules {
        let path = ["services", component.as_str(), "configuration", ACCESS_CONTROL];
        let Some(value) = self.config.get(&path) else {
            return Rules::default();
        };
        let (access, warnings) = AccessControl::parse(&value);
        for warning in warnings {
            tracing::warn!(%component, "{warning}");
        }
        Rules { access, ..Rules::default() }
    }
}

impl Rules {
    fn is_new_refusal(&self, operation: Operation, resource: &str) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.len() < LOGGED_REFUSALS && logged.insert((operation, resource.to_owned()))
    }
}

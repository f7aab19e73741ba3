//! What each request does, and what it is answered.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use marram_ipc::reply::EMPTY;
use marram_ipc::shapes::{
    self, GetConfigurationRequest, PublishToTopicRequest, SubscribeToTopicRequest,
};
use marram_ipc::{IpcError, Operation};
use marram_model::ComponentName;
use tokio::time::timeout;

use super::{DISK_DEADLINE, Session, Subscription, disk_is_slow};
use crate::ipc::authorizer::Service;
use crate::ipc::configuration::{self, Update};
use crate::ipc::iot_core::connection_status;
use crate::ipc::iot_core::requests::{self, Limits};
use crate::ipc::providers::{Call, Events};
use crate::ipc::server::Shared;
use crate::ipc::{cli, component_metrics, component_updates, lifecycle, pubsub, state, token};

/// A component inside the nucleus has this long for one answer.
const PROVIDER_DEADLINE: Duration = Duration::from_secs(30);

/// When a request that was begun is answered.
pub(super) enum Answer {
    Now(Bytes),
    Later,
}

impl Answer {
    fn empty() -> Self {
        Self::Now(Bytes::from_static(EMPTY))
    }
}

impl Session {
    /// Does what a request asks for.
    pub(super) async fn answer(
        &mut self,
        component: &ComponentName,
        stream: i32,
        operation: Operation,
        payload: &[u8],
    ) -> Result<Answer, IpcError> {
        match operation {
            Operation::PublishToTopic => self.publish(component, payload).await,
            Operation::SubscribeToTopic => self.subscribe(component, stream, payload),
            Operation::PublishToIoTCore => self.publish_to_cloud(component, stream, payload).await,
            Operation::SubscribeToIoTCore => {
                self.subscribe_to_cloud(component, stream, payload).await
            }
            Operation::GetConfiguration => {
                let request = GetConfigurationRequest::parse(payload)?;
                let response = configuration::get(&self.server.config, component, &request)?;
                Ok(Answer::Now(response.into()))
            }
            Operation::UpdateConfiguration => {
                let update = Update::check(component, shapes::parse(operation, payload)?)?;
                self.update_configuration(stream, update).await
            }
            Operation::SubscribeToConfigurationUpdate => {
                let request = shapes::parse(operation, payload)?;
                self.watch_configuration(component, stream, request)
            }
            Operation::UpdateState => {
                let request = shapes::parse(operation, payload)
                    .map_err(|error| IpcError::service(error.message))?;
                state::update(&*self.server.states, component, &request)?;
                Ok(Answer::empty())
            }
            Operation::SubscribeToComponentUpdates => self.subscribe_to_updates(component, stream),
            Operation::DeferComponentUpdate => {
                self.server.updates.defer(component, shapes::parse(operation, payload)?)?;
                Ok(Answer::empty())
            }
            Operation::SubscribeToValidateConfigurationUpdates => {
                Ok(self.subscribe_to_validation(component, stream))
            }
            Operation::SendConfigurationValidityReport => {
                self.server.validators.report(component, shapes::parse(operation, payload)?)?;
                Ok(Answer::empty())
            }
            by_people if cli::serves(by_people) => {
                self.answer_people(component, by_people, payload).await
            }
            Operation::PauseComponent | Operation::ResumeComponent => {
                let Shared { pausing, authorizer, .. } = &*self.server;
                lifecycle::answer(&**pausing, authorizer, component, operation, payload).await?;
                Ok(Answer::empty())
            }
            Operation::SubscribeToIoTCoreConnectionStatus => {
                Ok(self.watch_connection(component, stream))
            }
            Operation::PutComponentMetric => self.keep_metrics(component, payload).await,
            Operation::ValidateAuthorizationToken => {
                let request = shapes::parse(operation, payload)?;
                let response = token::validate(&self.server.tokens, component, request)?;
                Ok(Answer::Now(response.into()))
            }
            provided => self.ask_provider(component, stream, provided, payload).await,
        }
    }

    async fn answer_people(
        &mut self,
        component: &ComponentName,
        operation: Operation,
        payload: &[u8],
    ) -> Result<Answer, IpcError> {
        let Some(backend) = &self.server.cli else {
            return Err(IpcError::unsupported(operation));
        };
        let authorizer = &self.server.authorizer;
        let response = cli::answer(backend, authorizer, component, operation, payload).await?;
        Ok(Answer::Now(response.into()))
    }

    async fn publish(
        &mut self,
        component: &ComponentName,
        payload: &[u8],
    ) -> Result<Answer, IpcError> {
        let operation = Operation::PublishToTopic;
        let request = PublishToTopicRequest::parse(payload)?;
        let (server, allowed) = (&self.server, &mut self.allowed_publish);
        let (topic, body) = pubsub::check_publish(&request, |topic| {
            server.authorizer.authorize_again(component, Service::PubSub, operation, topic, allowed)
        })?;
        self.server.pubsub.publish(component, topic, body).await;
        Ok(Answer::empty())
    }

    fn subscribe(
        &mut self,
        component: &ComponentName,
        stream: i32,
        payload: &[u8],
    ) -> Result<Answer, IpcError> {
        let operation = Operation::SubscribeToTopic;
        let request: SubscribeToTopicRequest = shapes::parse(operation, payload)?;
        let filter = pubsub::check_subscribe(&request, |filter| {
            self.server.authorizer.authorize(component, Service::PubSub, operation, filter)
        })?;
        self.add_lane(component, stream, operation, filter);
        let filter =
            self.server.pubsub.subscribe(self.key(stream), component, &self.outbox, &request)?;
        self.subscriptions.insert(stream, Subscription::Local(filter));
        Ok(Answer::empty())
    }

    async fn publish_to_cloud(
        &mut self,
        component: &ComponentName,
        stream: i32,
        payload: &[u8],
    ) -> Result<Answer, IpcError> {
        let operation = Operation::PublishToIoTCore;
        let request = shapes::parse(operation, payload)?;
        let message = requests::check_publish(request, |topic| {
            self.server.authorizer.authorize(component, Service::MqttProxy, operation, topic)
        })?;
        let topic = message.topic.clone();
        let Some(fan_out) = self.server.fan_out.clone() else {
            let reason = "Cannot publish because device is configured to run offline";
            return Err(requests::publish_failed(&topic, reason));
        };
        requests::check_limits(&message, Limits::from_config(&self.server.config))?;
        self.room_for_pending().await?;
        let accepted = fan_out.iot_core().publish(message);
        let outbox = self.outbox.clone();
        self.pending.spawn(async move {
            match accepted.await {
                Ok(()) => outbox.respond(stream, operation, EMPTY),
                Err(error) => {
                    outbox.fail(stream, &requests::publish_failed(&topic, &error.reason));
                }
            }
            None
        });
        Ok(Answer::Later)
    }

    async fn subscribe_to_cloud(
        &mut self,
        component: &ComponentName,
        stream: i32,
        payload: &[u8],
    ) -> Result<Answer, IpcError> {
        let operation = Operation::SubscribeToIoTCore;
        let request = shapes::parse(operation, payload)?;
        let limits = Limits::from_config(&self.server.config);
        let (filter, qos) = requests::check_subscribe(request, limits, |filter| {
            self.server.authorizer.authorize(component, Service::MqttProxy, operation, filter)
        })?;
        let Some(fan_out) = self.server.fan_out.clone() else {
            let reason = "Cannot subscribe because device is configured to run offline";
            return Err(requests::subscribe_failed(&filter, reason));
        };
        self.room_for_pending().await?;
        let key = self.key(stream);
        self.add_lane(component, stream, operation, &filter);
        fan_out.add(key, &self.outbox, filter.clone(), qos);
        self.subscriptions.insert(stream, Subscription::IotCore);
        let outbox = self.outbox.clone();
        self.pending.spawn(async move {
            let Err(error) = fan_out.clone().established(key).await else {
                outbox.respond(stream, operation, EMPTY);
                return None;
            };
            fan_out.remove(key);
            outbox.fail_if_open(stream, &requests::subscription_refused(&filter, &error));
            Some(stream)
        });
        Ok(Answer::Later)
    }

    fn subscribe_to_updates(
        &mut self,
        component: &ComponentName,
        stream: i32,
    ) -> Result<Answer, IpcError> {
        component_updates::check_known(&self.server.config, component)?;
        self.add_lane(component, stream, Operation::SubscribeToComponentUpdates, "updates");
        self.server.updates.subscribe(self.key(stream), component, &self.outbox);
        self.subscriptions.insert(stream, Subscription::ComponentUpdates);
        Ok(Answer::empty())
    }

    fn subscribe_to_validation(&mut self, component: &ComponentName, stream: i32) -> Answer {
        let operation = Operation::SubscribeToValidateConfigurationUpdates;
        self.add_lane(component, stream, operation, "configuration to check");
        self.server.validators.subscribe(self.key(stream), component, &self.outbox);
        self.subscriptions.insert(stream, Subscription::ConfigurationValidation);
        Answer::empty()
    }

    /// Answered once the update is durable; the next one may begin before, so that those of all
    /// clients share their writes.
    async fn update_configuration(
        &mut self,
        stream: i32,
        update: Update,
    ) -> Result<Answer, IpcError> {
        self.room_for_update().await?;
        let begun = update.begin(&self.server.config, &*self.server.clock);
        let begun = timeout(DISK_DEADLINE, begun).await.unwrap_or_else(|_| Err(disk_is_slow()))?;
        let outbox = self.outbox.clone();
        self.updates.spawn(async move {
            match begun.ended().await {
                Ok(()) => {
                    outbox.respond(stream, Operation::UpdateConfiguration, EMPTY);
                    None
                }
                Err(error) => {
                    outbox.fail(stream, &error);
                    Some(stream)
                }
            }
        });
        Ok(Answer::Later)
    }

    fn watch_configuration(
        &mut self,
        component: &ComponentName,
        stream: i32,
        request: shapes::SubscribeToConfigurationUpdateRequest,
    ) -> Result<Answer, IpcError> {
        let operation = Operation::SubscribeToConfigurationUpdate;
        let watch = configuration::Subscription::begin(&self.server.config, component, request)?;
        self.add_lane(component, stream, operation, watch.component());
        self.send_events(stream, watch.run(self.outbox.clone(), stream));
        Ok(Answer::empty())
    }

    fn watch_connection(&mut self, component: &ComponentName, stream: i32) -> Answer {
        let operation = Operation::SubscribeToIoTCoreConnectionStatus;
        self.add_lane(component, stream, operation, "connection status");
        let connection = self.server.fan_out.as_ref().map(|it| it.iot_core().connection());
        self.send_events(stream, connection_status::tell(connection, self.outbox.clone(), stream));
        Answer::empty()
    }

    /// Lets a task send a stream's events until the stream ends.
    fn send_events(&mut self, stream: i32, task: impl Future<Output = ()> + Send + 'static) {
        let task = self.watches.spawn(async {
            task.await;
            None
        });
        self.subscriptions.insert(stream, Subscription::Task(task));
    }

    async fn keep_metrics(
        &mut self,
        component: &ComponentName,
        payload: &[u8],
    ) -> Result<Answer, IpcError> {
        let measured = component_metrics::check(&self.server.authorizer, component, payload)?;
        let (metrics, component) = (self.server.metrics.clone(), component.clone());
        let kept = tokio::task::spawn_blocking(move || metrics.keep(&component, &measured)).await;
        kept.unwrap_or_else(|error| Err(IpcError::service(error.to_string())))?;
        Ok(Answer::empty())
    }

    /// Hands a request to the component that answers such ones, if there is one.
    async fn ask_provider(
        &mut self,
        component: &ComponentName,
        stream: i32,
        operation: Operation,
        payload: &[u8],
    ) -> Result<Answer, IpcError> {
        let unsupported = || IpcError::unsupported(operation);
        let (provider, service) = self.server.operations.find(operation).ok_or_else(unsupported)?;
        self.room_for_pending().await?;
        let events =
            operation.is_streaming().then(|| self.provided_events(component, stream, operation));
        let call = Call {
            component: component.clone(),
            operation,
            payload: Bytes::copy_from_slice(payload),
            events,
            authorizer: self.server.authorizer.clone(),
            service,
        };
        let outbox = self.outbox.clone();
        self.pending.spawn(async move {
            let answer = timeout(PROVIDER_DEADLINE, provider.answer(&call)).await;
            match answer.unwrap_or_else(|_| Err(no_answer(operation))) {
                Ok(response) => {
                    outbox.respond(stream, operation, &response);
                    None
                }
                Err(error) if operation.is_streaming() => {
                    outbox.fail_if_open(stream, &error);
                    Some(stream)
                }
                Err(error) => {
                    outbox.fail(stream, &error);
                    None
                }
            }
        });
        Ok(Answer::Later)
    }

    /// Takes a component's events for a stream, which is over when it keeps none of it any more.
    fn provided_events(
        &mut self,
        component: &ComponentName,
        stream: i32,
        operation: Operation,
    ) -> Events {
        self.add_lane(component, stream, operation, operation.wire_name());
        let (events, mut ended) = Events::new(self.outbox.clone(), stream);
        let outbox = self.outbox.clone();
        let task = self.watches.spawn(async move {
            // Nothing is ever sent: this waits for the last sender to be dropped.
            let _ = ended.recv().await;
            outbox.end_stream(stream);
            Some(stream)
        });
        self.subscriptions.insert(stream, Subscription::Task(task));
        events
    }
}

fn no_answer(operation: Operation) -> IpcError {
    let (name, limit) = (operation.wire_name(), PROVIDER_DEADLINE.as_secs());
    IpcError::service(format!("{name} was not answered within {limit} s"))
}

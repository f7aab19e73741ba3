//! The handle an application holds.

use std::time::Duration;

use marram_mqtt::session::client::{Failure, Feature, Outcome};
use marram_mqtt::{ByteString, Publish, QoS, ReasonCode};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::driver::{Command, Driver, Event};
use crate::options::Options;

/// Commands that wait for the task; beyond that callers wait.
const COMMANDS: usize = 64;

/// Events that wait for the application; beyond that the socket is not read.
const EVENTS: usize = 64;

/// How much later than the session a caller gives up, so that the session's own answer comes first.
const GRACE: Duration = Duration::from_secs(1);

/// A client. Clones share one connection.
///
/// When the last clone is dropped the client disconnects.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    connected: watch::Receiver<bool>,
    operation_timeout: Duration,
}

/// The broker's acknowledgement of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Success, or [`ReasonCode::NO_MATCHING_SUBSCRIBERS`]. Always success for QoS 0, which is
    /// not acknowledged, and for MQTT 3.1.1.
    pub reason: ReasonCode,
}

/// Why a message was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The broker refused it with PUBACK.
    #[error("publishing to {topic:?} was refused: {reason}")]
    Refused {
        /// The message's topic.
        topic: ByteString,
        /// The broker's code.
        reason: ReasonCode,
    },
    /// No acknowledgement in time. The broker may have taken it all the same.
    #[error("publishing to {topic:?} was not acknowledged within {after:?}")]
    TimedOut {
        /// The message's topic.
        topic: ByteString,
        /// [`Options::operation_timeout`].
        after: Duration,
    },
    /// Larger than the broker takes.
    #[error("publishing to {topic:?} needs {size} bytes, the broker takes at most {max}")]
    TooLarge {
        /// The message's topic.
        topic: ByteString,
        /// Size of the packet.
        size: usize,
        /// The broker's maximum packet size.
        max: u32,
    },
    /// The topic is empty or has a wildcard, or a string is longer than 65535 bytes.
    #[error("{topic:?} is no topic to publish to, or a property is too long")]
    Invalid {
        /// The message's topic.
        topic: ByteString,
    },
    /// The broker said when it accepted the connection that it does not take such messages.
    #[error("publishing to {topic:?} needs {feature}, which the broker does not have")]
    NotOffered {
        /// The message's topic.
        topic: ByteString,
        /// What it lacks.
        feature: Feature,
    },
    /// The broker ended the connection of a message for one connection, perhaps because of it.
    #[error("the broker ended the connection while a message to {topic:?} was not acknowledged{}", with_code(*reason))]
    Cut {
        /// The message's topic.
        topic: ByteString,
        /// The code of the broker's DISCONNECT, if there was one.
        reason: Option<ReasonCode>,
    },
    /// The connection of a message for one connection ended for another reason, or is not there.
    #[error("there is no connection any more for a message to {topic:?}")]
    Lost {
        /// The message's topic.
        topic: ByteString,
    },
    /// The client was stopped.
    #[error("the MQTT client is stopped")]
    Stopped,
}

fn with_code(reason: Option<ReasonCode>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

/// Why a subscription was not made or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The broker refused it.
    #[error("the subscription to {filter:?} was refused: {reason}")]
    Refused {
        /// The topic filter.
        filter: ByteString,
        /// The broker's code; in MQTT 3.1.1 always [`ReasonCode::UNSPECIFIED_ERROR`].
        reason: ReasonCode,
    },
    /// No answer in time. The broker may have done it all the same.
    #[error("the subscription to {filter:?} was not answered within {after:?}")]
    TimedOut {
        /// The topic filter.
        filter: ByteString,
        /// [`Options::operation_timeout`].
        after: Duration,
    },
    /// The filter is not well formed, or larger than the broker takes.
    #[error("{filter:?} is no topic filter the broker could take")]
    Invalid {
        /// The topic filter.
        filter: ByteString,
    },
    /// The broker said when it accepted the connection that it does not have such subscriptions.
    #[error("the subscription to {filter:?} needs {feature}, which the broker does not have")]
    NotOffered {
        /// The topic filter.
        filter: ByteString,
        /// What it lacks.
        feature: Feature,
    },
    /// The client was stopped.
    #[error("the MQTT client is stopped")]
    Stopped,
}

impl Client {
    /// Starts to connect. Must be called within a tokio runtime, which runs the client's task.
    ///
    /// The events must be read: the channel is bounded, and while it is full the broker is not
    /// read either. Dropping the receiver discards events.
    pub fn start(options: Options) -> (Self, mpsc::Receiver<Event>) {
        let (commands, commands_in) = mpsc::channel(COMMANDS);
        let (events_out, events) = mpsc::channel(EVENTS);
        let (connection, connected) = watch::channel(false);
        let operation_timeout = options.operation_timeout;
        let driver = Driver::new(options, commands_in, events_out, connection);
        // Ends by itself when all handles are gone.
        drop(tokio::spawn(driver.run()));
        (Self { commands, connected, operation_timeout }, events)
    }

    /// Publishes, and for QoS 1 waits for the acknowledgement.
    ///
    /// Waits for a connection when there is none. Dropping the future does not withdraw the
    /// message.
    ///
    /// # Errors
    /// [`PublishError`]
    pub async fn publish(&self, publish: Publish) -> Result<Ack, PublishError> {
        self.publish_for(publish, false).await
    }

    /// As [`Self::publish`], but sends the message on the present connection only, so that the
    /// caller learns of its end: with [`PublishError::Cut`] if the broker ended it while the
    /// message was not acknowledged.
    ///
    /// # Errors
    /// [`PublishError`]
    pub async fn publish_once(&self, publish: Publish) -> Result<Ack, PublishError> {
        self.publish_for(publish, true).await
    }

    async fn publish_for(&self, publish: Publish, is_once: bool) -> Result<Ack, PublishError> {
        let topic = publish.topic.clone();
        let outcome = self
            .operate(|deadline, reply| Command::Publish { publish, is_once, deadline, reply })
            .await;
        outcome.map(|reason| Ack { reason }).map_err(|failure| match failure {
            Failure::Refused(reason) => PublishError::Refused { topic, reason },
            Failure::TimedOut => PublishError::TimedOut { topic, after: self.operation_timeout },
            Failure::TooLarge { size, max } => PublishError::TooLarge { topic, size, max },
            Failure::Invalid => PublishError::Invalid { topic },
            Failure::NotOffered(feature) => PublishError::NotOffered { topic, feature },
            Failure::Cut(reason) => PublishError::Cut { topic, reason },
            Failure::Lost => PublishError::Lost { topic },
            Failure::Stopped => PublishError::Stopped,
        })
    }

    /// Subscribes and returns the granted QoS. The subscription is renewed when the broker loses
    /// the session.
    ///
    /// # Errors
    /// [`SubscribeError`]
    pub async fn subscribe(
        &self,
        filter: impl Into<ByteString>,
        qos: QoS,
    ) -> Result<QoS, SubscribeError> {
        let filter = filter.into();
        let to_send = filter.clone();
        let outcome = self
            .operate(|deadline, reply| Command::Subscribe { filter: to_send, qos, deadline, reply })
            .await;
        match outcome {
            Ok(ReasonCode::SUCCESS) => Ok(QoS::AtMostOnce),
            Ok(_) => Ok(QoS::AtLeastOnce),
            Err(failure) => Err(self.subscribe_error(failure, filter)),
        }
    }

    /// Ends a subscription. Success also when there was none.
    ///
    /// # Errors
    /// [`SubscribeError`]
    pub async fn unsubscribe(&self, filter: impl Into<ByteString>) -> Result<(), SubscribeError> {
        let filter = filter.into();
        let to_send = filter.clone();
        let outcome = self
            .operate(|deadline, reply| Command::Unsubscribe { filter: to_send, deadline, reply })
            .await;
        outcome.map(drop).map_err(|failure| self.subscribe_error(failure, filter))
    }

    /// Whether the broker has accepted the connection and it is not known to be broken.
    pub fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// Follows [`Self::is_connected`]. It is false before any operation ends because of the
    /// connection's end.
    pub fn connection(&self) -> watch::Receiver<bool> {
        self.connected.clone()
    }

    /// Ends the client: waits up to `deadline` for what is under way, then sends DISCONNECT.
    ///
    /// Operations that are not confirmed by then fail with `Stopped`, as do later ones.
    pub async fn stop(&self, deadline: Duration) {
        let (done, stopped) = oneshot::channel();
        let until = Instant::now() + deadline;
        let request = async {
            // A client that is stopped already has nothing more to do.
            if self.commands.send(Command::Stop { deadline: until.into_std(), done }).await.is_ok()
            {
                let _ = stopped.await;
            }
        };
        // The task ends by itself soon after the deadline.
        let _ = timeout(deadline + GRACE, request).await;
    }

    async fn operate(
        &self,
        command: impl FnOnce(std::time::Instant, oneshot::Sender<Outcome>) -> Command,
    ) -> Outcome {
        let deadline = Instant::now() + self.operation_timeout;
        let (reply, outcome) = oneshot::channel();
        let command = command(deadline.into_std(), reply);
        match timeout_at(deadline, self.commands.send(command)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Failure::Stopped),
            Err(_) => return Err(Failure::TimedOut),
        }
        match timeout_at(deadline + GRACE, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Failure::Stopped),
            Err(_) => Err(Failure::TimedOut),
        }
    }

    fn subscribe_error(&self, failure: Failure, filter: ByteString) -> SubscribeError {
        match failure {
            Failure::Refused(reason) => SubscribeError::Refused { filter, reason },
            Failure::TimedOut => SubscribeError::TimedOut { filter, after: self.operation_timeout },
            Failure::NotOffered(feature) => SubscribeError::NotOffered { filter, feature },
            Failure::TooLarge { .. } | Failure::Invalid => SubscribeError::Invalid { filter },
            // Only messages are for one connection.
            Failure::Cut(_) | Failure::Lost | Failure::Stopped => SubscribeError::Stopped,
        }
    }
}

//! The handler of the tests: rules by name, and a service on reserved topics.

use std::sync::{Arc, Mutex, OnceLock};

use marram_broker::{
    Action, Broker, ConnectRequest, Disconnect, Handler, Intercept, Peer, Publish, QoS, Refusal,
    SessionInfo, Settings,
};

/// - a client id that begins with `refused` may not connect;
/// - topics with the level `denied` may not be published or subscribed to;
/// - topics with the level `secret` may not be received;
/// - `$aws/…/get` is consumed and answered with `$aws/…/get/accepted`;
/// - `$aws/slow/…` is never answered;
/// - all other topics below `$` are forwarded.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    broker: OnceLock<Broker<Rules>>,
    pub(crate) events: Mutex<Vec<String>>,
}

impl Rules {
    fn note(&self, event: String) {
        self.events.lock().unwrap().push(event);
    }

    pub(crate) fn noted(&self, event: &str) -> bool {
        self.events.lock().unwrap().iter().any(|noted| noted == event)
    }
}

/// A broker with these rules.
pub(crate) fn broker(settings: Settings) -> (Broker<Rules>, Arc<Rules>) {
    let rules = Arc::new(Rules::default());
    let broker = Broker::new(Arc::clone(&rules), settings);
    rules.broker.set(broker.clone()).unwrap();
    (broker, rules)
}

fn has_level(topic: &str, level: &str) -> bool {
    topic.split('/').any(|other| other == level)
}

impl Handler for Rules {
    /// The client id up to the first `#`, like a thing's name.
    type Identity = String;

    async fn connect(&self, _peer: &Peer, request: &ConnectRequest) -> Result<String, Refusal> {
        if request.client_id.starts_with("refused") {
            return Err(Refusal::NotAuthorized);
        }
        Ok(request.client_id.split('#').next().unwrap_or_default().to_owned())
    }

    fn authorize(&self, _identity: &String, _client_id: &str, action: Action<'_>) -> bool {
        match action {
            Action::Publish { topic, .. } => !has_level(topic, "denied"),
            Action::Subscribe { filter } => !has_level(filter, "denied"),
            Action::Receive { topic } => !has_level(topic, "secret"),
        }
    }

    async fn intercept(&self, session: &SessionInfo<String>, publish: &Publish) -> Intercept {
        if publish.topic.starts_with("$aws/slow/") {
            return std::future::pending().await;
        }
        if !publish.topic.ends_with("/get") {
            return Intercept::Forward;
        }
        let mut answer = Publish::new(format!("{}/accepted", publish.topic), "{}");
        answer.qos = QoS::AtLeastOnce;
        if let Some(broker) = self.broker.get() {
            broker.reply(&session.client_id, answer);
        }
        Intercept::Consumed
    }

    fn connected(&self, session: &SessionInfo<String>) {
        self.note(format!("{} connected", session.client_id));
    }

    fn disconnected(&self, session: &SessionInfo<String>, reason: &Disconnect) {
        self.note(format!("{} disconnected {reason:?}", session.client_id));
    }
}

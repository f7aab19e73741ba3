//! What the broker asks: who a device is, what it may do, and what its requests mean.

use std::sync::Arc;

use marram_broker::{
    Action, ConnectRequest, Disconnect, Handler, Intercept, Peer, Publish, Refusal, SessionInfo,
};
use marram_fleet::Fleet;
use marram_model::arn::Account;
use marram_registry::{DeviceIdentity, RefuseCertificate, Registry};
use tokio::sync::Notify;

use crate::presence::{self, Presence};
use crate::reserved;

/// Who is connected.
#[derive(Debug)]
pub(crate) enum Caller {
    /// A device: what its certificate's policies allow.
    Device(Arc<DeviceIdentity>),
    /// Somebody who runs this cloud, by ARN: everything is allowed.
    Person(Arc<str>),
}

impl Caller {
    /// The device, if it is one.
    pub(crate) fn device(&self) -> Option<&DeviceIdentity> {
        match self {
            Self::Device(identity) => Some(identity),
            Self::Person(_) => None,
        }
    }

    /// Certificate id or ARN.
    pub(crate) fn principal(&self) -> &str {
        match self {
            Self::Device(identity) => identity.certificate_id(),
            Self::Person(arn) => arn,
        }
    }
}

/// Devices, as the registry knows them and the fleet answers them.
#[derive(Debug)]
pub(crate) struct DeviceHandler {
    registry: Registry,
    fleet: Fleet,
    /// `arn:aws:iot:REGION:ACCOUNT:`, what all resources of policies begin with.
    arn_prefix: String,
    /// Told of a connection whose certificate was disabled before the connection was registered:
    /// nobody could cut it then.
    connected_late: Arc<Notify>,
    presence: Presence,
}

impl DeviceHandler {
    pub(crate) fn new(
        registry: Registry,
        fleet: Fleet,
        connected_late: Arc<Notify>,
        presence: Presence,
    ) -> Self {
        let arn_prefix = arn_prefix(registry.account());
        Self { registry, fleet, arn_prefix, connected_late, presence }
    }

    fn is_allowed(
        &self,
        identity: &DeviceIdentity,
        client_id: &str,
        action: &str,
        kind: &str,
        name: &str,
    ) -> bool {
        let resource = format!("{}{kind}/{name}", self.arn_prefix);
        identity.decide_mqtt(client_id, action, &resource).is_allowed()
    }
}

/// `arn:aws:iot:REGION:ACCOUNT:`.
pub(crate) fn arn_prefix(account: &Account) -> String {
    let Account { partition, region, account_id } = account;
    format!("arn:{partition}:iot:{region}:{account_id}:")
}

impl Handler for DeviceHandler {
    type Identity = Caller;

    async fn connect(
        &self,
        peer: &Peer,
        request: &ConnectRequest,
    ) -> Result<Self::Identity, Refusal> {
        let client_id: &str = &request.client_id;
        if let Some(principal) = &peer.principal {
            return Ok(Caller::Person(Arc::clone(principal)));
        }
        let Some(certificate) = &peer.certificate else {
            tracing::info!(address = %peer.address, client_id, "a client without certificate");
            return Err(Refusal::NotAuthorized);
        };
        let identity = match self.registry.authenticate_certificate(certificate).await {
            Ok(identity) => identity,
            Err(RefuseCertificate::Load(error)) => {
                tracing::error!(client_id, %error, "cannot load a device's identity");
                return Err(Refusal::Unavailable);
            }
            Err(error) => {
                tracing::info!(client_id, %error, "a device may not connect");
                return Err(Refusal::NotAuthorized);
            }
        };
        if !self.is_allowed(&identity, client_id, "iot:Connect", "client", client_id) {
            let certificate_id = identity.certificate_id();
            tracing::info!(client_id, certificate_id, "no policy allows this client id");
            return Err(Refusal::NotAuthorized);
        }
        Ok(Caller::Device(identity))
    }

    fn authorize(&self, identity: &Self::Identity, client_id: &str, action: Action<'_>) -> bool {
        let Some(identity) = identity.device() else { return true };
        let allows = |action, kind, name| self.is_allowed(identity, client_id, action, kind, name);
        match action {
            Action::Publish { topic, retain } => {
                allows("iot:Publish", "topic", topic)
                    && (!retain || allows("iot:RetainPublish", "topic", topic))
            }
            Action::Subscribe { filter } => allows("iot:Subscribe", "topicfilter", filter),
            Action::Receive { topic } => allows("iot:Receive", "topic", topic),
        }
    }

    /// Everything below `$` is a request to the service, or of no meaning; nothing of it is
    /// forwarded.
    async fn intercept(
        &self,
        session: &SessionInfo<Self::Identity>,
        publish: &Publish,
    ) -> Intercept {
        let client_id: &str = &session.client_id;
        let topic: &str = &publish.topic;
        match reserved::take(&self.fleet, client_id, topic, &publish.payload).await {
            Ok(()) => Intercept::Consumed,
            Err(error) if error.status >= 500 => {
                tracing::error!(client_id, topic, %error, "a request was lost");
                Intercept::Consumed
            }
            Err(error) => {
                tracing::warn!(client_id, %error, "a request without meaning");
                Intercept::Refused
            }
        }
    }

    fn connected(&self, session: &SessionInfo<Self::Identity>) {
        let client_id: &str = &session.client_id;
        self.presence.connected(session);
        self.fleet.client_connected(client_id, session.connection, session.peer.address);
        tracing::info!(client_id, address = %session.peer.address, "device connected");
        if session.identity.device().is_some_and(|device| !device.is_active()) {
            self.connected_late.notify_one();
        }
    }

    fn disconnected(&self, session: &SessionInfo<Self::Identity>, reason: &Disconnect) {
        let client_id: &str = &session.client_id;
        self.presence.disconnected(session, reason);
        self.fleet.client_disconnected(
            client_id,
            session.connection,
            presence::reason_name(reason),
        );
        tracing::info!(client_id, ?reason, "device disconnected");
    }
}

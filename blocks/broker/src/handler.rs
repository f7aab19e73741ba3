//! What the broker asks its owner: identity, authorisation, reserved topics.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use marram_mqtt::{ByteString, Publish, ReasonCode, Version};

/// The other end of a stream, as the caller of [`Broker::serve`](crate::Broker::serve) knows it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Remote address.
    pub address: SocketAddr,
    /// DER of the client's own certificate, when it showed one and proved to hold its key.
    pub certificate: Option<Arc<[u8]>>,
    /// Who it is, when the caller knows that without a certificate.
    pub principal: Option<Arc<str>>,
}

/// What a client says in CONNECT.
#[derive(Clone)]
pub struct ConnectRequest {
    /// The client id; made by the broker when the client left it empty.
    pub client_id: ByteString,
    /// Protocol version.
    pub version: Version,
    /// Whether the client wants to start without its old session.
    pub clean_start: bool,
    /// User name; AWS device SDKs send metrics here.
    pub username: Option<ByteString>,
    /// Password.
    pub password: Option<Bytes>,
}

impl fmt::Debug for ConnectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectRequest")
            .field("client_id", &self.client_id)
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "<redacted>"))
            .finish()
    }
}

/// Why a CONNECT is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The identity may not connect, or not with this client id: 0x87, in 3.1.1 5.
    NotAuthorized,
    /// User name or password wrong: 0x86, in 3.1.1 4.
    BadCredentials,
    /// The client id is not acceptable: 0x85, in 3.1.1 2.
    ClientIdNotValid,
    /// Try again later: 0x88, in 3.1.1 3.
    Unavailable,
}

impl Refusal {
    pub(crate) fn reason(self) -> ReasonCode {
        match self {
            Self::NotAuthorized => ReasonCode::NOT_AUTHORIZED,
            Self::BadCredentials => ReasonCode::BAD_USER_NAME_OR_PASSWORD,
            Self::ClientIdNotValid => ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
            Self::Unavailable => ReasonCode::SERVER_UNAVAILABLE,
        }
    }
}

/// What a client wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// Publish, or have its will published.
    Publish {
        /// Topic name.
        topic: &'a str,
        /// Whether the message shall be retained (`iot:RetainPublish`).
        retain: bool,
    },
    /// Subscribe.
    Subscribe {
        /// Topic filter; of a shared subscription only the part after the group.
        filter: &'a str,
    },
    /// Receive one message.
    Receive {
        /// Topic name of the message.
        topic: &'a str,
    },
}

/// What the handler did with a publication below `$`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intercept {
    /// It was a request to the service; subscribers never see it.
    Consumed,
    /// It means nothing, or clients may not say it: 0x90. Subscribers never see it.
    Refused,
    /// Route it like any other message.
    Forward,
}

/// One connection of one client.
#[derive(Debug)]
pub struct SessionInfo<I> {
    /// Client id.
    pub client_id: ByteString,
    /// What [`Handler::connect`] returned.
    pub identity: I,
    /// The other end.
    pub peer: Peer,
    /// Protocol version.
    pub version: Version,
    /// Number of this connection, unique within the broker: a client that reconnects is seen
    /// `connected` anew, perhaps before the old connection is seen `disconnected`.
    pub connection: u64,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disconnect {
    /// The client said DISCONNECT.
    ByClient,
    /// The stream broke or ended without DISCONNECT.
    ConnectionLost,
    /// The broker ended it, for this reason.
    ByBroker(ReasonCode),
}

/// Why the owner cuts a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisconnectReason {
    /// An operator's decision: 0x98.
    AdministrativeAction,
    /// The identity is no longer allowed, for instance its certificate was revoked: 0x87.
    NotAuthorized,
    /// The client id is in use elsewhere, for instance on another replica: 0x8E.
    SessionTakenOver,
}

impl DisconnectReason {
    pub(crate) fn reason(self) -> ReasonCode {
        match self {
            Self::AdministrativeAction => ReasonCode::ADMINISTRATIVE_ACTION,
            Self::NotAuthorized => ReasonCode::NOT_AUTHORIZED,
            Self::SessionTakenOver => ReasonCode::SESSION_TAKEN_OVER,
        }
    }
}

/// The broker's owner.
///
/// The two async methods are given [`Settings::handler_timeout`](crate::Settings). The others must
/// not block.
pub trait Handler: Send + Sync + 'static {
    /// What is known of a client once it may connect; usually its policies, compiled.
    type Identity: Send + Sync + 'static;

    /// Decides on a CONNECT. A will is authorised by [`Self::authorize`] afterwards.
    fn connect(
        &self,
        peer: &Peer,
        request: &ConnectRequest,
    ) -> impl Future<Output = Result<Self::Identity, Refusal>> + Send;

    /// Whether the client may do `action`. Asked for each publication, filter and delivery, with
    /// a session locked: it must not call back into the broker.
    fn authorize(&self, identity: &Self::Identity, client_id: &str, action: Action<'_>) -> bool;

    /// Takes an authorised publication to a topic that begins with `$`.
    ///
    /// Awaited in the order of the session's packets. It may call
    /// [`Broker::publish`](crate::Broker::publish) and [`Broker::reply`](crate::Broker::reply).
    fn intercept(
        &self,
        session: &SessionInfo<Self::Identity>,
        publish: &Publish,
    ) -> impl Future<Output = Intercept> + Send;

    /// The client is connected.
    fn connected(&self, session: &SessionInfo<Self::Identity>);

    /// The connection is over.
    fn disconnected(&self, session: &SessionInfo<Self::Identity>, reason: &Disconnect);
}

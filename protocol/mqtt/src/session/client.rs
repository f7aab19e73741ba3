//! A client's session across reconnections.
//!
//! The shell opens streams and moves bytes; this machine decides what they contain. It keeps what
//! was asked for and not yet confirmed, sends it again after a reconnection as the server's
//! session demands, renews subscriptions the server has lost, and pings. `T` is the shell's handle
//! on one operation, given back with the outcome.
//!
//! Packets to send are encoded straight into [`ClientSession::output`]; everything else comes out
//! of [`ClientSession::next_action`].

use std::collections::{BTreeMap, VecDeque};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::{Duration, Instant};

use bytestring::ByteString;

use super::packet_id::PacketIds;
use crate::codec::{EncodePacket, Encoder};
use crate::packet::{
    ConnAck, Connect, Disconnect, Packet, PacketId, PubAck, ServerLimits, Version,
};
use crate::publish::{Publish, QoS};
use crate::reason::ReasonCode;
use crate::topic;

mod action;
mod offers;
mod publishing;
mod subscribing;
#[cfg(test)]
mod tests;

pub use action::{Action, CloseReason, Failure, Feature, Outcome};
use offers::Offers;
use publishing::{Publishing, Span};
use subscribing::Subscribing;

/// Encoded bytes from which on nothing more is encoded until some are sent.
const HIGH_WATER: usize = 64 * 1024;

/// Most operations that wait for being sent.
const MAX_WAITING: usize = 256;

/// How a client wants its session.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Client id; must not be empty.
    pub client_id: ByteString,
    /// Protocol version.
    pub version: Version,
    /// Longest silence in seconds; 0 turns pings off.
    pub keep_alive_s: u16,
    /// How long a ping may stay unanswered.
    pub ping_timeout: Duration,
    /// Seconds the session shall outlive a connection; 0 makes each connection start afresh.
    pub session_expiry_s: u32,
    /// Whether the very first connection discards an older session.
    pub clean_start_first: bool,
    /// Most unacknowledged QoS 1 messages of this client.
    pub max_in_flight: NonZeroU16,
    /// Most unacknowledged QoS 1 messages of the server.
    pub receive_maximum: NonZeroU16,
    /// Largest packet taken from the server, in bytes.
    pub max_packet_size: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Disconnected,
    AwaitingConnAck { clean_start: bool },
    Connected,
    Closing,
}

/// The session. See the [module](self).
#[derive(Debug)]
pub struct ClientSession<T> {
    settings: ClientSettings,
    phase: Phase,
    encoder: Encoder,
    actions: VecDeque<Action<T>>,
    ids: PacketIds,
    publishing: Publishing<T>,
    subscribing: Subscribing<T>,
    offers: Offers,
    /// Why this side ends the connection, or the server said that it does.
    closing: Option<CloseReason>,
    was_connected: bool,
    keep_alive: Duration,
    last_sent: Instant,
    last_received: Instant,
    pinged_at: Option<Instant>,
}

impl<T> ClientSession<T> {
    /// A session that was never connected.
    pub fn new(settings: ClientSettings, now: Instant) -> Self {
        Self {
            encoder: Encoder::new(settings.version, None),
            settings,
            phase: Phase::Disconnected,
            actions: VecDeque::new(),
            ids: PacketIds::default(),
            publishing: Publishing::default(),
            subscribing: Subscribing::default(),
            offers: Offers::of(&ServerLimits::default()),
            closing: None,
            was_connected: false,
            keep_alive: Duration::ZERO,
            last_sent: now,
            last_received: now,
            pinged_at: None,
        }
    }

    /// A stream is open: encodes the CONNECT.
    pub fn opened(&mut self, now: Instant) {
        let settings = &self.settings;
        let clean_start =
            settings.session_expiry_s == 0 || (settings.clean_start_first && !self.was_connected);
        let connect = Connect {
            version: settings.version,
            client_id: settings.client_id.clone(),
            clean_start,
            keep_alive_s: settings.keep_alive_s,
            session_expiry_s: settings.session_expiry_s,
            receive_maximum: Some(settings.receive_maximum),
            max_packet_size: NonZeroU32::new(settings.max_packet_size),
            topic_alias_maximum: 0,
            authentication_method: None,
            will: None,
            username: None,
            password: None,
        };
        self.encoder = Encoder::new(settings.version, None);
        self.phase = Phase::AwaitingConnAck { clean_start };
        self.last_received = now;
        self.pinged_at = None;
        self.closing = None;
        // Fails only for a client id above 65535 bytes; the server then refuses the silence.
        let _ = self.send(Packet::Connect(Box::new(connect)), now);
    }

    /// The stream is gone: operations wait for the next one, but for messages that were for this
    /// one only. Whether the server has ended an accepted connection, perhaps because of a message.
    pub fn lost(&mut self) -> bool {
        // Closing is what the server's DISCONNECT leads to.
        let was_accepted = matches!(self.phase, Phase::Connected | Phase::Closing);
        let failure = match self.closing.take() {
            None => Failure::Cut(None),
            Some(CloseReason::Disconnected(reason)) if may_be_of_a_message(reason) => {
                Failure::Cut(Some(reason))
            }
            Some(_) => Failure::Lost,
        };
        let ended = self.publishing.end_connection(&failure);
        self.actions.extend(ended.into_iter().map(|(token, end)| Action::Done(token, Err(end))));
        self.phase = Phase::Disconnected;
        self.encoder = Encoder::new(self.settings.version, None);
        self.pinged_at = None;
        self.publishing.lost();
        self.subscribing.lost();
        was_accepted && matches!(failure, Failure::Cut(_))
    }

    /// Takes one packet of the server.
    pub fn receive(&mut self, packet: Packet, now: Instant) {
        self.last_received = now;
        match (self.phase, packet) {
            (Phase::AwaitingConnAck { clean_start }, Packet::ConnAck(ack)) => {
                self.conn_ack(*ack, clean_start, now);
            }
            (Phase::Connected, Packet::Publish(packet)) => self.message(*packet),
            (Phase::Connected, Packet::PubAck(ack)) => {
                if let Some((Some(token), outcome)) = self.publishing.acknowledged(ack) {
                    self.actions.push_back(Action::Done(token, outcome));
                }
            }
            (Phase::Connected, Packet::SubAck(ack) | Packet::UnsubAck(ack)) => {
                self.subscribing.acknowledged(ack, &mut self.actions);
            }
            (Phase::Connected, Packet::PingResponse) => self.pinged_at = None,
            (Phase::Connected | Phase::AwaitingConnAck { .. }, Packet::Disconnect(disconnect)) => {
                self.disconnected(disconnect.reason);
            }
            (Phase::Closing | Phase::Disconnected, _) => {}
            (_, packet) => self.close(CloseReason::Protocol(packet.name())),
        }
        self.pump(now);
    }

    /// The application has the message that [`Action::Deliver`] gave with `packet_id`.
    pub fn delivered(&mut self, packet_id: PacketId, now: Instant) {
        if self.phase == Phase::Connected {
            let ack = PubAck { packet_id, reason: ReasonCode::SUCCESS };
            // A PUBACK of four bytes fits what any server takes.
            let _ = self.send(Packet::PubAck(ack), now);
        }
    }

    /// Publishes a message, now or once connected. Gives up at `deadline`; deadlines must not
    /// decrease from one operation to the next.
    ///
    /// A QoS 0 message is done as soon as it is encoded.
    pub fn publish(&mut self, token: T, publish: Publish, deadline: Instant, now: Instant) {
        self.enqueue(token, publish, deadline, Span::Session, now);
    }

    /// As [`Self::publish`], but on the present connection only: the message fails with
    /// [`Failure::Cut`] or [`Failure::Lost`] when that ends, or is not there.
    pub fn publish_once(&mut self, token: T, publish: Publish, deadline: Instant, now: Instant) {
        if self.phase != Phase::Connected {
            self.actions.push_back(Action::Done(token, Err(Failure::Lost)));
            return;
        }
        self.enqueue(token, publish, deadline, Span::Connection, now);
    }

    fn enqueue(&mut self, token: T, publish: Publish, until: Instant, span: Span, now: Instant) {
        if !topic::is_valid_name(&publish.topic) {
            self.actions.push_back(Action::Done(token, Err(Failure::Invalid)));
            return;
        }
        self.publishing.enqueue(token, publish, until, span);
        self.pump(now);
    }

    /// Subscribes to `filter`, and again whenever the server has lost the session.
    pub fn subscribe(
        &mut self,
        token: T,
        filter: ByteString,
        qos: QoS,
        deadline: Instant,
        now: Instant,
    ) {
        if !topic::is_valid_filter(&filter) {
            self.actions.push_back(Action::Done(token, Err(Failure::Invalid)));
            return;
        }
        self.subscribing.subscribe(token, filter, qos, deadline);
        self.pump(now);
    }

    /// Ends the subscription to `filter`.
    pub fn unsubscribe(&mut self, token: T, filter: ByteString, deadline: Instant, now: Instant) {
        self.subscribing.unsubscribe(token, filter, deadline);
        self.pump(now);
    }

    /// Encodes what waits, as far as the server's window and the output have room. To be called
    /// after output was sent.
    pub fn pump(&mut self, now: Instant) {
        if self.phase != Phase::Connected {
            return;
        }
        while self.encoder.pending().len() < HIGH_WATER
            && (self.subscribing.has_next() || self.publishing.has_next())
        {
            let (publishing, subscribing) = (&self.publishing, &self.subscribing);
            let in_use = |id| publishing.uses(id) || subscribing.uses(id);
            // When all 65535 ids are in use, an acknowledgement will call again.
            let Some(fresh) = self.ids.allocate(in_use) else { return };
            let packet = self.subscribing.next(fresh).or_else(|| self.publishing.next(fresh));
            let Some(packet) = packet else { return };
            self.send_operation(packet, now);
        }
    }

    /// Gives up operations whose deadline has passed, pings, and detects a dead server.
    ///
    /// `reading` tells whether the shell takes input at the moment; while it does not, a ping
    /// cannot be answered.
    pub fn tick(&mut self, now: Instant, reading: bool) {
        let expired = self.publishing.expire(now).into_iter().chain(self.subscribing.expire(now));
        self.actions.extend(expired.map(|token| Action::Done(token, Err(Failure::TimedOut))));
        if self.phase != Phase::Connected || self.keep_alive.is_zero() {
            return;
        }
        match self.pinged_at {
            Some(_) if !reading => self.pinged_at = Some(now),
            Some(at) if at + self.settings.ping_timeout <= now => {
                self.close(CloseReason::PingTimeout(self.settings.ping_timeout));
            }
            Some(_) => {}
            None if self.ping_due() <= now => {
                self.pinged_at = Some(now);
                // A PINGREQ of two bytes fits what any server takes.
                let _ = self.send(Packet::PingRequest, now);
            }
            None => {}
        }
        self.pump(now);
    }

    /// When [`Self::tick`] is to be called next.
    pub fn next_tick(&self) -> Option<Instant> {
        let ping = (self.phase == Phase::Connected && !self.keep_alive.is_zero()).then(|| {
            self.pinged_at.map_or_else(|| self.ping_due(), |at| at + self.settings.ping_timeout)
        });
        [ping, self.publishing.next_deadline(), self.subscribing.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Encodes a DISCONNECT and ends all operations as stopped.
    pub fn stop(&mut self, now: Instant) {
        if self.phase == Phase::Connected {
            // A DISCONNECT without properties fits what any server takes.
            let _ = self.send(Packet::Disconnect(Disconnect::new(ReasonCode::SUCCESS)), now);
        }
        self.phase = Phase::Closing;
        let stopped = self.publishing.drain().into_iter().chain(self.subscribing.drain());
        self.actions.extend(stopped.map(|token| Action::Done(token, Err(Failure::Stopped))));
    }

    /// What the shell has to do next.
    pub fn next_action(&mut self) -> Option<Action<T>> {
        let action = self.actions.pop_front();
        if self.actions.is_empty() {
            self.actions = VecDeque::new();
        }
        action
    }

    /// Bytes to send.
    pub fn output(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    /// Whether the server has accepted the connection.
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// Whether another operation may be handed over: the waiting ones are bounded.
    pub fn has_room(&self) -> bool {
        self.publishing.waiting() + self.subscribing.waiting() < MAX_WAITING
    }

    /// Whether no operation waits for anything.
    pub fn is_idle(&self) -> bool {
        self.publishing.is_empty() && self.subscribing.is_empty()
    }

    fn conn_ack(&mut self, ack: ConnAck, clean_start: bool, now: Instant) {
        if ack.reason.is_error() {
            self.close(CloseReason::Refused(ack.reason));
            return;
        }
        let limits = ack.limits;
        let session_present = ack.session_present && !clean_start;
        let keep_alive_s = limits.server_keep_alive_s.unwrap_or(self.settings.keep_alive_s);
        self.keep_alive = Duration::from_secs(u64::from(keep_alive_s));
        self.encoder.set_max_packet_size(limits.max_packet_size);
        self.offers = Offers::of(&limits);
        self.phase = Phase::Connected;
        self.was_connected = true;
        let window = self.settings.max_in_flight.min(limits.receive_maximum);
        self.publishing.connected(window, session_present);
        self.subscribing.connected(session_present);
        self.actions.push_back(Action::Connected { session_present });
        self.pump(now);
    }

    fn message(&mut self, packet: crate::packet::PublishPacket) {
        // This client announces no topic aliases, so the topic is always there.
        if packet.topic_alias.is_some() || !topic::is_valid_name(&packet.publish.topic) {
            self.close(CloseReason::Protocol("PUBLISH"));
            return;
        }
        self.actions.push_back(Action::Deliver(packet.publish, packet.packet_id));
    }

    fn disconnected(&mut self, reason: ReasonCode) {
        // Sent again, the message that is too large would end the next connection, too.
        if reason == ReasonCode::PACKET_TOO_LARGE
            && let Some(token) = self.publishing.withdraw_largest()
        {
            self.actions.push_back(Action::Done(token, Err(Failure::Refused(reason))));
        }
        self.close(CloseReason::Disconnected(reason));
    }

    fn close(&mut self, reason: CloseReason) {
        self.phase = Phase::Closing;
        self.closing = Some(reason.clone());
        self.actions.push_back(Action::Close(reason));
    }

    fn ping_due(&self) -> Instant {
        self.last_sent.min(self.last_received) + self.keep_alive
    }

    fn send(&mut self, packet: Packet, now: Instant) -> Result<(), EncodePacket> {
        self.encoder.encode(packet)?;
        self.last_sent = now;
        Ok(())
    }

    /// Encodes an operation's packet; one without encoding ends the operation.
    fn send_operation(&mut self, packet: Packet, now: Instant) {
        let id = match &packet {
            Packet::Publish(publish) => publish.packet_id,
            Packet::Subscribe(subscribe) => Some(subscribe.packet_id),
            Packet::Unsubscribe(unsubscribe) => Some(unsubscribe.packet_id),
            _ => None,
        };
        let is_publish = matches!(packet, Packet::Publish(_));
        let sent = match self.offers.lacking(&packet) {
            Some(feature) => Err(Failure::NotOffered(feature)),
            None => self.send(packet, now).map_err(|error| match error {
                EncodePacket::TooLarge { size, max } => Failure::TooLarge { size, max },
                EncodePacket::Invalid(_) => Failure::Invalid,
            }),
        };
        let ended = match (&sent, is_publish) {
            (Ok(()), true) if id.is_none() => self.publishing.end_unacknowledged(),
            (Ok(()), _) => None,
            (Err(_), true) => self.publishing.withdraw(id),
            (Err(_), false) => id.and_then(|id| self.subscribing.withdraw(id)),
        };
        if let Some(token) = ended {
            self.actions.push_back(Action::Done(token, sent.map(|()| ReasonCode::SUCCESS)));
        }
    }
}

/// Whether a DISCONNECT may have its cause in a message. The others tell of the server, the network
/// or another client (MQTT 5, 3.14.2.1).
fn may_be_of_a_message(reason: ReasonCode) -> bool {
    !matches!(
        reason,
        ReasonCode::SUCCESS
            | ReasonCode::SERVER_BUSY
            | ReasonCode::SERVER_SHUTTING_DOWN
            | ReasonCode::KEEP_ALIVE_TIMEOUT
            | ReasonCode::SESSION_TAKEN_OVER
            | ReasonCode::MESSAGE_RATE_TOO_HIGH
            | ReasonCode::QUOTA_EXCEEDED
            | ReasonCode::ADMINISTRATIVE_ACTION
            | ReasonCode::USE_ANOTHER_SERVER
            | ReasonCode::SERVER_MOVED
            | ReasonCode::CONNECTION_RATE_EXCEEDED
            | ReasonCode::MAXIMUM_CONNECT_TIME
    )
}

/// Granted or wanted subscriptions by filter.
type Subscriptions = BTreeMap<ByteString, QoS>;

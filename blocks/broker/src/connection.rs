//! One client's connection: from its CONNECT to its end.

use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use marram_mqtt::codec::{DecodePacket, Decoder, Encoder};
use marram_mqtt::packet::{
    Connect, Disconnect as DisconnectPacket, PubAck, SubAck, Subscribe, Unsubscribe, Will,
};
use marram_mqtt::session::server::{Inbound, ServerConnection};
use marram_mqtt::{ByteString, Packet, Publish, QoS, ReasonCode, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::time::{sleep_until, timeout, timeout_at};
use tracing::debug;

use crate::broker::{Inner, now};
use crate::handler::{Action, ConnectRequest, Disconnect, Handler, Peer, Refusal, SessionInfo};
use crate::io::{self, Output};
use crate::session::{Link, Session};

/// Bytes waiting for the socket from which on no more messages are added.
const HIGH_WATER: usize = 64 * 1024;

/// Room for answers beyond that. Input is still read then: a client that sends much before it
/// reads, and so has to wait for us, must not wait for ever.
const ANSWERS: usize = 64 * 1024;

/// The two directions of a stream with their codecs.
struct Wire<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    decoder: Decoder,
    encoder: Encoder,
}

/// Serves one stream.
pub(crate) async fn serve<H, S>(inner: Arc<Inner<H>>, stream: S, peer: Peer)
where
    H: Handler,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    let limits = inner.settings.connection;
    let mut wire = Wire {
        reader,
        writer,
        decoder: Decoder::server(limits.max_packet_size),
        encoder: Encoder::new(Version::V311, None),
    };
    let mut machine = ServerConnection::new(limits, now());
    let Some(connect) = await_connect(&mut wire, &mut machine).await else { return };
    match admit(&inner, &peer, &connect).await {
        Ok((identity, assigned)) => {
            let connection = Connection::open(inner, machine, *connect, identity, assigned, peer);
            connection.run(wire).await;
        }
        Err(reason) => refuse(&mut wire, reason).await,
    }
}

/// Waits for a CONNECT that obeys MQTT's rules. Everything else is answered here.
async fn await_connect<S>(
    wire: &mut Wire<S>,
    machine: &mut ServerConnection,
) -> Option<Box<Connect>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let first = first_packet(&mut wire.reader, &mut wire.decoder);
    let packet = match timeout_at(machine.deadline().into(), first).await {
        Ok(Ok(packet)) => packet?,
        Ok(Err(error)) => {
            debug!(%error, "first packet refused");
            if let DecodePacket::UnsupportedVersion(_) = error {
                refuse(wire, error.reason()).await;
            }
            return None;
        }
        Err(_) => return None,
    };
    if let Packet::Connect(connect) = &packet {
        let max_packet_size = connect.max_packet_size.map(std::num::NonZeroU32::get);
        wire.encoder = Encoder::new(connect.version, max_packet_size);
    }
    match machine.receive(packet, now()) {
        Inbound::Connect(connect) => Some(connect),
        Inbound::Violation(reason) => {
            refuse(wire, reason).await;
            None
        }
        _ => None,
    }
}

/// The first packet; `None` when the stream ends before.
async fn first_packet(
    reader: &mut (impl AsyncRead + Unpin),
    decoder: &mut Decoder,
) -> Result<Option<Packet>, DecodePacket> {
    loop {
        if let Some(packet) = decoder.decode()? {
            return Ok(Some(packet));
        }
        match io::receive(reader, decoder).await {
            Ok(count) if count > 0 => {}
            _ => return Ok(None),
        }
    }
}

async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<S>, reason: ReasonCode) {
    let refusal = ServerConnection::refuse(reason);
    if wire.encoder.encode(Packet::ConnAck(Box::new(refusal))).is_ok() {
        io::close(&mut wire.reader, &mut wire.writer, &mut wire.encoder).await;
    }
}

/// Asks the handler whether the client may connect, and whether its will may be published.
///
/// The second value is the client id made for a client without one.
async fn admit<H: Handler>(
    inner: &Inner<H>,
    peer: &Peer,
    connect: &Connect,
) -> Result<(H::Identity, Option<ByteString>), ReasonCode> {
    if inner.is_closing() {
        return Err(ReasonCode::SERVER_UNAVAILABLE);
    }
    let assigned = connect.client_id.is_empty().then(make_client_id);
    let request = ConnectRequest {
        client_id: assigned.clone().unwrap_or_else(|| connect.client_id.clone()),
        version: connect.version,
        clean_start: connect.clean_start,
        username: connect.username.clone(),
        password: connect.password.clone(),
    };
    let decision = inner.handler.connect(peer, &request);
    let identity = timeout(inner.settings.handler_timeout, decision)
        .await
        .map_err(|_| ReasonCode::SERVER_UNAVAILABLE)?
        .map_err(Refusal::reason)?;
    if let Some(will) = &connect.will {
        let Publish { topic, retain, .. } = &will.publish;
        let action = Action::Publish { topic, retain: *retain };
        if !inner.handler.authorize(&identity, &request.client_id, action) {
            return Err(ReasonCode::NOT_AUTHORIZED);
        }
    }
    Ok((identity, assigned))
}

/// A client id nobody can guess; the standard library's hasher keys are random.
fn make_client_id() -> ByteString {
    let random = || RandomState::new().hash_one(0_u8);
    format!("auto-{:016x}{:016x}", random(), random()).into()
}

/// An admitted connection. Dropping it, by whatever way, detaches it from its session.
struct Connection<H: Handler> {
    inner: Arc<Inner<H>>,
    machine: ServerConnection,
    info: Arc<SessionInfo<H::Identity>>,
    link: Arc<Link>,
    session: Arc<Session<H::Identity>>,
    conn_ack: Option<Packet>,
    will: Option<Will>,
    outcome: Disconnect,
}

impl<H: Handler> Drop for Connection<H> {
    fn drop(&mut self) {
        let expiry = self.machine.session_expiry_s();
        let will = self.will.take();
        self.inner.close_connection(&self.session, &self.link, &self.info, expiry, will);
        self.inner.disconnected(&self.info, self.outcome);
    }
}

impl<H: Handler> Connection<H> {
    fn open(
        inner: Arc<Inner<H>>,
        mut machine: ServerConnection,
        mut connect: Connect,
        identity: H::Identity,
        assigned: Option<ByteString>,
        peer: Peer,
    ) -> Self {
        let info = Arc::new(SessionInfo {
            client_id: assigned.clone().unwrap_or_else(|| connect.client_id.clone()),
            identity,
            peer,
            version: connect.version,
            connection: inner.next_connection(),
        });
        let link = Arc::new(Link::default());
        let will = connect.will.take();
        let (session, present) = inner.open_session(&info, &link, &connect);
        let conn_ack = machine.accept(&connect, present, assigned, now());
        inner.handler.connected(&info);
        Self {
            inner,
            machine,
            info,
            link,
            session,
            conn_ack: Some(Packet::ConnAck(Box::new(conn_ack))),
            will,
            outcome: Disconnect::ConnectionLost,
        }
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(mut self, mut wire: Wire<S>) {
        self.outcome = self.exchange(&mut wire).await;
        if let Disconnect::ByBroker(reason) = self.outcome {
            debug!(client_id = %self.info.client_id, %reason, "connection ended by the broker");
            if self.info.version == Version::V5 {
                let packet = Packet::Disconnect(DisconnectPacket::new(reason));
                // A client that takes no packet of this size is not told the reason.
                let _ = wire.encoder.encode(packet);
            }
            // Detach first: a successor must not wait for the old stream's end.
            drop(self);
            io::close(&mut wire.reader, &mut wire.writer, &mut wire.encoder).await;
        }
    }

    /// Moves packets until the connection has a reason to end.
    async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        wire: &mut Wire<S>,
    ) -> Disconnect {
        if let Some(conn_ack) = self.conn_ack.take()
            && wire.encoder.encode(conn_ack).is_err()
        {
            return Disconnect::ByBroker(ReasonCode::PACKET_TOO_LARGE);
        }
        let mut output = Output::Dirty;
        let mut progress = now();
        let mut timer = std::pin::pin!(sleep_until(self.machine.deadline().into()));
        loop {
            if let ControlFlow::Break(outcome) = self.take_input(wire).await {
                return outcome;
            }
            if let Some(reason) = self.link.cut_reason() {
                return Disconnect::ByBroker(reason);
            }
            self.fill_output(&mut wire.encoder);
            if output == Output::Clean && !wire.encoder.pending().is_empty() {
                output = Output::Dirty;
                progress = now();
            }
            let mut deadline = self.machine.deadline();
            if output == Output::Dirty {
                deadline = deadline.min(progress + self.inner.settings.write_timeout);
            }
            if deadline < timer.deadline().into_std() {
                timer.as_mut().reset(deadline.into());
            }
            let may_read = self.has_room_for_answers(&wire.encoder);
            tokio::select! {
                received = io::receive(&mut wire.reader, &mut wire.decoder), if may_read => {
                    if !matches!(received, Ok(count) if count > 0) {
                        return Disconnect::ConnectionLost;
                    }
                }
                sent = io::send(&mut wire.writer, &mut wire.encoder), if output == Output::Dirty => {
                    let Ok(after) = sent else { return Disconnect::ConnectionLost };
                    output = after;
                    progress = now();
                }
                () = self.link.woken() => {}
                () = timer.as_mut() => {
                    if deadline <= now() {
                        return self.overdue();
                    }
                    timer.as_mut().reset(deadline.into());
                }
            }
        }
    }

    /// The deadline passed: the client was silent, or took nothing of what was sent.
    fn overdue(&self) -> Disconnect {
        if self.machine.deadline() <= now() {
            Disconnect::ByBroker(ReasonCode::KEEP_ALIVE_TIMEOUT)
        } else {
            Disconnect::ConnectionLost
        }
    }

    fn has_room_for_answers(&self, encoder: &Encoder) -> bool {
        // The last message before the high-water mark may have had full size.
        let message = self.inner.settings.connection.max_packet_size as usize;
        encoder.pending().len() < HIGH_WATER + message + ANSWERS
    }

    /// Works off all received packets as long as their answers find room.
    async fn take_input<S>(&mut self, wire: &mut Wire<S>) -> ControlFlow<Disconnect> {
        while self.has_room_for_answers(&wire.encoder) {
            let inbound = match wire.decoder.decode() {
                Ok(Some(packet)) => self.machine.receive(packet, now()),
                Ok(None) => break,
                Err(error) => {
                    debug!(client_id = %self.info.client_id, %error, "bad packet");
                    Inbound::Violation(error.reason())
                }
            };
            self.handle(inbound, &mut wire.encoder).await?;
        }
        ControlFlow::Continue(())
    }

    async fn handle(&mut self, inbound: Inbound, encoder: &mut Encoder) -> ControlFlow<Disconnect> {
        match inbound {
            Inbound::Publish { publish, packet_id } => {
                let qos = publish.qos;
                let reason = self.inner.accept_publish(&self.info, publish).await;
                if reason == ReasonCode::NOT_AUTHORIZED
                    && (qos == QoS::AtMostOnce || self.info.version == Version::V311)
                {
                    return ControlFlow::Break(Disconnect::ByBroker(reason));
                }
                if self.info.version == Version::V311 && reason.is_error() {
                    // 3.1.1 has no way to say it: without PUBACK the client tries again.
                    return ControlFlow::Continue(());
                }
                match packet_id {
                    Some(packet_id) => {
                        answer(encoder, Packet::PubAck(PubAck { packet_id, reason }))
                    }
                    None => ControlFlow::Continue(()),
                }
            }
            Inbound::Acknowledged(packet_id) => {
                self.session.acknowledge(&self.link, packet_id);
                ControlFlow::Continue(())
            }
            Inbound::Subscribe(subscribe) => answer(encoder, self.subscribe(subscribe)),
            Inbound::Unsubscribe(unsubscribe) => answer(encoder, self.unsubscribe(unsubscribe)),
            Inbound::Ping => answer(encoder, Packet::PingResponse),
            Inbound::Disconnect { publish_will } => {
                if !publish_will {
                    self.will = None;
                }
                ControlFlow::Break(Disconnect::ByClient)
            }
            Inbound::Violation(reason) => ControlFlow::Break(Disconnect::ByBroker(reason)),
            Inbound::Connect(_) => {
                ControlFlow::Break(Disconnect::ByBroker(ReasonCode::PROTOCOL_ERROR))
            }
        }
    }

    fn subscribe(&self, request: Subscribe) -> Packet {
        let Subscribe { packet_id, subscription_id, filters } = request;
        let reasons = filters
            .into_iter()
            .map(|(filter, options)| {
                self.inner.subscribe(&self.session, &self.link, filter, options, subscription_id)
            })
            .collect();
        Packet::SubAck(SubAck { packet_id, reasons })
    }

    fn unsubscribe(&self, request: Unsubscribe) -> Packet {
        let reasons = request
            .filters
            .iter()
            .map(|filter| self.inner.unsubscribe(&self.session, &self.link, filter))
            .collect();
        Packet::UnsubAck(SubAck { packet_id: request.packet_id, reasons })
    }

    /// Moves queued messages to the encoder as long as there is room.
    fn fill_output(&self, encoder: &mut Encoder) {
        let now: Instant = now();
        while encoder.pending().len() < HIGH_WATER {
            let Some(packet) = self.session.next_packet(&self.link, now) else { return };
            let packet_id = packet.packet_id;
            if encoder.encode(Packet::Publish(Box::new(packet))).is_err() {
                // MQTT 5 §3.1.2.11.4: a message larger than the client takes counts as delivered.
                self.inner.count_dropped();
                if let Some(packet_id) = packet_id {
                    self.session.acknowledge(&self.link, packet_id);
                }
            }
        }
    }
}

/// Adds an answer the client has asked for; one that finds no encoding ends the connection.
fn answer(encoder: &mut Encoder, packet: Packet) -> ControlFlow<Disconnect> {
    match encoder.encode(packet) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(Disconnect::ByBroker(ReasonCode::PACKET_TOO_LARGE)),
    }
}

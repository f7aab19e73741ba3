//! One client's connection: from its CONNECT to its end.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use marram_mqtt::codec::{Decoder, Encoder};
use marram_mqtt::packet::{
    Connect, Disconnect as DisconnectPacket, PubAck, SubAck, Subscribe, Unsubscribe, Will,
};
use marram_mqtt::session::alias::OutgoingAliases;
use marram_mqtt::session::server::{Inbound, ServerConnection};
use marram_mqtt::{ByteString, Packet, QoS, ReasonCode, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::sleep_until;
use tracing::debug;

use crate::broker::{Inner, now};
use crate::handler::{Disconnect, Handler, Peer, SessionInfo};
use crate::io::{self, Output};
use crate::keeper::Ticket;
use crate::session::{Link, Session};

mod opening;

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
    let guest = inner.lobby.enter();
    let connect = tokio::select! {
        connect = opening::await_connect(&mut wire, &mut machine) => connect,
        () = guest.sent_away() => None,
    };
    drop(guest);
    let Some(connect) = connect else { return };
    match opening::admit(&inner, &peer, &connect).await {
        Ok((identity, assigned)) => {
            let connection = Connection::open(inner, machine, *connect, identity, assigned, peer);
            connection.run(wire).await;
        }
        Err(reason) => opening::refuse(&mut wire, reason).await,
    }
}

/// An admitted connection. Dropping it, by whatever way, detaches it from its session.
struct Connection<H: Handler> {
    /// Answers that wait for their batch to be kept, in the order of their requests.
    waiting: VecDeque<(Ticket, Packet)>,
    aliases: OutgoingAliases,
    durable: watch::Receiver<Ticket>,
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
            waiting: VecDeque::new(),
            aliases: OutgoingAliases::new(
                connect.topic_alias_maximum.min(inner.settings.connection.topic_alias_maximum),
            ),
            durable: inner.keeper.durable(),
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
                let code = DisconnectPacket::new(reason);
                let reason_string = Some(ByteString::from_static(reason.text()));
                let in_words = DisconnectPacket { reason_string, ..code.clone() };
                if wire.encoder.encode(Packet::Disconnect(in_words)).is_err() {
                    // A client that takes no packet of this size either is not told the reason.
                    let _ = wire.encoder.encode(Packet::Disconnect(code));
                }
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
            if let ControlFlow::Break(outcome) = self.send_kept_answers(&mut wire.encoder) {
                return outcome;
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
                // The broker's own end of this lives as long as the broker.
                _ = self.durable.changed(), if !self.waiting.is_empty() => {}
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
        let receive_maximum = self.inner.settings.connection.receive_maximum;
        encoder.pending().len() < HIGH_WATER + message + ANSWERS
            && self.waiting.len() <= 2 * usize::from(receive_maximum.get())
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
                let (reason, ticket) = self.inner.accept_publish(&self.info, publish).await;
                if reason == ReasonCode::NOT_AUTHORIZED
                    && (qos == QoS::AtMostOnce || self.info.version == Version::V311)
                {
                    return ControlFlow::Break(Disconnect::ByBroker(reason));
                }
                if self.info.version == Version::V311
                    && reason.is_error()
                    && reason != ReasonCode::TOPIC_NAME_INVALID
                {
                    // 3.1.1 has no way to say it: without PUBACK the client tries again. On a
                    // topic without meaning that would never end.
                    self.machine.answered();
                    return ControlFlow::Continue(());
                }
                match packet_id {
                    Some(packet_id) => {
                        let answer = Packet::PubAck(PubAck { packet_id, reason });
                        self.answer_when_kept(ticket, answer, encoder)
                    }
                    None => ControlFlow::Continue(()),
                }
            }
            Inbound::Acknowledged(packet_id) => {
                self.session.acknowledge(&self.inner.keeper, &self.link, packet_id);
                ControlFlow::Continue(())
            }
            Inbound::Subscribe(subscribe) => {
                let (answer, ticket) = self.subscribe(subscribe);
                self.answer_when_kept(ticket, answer, encoder)
            }
            Inbound::Unsubscribe(unsubscribe) => {
                let (answer, ticket) = self.unsubscribe(unsubscribe);
                self.answer_when_kept(ticket, answer, encoder)
            }
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

    fn subscribe(&self, request: Subscribe) -> (Packet, Ticket) {
        let Subscribe { packet_id, subscription_id, filters } = request;
        let (session, link) = (&self.session, &self.link);
        let most = self.inner.settings.max_filters;
        let (reasons, tickets): (_, Vec<_>) = filters
            .into_iter()
            .enumerate()
            .map(|(at, (filter, options))| {
                if at >= most {
                    return (ReasonCode::QUOTA_EXCEEDED, 0);
                }
                self.inner.subscribe(session, link, filter, options, subscription_id)
            })
            .unzip();
        (Packet::SubAck(SubAck { packet_id, reasons }), last(&tickets))
    }

    fn unsubscribe(&self, request: Unsubscribe) -> (Packet, Ticket) {
        let (reasons, tickets): (_, Vec<_>) = request
            .filters
            .iter()
            .map(|filter| self.inner.unsubscribe(&self.session, &self.link, filter))
            .unzip();
        let packet_id = request.packet_id;
        (Packet::UnsubAck(SubAck { packet_id, reasons }), last(&tickets))
    }

    /// Answers once what the client asked for is kept, and not before what it asked for earlier.
    fn answer_when_kept(
        &mut self,
        ticket: Ticket,
        packet: Packet,
        encoder: &mut Encoder,
    ) -> ControlFlow<Disconnect> {
        self.waiting.push_back((ticket, packet));
        self.send_kept_answers(encoder)
    }

    fn send_kept_answers(&mut self, encoder: &mut Encoder) -> ControlFlow<Disconnect> {
        let durable = *self.durable.borrow_and_update();
        while self.waiting.front().is_some_and(|(ticket, _)| *ticket <= durable)
            && let Some((_, packet)) = self.waiting.pop_front()
        {
            if matches!(packet, Packet::PubAck(_)) {
                self.machine.answered();
            }
            answer(encoder, packet)?;
        }
        if self.waiting.is_empty() && self.waiting.capacity() > 0 {
            self.waiting = VecDeque::new();
        }
        ControlFlow::Continue(())
    }

    /// Moves queued messages to the encoder as long as there is room.
    fn fill_output(&mut self, encoder: &mut Encoder) {
        let now: Instant = now();
        while encoder.pending().len() < HIGH_WATER {
            let Some(mut packet) = self.session.next_packet(&self.inner.keeper, &self.link, now)
            else {
                return;
            };
            let packet_id = packet.packet_id;
            let topic = packet.publish.topic.clone();
            let is_new_alias = self.aliases.apply(&mut packet);
            if encoder.encode(Packet::Publish(Box::new(packet))).is_err() {
                // MQTT 5 §3.1.2.11.4: a message larger than the client takes counts as delivered.
                self.inner.count_dropped();
                if is_new_alias {
                    self.aliases.undo(&topic);
                }
                if let Some(packet_id) = packet_id {
                    self.session.acknowledge(&self.inner.keeper, &self.link, packet_id);
                }
            }
        }
    }
}

fn last(tickets: &[Ticket]) -> Ticket {
    tickets.iter().copied().max().unwrap_or(0)
}

/// Adds an answer the client has asked for; one that finds no encoding ends the connection.
fn answer(encoder: &mut Encoder, packet: Packet) -> ControlFlow<Disconnect> {
    match encoder.encode(packet) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(Disconnect::ByBroker(ReasonCode::PACKET_TOO_LARGE)),
    }
}

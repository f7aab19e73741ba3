//! The beginning of a connection: a CONNECT within its time, and whether it is let in.

use std::hash::{BuildHasher, RandomState};

use marram_mqtt::codec::{DecodePacket, Decoder, Encoder};
use marram_mqtt::packet::Connect;
use marram_mqtt::session::server::{Inbound, ServerConnection};
use marram_mqtt::{ByteString, Packet, Publish, ReasonCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{timeout, timeout_at};
use tracing::debug;

use super::Wire;
use crate::broker::{Inner, now};
use crate::handler::{Action, ConnectRequest, Handler, Peer, Refusal};
use crate::io;

/// Waits for a CONNECT that obeys MQTT's rules. Everything else is answered here.
pub(super) async fn await_connect<S>(
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

pub(super) async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    reason: ReasonCode,
) {
    let refusal = ServerConnection::refuse(reason);
    if wire.encoder.encode(Packet::ConnAck(Box::new(refusal))).is_ok() {
        io::close(&mut wire.reader, &mut wire.writer, &mut wire.encoder).await;
    }
}

/// Asks the handler whether the client may connect, and whether its will may be published.
///
/// The second value is the client id made for a client without one.
pub(super) async fn admit<H: Handler>(
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

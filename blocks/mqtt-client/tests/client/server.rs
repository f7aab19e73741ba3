//! A server that says exactly what a test tells it to.

use std::net::SocketAddr;

use marram_mqtt::codec::{Decoder, Encoder};
use marram_mqtt::packet::{ConnAck, PubAck, PublishPacket, ServerLimits};
use marram_mqtt::{Packet, ReasonCode, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::cloud::DEADLINE;

pub(crate) struct Listener(TcpListener);

/// One accepted connection.
pub(crate) struct Server {
    stream: TcpStream,
    decoder: Decoder,
    encoder: Encoder,
}

impl Listener {
    pub(crate) async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Self(listener), address)
    }

    /// A connection whose CONNECT is read but not answered.
    pub(crate) async fn accept(&self) -> Server {
        let (stream, _) = timeout(DEADLINE, self.0.accept()).await.expect("a client").unwrap();
        let mut server = Server {
            stream,
            decoder: Decoder::server(1_000_000),
            encoder: Encoder::new(Version::V5, None),
        };
        let connect = server.next().await;
        assert!(matches!(connect, Packet::Connect(_)), "{connect:?}");
        server
    }

    /// A connection accepted with `limits`.
    pub(crate) async fn welcome(&self, session_present: bool, limits: ServerLimits) -> Server {
        let mut server = self.accept().await;
        let reason = ReasonCode::SUCCESS;
        server.send(Packet::ConnAck(Box::new(ConnAck { session_present, reason, limits }))).await;
        server
    }
}

impl Server {
    /// The next packet; `None` at the end of the stream.
    pub(crate) async fn receive(&mut self) -> Option<Packet> {
        timeout(DEADLINE, async {
            loop {
                if let Some(packet) = self.decoder.decode().unwrap() {
                    return Some(packet);
                }
                match self.stream.read_buf(self.decoder.buffer()).await {
                    Ok(count) if count > 0 => {}
                    _ => return None,
                }
            }
        })
        .await
        .expect("a packet or the end of the stream")
    }

    pub(crate) async fn next(&mut self) -> Packet {
        self.receive().await.expect("a packet")
    }

    pub(crate) async fn message(&mut self) -> PublishPacket {
        match self.next().await {
            Packet::Publish(packet) => *packet,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, packet: Packet) {
        self.encoder.encode(packet).unwrap();
        let bytes = self.encoder.pending().to_vec();
        self.encoder.advance(bytes.len());
        self.stream.write_all(&bytes).await.unwrap();
    }

    pub(crate) async fn acknowledge(&mut self, packet: &PublishPacket) {
        let packet_id = packet.packet_id.expect("QoS 1");
        self.send(Packet::PubAck(PubAck { packet_id, reason: ReasonCode::SUCCESS })).await;
    }
}

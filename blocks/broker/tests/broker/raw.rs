//! A client that sends and expects single packets.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use marram_broker::{Broker, Peer};
use marram_mqtt::codec::{Decoder, Encoder};
use marram_mqtt::packet::{
    ConnAck, Connect, Disconnect, PubAck, PublishPacket, SubAck, Subscribe, SubscribeOptions,
};
use marram_mqtt::{Packet, Publish, QoS, ReasonCode, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::rules::Rules;

/// No answer takes this long, not even one that waits for the broker's 30 second deadlines (which
/// only tests with a paused clock do).
pub(crate) const DEADLINE: Duration = Duration::from_secs(45);

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub(crate) struct Raw {
    pub(crate) stream: Box<dyn Stream>,
    decoder: Decoder,
    encoder: Encoder,
}

/// A CONNECT with a session of ten minutes.
pub(crate) fn connect(client_id: &str, version: Version) -> Connect {
    Connect {
        version,
        client_id: client_id.into(),
        clean_start: false,
        keep_alive_s: 60,
        session_expiry_s: 600,
        receive_maximum: None,
        max_packet_size: None,
        topic_alias_maximum: 0,
        authentication_method: None,
        will: None,
        username: None,
        password: None,
    }
}

fn peer() -> Peer {
    Peer { address: SocketAddr::from(([127, 0, 0, 1], 1)), certificate: None, principal: None }
}

/// Serves `broker` on a port of its own.
pub(crate) async fn listen(broker: &Broker<Rules>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let broker = broker.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let broker = broker.clone();
            tokio::spawn(async move { broker.serve(stream, peer()).await });
        }
    });
    address
}

impl Raw {
    fn over(stream: impl Stream + 'static, version: Version) -> Self {
        Self {
            stream: Box::new(stream),
            decoder: Decoder::client(version, 1_000_000),
            encoder: Encoder::new(version, None),
        }
    }

    /// A TCP connection without CONNECT.
    pub(crate) async fn dial(address: SocketAddr, version: Version) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream, version)
    }

    /// An in-memory connection without CONNECT, for tests with a paused clock.
    pub(crate) fn pipe(broker: &Broker<Rules>, version: Version) -> Self {
        let (near, far) = tokio::io::duplex(1024);
        let broker = broker.clone();
        tokio::spawn(async move { broker.serve(far, peer()).await });
        Self::over(near, version)
    }

    /// Sends CONNECT and returns the answer.
    pub(crate) async fn open(&mut self, connect: Connect) -> ConnAck {
        self.send(Packet::Connect(Box::new(connect))).await;
        match self.next().await {
            Packet::ConnAck(ack) => *ack,
            other => panic!("{other:?}"),
        }
    }

    /// Sends CONNECT; `None` when the connection is cut before the answer.
    pub(crate) async fn try_open(&mut self, connect: Connect) -> Option<ConnAck> {
        self.try_send(Packet::Connect(Box::new(connect))).await?;
        match self.receive().await? {
            Packet::ConnAck(ack) => Some(*ack),
            other => panic!("{other:?}"),
        }
    }

    /// Subscribes, publishes and leaves, as far as the broker lets it.
    pub(crate) async fn try_flood(&mut self, round: u32) {
        let filters = vec![(format!("a/{}", round % 2).into(), SubscribeOptions::default())];
        let subscribe = Subscribe { packet_id: NonZeroU16::MIN, subscription_id: None, filters };
        let mut packets = vec![Packet::Subscribe(subscribe)];
        let topics = ["a/0", "a/1", "wills", "$aws/x/get"];
        packets
            .extend(topics.map(|topic| publish_packet(qos_1(topic, "x"), Some(NonZeroU16::MIN))));
        for packet in packets {
            if self.try_send(packet).await.is_none() {
                return;
            }
        }
        while let Some(packet) = self.receive().await {
            if matches!(packet, Packet::PubAck(_)) {
                return;
            }
        }
    }

    async fn try_send(&mut self, packet: Packet) -> Option<()> {
        self.encoder.encode(packet).unwrap();
        let bytes = self.encoder.pending().to_vec();
        self.encoder.advance(bytes.len());
        self.stream.write_all(&bytes).await.ok()
    }

    /// A connected client with a CONNECT of its own.
    pub(crate) async fn connected_as(address: SocketAddr, connect: Connect) -> Self {
        let mut raw = Self::dial(address, connect.version).await;
        assert_eq!(raw.open(connect).await.reason, ReasonCode::SUCCESS);
        raw
    }

    /// A connected client.
    pub(crate) async fn connected(address: SocketAddr, id: &str, version: Version) -> Self {
        Self::connected_as(address, connect(id, version)).await
    }

    pub(crate) async fn send(&mut self, packet: Packet) {
        self.try_send(packet).await.expect("an open stream");
    }

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

    /// The next message.
    pub(crate) async fn message(&mut self) -> PublishPacket {
        match self.next().await {
            Packet::Publish(packet) => *packet,
            other => panic!("{other:?}"),
        }
    }

    /// The next message's topic and payload.
    pub(crate) async fn text(&mut self) -> (String, String) {
        let publish = self.message().await.publish;
        (publish.topic.to_string(), String::from_utf8(publish.payload.to_vec()).unwrap())
    }

    /// Expects a DISCONNECT and then the end.
    pub(crate) async fn disconnected(&mut self) -> ReasonCode {
        let Packet::Disconnect(Disconnect { reason, .. }) = self.next().await else {
            panic!("no DISCONNECT")
        };
        assert_eq!(self.receive().await, None);
        reason
    }

    /// Publishes; the PUBACK's code for QoS 1.
    pub(crate) async fn publish(&mut self, publish: Publish) -> Option<ReasonCode> {
        let packet_id = (publish.qos == QoS::AtLeastOnce).then_some(NonZeroU16::MIN);
        self.send(publish_packet(publish, packet_id)).await;
        packet_id?;
        match self.next().await {
            Packet::PubAck(PubAck { reason, .. }) => Some(reason),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn subscribe(&mut self, filter: &str, qos: QoS) -> ReasonCode {
        let options = SubscribeOptions { qos, ..SubscribeOptions::default() };
        self.subscribe_with(filter, options).await
    }

    pub(crate) async fn subscribe_with(
        &mut self,
        filter: &str,
        options: SubscribeOptions,
    ) -> ReasonCode {
        let filters = vec![(filter.into(), options)];
        let packet_id = NonZeroU16::MIN;
        let subscribe = Subscribe { packet_id, subscription_id: None, filters };
        self.send(Packet::Subscribe(subscribe)).await;
        match self.next().await {
            Packet::SubAck(SubAck { reasons, .. }) => reasons[0],
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn acknowledge(&mut self, packet: &PublishPacket) {
        let packet_id = packet.packet_id.expect("QoS 1");
        self.send(Packet::PubAck(PubAck { packet_id, reason: ReasonCode::SUCCESS })).await;
    }

    /// Proves by a ping that nothing else was under way.
    pub(crate) async fn expect_nothing(&mut self) {
        self.send(Packet::PingRequest).await;
        assert_eq!(self.next().await, Packet::PingResponse);
    }
}

pub(crate) fn publish_packet(publish: Publish, packet_id: Option<NonZeroU16>) -> Packet {
    Packet::Publish(Box::new(PublishPacket {
        publish,
        packet_id,
        dup: false,
        topic_alias: None,
        subscription_ids: Vec::new(),
    }))
}

pub(crate) fn qos_1(topic: &str, payload: &str) -> Publish {
    Publish::new(topic.to_owned(), payload.to_owned()).with_qos(QoS::AtLeastOnce)
}

/// Waits until `condition` gives what is expected.
pub(crate) async fn eventually<T: PartialEq + Debug>(
    expected: T,
    mut condition: impl FnMut() -> T,
) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let value = condition();
        if value == expected {
            return;
        }
        assert!(Instant::now() < deadline, "still {value:?}, expected {expected:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

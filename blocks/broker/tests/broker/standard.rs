//! Normative statements of MQTT 5 and 3.1.1 that no client would provoke, as bytes.
//!
//! Each row names the statement (MQTT 5's number where both have it), what is sent after a
//! CONNECT of that version, and what must come back before the connection ends.

use marram_broker::Settings;
use marram_mqtt::ReasonCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::raw::{DEADLINE, listen};
use crate::rules::broker;

/// Client id `c`, clean, keep alive of 60 s.
const CONNECT_5: &[u8] = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01c";
const CONNECT_311: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c";

/// All that comes back until the broker closes the connection, which it must.
async fn answer_to(address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("an end").unwrap();
    answer
}

/// The bytes behind the CONNACK.
fn behind_conn_ack(answer: &[u8]) -> &[u8] {
    assert_eq!(answer.first(), Some(&0x20), "{answer:02x?}");
    &answer[2 + usize::from(answer[1])..]
}

const MALFORMED: u8 = ReasonCode::MALFORMED_PACKET.0;
const PROTOCOL: u8 = ReasonCode::PROTOCOL_ERROR.0;

/// Statement, bytes behind the CONNECT, reason codes that say it right.
const VIOLATIONS: &[(&str, &[u8], &[u8])] = &[
    ("MQTT-1.5.4-1 text is UTF-8", b"\x30\x05\x00\x02\xc3\x28\x00", &[MALFORMED]),
    ("MQTT-1.5.4-2 text has no U+0000", b"\x30\x04\x00\x01\x00\x00", &[MALFORMED, 0x90]),
    ("MQTT-1.5.5-1 a length has at most four bytes", b"\x30\xff\xff\xff\xff\x01", &[MALFORMED]),
    ("MQTT-2.1.3-1 reserved flags are as given", b"\x80\x06\x00\x01\x00\x00\x00\x00", &[MALFORMED]),
    ("MQTT-2.1.2 type 0 is forbidden", b"\x00\x00", &[MALFORMED, PROTOCOL]),
    (
        "MQTT-2.2.1-3 a packet identifier is not 0",
        b"\x82\x07\x00\x00\x00\x00\x01a\x01",
        &[MALFORMED, PROTOCOL],
    ),
    ("MQTT-3.1.0-2 a second CONNECT ends it", CONNECT_5, &[PROTOCOL]),
    ("MQTT-3.3.1-4 no message has QoS 3", b"\x36\x06\x00\x01a\x00\x01\x00", &[MALFORMED]),
    ("MQTT-3.3.2-2 a topic name has no wildcard", b"\x30\x04\x00\x01+\x00", &[0x90]),
    (
        "MQTT-3.3.2-8 a topic alias is not 0",
        b"\x30\x07\x00\x01a\x03\x23\x00\x00",
        &[MALFORMED, PROTOCOL, 0x94],
    ),
    (
        "MQTT-3.3.2-9 a topic alias is not above the maximum",
        b"\x30\x07\x00\x01a\x03\x23\x00\x09",
        &[0x94],
    ),
    (
        "MQTT-3.3.4-6 clients send no subscription identifiers",
        b"\x30\x06\x00\x01a\x02\x0b\x01",
        &[PROTOCOL, MALFORMED],
    ),
    ("MQTT-3.2.2-11 no QoS above the maximum", b"\x34\x06\x00\x01a\x00\x01\x00", &[0x9b]),
    ("MQTT-3.8.3-2 SUBSCRIBE has a filter", b"\x82\x03\x00\x01\x00", &[MALFORMED, PROTOCOL]),
    (
        "MQTT-3.8.3-5 subscription options' reserved bits are 0",
        b"\x82\x07\x00\x01\x00\x00\x01a\xc1",
        &[MALFORMED, PROTOCOL],
    ),
    ("MQTT-3.10.3-2 UNSUBSCRIBE has a filter", b"\xa2\x03\x00\x01\x00", &[MALFORMED, PROTOCOL]),
    ("MQTT-3.14.1-1 DISCONNECT's reserved bits are 0", b"\xe1\x00", &[MALFORMED]),
    ("MQTT-4.13 a server's packet from a client", b"\xd0\x00", &[PROTOCOL, MALFORMED]),
];

#[tokio::test]
async fn mqtt_5_violations_end_the_connection_with_their_reason() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    for (statement, bytes, reasons) in VIOLATIONS {
        let answer = answer_to(address, &[CONNECT_5, bytes].concat()).await;
        let rest = behind_conn_ack(&answer);
        assert!(
            rest.len() >= 3 && rest[0] == 0xe0 && reasons.contains(&rest[2]),
            "{statement}: {rest:02x?}"
        );
    }
    assert_eq!(broker.statistics().connections, 0);
}

#[tokio::test]
async fn mqtt_311_violations_end_the_connection_without_a_word() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let violations: &[(&str, &[u8])] = &[
        ("MQTT-1.5.3-1 text is UTF-8", b"\x30\x04\x00\x02\xc3\x28"),
        ("MQTT-2.2.2-2 reserved flags are as given", b"\x80\x06\x00\x01\x00\x01a\x00"),
        ("MQTT-3.1.0-2 a second CONNECT ends it", CONNECT_311),
        ("MQTT-3.3.1-4 no message has QoS 3", b"\x36\x05\x00\x01a\x00\x01"),
        ("MQTT-3.3.2-2 a topic name has no wildcard", b"\x30\x03\x00\x01#"),
        ("MQTT-3.8.3-3 SUBSCRIBE has a filter", b"\x82\x02\x00\x01"),
        ("MQTT-3.8.3-4 a requested QoS is 0, 1 or 2", b"\x82\x06\x00\x01\x00\x01a\x03"),
        ("no QoS 2 here, as with AWS IoT", b"\x34\x05\x00\x01a\x00\x01"),
    ];
    for (statement, bytes) in violations {
        let answer = answer_to(address, &[CONNECT_311, bytes].concat()).await;
        assert_eq!(behind_conn_ack(&answer), b"", "{statement}");
    }
}

#[tokio::test]
async fn bad_connects_are_refused_or_closed() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    // MQTT-3.1.2-3: the reserved flag is 0.
    let reserved = b"\x10\x0e\x00\x04MQTT\x05\x03\x00\x3c\x00\x00\x01c";
    // MQTT-3.1.2-14: no QoS 3 for a will.
    let will = b"\x10\x13\x00\x04MQTT\x05\x1e\x00\x3c\x00\x00\x01c\x00\x00\x01a\x00\x00";
    // MQTT-3.1.2-1: the protocol's name.
    let name = b"\x10\x0e\x00\x04MQTS\x05\x02\x00\x3c\x00\x00\x01c";
    for bytes in [&reserved[..], will, name] {
        let answer = answer_to(address, bytes).await;
        assert!(answer.is_empty() || answer[3] >= 0x80, "{answer:02x?}");
    }
    // A client id longer than AWS IoT's 128 bytes: 0x85, in 3.1.1 code 2.
    let long = "c".repeat(129);
    let connect = |head: &[u8], properties: &[u8]| {
        let rest = [head, properties, &[0, 129], long.as_bytes()].concat();
        [&[0x10, 0x80 | (rest.len() % 128) as u8, (rest.len() / 128) as u8], &rest[..]].concat()
    };
    let answer = answer_to(address, &connect(b"\x00\x04MQTT\x05\x02\x00\x3c", b"\x00")).await;
    assert_eq!(answer[3], ReasonCode::CLIENT_IDENTIFIER_NOT_VALID.0);
    let answer = answer_to(address, &connect(b"\x00\x04MQTT\x04\x02\x00\x3c", b"")).await;
    assert_eq!(answer, b"\x20\x02\x00\x02");
}

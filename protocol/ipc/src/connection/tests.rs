//! Conformance cases 1–16, on recorded frames where there are some.

use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::client::{ClientConnection, Message};
use crate::frame::{Header, HeaderValue, encode};
use crate::message::{CONTENT_TYPE, OPERATION, TERMINATE_STREAM, VERSION};
use crate::reply::routing;
use crate::shapes::{PublishToTopicRequest, UpdateConfigurationRequest, parse};

/// Frame `number` of `tests/frames.txt`.
fn vector(number: usize) -> Vec<u8> {
    let mut lines = include_str!("tests/frames.txt").lines();
    lines.find(|line| line.split(' ').next() == Some(&number.to_string())).unwrap();
    let hex = lines.next().unwrap().as_bytes();
    hex.chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn receive(connection: &mut ServerConnection, bytes: &[u8]) -> Vec<Event> {
    connection.input().extend_from_slice(bytes);
    std::iter::from_fn(|| connection.next_event()).collect()
}

fn take_output(connection: &mut ServerConnection) -> Vec<u8> {
    connection.output().split().to_vec()
}

fn open_connection() -> ServerConnection {
    let mut connection = ServerConnection::new();
    let events = receive(&mut connection, &vector(1));
    assert_eq!(events, [Event::Connect { token: "ABCDEFGH01234567".into() }]);
    connection.accept();
    connection.output().clear();
    connection
}

fn frame(headers: &[Header<'_>], payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode(&mut out, headers, payload);
    out.to_vec()
}

fn application(stream: i32, flags: i32, operation: Option<&str>) -> Vec<u8> {
    let mut headers = Vec::from(routing(MessageType::Application, flags, stream));
    headers.extend(operation.map(|name| Header::string(OPERATION, name)));
    frame(&headers, b"{}")
}

/// Sends `bytes` on an open connection and expects a protocol error and the end.
fn assert_violation(bytes: &[u8], expected: &Violation) {
    let mut connection = open_connection();
    assert_is_closed_by(&mut connection, bytes, expected);
}

fn assert_is_closed_by(connection: &mut ServerConnection, bytes: &[u8], expected: &Violation) {
    let events = receive(connection, bytes);
    assert_eq!(events.last(), Some(&Event::Close(CloseReason::Violation(expected.clone()))));
    let mut client = ClientConnection::new();
    client.input().extend_from_slice(connection.output());
    let failure = Message::Failure { message: expected.to_string() };
    assert_eq!(client.next_message().unwrap(), Some(failure));
    assert_eq!(client.next_message().unwrap(), None);
    assert_eq!(receive(connection, &application(1, 0, None)), [], "a closed connection is deaf");
}

#[test]
fn f1_the_python_sdks_connect_is_acknowledged_byte_for_byte() {
    let mut connection = ServerConnection::new();
    let events = receive(&mut connection, &vector(1));
    assert_eq!(events, [Event::Connect { token: "ABCDEFGH01234567".into() }]);
    connection.accept();
    assert_eq!(take_output(&mut connection), vector(2));
}

#[test]
fn f2_the_c_sdks_frames_are_understood() {
    let mut connection = ServerConnection::new();
    let events = receive(&mut connection, &vector(19));
    assert_eq!(events, [Event::Connect { token: "ABCDEFGH01234567".into() }]);
    connection.accept();
    let events = receive(&mut connection, &vector(20));
    let [Event::Request { stream: 1, operation: Operation::PublishToTopic, payload }] = &events[..]
    else {
        panic!("{events:?}");
    };
    let request: PublishToTopicRequest<'_> = parse(Operation::PublishToTopic, payload).unwrap();
    assert_eq!(request.topic.as_deref(), Some("t"));

    let mut connection = open_connection();
    let events = receive(&mut connection, &vector(21));
    let [Event::Request { stream: 1, operation: Operation::UpdateConfiguration, payload }] =
        &events[..]
    else {
        panic!("{events:?}");
    };
    let request: UpdateConfigurationRequest =
        parse(Operation::UpdateConfiguration, payload).unwrap();
    assert_eq!(request.timestamp.unwrap().ms, 0);
}

#[test]
fn f3_a_denied_token_gets_the_negative_acknowledgement() {
    let mut connection = ServerConnection::new();
    receive(&mut connection, &vector(1));
    connection.deny();
    assert_eq!(take_output(&mut connection), vector(14));
    assert_eq!(receive(&mut connection, &vector(3)), []);
}

#[test]
fn f4_another_version_or_a_body_without_a_token_is_denied() {
    let connect = |version: Option<&str>, payload: &[u8]| {
        let mut headers = Vec::from(routing(MessageType::Connect, 0, 0));
        headers.extend(version.map(|version| Header::string(VERSION, version)));
        frame(&headers, payload)
    };
    let good = br#"{"authToken":"ABCDEFGH01234567"}"#;
    for bytes in [
        connect(Some("0.2.0"), good),
        connect(None, good),
        connect(Some("0.1.0"), b"{"),
        connect(Some("0.1.0"), b"{}"),
        connect(Some("0.1.0"), br#"{"authToken":null}"#),
        connect(Some("0.1.0"), br#"{"componentName":"a"}"#),
        connect(Some("0.1.0"), b""),
    ] {
        let mut connection = ServerConnection::new();
        let events = receive(&mut connection, &bytes);
        assert_eq!(events, [Event::Close(CloseReason::Denied)]);
        assert_eq!(take_output(&mut connection), vector(14));
    }
}

#[test]
fn f5_unknown_members_of_connect_are_ignored() {
    let mut connection = ServerConnection::new();
    let [kind, flags, stream] = routing(MessageType::Connect, 0, 0);
    let headers = [Header::string(":Version", "0.1.0"), kind, flags, stream];
    let events = receive(&mut connection, &frame(&headers, br#"{"authToken":"T","x":1}"#));
    assert_eq!(events, [Event::Connect { token: "T".into() }]);
}

#[test]
fn f6_connect_comes_first_and_once() {
    let mut connection = ServerConnection::new();
    assert_is_closed_by(&mut connection, &vector(3), &Violation::NotConnected);
    let mut connection = ServerConnection::new();
    assert_is_closed_by(&mut connection, &vector(17), &Violation::NotConnected);
    assert_violation(&vector(1), &Violation::ConnectedTwice);
}

#[test]
fn f7_a_flipped_payload_bit_closes_without_a_word() {
    let mut connection = open_connection();
    let mut bytes = vector(3);
    let at = bytes.len() - 10;
    bytes[at] ^= 1;
    let events = receive(&mut connection, &bytes);
    assert!(matches!(events[..], [Event::Close(CloseReason::Broken(_))]), "{events:?}");
    assert!(take_output(&mut connection).is_empty());
}

#[test]
fn f8_streams_are_numbered_without_gaps() {
    let name = Some("aws.greengrass#SubscribeToTopic");
    let order = Violation::StreamOrder { received: 2, expected: 1 };
    assert_violation(&application(2, 0, name), &order);
    assert_violation(&application(0, 0, name), &Violation::StreamId(0));
    assert_violation(&application(-1, 2, name), &Violation::StreamId(-1));

    let mut connection = open_connection();
    receive(&mut connection, &application(1, 0, name));
    let end = application(1, TERMINATE_STREAM, None);
    assert_eq!(receive(&mut connection, &end), [Event::StreamClosed { stream: 1 }]);
    assert_eq!(receive(&mut connection, &end), []);
    assert!(take_output(&mut connection).is_empty());
    let late = application(1, 0, None);
    assert_is_closed_by(&mut connection, &late, &Violation::ClosedStream(1));
}

#[test]
fn f8_a_stream_that_the_server_ended_is_closed() {
    let mut connection = open_connection();
    receive(&mut connection, &application(1, 0, Some("aws.greengrass#SubscribeToTopic")));
    assert_eq!(receive(&mut connection, &application(1, 0, None)), [], "open: ignored");
    connection.stream_ended(1);
    assert_eq!(receive(&mut connection, &application(1, TERMINATE_STREAM, None)), []);
    let late = application(1, 0, None);
    assert_is_closed_by(&mut connection, &late, &Violation::ClosedStream(1));
}

#[test]
fn a_request_that_ends_its_stream_is_ignored() {
    let mut connection = open_connection();
    let name = Some("aws.greengrass#PublishToTopic");
    assert_eq!(receive(&mut connection, &application(1, TERMINATE_STREAM, name)), []);
    assert_eq!(receive(&mut connection, &application(2, 0, name)).len(), 1);
    assert!(take_output(&mut connection).is_empty());
}

#[test]
fn f9_ping_is_echoed_with_its_application_headers() {
    let mut connection = open_connection();
    let [kind, flags, stream] = routing(MessageType::Ping, 0, 0);
    let content = Header::string(CONTENT_TYPE, "text/plain");
    let headers = [Header::string("x", "1"), content, kind, flags, stream];
    assert_eq!(receive(&mut connection, &frame(&headers, b"abc")), []);
    let mut decoder = Decoder::default();
    decoder.buffer().extend_from_slice(connection.output());
    let pong = decoder.next_frame().unwrap().unwrap();
    assert_eq!(&pong.payload[..], b"abc");
    let envelope = Envelope::read(&pong).unwrap();
    assert_eq!((envelope.message_type, envelope.flags, envelope.stream), (3, 0, 0));
    let others: Vec<_> = pong.headers().filter(|(name, _)| !name.starts_with(":m")).collect();
    assert_eq!(others, [(":stream-id", HeaderValue::Int32(0)), ("x", HeaderValue::String("1"))]);

    connection.output().clear();
    assert_eq!(receive(&mut connection, &vector(17)), []);
    assert_eq!(take_output(&mut connection), vector(18));
}

#[test]
fn f10_each_required_header_must_be_an_int32() {
    let all = routing(MessageType::Application, 0, 1);
    for (at, name) in [":message-type", ":message-flags", ":stream-id"].into_iter().enumerate() {
        let mut headers = Vec::from(all);
        headers.push(Header::string(OPERATION, "aws.greengrass#PublishToTopic"));
        headers.remove(at);
        assert_violation(&frame(&headers, b"{}"), &MissingHeader(name).into());
        headers.push(Header::string(name, "1"));
        assert_violation(&frame(&headers, b"{}"), &MissingHeader(name).into());
    }
}

#[test]
fn messages_out_of_place_are_violations() {
    let control = |number: i32, stream: i32| {
        let [_, flags, stream] = routing(MessageType::Ping, 0, stream);
        frame(&[Header::int32(":message-type", number), flags, stream], b"")
    };
    let on_stream = Violation::ControlOnStream { message_type: 2, stream: 1 };
    assert_violation(&control(2, 1), &on_stream);
    assert_violation(&control(8, 0), &Violation::UnknownMessageType(8));
    assert_violation(&control(5, 0), &Violation::ServerMessage(5));
    assert_violation(&application(1, 0, None), &Violation::MissingOperation(1));

    let mut connection = open_connection();
    assert_eq!(receive(&mut connection, &control(3, 0)), [], "a PING_RESPONSE is dropped");
    let events = receive(&mut connection, &control(6, 0));
    assert_eq!(events, [Event::Close(CloseReason::Reported(String::new()))]);
    assert!(take_output(&mut connection).is_empty(), "nobody answers a protocol error");
}

#[test]
fn an_unknown_peer_may_not_send_large_frames() {
    let mut connection = ServerConnection::new();
    let headers = routing(MessageType::Connect, 0, 0);
    let events = receive(&mut connection, &frame(&headers, &[b' '; 20_000])[..100]);
    assert!(matches!(events[..], [Event::Close(CloseReason::Broken(_))]), "{events:?}");
    let mut connection = open_connection();
    assert_eq!(receive(&mut connection, &frame(&headers, &[b' '; 20_000])[..100]), []);
}

#[test]
fn f12_an_unknown_operation_fails_only_its_stream() {
    let mut connection = open_connection();
    assert_eq!(receive(&mut connection, &application(1, 0, Some("aws.greengrass#Nope"))), []);
    let mut client = ClientConnection::new();
    client.input().extend_from_slice(connection.output());
    let Some(Message::Error { stream: 1, code, message, .. }) = client.next_message().unwrap()
    else {
        panic!("no error");
    };
    assert_eq!(code, "ServiceError");
    assert_eq!(message, "aws.greengrass#Nope is an unsupported operation.");
    let next = application(2, 0, Some("aws.greengrass#PublishToTopic"));
    assert_eq!(receive(&mut connection, &next).len(), 1);
}

#[test]
fn f13_a_malformed_body_becomes_one_error() {
    let malformed = |operation| parse::<UpdateConfigurationRequest>(operation, b"{").unwrap_err();
    let error = malformed(Operation::UpdateConfiguration);
    assert_eq!(error.code, crate::ErrorCode::InvalidArguments);
    assert_eq!(malformed(Operation::GetConfiguration).code, crate::ErrorCode::Service);
}

/// Vectors 4, 6, 7, 9, 10, 12 and 16: what a server sends.
#[test]
fn f15_f16_replies_equal_the_recorded_ones_byte_for_byte() {
    let reply = |write: &dyn Fn(&mut BytesMut)| {
        let mut out = BytesMut::new();
        write(&mut out);
        out.to_vec()
    };
    let subscribe = Operation::SubscribeToTopic;
    let publish = Operation::PublishToTopic;
    assert_eq!(reply(&|out| reply::response(out, 1, subscribe, reply::EMPTY)), vector(4));
    assert_eq!(reply(&|out| reply::response(out, 2, publish, reply::EMPTY)), vector(7));
    assert_eq!(reply(&|out| reply::response(out, 3, publish, reply::EMPTY)), vector(10));
    for (request, event) in [(5, 6), (8, 9)] {
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(&vector(request));
        let frame = decoder.next_frame().unwrap().unwrap();
        let request: PublishToTopicRequest<'_> = parse(publish, &frame.payload).unwrap();
        let payload = request.publish_message.unwrap().body().unwrap().event("test/topic");
        let kind = subscribe.event_type().unwrap();
        assert_eq!(reply(&|out| reply::event(out, 1, kind, &payload)), vector(event));
    }
    let denied = IpcError::unauthorized(
        "Principal com.example.A is not authorized to perform \
         aws.greengrass.ipc.pubsub:aws.greengrass#PublishToTopic on resource denied",
    );
    assert_eq!(reply(&|out| reply::error(out, 4, &denied)), vector(12));
    let missing = IpcError::not_found("Key not found");
    assert_eq!(reply(&|out| reply::error(out, 1, &missing)), vector(16));
}

/// Vectors 3, 5, 8, 11 and 13: what a client sends.
#[test]
fn a_recorded_session_is_understood() {
    let mut connection = open_connection();
    let mut operations = Vec::new();
    for number in [3, 5, 8, 11] {
        for event in receive(&mut connection, &vector(number)) {
            let Event::Request { stream, operation, .. } = event else {
                panic!("{event:?}");
            };
            operations.push((stream, operation));
        }
    }
    let publish = Operation::PublishToTopic;
    let expected = [(1, Operation::SubscribeToTopic), (2, publish), (3, publish), (4, publish)];
    assert_eq!(operations, expected);
    assert_eq!(receive(&mut connection, &vector(13)), [Event::StreamClosed { stream: 1 }]);
    assert!(take_output(&mut connection).is_empty());
}

#[test]
fn our_client_reads_every_kind_of_reply() {
    let mut client = ClientConnection::new();
    let (stream, request) = client.request(Operation::SubscribeToTopic, &json!({"topic": "t"}));
    let mut server = open_connection();
    assert!(matches!(receive(&mut server, &request)[..], [Event::Request { stream: 1, .. }]));
    let out = client.input();
    out.extend_from_slice(&vector(2));
    reply::response(out, stream, Operation::SubscribeToTopic, b"{}");
    reply::event(out, stream, "aws.greengrass#X", b"1");
    reply::end_stream(out, stream);
    out.extend_from_slice(&vector(18));
    out.extend_from_slice(&vector(15));
    let messages: Vec<_> = std::iter::from_fn(|| client.next_message().unwrap()).collect();
    assert_eq!(
        messages,
        [
            Message::ConnectAck { accepted: true },
            Message::Response { stream: 1, payload: "{}".into(), last: false },
            Message::Event {
                stream: 1,
                model_type: "aws.greengrass#X".into(),
                payload: "1".into()
            },
            Message::StreamClosed { stream: 1 },
            Message::PingResponse { payload: Bytes::new() },
            Message::Error {
                stream: 7,
                code: String::new(),
                message: "InternalServerError".into(),
                payload: Value::Null,
            },
        ]
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        receive(&mut open_connection(), &bytes);
    }

    #[test]
    fn f11_fragmentation_does_not_matter(cuts in prop::collection::vec(1usize..200, 1..40)) {
        let session: Vec<u8> = [3, 5, 8, 17, 11, 13].into_iter().flat_map(vector).collect();
        let mut whole = open_connection();
        let expected = receive(&mut whole, &session);
        let mut pieces = open_connection();
        let (mut events, mut rest) = (Vec::new(), &session[..]);
        for cut in cuts.into_iter().cycle() {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            events.extend(receive(&mut pieces, piece));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(events, expected);
        prop_assert_eq!(take_output(&mut pieces), take_output(&mut whole));
    }
}

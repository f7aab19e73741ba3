use std::time::Duration;

use bytes::{Buf, BufMut};
use marram_ipc::client::{ClientConnection, Message};
use serde_json::json;

use super::*;

const SUBSCRIBE: Operation = Operation::SubscribeToTopic;

/// An outbox with one open lane for each of `streams`.
fn outbox(streams: i32) -> Outbox {
    let outbox = Outbox::new(Arc::default());
    for stream in 1..=streams {
        outbox.add_lane(stream, "aws.greengrass#X", format!("s{stream}"));
        outbox.respond(stream, SUBSCRIBE, b"{}");
    }
    outbox
}

/// Everything that waits, as the client of `streams` sees it.
fn drain(outbox: &Outbox, streams: i32) -> Vec<Message> {
    let mut client = ClientConnection::new();
    for _ in 0..streams {
        client.request(SUBSCRIBE, &json!({}));
    }
    loop {
        let mut unsent = Unsent::default();
        outbox.take(&mut unsent);
        if unsent.is_empty() {
            break;
        }
        client.input().put(unsent);
    }
    std::iter::from_fn(|| client.next_message().unwrap()).collect()
}

fn events(messages: &[Message], wanted: i32) -> Vec<Bytes> {
    let event = |message: &Message| match message {
        Message::Event { stream, payload, .. } if *stream == wanted => Some(payload.clone()),
        _ => None,
    };
    messages.iter().filter_map(event).collect()
}

fn numbered(number: usize) -> Bytes {
    number.to_string().into()
}

#[test]
fn p26_events_wait_for_their_streams_response() {
    let outbox = Outbox::new(Arc::default());
    outbox.add_lane(1, "aws.greengrass#X", String::new());
    assert_eq!(outbox.push(1, &numbered(7)), Push::Done);
    assert_eq!(drain(&outbox, 1), []);
    outbox.respond(1, SUBSCRIBE, b"{}");
    let messages = drain(&outbox, 1);
    assert!(matches!(messages[..], [Message::Response { .. }, Message::Event { .. }]));
}

#[test]
fn a_full_lane_lags_and_then_drops_its_oldest_until_it_has_caught_up() {
    let outbox = outbox(2);
    for number in 0..LANE_EVENTS {
        assert_eq!(outbox.push(1, &numbered(number)), Push::Done);
    }
    assert_eq!(outbox.push(1, &numbered(LANE_EVENTS)), Push::Full);
    assert_eq!(outbox.push(2, &numbered(0)), Push::Done, "other streams have their own room");
    outbox.begin_to_lag(1);
    for number in LANE_EVENTS..LANE_EVENTS + 10 {
        assert_eq!(outbox.push(1, &numbered(number)), Push::Done);
    }
    assert_eq!(outbox.dropped.load(Ordering::Relaxed), 10);
    let received = events(&drain(&outbox, 2), 1);
    let expected: Vec<Bytes> = (10..LANE_EVENTS + 10).map(numbered).collect();
    assert_eq!(received, expected);
    for number in 0..LANE_EVENTS {
        outbox.push(1, &numbered(number));
    }
    assert_eq!(outbox.push(1, &numbered(0)), Push::Full, "it does not lag any more");
}

#[test]
fn bytes_are_bounded_for_a_stream_and_for_a_client() {
    let outbox = outbox(8);
    let large = Bytes::from(vec![b'1'; LANE_BYTES - 1]);
    for stream in 1..=8 {
        assert_eq!(outbox.push(stream, &large), Push::Done, "an empty lane takes one event");
        assert_eq!(outbox.push(stream, &large), Push::Full);
    }
    assert_eq!(outbox.push(1, &numbered(0)), Push::Full, "the client has too much");
    for stream in 2..=8 {
        outbox.remove_lane(stream);
    }
    assert_eq!(outbox.push(1, &numbered(0)), Push::Done);
}

#[test]
fn a_stream_that_is_over_takes_events_and_responses_silently() {
    let outbox = outbox(1);
    outbox.push(1, &numbered(1));
    outbox.remove_lane(1);
    assert_eq!(outbox.push(1, &numbered(2)), Push::Done);
    outbox.respond(1, SUBSCRIBE, b"{}");
    outbox.fail_if_open(1, &IpcError::service("x"));
    assert_eq!(drain(&outbox, 1).len(), 1, "the first response alone");
    assert_eq!(outbox.lock().event_bytes, 0);
}

#[test]
fn streams_take_turns() {
    let outbox = outbox(2);
    let event = Bytes::from(vec![b'1'; BATCH_BYTES / 2]);
    for _ in 0..4 {
        outbox.push(1, &event);
    }
    outbox.push(2, &event);
    let order: Vec<i32> = drain(&outbox, 2)
        .iter()
        .filter_map(|message| match message {
            Message::Event { stream, .. } => Some(*stream),
            _ => None,
        })
        .collect();
    assert_eq!(order, [1, 1, 2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn delivery_waits_for_room_but_not_for_ever() {
    let outbox = Arc::new(outbox(1));
    let fill = || while outbox.push(1, &numbered(0)) == Push::Done {};
    fill();
    let began = Instant::now();
    let deadline = began + Duration::from_secs(1);
    let reader = outbox.clone();
    let reading = async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        reader.take(&mut Unsent::default());
    };
    let event = numbered(1);
    tokio::join!(outbox.deliver(1, &event, deadline), reading);
    assert_eq!(began.elapsed(), Duration::from_millis(400));
    assert_eq!(outbox.dropped.load(Ordering::Relaxed), 0);

    fill();
    outbox.deliver(1, &event, Instant::now() + Duration::from_secs(1)).await;
    assert_eq!(outbox.dropped.load(Ordering::Relaxed), 1);
    let began = Instant::now();
    outbox.deliver(1, &event, Instant::now() + Duration::from_secs(1)).await;
    assert_eq!(began.elapsed(), Duration::ZERO, "a lagging stream costs nobody a second delay");
}

#[test]
fn a_large_event_is_in_memory_once_for_all_its_streams() {
    let outbox = outbox(3);
    let large = Bytes::from(vec![b'7'; 50_000]);
    for stream in 1..=3 {
        outbox.push(stream, &large);
    }
    let mut unsent = Unsent::default();
    // What is taken goes behind what is left of the batch before.
    outbox.take(&mut unsent);
    outbox.take(&mut unsent);
    let mut slices = [std::io::IoSlice::new(&[]); 16];
    let filled = unsent.chunks_vectored(&mut slices);
    let shared = slices[..filled].iter().filter(|slice| slice.as_ptr() == large.as_ptr());
    assert_eq!(shared.count(), 3, "each stream's frame has the payload itself");
    let mut client = ClientConnection::new();
    for _ in 0..3 {
        client.request(SUBSCRIBE, &json!({}));
    }
    // A socket takes any number of bytes at a time.
    for piece in [1, 299, 50_000, 3, usize::MAX] {
        let piece = piece.min(unsent.remaining());
        client.input().put(unsent.copy_to_bytes(piece));
    }
    let messages: Vec<Message> = std::iter::from_fn(|| client.next_message().unwrap()).collect();
    for stream in 1..=3 {
        assert_eq!(events(&messages, stream), std::slice::from_ref(&large));
    }
}

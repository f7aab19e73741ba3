//! How long a message takes: one at a time, and at a fixed rate.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use bytes::BytesMut;
use hdrhistogram::Histogram;

use crate::report::{Report, Row};
use crate::service::{Client, Service, Socket};
use crate::wire::{Prepared, Received, Wire};

const BYTES: usize = 1024;
const RATE_TOPIC: &str = "load/rate";
/// Messages per second of the fixed rate.
const RATE: u32 = 10_000;

pub(crate) fn measure(
    ipc: &Service,
    mqtt: Option<&Service>,
    duration: Duration,
    report: &mut Report,
) -> Result<()> {
    let ours = ping_pong(ipc, duration)?;
    let peer = mqtt.map(|mqtt| ping_pong(mqtt, duration)).transpose()?;
    let bare = socket_pair(frame_bytes()?, duration)?;
    report.push(
        Row::new("ping-pong p50", us(&ours, 50.0), "µs")
            .peer("bare socketpair", Some(us(&bare, 50.0)))
            .target("≤ 3 × bare socketpair"),
    );
    report.push(
        Row::new("ping-pong p50", us(&ours, 50.0), "µs")
            .peer("mosquitto", peer.as_ref().map(|peer| us(peer, 50.0))),
    );
    let ours = at_fixed_rate(clients(ipc)?, duration)?;
    let peer = mqtt.map(|mqtt| at_fixed_rate(clients(mqtt)?, duration)).transpose()?;
    let bare = at_fixed_rate(bare_relay()?, duration)?;
    for (name, percentile, target) in [
        ("p50 at 10000 msg/s", 50.0, None),
        ("p99 at 10000 msg/s", 99.0, Some("< 1000 µs")),
        ("p99.9 at 10000 msg/s", 99.9, None),
    ] {
        let peer = peer.as_ref().map(|peer| us(peer, percentile));
        let row = Row::new(name, us(&ours, percentile), "µs").peer("mosquitto", peer);
        report.push(row);
        let bare = Some(us(&bare, percentile));
        let row = Row::new(name, us(&ours, percentile), "µs").peer("bare relay", bare);
        report.push(Row { target, ..row });
    }
    Ok(())
}

fn us(histogram: &Histogram<u64>, percentile: f64) -> f64 {
    histogram.value_at_percentile(percentile) as f64 / 1000.0
}

/// Nanoseconds up to ten seconds, to three digits.
fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 10_000_000_000, 3)?)
}

fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    histogram.saturating_record(latency.as_nanos().min(u128::from(u64::MAX)) as u64);
}

/// One client gets its own messages, one after the other: two ways between two processes.
fn ping_pong(service: &Service, duration: Duration) -> Result<Histogram<u64>> {
    let topic = "load/pingpong";
    let mut client = service.subscriber(&[topic])?;
    let message = Prepared::binary(topic, BYTES)?;
    let answers = u64::from(service.is_ipc());
    let mut histogram = histogram()?;
    let mut out = BytesMut::new();
    let end = Instant::now() + duration;
    while Instant::now() < end {
        out.clear();
        client.wire.publish(&message, &mut out);
        let sent = Instant::now();
        client.send(&out)?;
        let mut total = Received::default();
        while total.messages < 1 || total.answers < answers {
            let received = client.receive()?;
            total.answers += received.answers;
            total.messages += received.messages;
        }
        record(&mut histogram, sent.elapsed());
    }
    Ok(histogram)
}

/// Bytes of one publish on the wire.
fn frame_bytes() -> Result<usize> {
    let mut out = BytesMut::new();
    let mut wire = Wire::Ipc(marram_ipc::client::ClientConnection::new());
    wire.publish(&Prepared::binary("load/pingpong", BYTES)?, &mut out);
    Ok(out.len())
}

/// The same between two threads that do nothing but send each other's bytes back.
fn socket_pair(bytes: usize, duration: Duration) -> Result<Histogram<u64>> {
    let (mut here, mut there) = UnixStream::pair()?;
    let echo = thread::spawn(move || {
        let mut buffer = vec![0; bytes];
        // Ends when the other end is dropped.
        while there.read_exact(&mut buffer).and_then(|()| there.write_all(&buffer)).is_ok() {}
    });
    let mut histogram = histogram()?;
    let mut buffer = vec![7; bytes];
    let end = Instant::now() + duration;
    while Instant::now() < end {
        let sent = Instant::now();
        here.write_all(&buffer)?;
        here.read_exact(&mut buffer)?;
        record(&mut histogram, sent.elapsed());
    }
    drop(here);
    echo.join().map_err(|_| anyhow!("the echo failed"))?;
    Ok(histogram)
}

fn clients(service: &Service) -> Result<(Client, Client)> {
    Ok((service.connect()?, service.subscriber(&[RATE_TOPIC])?))
}

/// A thread that does nothing but hand the publisher's bytes on: what the machine itself costs.
fn bare_relay() -> Result<(Client, Client)> {
    let ((ours, mut from), (mut to, theirs)) = (UnixStream::pair()?, UnixStream::pair()?);
    // Ends when the publisher's end is dropped, or fails when the subscriber's is.
    thread::spawn(move || io::copy(&mut from, &mut to));
    let client =
        |socket| Client { socket: Socket::Unix(socket), wire: Wire::Mqtt(BytesMut::new()) };
    Ok((client(ours), client(theirs)))
}

/// Messages at their times, whether those before them have arrived or not; a latency is counted
/// from when a message should have been sent.
fn at_fixed_rate(
    (publisher, mut subscriber): (Client, Client),
    duration: Duration,
) -> Result<Histogram<u64>> {
    let message = Prepared::binary(RATE_TOPIC, BYTES)?;
    let interval = Duration::from_secs(1) / RATE;
    let count = (duration.as_secs_f64() * f64::from(RATE)) as u32;
    let start = Instant::now() + Duration::from_millis(50);
    let publishing = thread::spawn(move || publish(publisher, &message, start, interval, count));
    let mut histogram = histogram()?;
    let mut arrived = 0;
    while arrived < count {
        let received = subscriber.receive();
        let messages = received.with_context(|| format!("{arrived} arrived of {count}"))?.messages;
        let now = Instant::now();
        for _ in 0..messages {
            record(&mut histogram, now.saturating_duration_since(start + interval * arrived));
            arrived += 1;
        }
    }
    publishing.join().map_err(|_| anyhow!("the publisher failed"))??;
    ensure!(arrived == count, "{arrived} messages arrived of {count}");
    Ok(histogram)
}

/// Gives the client back: closing it with answers unread would lose what the server has not read.
fn publish(
    mut client: Client,
    message: &Prepared,
    start: Instant,
    interval: Duration,
    count: u32,
) -> Result<Client> {
    client.socket.set_nonblocking()?;
    let mut scratch = vec![0; 64 * 1024];
    let mut out = BytesMut::new();
    let mut sent = 0;
    while sent < count {
        thread::sleep((start + interval * sent).saturating_duration_since(Instant::now()));
        while sent < count && start + interval * sent <= Instant::now() {
            client.wire.publish(message, &mut out);
            sent += 1;
        }
        send(&mut client, &mut out, &mut scratch)?;
    }
    Ok(client)
}

/// Sends all, taking the answers meanwhile.
fn send(client: &mut Client, out: &mut BytesMut, scratch: &mut [u8]) -> Result<()> {
    while !out.is_empty() {
        match client.socket.write(out) {
            Ok(written) => drop(out.split_to(written)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
            Err(error) => return Err(error).context("sending"),
        }
        client.socket.drain(scratch)?;
    }
    Ok(())
}

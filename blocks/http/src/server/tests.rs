//! Client against server, over TCP and TLS.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use marram_tls::{Authority, ClientAuth};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::*;
use crate::client::{self, Client, SendRequest};

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn is_stopped(server: &Server) -> bool {
    server.accepting.is_finished()
}

/// Answers with the method, the path and the length of the body.
async fn echo(request: Request, peer: Peer) -> Reply {
    let line = format!("{} {} {}", request.method(), request.uri(), peer.certificate.is_some());
    match read_body(request.into_body(), 8, Duration::from_secs(5)).await {
        Ok(body) => reply(StatusCode::OK, "text/plain", format!("{line} {}", body.len())),
        Err(ReadBody::TooLarge { .. }) => reply(StatusCode::PAYLOAD_TOO_LARGE, "", Bytes::new()),
        Err(_) => reply(StatusCode::BAD_REQUEST, "", Bytes::new()),
    }
}

#[tokio::test]
async fn exchange_over_tcp_with_bounded_request_body() {
    let server = Server::start(listen().await, None, Settings::default(), echo).unwrap();
    let base = format!("http://{}", server.local_addr());
    let client = Client::new(None);
    let answer =
        client.send(client::Request::post(format!("{base}/a%3Ab?x=1"), "hi")).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.body, "POST /a%3Ab?x=1 false 2");

    let answer = client.send(client::Request::post(base, "more than eight")).await.unwrap();
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn service_sees_the_certificate_of_the_client() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::open(dir.path()).unwrap();
    let identity = authority.issue_server(&["127.0.0.1".to_owned()]).unwrap();
    let tls =
        marram_tls::server_config(&identity, ClientAuth::AnyCertificate, &[b"http/1.1"]).unwrap();
    let server = Server::start(listen().await, Some(tls), Settings::default(), echo).unwrap();
    let url = format!("https://{}/", server.local_addr());

    let device = authority.issue_client("AWS IoT Certificate").unwrap();
    let roots = authority.certificate_pem();
    let known = marram_tls::client_config(roots, Some(&device), &[b"x-amzn-http-ca"]).unwrap();
    let answer = Client::new(Some(known)).send(client::Request::get(&url)).await.unwrap();
    assert_eq!(answer.body, "GET / true 0");

    let anonymous = marram_tls::client_config(roots, None, &[]).unwrap();
    let answer = Client::new(Some(anonymous)).send(client::Request::get(&url)).await.unwrap();
    assert_eq!(answer.body, "GET / false 0");

    let error = Client::new(None).send(client::Request::get(&url)).await.unwrap_err();
    assert!(matches!(error, SendRequest::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn answer_longer_than_allowed_is_refused() {
    let long = |_: Request, _: Peer| async { reply(StatusCode::OK, "", vec![0_u8; 100]) };
    let server = Server::start(listen().await, None, Settings::default(), long).unwrap();
    let url = format!("http://{}/?secret=1", server.local_addr());
    let client = Client::new(None);
    let error = client.send(client::Request::get(&url).max_body(99)).await.unwrap_err();
    assert!(matches!(error, SendRequest::BodyTooLarge { limit: 99, .. }), "{error:?}");
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn silent_server_meets_the_deadline() {
    let listener = listen().await;
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let request = client::Request::get(url).deadline(Duration::from_millis(50));
    let error = Client::new(None).send(request).await.unwrap_err();
    assert!(matches!(error, SendRequest::Deadline { .. }), "{error:?}");
    assert!(error.is_transient());
}

/// Serves ten bytes with `Range`.
async fn ten(request: Request, _: Peer) -> Reply {
    let range = request.headers().get("range").and_then(|v| v.to_str().ok());
    let first = range.and_then(|v| v.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match first {
        None => reply(StatusCode::OK, "", "0123456789"),
        Some(first @ 0..10_usize) => {
            let mut answer = reply(StatusCode::PARTIAL_CONTENT, "", &"0123456789"[first..]);
            let value = format!("bytes {first}-9/10").parse().unwrap();
            answer.headers_mut().insert("content-range", value);
            answer
        }
        Some(_) => reply(StatusCode::RANGE_NOT_SATISFIABLE, "", "beyond the end"),
    }
}

#[tokio::test]
async fn download_is_taken_up_where_it_broke_off() {
    let server = Server::start(listen().await, None, Settings::default(), ten).unwrap();
    let url = format!("http://{}/artifact", server.local_addr());
    let client = Client::new(None);
    for (from, expected) in [(0, "0123456789"), (4, "456789")] {
        let mut download = client.download(client::Request::get(&url), from).await.unwrap();
        assert_eq!((download.starts_at(), download.total_bytes()), (from, Some(10)));
        let mut all = Vec::new();
        while let Some(chunk) = download.chunk().await.unwrap() {
            all.extend_from_slice(&chunk);
        }
        assert_eq!(String::from_utf8(all).unwrap(), expected);
    }
    let error = client.download(client::Request::get(&url), 10).await.unwrap_err();
    let SendRequest::Status { status, body, .. } = error else { unreachable!("{error:?}") };
    assert_eq!(
        (status, body.as_ref()),
        (StatusCode::RANGE_NOT_SATISFIABLE, &b"beyond the end"[..])
    );
}

#[tokio::test]
async fn stop_lets_the_request_under_way_finish() {
    let (entered, mut inside) = tokio::sync::mpsc::channel(1);
    let (release, waiting) = watch::channel(false);
    let slow = move |_: Request, _: Peer| {
        let (entered, mut waiting) = (entered.clone(), waiting.clone());
        async move {
            entered.send(()).await.unwrap();
            let released = waiting.wait_for(|go| *go).await.is_ok();
            reply(StatusCode::OK, "", if released { "finished" } else { "lost" })
        }
    };
    let server = Server::start(listen().await, None, Settings::default(), slow).unwrap();
    let url = format!("http://{}/", server.local_addr());
    let exchange =
        tokio::spawn(async move { Client::new(None).send(client::Request::get(url)).await });
    inside.recv().await.unwrap();
    let stopping = tokio::spawn(server.stop(Duration::from_secs(10)));
    release.send_replace(true);
    assert_eq!(exchange.await.unwrap().unwrap().body, "finished");
    let begun = Instant::now();
    stopping.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn client_that_sends_no_head_is_closed() {
    let settings = Settings { head_deadline: Duration::from_millis(50), ..Settings::default() };
    let server = Server::start(listen().await, None, settings, echo).unwrap();
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(b"GET / HT").await.unwrap();
    let mut rest = Vec::new();
    let closed = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the connection must be closed at the deadline");
    assert!(!is_stopped(&server));
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_a_place() {
    let settings = Settings { max_connections: 1, ..Settings::default() };
    let server = Server::start(listen().await, None, settings, echo).unwrap();
    let first = TcpStream::connect(server.local_addr()).await.unwrap();
    let url = format!("http://{}/", server.local_addr());
    let request = client::Request::get(&url).deadline(Duration::from_millis(100));
    let error = Client::new(None).send(request).await.unwrap_err();
    assert!(matches!(error, SendRequest::Deadline { .. }), "{error:?}");
    drop(first);
    let request = client::Request::get(&url).deadline(Duration::from_secs(5));
    assert_eq!(Client::new(None).send(request).await.unwrap().status, StatusCode::OK);
}

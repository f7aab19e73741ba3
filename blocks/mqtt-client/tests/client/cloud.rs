//! A broker that can stop, lose its sessions, and come back on the same port.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use marram_broker::{
    Action, Broker, ConnectRequest, Disconnect, Handler, Intercept, Peer, Publish, Refusal,
    SessionInfo, Settings,
};
use marram_mqtt_client::{Backoff, Client, Event, Options};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Refuses topics with the level `denied`; notes how connections ended.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) ends: Mutex<Vec<Disconnect>>,
    pub(crate) certificates: Mutex<Vec<Vec<u8>>>,
}

impl Handler for Rules {
    type Identity = ();

    async fn connect(&self, peer: &Peer, _request: &ConnectRequest) -> Result<(), Refusal> {
        let der = peer.certificate.as_ref().map(|der| der.to_vec());
        self.certificates.lock().unwrap().extend(der);
        Ok(())
    }

    fn authorize(&self, _identity: &(), _client_id: &str, action: Action<'_>) -> bool {
        let (Action::Publish { topic: name, .. }
        | Action::Subscribe { filter: name }
        | Action::Receive { topic: name }) = action;
        !name.split('/').any(|level| level == "denied")
    }

    async fn intercept(&self, _session: &SessionInfo<()>, _publish: &Publish) -> Intercept {
        Intercept::Forward
    }

    fn connected(&self, _session: &SessionInfo<()>) {}

    fn disconnected(&self, _session: &SessionInfo<()>, reason: &Disconnect) {
        self.ends.lock().unwrap().push(*reason);
    }
}

pub(crate) struct Cloud {
    pub(crate) broker: Broker<Rules>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), None).await
    }

    pub(crate) async fn start_on(address: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let rules = Arc::new(Rules::default());
        let broker = Broker::new(Arc::clone(&rules), Settings::default());
        let serving = broker.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, address)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (broker, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        broker
                            .serve(stream, Peer { address, certificate: None, principal: None })
                            .await;
                        return;
                    };
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let certificate = marram_tls::peer_certificate(stream.get_ref().1);
                    let certificate = certificate.map(Arc::from);
                    broker.serve(stream, Peer { address, certificate, principal: None }).await;
                });
            }
        });
        Self { broker, rules, address, accepting }
    }

    /// Ends all connections and frees the port; sessions are lost.
    pub(crate) async fn stop(self) -> SocketAddr {
        self.accepting.abort();
        self.broker.shutdown(DEADLINE).await;
        self.address
    }

    pub(crate) fn options(&self, client_id: &str) -> Options {
        options(self.address, client_id)
    }

    /// A connected client.
    pub(crate) async fn client(&self, options: Options) -> (Client, mpsc::Receiver<Event>) {
        let (client, mut events) = Client::start(options);
        assert_eq!(next(&mut events).await, Event::Connected { session_present: false });
        (client, events)
    }
}

/// Options with short deadlines.
pub(crate) fn options(address: SocketAddr, client_id: &str) -> Options {
    Options {
        reconnect: Backoff { min: Duration::from_millis(10), max: Duration::from_millis(100) },
        max_in_flight: NonZeroU16::new(10).unwrap(),
        ..Options::new(address.ip().to_string(), address.port(), client_id)
    }
}

pub(crate) async fn next(events: &mut mpsc::Receiver<Event>) -> Event {
    timeout(DEADLINE, events.recv()).await.expect("an event").expect("a running client")
}

/// The next message, whatever happens to the connection before.
pub(crate) async fn message(events: &mut mpsc::Receiver<Event>) -> Publish {
    loop {
        if let Event::Message(publish) = next(events).await {
            return publish;
        }
    }
}

/// The next connection's flag.
pub(crate) async fn connected(events: &mut mpsc::Receiver<Event>) -> bool {
    loop {
        if let Event::Connected { session_present } = next(events).await {
            return session_present;
        }
    }
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

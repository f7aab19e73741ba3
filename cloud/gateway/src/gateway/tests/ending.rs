//! Connections that end: their certificate was disabled, or the gateway stops.

use std::sync::Arc;
use std::time::Duration;

use marram_broker::{
    Action, Broker, ConnectRequest, Disconnect, Handler, Intercept, Peer, Publish, Refusal,
    SessionInfo, Settings,
};
use marram_registry::Registry;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, broadcast};
use tokio::time::{Instant, timeout};

use super::plane::{Connection, PATIENCE, Plane, request, rest_of};
use crate::device::{Caller, DeviceHandler};
use crate::presence::Presence;
use crate::revocation::cut_revoked;

#[tokio::test]
async fn a_disabled_certificate_loses_its_connection_and_may_not_return() {
    for status in ["REVOKED", "INACTIVE"] {
        let plane = Plane::start().await;
        let device = plane.trusted().await;
        let mut core = plane.connect(&device, "core1").await;
        plane.set_status(&device, status).await;
        let reason = core.disconnected().await;
        assert!(reason.contains("0x87"), "{reason}");
        let mut again = Connection::start(plane.options(&device, "core1"));
        let reason = again.disconnected().await;
        assert!(reason.contains("0x87"), "{reason}");
    }
}

/// Disables the certificate between its check and the registration of its connection.
struct DisabledMeanwhile {
    handler: DeviceHandler,
    registry: Registry,
    certificate_id: String,
}

impl Handler for DisabledMeanwhile {
    type Identity = Caller;

    async fn connect(
        &self,
        peer: &Peer,
        asked: &ConnectRequest,
    ) -> Result<Self::Identity, Refusal> {
        let identity = self.handler.connect(peer, asked).await?;
        let update = json!({"certificateId": self.certificate_id, "newStatus": "REVOKED"});
        self.registry.update_certificate(request(update)).await.unwrap();
        Ok(identity)
    }

    fn authorize(&self, identity: &Self::Identity, client_id: &str, action: Action<'_>) -> bool {
        self.handler.authorize(identity, client_id, action)
    }

    async fn intercept(
        &self,
        session: &SessionInfo<Self::Identity>,
        publish: &Publish,
    ) -> Intercept {
        self.handler.intercept(session, publish).await
    }

    fn connected(&self, session: &SessionInfo<Self::Identity>) {
        self.handler.connected(session);
    }

    fn disconnected(&self, session: &SessionInfo<Self::Identity>, reason: &Disconnect) {
        self.handler.disconnected(session, reason);
    }
}

#[tokio::test]
async fn a_certificate_that_is_disabled_while_it_connects_is_cut() {
    const CONNECT: &[u8] = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05core1";
    const CONNACK: &[u8] = b"\x20\x02\x00\x00";
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let connected_late = Arc::new(Notify::new());
    let handler = DisabledMeanwhile {
        handler: DeviceHandler::new(
            plane.registry.clone(),
            plane.fleet.clone(),
            Arc::clone(&connected_late),
            Presence::new(plane.clock.clone()).0,
        ),
        registry: plane.registry.clone(),
        certificate_id: device.certificate_id.clone(),
    };
    let broker = Broker::new(Arc::new(handler), Settings::default());
    // The change was followed before the connection was there to be cut: nothing comes of it.
    let (_no_changes, changes) = broadcast::channel(1);
    let cutting = tokio::spawn(cut_revoked(broker.clone(), changes, connected_late));

    let (mut client, server) = tokio::io::duplex(1024);
    let certificate = marram_tls::certificate_der(&device.identity.certificate_pem).unwrap();
    let peer = Peer {
        address: ([127, 0, 0, 1], 1).into(),
        certificate: Some(certificate.into()),
        principal: None,
    };
    let serving = broker.clone();
    let serving = tokio::spawn(async move { serving.serve(server, peer).await });
    client.write_all(CONNECT).await.unwrap();
    assert_eq!(rest_of(&mut client).await, CONNACK);
    timeout(PATIENCE, serving).await.unwrap().unwrap();
    assert!(!broker.is_connected("core1"));
    cutting.abort();
}

#[tokio::test]
async fn a_stopped_gateway_tells_its_devices() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let mut core = plane.connect(&device, "core1").await;
    plane.gateway.stop(PATIENCE).await;
    let reason = core.disconnected().await;
    assert!(reason.contains("0x8B"), "{reason}");
}

#[tokio::test]
async fn a_gateway_stops_within_its_deadline_whatever_clients_do() {
    const DEADLINE: Duration = Duration::from_secs(2);
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let mqtt = plane.gateway.mqtt_address().port();
    let mut says_nothing = plane.stream(&device, &[], mqtt).await;
    let https = plane.gateway.https_address().port();
    let mut sends_no_body = plane.stream(&device, &[], https).await;
    let head = b"POST /topics/a HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\
        content-length: 9\r\n\r\n";
    sends_no_body.write_all(head).await.unwrap();
    let mut go_on = [0; 25];
    timeout(PATIENCE, sends_no_body.read_exact(&mut go_on)).await.unwrap().unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");

    let begin = Instant::now();
    plane.gateway.stop(DEADLINE).await;
    assert!(begin.elapsed() < DEADLINE + DEADLINE / 2, "{:?}", begin.elapsed());
    rest_of(&mut says_nothing).await;
    rest_of(&mut sends_no_body).await;
}

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use marram_aws::iot::GetThingConnectivityDataRequest;

use super::*;
use crate::testing::{NOW_MS, TestFleet};

const SOURCE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4711);

async fn look(t: &TestFleet, thing: &str) -> GetThingConnectivityDataResponse {
    let request = GetThingConnectivityDataRequest {
        thing_name: thing.to_owned(),
        include_socket_information: true,
    };
    t.fleet.get_thing_connectivity_data(request).await.unwrap()
}

#[tokio::test]
async fn a_thing_is_shown_as_it_is_and_since_when() {
    let t = TestFleet::start().await;
    t.add_thing("T").await;
    let never = look(&t, "T").await;
    assert_eq!((never.connected, never.timestamp), (false, None));

    t.fleet.client_connected("T", 1, SOURCE);
    for _ in 0..2 {
        let now = look(&t, "T").await;
        assert_eq!((now.connected, now.timestamp), (true, Some(EpochMs(NOW_MS))));
        assert_eq!((now.source_ip.as_deref(), now.source_port), (Some("127.0.0.1"), Some(4711)));
        // The second look reads what was written.
        t.fleet.save_presence().await.unwrap();
    }
    t.clock.advance(Duration::from_secs(5));
    t.fleet.client_disconnected("T", 1, "MQTT_KEEP_ALIVE_TIMEOUT");
    for _ in 0..2 {
        let gone = look(&t, "T").await;
        assert_eq!((gone.connected, gone.timestamp), (false, Some(EpochMs(NOW_MS + 5000))));
        assert_eq!(gone.disconnect_reason.as_deref(), Some("MQTT_KEEP_ALIVE_TIMEOUT"));
        assert_eq!(gone.source_ip, None);
        t.fleet.save_presence().await.unwrap();
    }
}

#[tokio::test]
async fn a_client_may_be_older_than_its_thing() {
    let t = TestFleet::start().await;
    t.fleet.client_connected("T", 1, SOURCE);
    t.fleet.save_presence().await.unwrap();
    t.add_thing("T").await;
    let now = look(&t, "T").await;
    assert_eq!((now.connected, now.timestamp), (true, Some(EpochMs(NOW_MS))));
}

/// The end of the old connection may come after the new one's beginning.
#[tokio::test]
async fn a_client_that_comes_back_stays_connected_when_its_old_connection_ends() {
    let t = TestFleet::start().await;
    t.add_thing("T").await;
    t.fleet.client_connected("T", 1, SOURCE);
    t.fleet.client_connected("T", 2, SOURCE);
    t.fleet.client_disconnected("T", 1, "DUPLICATE_CLIENTID");
    assert!(look(&t, "T").await.connected);
    t.fleet.client_disconnected("T", 2, "CONNECTION_LOST");
    assert!(!look(&t, "T").await.connected);
}

#[tokio::test]
async fn a_restarted_cloud_knows_that_its_connections_have_ended() {
    let t = TestFleet::start().await;
    for thing in ["stays", "left"] {
        t.add_thing(thing).await;
        t.fleet.client_connected(thing, 1, SOURCE);
    }
    t.fleet.client_disconnected("left", 1, "CLIENT_INITIATED_DISCONNECT");
    t.fleet.save_presence().await.unwrap();
    let t = t.restart().await;
    let ended = look(&t, "stays").await;
    assert_eq!((ended.connected, ended.disconnect_reason.as_deref()), (false, Some(CLOUD_STOPPED)));
    let left = look(&t, "left").await;
    assert_eq!(left.disconnect_reason.as_deref(), Some("CLIENT_INITIATED_DISCONNECT"));
}

#[tokio::test]
async fn a_client_that_is_no_thing_is_known_while_it_is_connected() {
    let t = TestFleet::start().await;
    t.fleet.client_connected("tool", 7, SOURCE);
    t.fleet.save_presence().await.unwrap();
    let connection = t.fleet.get_connection("tool", false).await.unwrap();
    assert!(connection.connected && connection.thing_name.is_none());
    assert_eq!(connection.source_ip, None);
    t.fleet.client_disconnected("tool", 7, "CONNECTION_LOST");
    t.fleet.save_presence().await.unwrap();
    let error = t.fleet.get_connection("tool", false).await.unwrap_err();
    assert_eq!(error.code, "ResourceNotFoundException");
    let request = GetThingConnectivityDataRequest {
        thing_name: "tool".to_owned(),
        include_socket_information: false,
    };
    let error = t.fleet.get_thing_connectivity_data(request).await.unwrap_err();
    assert_eq!(error.code, "ResourceNotFoundException");
}

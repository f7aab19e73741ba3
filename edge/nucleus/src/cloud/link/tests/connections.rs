//! Components' subscriptions that are more than one connection takes.

use super::*;

/// Two filters of components fit on the first connection, ten on each further one.
const FILTERS: usize = 25;

fn filters() -> Vec<String> {
    (0..FILTERS).map(|number| format!("many/{number}")).collect()
}

/// The payloads that components get until one says `end`.
async fn until_end(device: &mut Device) -> Vec<String> {
    let mut received = Vec::new();
    loop {
        let message = timeout(PATIENCE, device.messages.recv()).await.expect("a message").unwrap();
        match std::str::from_utf8(&message.payload).unwrap() {
            "end" => return received,
            payload => received.push(payload.to_owned()),
        }
    }
}

#[tokio::test]
async fn many_subscriptions_get_further_connections_which_end_with_them() {
    let (cloud, port) = Cloud::start(&[]).await;
    let mut device = Device::connect(port);
    let link = device.link.clone();
    for filter in filters() {
        link.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
    }
    let connected = |number: usize| cloud.broker().is_connected(&format!("core#{number}"));
    assert_eq!([2, 3, 4, 5].map(connected), [true, true, true, false]);
    for filter in filters() {
        cloud.broker().publish(Publish::new(filter.clone(), filter).with_qos(QoS::AtLeastOnce));
    }
    let mut received = Vec::new();
    while received.len() < FILTERS {
        let message = timeout(PATIENCE, device.messages.recv()).await.expect("a message").unwrap();
        received.push(String::from_utf8(message.payload.to_vec()).unwrap());
    }
    received.sort();
    let mut expected = filters();
    expected.sort();
    assert_eq!(received, expected);

    for filter in filters() {
        link.unsubscribe(filter).await;
    }
    until("further connections end", || ![2, 3, 4].into_iter().any(connected)).await;
    assert!(cloud.broker().is_connected("core"));
}

#[tokio::test]
async fn a_message_for_filters_on_several_connections_comes_once() {
    let (cloud, port) = Cloud::start(&[]).await;
    let mut device = Device::connect(port);
    let link = device.link.clone();
    for filter in ["many/+", "+/1", "many/1", "other"] {
        link.subscribe(filter.to_owned(), QoS::AtLeastOnce).await.unwrap();
    }
    assert!(cloud.broker().is_connected("core#2"));
    let publish = |topic: &'static str, payload: &'static str| {
        cloud.broker().publish(Publish::new(topic, payload).with_qos(QoS::AtLeastOnce));
    };
    publish("many/1", "once");
    // Behind the copies of the first message on either connection.
    publish("many/end", "end");
    publish("other", "end");
    let mut received = until_end(&mut device).await;
    received.extend(until_end(&mut device).await);
    assert_eq!(received, ["once"]);
}

#[tokio::test]
async fn a_further_connection_that_the_policy_forbids_is_said_so() {
    let (cloud, port) = Cloud::start(&[]).await;
    cloud.refuses_further.store(true, Ordering::Relaxed);
    let device = Device::connect(port);
    for filter in ["a", "b"] {
        device.link.subscribe(filter.to_owned(), QoS::AtLeastOnce).await.unwrap();
    }
    let refused = device.link.subscribe("c".to_owned(), QoS::AtLeastOnce).await.unwrap_err();
    assert!(refused.reason.contains("iot:Connect for client/core*"), "{refused}");
}

#[tokio::test]
async fn a_server_that_takes_fewer_subscriptions_gets_fewer() {
    let settings = marram_broker::Settings { max_subscriptions: 9, ..Default::default() };
    let (cloud, port) = Cloud::start_with(0, &[], settings).await;
    let mut device_settings = super::settings(port);
    device_settings.mqtt.max_subscriptions = 50;
    let device = Device::connect_with(&device_settings, tempfile::tempdir().unwrap());
    for filter in filters() {
        device.link.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
    }
    assert!(cloud.broker().is_connected("core#2") && cloud.broker().is_connected("core#3"));
}

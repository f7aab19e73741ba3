//! Where the cloud is and who the device is, read from the configuration
//! (recipes and deployments, C1.1 and C3).

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use marram_http::client::Request;
use marram_tls::Identity;
use serde_json::Value;

use crate::config::ConfigStore;

/// The port of MQTT over TLS.
const MQTT_PORT: u16 = 8883;
/// The port on which AWS IoT tells MQTT by its ALPN name.
const MULTIPLEXED_PORT: u16 = 443;
const DATA_PLANE_PORT: u16 = 8443;
/// What a device of a cloud must say of itself in `system`, and of its cloud in the nucleus's own
/// configuration.
const SYSTEM_KEYS: [&str; 4] = ["thingName", "certificateFilePath", "privateKeyPath", "rootCaPath"];
const NUCLEUS_KEYS: [&str; 3] = ["iotDataEndpoint", "iotCredEndpoint", "awsRegion"];
/// Longer than AWS allows a persistent session to live, so that the cloud decides: one week.
const SESSION_EXPIRY_S: u64 = 604_800;

/// Which MQTT is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MqttVersion {
    /// `mqtt5`, the default.
    V5,
    /// `mqtt3`, which is 3.1.1.
    V311,
}

/// The nucleus's `mqtt.*` settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttSettings {
    /// The broker's host name or address.
    pub host: String,
    /// The broker's port.
    pub port: u16,
    /// Which MQTT.
    pub version: MqttVersion,
    /// Longest silence before a PINGREQ.
    pub keep_alive: Duration,
    /// Longest wait for the answer to a PINGREQ, shorter than `keep_alive`.
    pub ping_timeout: Duration,
    /// Longest wait for one address of the broker to take the TCP connection.
    pub socket_timeout: Duration,
    /// Longest wait for the answer to any one packet or request.
    pub operation_timeout: Duration,
    /// How long the cloud keeps the session of a device that is away (MQTT 5).
    pub session_expiry: Duration,
    /// Publishes that may wait for their acknowledgement at the same time, at most 100.
    pub max_in_flight: u16,
    /// Messages of the cloud that may wait for their acknowledgement at the same time (MQTT 5).
    pub receive_maximum: u16,
    /// Subscriptions of one connection; for more there is another one.
    pub max_subscriptions: usize,
    /// The longest payload in bytes.
    pub max_message_bytes: usize,
    /// The shortest and the longest pause between attempts to connect.
    pub reconnect: (Duration, Duration),
    /// How components' messages wait to be sent.
    pub spool: SpoolSettings,
}

/// `mqtt.spooler`, and `mqtt.maxPublishRetry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Payload bytes that may wait.
    pub max_bytes: usize,
    /// Whether QoS 0 messages wait for the connection too.
    pub keep_qos0_offline: bool,
    /// Whether messages are kept on the disk.
    pub is_on_disk: bool,
    /// How often a message without an answer is sent again; `None` for no limit.
    pub max_retries: Option<u32>,
}

impl MqttSettings {
    /// The ALPN name to offer: only where the port is shared with HTTPS.
    pub fn alpn(&self) -> &'static [&'static [u8]] {
        if self.port == MULTIPLEXED_PORT { &[b"x-amzn-mqtt-ca"] } else { &[] }
    }
}

/// How the device reaches its cloud, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudSettings {
    /// The core device's thing name.
    pub thing: String,
    /// The AWS region; any text, since a self-hosted cloud may name its own.
    pub region: String,
    /// The device certificate's file.
    pub certificate_file: PathBuf,
    /// The private key's file.
    pub private_key_file: PathBuf,
    /// The file of root certificates that the cloud's servers chain to.
    pub root_ca_file: PathBuf,
    /// MQTT.
    pub mqtt: MqttSettings,
    /// `https://host[:port]` of the Greengrass data plane, without a final slash.
    pub data_plane_url: String,
    /// `https://host[:port]` of the credentials provider, without a final slash.
    pub credentials_url: String,
    /// The role alias for token exchange; empty when there is none.
    pub role_alias: String,
    /// How long the credentials provider may take.
    pub credentials_timeout: Duration,
    /// The time between two regular fleet statuses, at least a day.
    pub status_period: Duration,
}

/// Why a device that is configured for a cloud cannot connect to it.
#[derive(Debug, thiserror::Error)]
pub enum ReadIdentity {
    /// A file of the device's identity cannot be read.
    #[error("could not read `system.{key}` (`{}`): check the path and its permissions", path.display())]
    Read {
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The files cannot be used together.
    #[error("the device's certificate, private key or root certificates cannot be used")]
    Tls(#[source] marram_tls::ConfigureClient),
}

impl CloudSettings {
    /// How many keys a device of a cloud needs.
    pub const NEEDED_KEYS: usize = SYSTEM_KEYS.len() + NUCLEUS_KEYS.len();

    /// Those of them that are empty: without any one the device belongs to no cloud.
    pub fn missing_keys(config: &ConfigStore) -> Vec<&'static str> {
        let nucleus = nucleus_configuration(config);
        let of_system =
            SYSTEM_KEYS.iter().filter(|key| text(config.get(&["system", key])).is_empty());
        let of_nucleus = NUCLEUS_KEYS.iter().filter(|key| Keys(&nucleus).text(key).is_empty());
        of_system.chain(of_nucleus).copied().collect()
    }

    /// Reads the settings; `None` for a device that belongs to no cloud, because one of thing
    /// name, certificate, key, root CA, data endpoint, credentials endpoint and region is empty.
    pub fn from_config(config: &ConfigStore) -> Option<Self> {
        let system = |key: &str| text(config.get(&["system", key]));
        Self::read(system, &nucleus_configuration(config))
    }

    fn read(system: impl Fn(&str) -> String, nucleus: &Value) -> Option<Self> {
        let nucleus = Keys(nucleus);
        let given = |text: String| (!text.is_empty()).then_some(text);
        let thing = given(system("thingName"))?;
        let certificate_file = given(system("certificateFilePath"))?.into();
        let private_key_file = given(system("privateKeyPath"))?.into();
        let root_ca_file = given(system("rootCaPath"))?.into();
        let data_endpoint = given(nucleus.text("iotDataEndpoint"))?;
        let credentials_endpoint = given(nucleus.text("iotCredEndpoint"))?;
        let region = given(nucleus.text("awsRegion"))?;
        Some(Self {
            data_plane_url: data_plane_url(&nucleus, &data_endpoint, &region),
            mqtt: mqtt_settings(nucleus.get("mqtt"), &data_endpoint),
            credentials_url: https_url(&credentials_endpoint, None),
            role_alias: nucleus.text("iotRoleAlias"),
            credentials_timeout: nucleus.milliseconds("credentialEndpointTimeoutMs", 60_000),
            status_period: status_period(nucleus.get("fleetStatus")),
            thing,
            region,
            certificate_file,
            private_key_file,
            root_ca_file,
        })
    }

    /// A TLS client with the device's certificate, offering these ALPN names.
    pub fn tls(&self, alpn: &[&[u8]]) -> Result<rustls::ClientConfig, ReadIdentity> {
        let identity = Identity {
            certificate_pem: read("certificateFilePath", &self.certificate_file)?,
            private_key_pem: read("privateKeyPath", &self.private_key_file)?,
        };
        let roots = read("rootCaPath", &self.root_ca_file)?;
        marram_tls::client_config(&roots, Some(&identity), alpn).map_err(ReadIdentity::Tls)
    }

    /// Asks the credentials provider for credentials of the role alias.
    pub fn credentials_request(&self) -> Request {
        let url = format!("{}/role-aliases/{}/credentials", self.credentials_url, self.role_alias);
        Request::get(url)
            .header("x-amzn-iot-thingname", &self.thing)
            .deadline(self.credentials_timeout)
    }

    /// A TLS client that trusts the same roots and shows no certificate, for presigned URLs.
    pub fn anonymous_tls(&self) -> Result<rustls::ClientConfig, ReadIdentity> {
        let roots = read("rootCaPath", &self.root_ca_file)?;
        marram_tls::client_config(&roots, None, &[]).map_err(ReadIdentity::Tls)
    }
}

/// The nucleus's own configuration.
fn nucleus_configuration(config: &ConfigStore) -> Value {
    config.get(&["services", "aws.greengrass.Nucleus", "configuration"]).unwrap_or(Value::Null)
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text.trim().to_owned(),
        _ => String::new(),
    }
}

fn read(key: &'static str, path: &PathBuf) -> Result<String, ReadIdentity> {
    std::fs::read_to_string(path).map_err(|source| ReadIdentity::Read {
        key,
        path: path.clone(),
        source,
    })
}

/// A configuration object whose keys are found in any case, as Greengrass finds them.
struct Keys<'a>(&'a Value);

impl<'a> Keys<'a> {
    fn get(&self, key: &str) -> Keys<'a> {
        let found = self.0.as_object().and_then(|object| {
            object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
        });
        Keys(found.unwrap_or(&Value::Null))
    }

    fn text(&self, key: &str) -> String {
        self.get(key).0.as_str().unwrap_or_default().trim().to_owned()
    }

    /// A number, also one that was written as text.
    fn number(&self, key: &str) -> Option<u64> {
        let value = self.get(key).0;
        value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    fn flag(&self, key: &str) -> bool {
        let value = self.get(key).0;
        value.as_bool().unwrap_or_else(|| value.as_str().is_some_and(|t| t.trim() == "true"))
    }

    fn port(&self, key: &str) -> Option<u16> {
        self.number(key).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
    }

    fn milliseconds(&self, key: &str, default: u64) -> Duration {
        Duration::from_millis(self.number(key).filter(|ms| *ms > 0).unwrap_or(default))
    }
}

fn mqtt_settings(mqtt: Keys<'_>, data_endpoint: &str) -> MqttSettings {
    let (host, endpoint_port) = host_and_port(data_endpoint);
    let version = match mqtt.text("version").to_ascii_lowercase().as_str() {
        "mqtt3" => MqttVersion::V311,
        _ => MqttVersion::V5,
    };
    let keep_alive = mqtt.milliseconds("keepAliveTimeoutMs", 60_000);
    MqttSettings {
        host: host.to_owned(),
        port: mqtt.port("port").or(endpoint_port).unwrap_or(MQTT_PORT),
        version,
        keep_alive,
        ping_timeout: ping_timeout(&mqtt, keep_alive),
        socket_timeout: mqtt.milliseconds("socketTimeoutMs", 3000),
        operation_timeout: mqtt.milliseconds("operationTimeoutMs", 30_000),
        session_expiry: Duration::from_secs(
            mqtt.number("sessionExpirySeconds").unwrap_or(SESSION_EXPIRY_S),
        ),
        max_in_flight: mqtt
            .number("maxInFlightPublishes")
            .and_then(|count| u16::try_from(count.clamp(1, 100)).ok())
            .unwrap_or(5),
        receive_maximum: mqtt
            .number("receiveMaximum")
            .and_then(|count| u16::try_from(count.clamp(1, 65_535)).ok())
            .unwrap_or(100),
        max_subscriptions: mqtt
            .number("maxSubscriptionsPerConnection")
            .and_then(|count| usize::try_from(count.clamp(10, 65_535)).ok())
            .unwrap_or(50),
        max_message_bytes: mqtt
            .number("maxMessageSizeInBytes")
            .and_then(|bytes| usize::try_from(bytes.clamp(1, 268_435_456)).ok())
            .unwrap_or(131_072),
        reconnect: reconnect_pauses(&mqtt),
        spool: spool_settings(&mqtt),
    }
}

/// An answer that may take longer than the silence before the question would never be missed in
/// time, so Greengrass refuses such a value; here half of the silence holds instead.
fn ping_timeout(mqtt: &Keys<'_>, keep_alive: Duration) -> Duration {
    let given = mqtt.milliseconds("pingTimeoutMs", 30_000);
    if given < keep_alive { given } else { keep_alive / 2 }
}

fn spool_settings(mqtt: &Keys<'_>) -> SpoolSettings {
    let spooler = mqtt.get("spooler");
    let max_bytes = spooler.number("maxSizeInBytes").and_then(|bytes| usize::try_from(bytes).ok());
    let retries = mqtt.get("maxPublishRetry");
    // -1 means for ever; a number that makes no sense means the default.
    let is_endless = retries.0.as_i64() == Some(-1) || retries.0.as_str() == Some("-1");
    let retries = mqtt.number("maxPublishRetry").and_then(|retries| u32::try_from(retries).ok());
    SpoolSettings {
        max_bytes: max_bytes.unwrap_or(2_621_440),
        keep_qos0_offline: spooler.flag("keepQos0WhenOffline"),
        is_on_disk: spooler.text("storageType").eq_ignore_ascii_case("disk"),
        max_retries: (!is_endless).then(|| retries.unwrap_or(100)),
    }
}

fn reconnect_pauses(mqtt: &Keys<'_>) -> (Duration, Duration) {
    let seconds = |key, default| mqtt.number(key).filter(|s| *s > 0).unwrap_or(default);
    let min = seconds("minimumReconnectDelaySeconds", 1);
    let max = seconds("maximumReconnectDelaySeconds", 120);
    (Duration::from_secs(min), Duration::from_secs(max.max(min)))
}

/// Empty: AWS's own host of the region. `iotdata`: the data endpoint's host. Otherwise the host or
/// URL that is given. The port setting holds unless the host or URL has one.
fn data_plane_url(nucleus: &Keys<'_>, data_endpoint: &str, region: &str) -> String {
    let port = nucleus.port("greengrassDataPlanePort").unwrap_or(DATA_PLANE_PORT);
    let given = nucleus.text("greengrassDataPlaneEndpoint");
    if given.is_empty() {
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        return format!("https://greengrass-ats.iot.{region}.{suffix}:{port}");
    }
    if given.eq_ignore_ascii_case("iotdata") {
        let (host, _) = host_and_port(data_endpoint);
        return format!("https://{host}:{port}");
    }
    https_url(&given, Some(port))
}

/// `host`, `host:port` or an https URL of either, as a URL without a path.
fn https_url(endpoint: &str, default_port: Option<u16>) -> String {
    let endpoint = endpoint.strip_prefix("https://").unwrap_or(endpoint);
    let authority = endpoint.split('/').next().unwrap_or_default();
    match (host_and_port(authority).1, default_port) {
        (None, Some(port)) => format!("https://{authority}:{port}"),
        _ => format!("https://{authority}"),
    }
}

/// Splits `host:port`; an IPv6 address is in brackets, which the host keeps.
fn host_and_port(endpoint: &str) -> (&str, Option<u16>) {
    let endpoint = endpoint.strip_prefix("https://").unwrap_or(endpoint);
    let authority = endpoint.split('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    }
}

fn status_period(fleet_status: Keys<'_>) -> Duration {
    const DAY_S: u64 = 86_400;
    let seconds = fleet_status.number("periodicStatusPublishIntervalSeconds").unwrap_or(DAY_S);
    Duration::from_secs(seconds.max(DAY_S))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn system(key: &str) -> String {
        format!("/etc/{key}")
    }

    fn configured(extra: Value) -> Value {
        let mut nucleus = json!({
            "awsRegion": "eu-west-1", "iotDataEndpoint": "data.example",
            "iotCredEndpoint": "cred.example:8443", "iotRoleAlias": "Alias",
        });
        for (key, value) in extra.as_object().unwrap() {
            nucleus[key] = value.clone();
        }
        nucleus
    }

    #[test]
    fn defaults_are_those_of_the_nucleus() {
        let settings = CloudSettings::read(system, &configured(json!({}))).unwrap();
        assert_eq!(settings.mqtt.host, "data.example");
        assert_eq!(settings.mqtt.port, 8883);
        assert_eq!(settings.mqtt.version, MqttVersion::V5);
        assert_eq!(settings.mqtt.operation_timeout, Duration::from_secs(30));
        assert_eq!(settings.mqtt.ping_timeout, Duration::from_secs(30));
        assert_eq!(settings.mqtt.socket_timeout, Duration::from_secs(3));
        assert_eq!(settings.mqtt.receive_maximum, 100);
        assert!(settings.mqtt.alpn().is_empty());
        assert_eq!(
            settings.data_plane_url,
            "https://greengrass-ats.iot.eu-west-1.amazonaws.com:8443"
        );
        assert_eq!(settings.credentials_url, "https://cred.example:8443");
        assert_eq!(settings.status_period, Duration::from_secs(86_400));
    }

    #[test]
    fn device_without_one_of_the_seven_belongs_to_no_cloud() {
        for key in ["awsRegion", "iotDataEndpoint", "iotCredEndpoint"] {
            let nucleus = configured(json!({ key: "  " }));
            assert_eq!(CloudSettings::read(system, &nucleus), None, "{key}");
        }
        for missing in ["thingName", "certificateFilePath", "privateKeyPath", "rootCaPath"] {
            let system = |key: &str| {
                if key == missing { String::new() } else { system(key) }
            };
            assert_eq!(CloudSettings::read(system, &configured(json!({}))), None, "{missing}");
        }
    }

    #[test]
    fn data_plane_endpoint_takes_its_three_forms() {
        let cases = [
            (json!({"greengrassDataPlaneEndpoint": "IotData"}), "https://data.example:8443"),
            (
                json!({"greengrassDataPlaneEndpoint": "gg.example", "greengrassDataPlanePort": 443}),
                "https://gg.example:443",
            ),
            (
                json!({"greengrassDataPlaneEndpoint": "https://127.0.0.1:40123"}),
                "https://127.0.0.1:40123",
            ),
            (json!({"greengrassDataPlaneEndpoint": "[::1]"}), "https://[::1]:8443"),
        ];
        for (extra, expected) in cases {
            let settings = CloudSettings::read(system, &configured(extra)).unwrap();
            assert_eq!(settings.data_plane_url, expected);
        }
    }

    #[test]
    fn mqtt_port_comes_from_its_key_then_from_the_endpoint() {
        let of = |extra| CloudSettings::read(system, &configured(extra)).unwrap().mqtt;
        let mqtt = of(json!({"iotDataEndpoint": "127.0.0.1:40001"}));
        assert_eq!((mqtt.host.as_str(), mqtt.port), ("127.0.0.1", 40001));
        let mqtt = of(json!({"iotDataEndpoint": "127.0.0.1:40001", "mqtt": {"Port": "443"}}));
        assert_eq!(mqtt.port, 443);
        assert_eq!(mqtt.alpn(), [b"x-amzn-mqtt-ca"]);
        let mqtt = of(json!({"mqtt": {"version": "mqtt3", "maxInFlightPublishes": 500}}));
        assert_eq!((mqtt.version, mqtt.max_in_flight), (MqttVersion::V311, 100));
    }

    #[test]
    fn a_ping_is_answered_before_the_next_is_due() {
        let of = |mqtt| CloudSettings::read(system, &configured(json!({"mqtt": mqtt}))).unwrap();
        let ping = |mqtt| of(mqtt).mqtt.ping_timeout.as_millis();
        assert_eq!(ping(json!({"pingTimeoutMs": 1500})), 1500);
        assert_eq!(ping(json!({"pingTimeoutMs": 20_000, "keepAliveTimeoutMs": 10_000})), 5000);
        assert_eq!(of(json!({"receiveMaximum": 7})).mqtt.receive_maximum, 7);
    }

    #[test]
    fn status_period_is_never_below_a_day() {
        let fleet = json!({"fleetStatus": {"periodicStatusPublishIntervalSeconds": 60}});
        let settings = CloudSettings::read(system, &configured(fleet)).unwrap();
        assert_eq!(settings.status_period, Duration::from_secs(86_400));
    }
}

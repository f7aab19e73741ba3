//! Which protocol a device wants on a connection, whatever port it came to.
//!
//! AWS serves MQTT, HTTP and credentials on port 443 and tells them apart by ALPN; clients that
//! offer none get what the port is for (device-cloud protocol, section 1).

/// MQTT with a client certificate.
const MQTT: &[u8] = b"x-amzn-mqtt-ca";
/// HTTP with a client certificate.
const HTTP: &[u8] = b"x-amzn-http-ca";

/// What TLS may agree on.
pub(crate) const OFFERED: &[&[u8]] = &[MQTT, HTTP, b"http/1.1", b"mqtt"];

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Mqtt,
    Http,
}

/// What was agreed on, or else what the port is for.
pub(crate) fn choose(agreed: Option<&[u8]>, port: Protocol) -> Protocol {
    match agreed {
        Some(MQTT | b"mqtt") => Protocol::Mqtt,
        Some(HTTP | b"http/1.1") => Protocol::Http,
        _ => port,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_alpn_decides_and_the_port_decides_without() {
        assert_eq!(choose(Some(b"x-amzn-mqtt-ca"), Protocol::Http), Protocol::Mqtt);
        assert_eq!(choose(Some(b"x-amzn-http-ca"), Protocol::Mqtt), Protocol::Http);
        assert_eq!(choose(None, Protocol::Http), Protocol::Http);
        assert_eq!(choose(None, Protocol::Mqtt), Protocol::Mqtt);
    }
}

//! What to do when a server cannot be reached, by how far the attempt got.

use marram_mqtt_client::transport::OpenStream;
use marram_telemetry::Chain;

use crate::doctor::Finding;

/// The finding for an endpoint that could not be opened.
pub(super) fn unreachable(error: &OpenStream, key: &str) -> Finding {
    let remedy = match error {
        OpenStream::Resolve { .. } | OpenStream::NoAddress { .. } => {
            format!("check the name in {key}, and the device's DNS (/etc/resolv.conf)")
        }
        OpenStream::Connect { .. } => format!(
            "check that the cloud runs, that host and port in {key} are right, and that a firewall \
             lets the device out"
        ),
        OpenStream::ServerName { .. } => format!("write a host name or an IP address in {key}"),
        OpenStream::Handshake { source, .. } => handshake(&source.to_string()).to_owned(),
    };
    Finding::failed(Chain(error).to_string(), remedy)
}

/// rustls says which side is at fault in words only.
fn handshake(reason: &str) -> &'static str {
    const ROOT_CA: &str = "the server does not chain to the root CA of the configuration: put the \
                           cloud's own root CA in system.rootCaPath (and see the check `clock`)";
    if reason.contains("received fatal alert") {
        "the server does not accept the device's certificate: see the check `certificate`, and \
         whether it is ACTIVE in the cloud"
    } else if reason.contains("not valid for name") {
        "the server's certificate is for other names: write one of them in the configuration"
    } else if reason.contains("certificate") {
        ROOT_CA
    } else {
        "something else than the cloud answers there, or a proxy breaks TLS open"
    }
}

/// Host and port of an `https://host[:port]` URL.
pub(super) fn authority(url: &str) -> (&str, u16) {
    let authority = url.strip_prefix("https://").unwrap_or(url);
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(443)),
        _ => (authority, 443),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_have_their_port_or_443() {
        assert_eq!(authority("https://a.example"), ("a.example", 443));
        assert_eq!(authority("https://127.0.0.1:8443"), ("127.0.0.1", 8443));
        assert_eq!(authority("https://[::1]"), ("[::1]", 443));
        assert_eq!(authority("https://[::1]:9"), ("[::1]", 9));
    }
}

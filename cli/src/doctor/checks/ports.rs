//! Ports that the cloud is to listen on: free, or its own already.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use marram_cloud::Ready;

use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::cloud::Cloud;

pub(super) const CHECK: Check<Cloud> =
    Check::local("ports", "each --port is free, or the cloud's own already", look);

fn look(cloud: &Cloud) -> Finding {
    if cloud.ports.is_empty() {
        return Finding::skipped("no --port was named");
    }
    let own: Vec<u16> = cloud.ready().map(own_ports).unwrap_or_default();
    let mut seen = Vec::new();
    for port in &cloud.ports {
        // Port reuse is on for listeners of the standard library, so that only one who listens
        // is in the way.
        match TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)) {
            Ok(_) => seen.push(format!("{port} is free")),
            Err(_) if own.contains(port) => seen.push(format!("{port} is the cloud's")),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Finding::failed(
                    format!("port {port}: {error}"),
                    "take a port above 1023, run the cloud as root, or give its program \
                     cap_net_bind_service",
                );
            }
            Err(error) => {
                return Finding::failed(
                    format!("port {port}: {error}"),
                    format!(
                        "see who listens there (`ss -ltnp 'sport = :{port}'`), or take another"
                    ),
                );
            }
        }
    }
    Finding::ok(seen.join(", "))
}

/// The ports in a ready file.
fn own_ports(ready: &Ready) -> Vec<u16> {
    [&ready.endpoint_url, &ready.mqtt_endpoint, &ready.device_endpoint, &ready.credentials_endpoint]
        .into_iter()
        .filter_map(|endpoint| endpoint.rsplit_once(':')?.1.parse().ok())
        .collect()
}

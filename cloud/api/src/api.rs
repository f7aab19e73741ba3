//! The listener and what it serves.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use marram_blobs::{Blobs, s3};
use marram_fleet::{ARTIFACT_BUCKET, Fleet};
use marram_http::server::{Server, Settings};
use marram_os::clock::{Clock, ManualClock, SharedClock};
use marram_registry::Registry;
use tokio::net::TcpListener;

use crate::backup::Backups;
use crate::call;
use crate::iot_data::Topics;

/// What the control plane is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Serves `iot`, and knows all access keys.
    pub registry: Registry,
    /// Serves `greengrass`, the jobs of `iot` and `iot-jobs-data`, and the shadows of `iotdata`.
    pub fleet: Fleet,
    /// Serves `s3`.
    pub blobs: Blobs,
    /// Takes what `iotdata` publishes.
    pub topics: Arc<dyn Topics>,
    /// Makes back-ups.
    pub backups: Arc<dyn Backups>,
    /// Against which signatures are judged.
    pub clock: SharedClock,
    /// The clock that all else goes by, if it is one that stands until it is moved.
    pub virtual_clock: Option<ManualClock>,
    /// Our own host names, without port; `<bucket>.<host>` is then a bucket of S3.
    pub hosts: Vec<String>,
}

/// What every call reads.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) registry: Registry,
    pub(crate) fleet: Fleet,
    pub(crate) s3: s3::Service,
    pub(crate) topics: Arc<dyn Topics>,
    pub(crate) backups: Arc<dyn Backups>,
    pub(crate) clock: SharedClock,
    pub(crate) virtual_clock: Option<ManualClock>,
    /// Whether calls come over TLS, for policies that ask.
    pub(crate) over_tls: bool,
}

impl Services {
    /// How far the time in the cloud is ahead of that which signatures are judged by.
    pub(crate) fn ahead_ms(&self) -> i64 {
        self.virtual_clock.as_ref().map_or(0, |clock| clock.now_ms() - self.clock.now_ms())
    }
}

/// The running control plane. Dropping it closes all connections at once.
#[derive(Debug)]
pub struct Api {
    server: Server,
}

impl Api {
    /// Serves `listener`: over TLS, or in the clear where `tls` is absent, for use behind a proxy
    /// that keeps the `Host` header.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn start(
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        parts: Parts,
    ) -> io::Result<Self> {
        let account = parts.registry.account();
        let s3 = s3::Settings {
            region: account.region.clone(),
            owner: account.account_id.clone(),
            hosts: parts.hosts,
            reserved: ARTIFACT_BUCKET.to_owned(),
        };
        let s3 = s3::Service::new(parts.blobs, s3);
        let services = Arc::new(Services {
            registry: parts.registry,
            fleet: parts.fleet,
            s3,
            topics: parts.topics,
            backups: parts.backups,
            clock: parts.clock,
            virtual_clock: parts.virtual_clock,
            over_tls: tls.is_some(),
        });
        let server = Server::start(listener, tls, Settings::default(), move |request, peer| {
            let services = Arc::clone(&services);
            async move { call::answer(&services, request, peer.address).await }
        })?;
        Ok(Self { server })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Stops accepting, lets calls under way finish for at most `grace`, then closes all.
    pub async fn stop(self, grace: Duration) {
        self.server.stop(grace).await;
    }
}

#[cfg(test)]
mod tests;

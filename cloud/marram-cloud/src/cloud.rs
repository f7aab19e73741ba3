//! One whole cloud: its parts put together, started and stopped.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use marram_api::Api;
use marram_blobs::{Blobs, Limits, OpenBlobs};
use marram_fleet::{ArtifactUrls, Fleet, OpenFleet};
use marram_gateway::{Gateway, Listeners, StartGateway};
use marram_os::clock::{ManualClock, SharedClock, SystemClock};
use marram_os::file::{WriteFile, create_dir_all_mode};
use marram_registry::{Endpoints, OpenRegistry, Registry, RegistrySettings};
use marram_store::{Database, OpenStore, Store};
use marram_tls::{
    Authority, ClientAuth, ConfigureServer, Identity, IssueCertificate, OpenAuthority,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::backup::{self, Backup};
use crate::ready::Ready;
use crate::topics::ToDevices;
use crate::{membership, presence, schedule};

/// How long requests under way may take to end at a stop; with the store's 5 s this stays within
/// the 10 s that service managers give.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// SQLite's file in the data directory.
pub(crate) const DATABASE_FILE: &str = "cloud.db";

/// What a cloud is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data directory; made where it is missing.
    pub data: PathBuf,
    /// Where what is known is kept; all else is in the data directory.
    pub database: Database,
    /// The address to listen on.
    pub listen: IpAddr,
    /// Port of the AWS APIs and of S3; 0 takes a free one.
    pub http_port: u16,
    /// Port of the devices' MQTT; 0 takes a free one.
    pub mqtt_port: u16,
    /// Port of the devices' HTTPS; 0 takes a free one.
    pub device_port: u16,
    /// The time.
    pub clock: SharedClock,
    /// A clock that all but signatures and TLS go by, and that an operation of the API moves.
    pub virtual_clock: Option<ManualClock>,
}

impl Settings {
    /// For this machine only: loopback, free ports, the system's clock.
    pub fn local(data: impl AsRef<Path>) -> Self {
        Self {
            data: data.as_ref().to_owned(),
            database: Database::from(data.as_ref().join(DATABASE_FILE)),
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            http_port: 0,
            mqtt_port: 0,
            device_port: 0,
            clock: SystemClock::shared(),
            virtual_clock: None,
        }
    }

    /// The time in the cloud.
    fn time(&self) -> SharedClock {
        self.virtual_clock.as_ref().map_or_else(|| Arc::clone(&self.clock), ManualClock::shared)
    }
}

/// One of a cloud's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The AWS APIs and S3.
    Http,
    /// The devices' MQTT.
    Mqtt,
    /// The devices' HTTPS.
    Device,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "--http-port",
            Self::Mqtt => "--mqtt-port",
            Self::Device => "--device-port",
        })
    }
}

/// Why a cloud could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartCloud {
    /// Whoever reaches the cloud would live in its time.
    #[error(
        "--listen {0}: a cloud with `--clock virtual` is for tests and listens on loopback only: \
         use 127.0.0.1 or ::1"
    )]
    VirtualClock(IpAddr),
    /// The data directory cannot be used.
    #[error("--data {}: not a usable directory", path.display())]
    Data {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: WriteFile,
    },
    /// The database.
    #[error("cannot open the database")]
    Store(#[from] OpenStore),
    /// The certificate authority.
    #[error("cannot open the certificate authority")]
    Authority(#[from] OpenAuthority),
    /// The registry.
    #[error("cannot open the registry")]
    Registry(#[from] OpenRegistry),
    /// The artifact store.
    #[error("cannot open the artifact store")]
    Blobs(#[from] OpenBlobs),
    /// The fleet.
    #[error("cannot open the fleet")]
    Fleet(#[from] OpenFleet),
    /// A port cannot be listened on.
    #[error("{port} {address}: cannot listen there; choose another port, or 0 for a free one")]
    Listen {
        /// Which port.
        port: Port,
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The certificate of our own ports.
    #[error("cannot issue the certificate of our own ports")]
    Certificate(#[from] IssueCertificate),
    /// The TLS of the AWS APIs.
    #[error("cannot set up TLS for the AWS APIs")]
    Tls(#[from] ConfigureServer),
    /// The AWS APIs.
    #[error("cannot serve the AWS APIs")]
    Api(#[source] io::Error),
    /// The device plane.
    #[error("cannot serve devices")]
    Gateway(#[from] StartGateway),
}

impl StartCloud {
    /// Whether something that is needed belongs to another process or does not answer.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Store(OpenStore::InUse(_) | OpenStore::Unreachable { .. }) => true,
            Self::Listen { source, .. } => source.kind() == io::ErrorKind::AddrInUse,
            _ => false,
        }
    }

    /// Whether the settings are at fault.
    pub fn is_bad_configuration(&self) -> bool {
        match self {
            Self::VirtualClock(_)
            | Self::Data { .. }
            | Self::Store(
                OpenStore::Path(_)
                | OpenStore::Credentials { .. }
                | OpenStore::NoDatabase { .. }
                | OpenStore::NoSchema(_)
                | OpenStore::OldServer { .. },
            ) => true,
            Self::Listen { .. } => !self.is_unavailable(),
            _ => false,
        }
    }
}

/// A running cloud. Dropping it closes everything at once, as a kill would.
#[derive(Debug)]
pub struct Cloud {
    ready: Ready,
    store: Store,
    api: Api,
    gateway: Gateway,
    tasks: [JoinHandle<()>; 3],
    fleet: Fleet,
}

impl Cloud {
    /// Starts a cloud over its data directory; it serves when this returns.
    ///
    /// # Errors
    /// See [`StartCloud`]; nothing keeps running.
    pub async fn start(settings: Settings) -> Result<Self, StartCloud> {
        if settings.virtual_clock.is_some() && !settings.listen.is_loopback() {
            return Err(StartCloud::VirtualClock(settings.listen));
        }
        let data = settings.data.clone();
        let folder = |path: &Path| {
            create_dir_all_mode(path, 0o700)
                .map_err(|source| StartCloud::Data { path: path.to_owned(), source })
        };
        folder(&data)?;
        folder(&data.join("ca"))?;
        backup::sweep(&data);
        let store = Store::open(settings.database.clone()).await?;
        let authority = Arc::new(Authority::open(&data.join("ca"))?);
        let clock = settings.time();
        let registry = Registry::open(RegistrySettings {
            store: store.clone(),
            authority: Arc::clone(&authority),
            clock: clock.clone(),
            directory: data.clone(),
            account_id: None,
            region: None,
        })
        .await?;
        let blobs = Blobs::open(&data.join("blobs"), Limits::default(), clock.clone()).await?;
        let fleet = Fleet::open(marram_fleet::Parts {
            store: store.clone(),
            blobs: blobs.clone(),
            account: registry.account().clone(),
            clock: clock.clone(),
        })
        .await?;
        let parts = Opened { settings, store, authority, registry, blobs, fleet };
        parts.serve().await
    }

    /// Where it is reached, and its first access key.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Stops it in good order, within 10 s.
    pub async fn stop(self) {
        for task in &self.tasks {
            task.abort();
        }
        tokio::join!(self.gateway.stop(STOP_GRACE), self.api.stop(STOP_GRACE));
        if let Err(error) = self.fleet.save_presence().await {
            tracing::warn!(%error, "who was connected is not written; the next start says so");
        }
        self.store.close().await;
    }
}

/// A cloud that is open and not yet served.
struct Opened {
    settings: Settings,
    store: Store,
    authority: Arc<Authority>,
    registry: Registry,
    blobs: Blobs,
    fleet: Fleet,
}

impl Opened {
    async fn serve(self) -> Result<Cloud, StartCloud> {
        let Settings { listen, http_port, mqtt_port, device_port, .. } = self.settings;
        let http = bind(Port::Http, listen, http_port).await?;
        let mqtt = bind(Port::Mqtt, listen, mqtt_port).await?;
        let https = bind(Port::Device, listen, device_port).await?;
        let identity = self.authority.issue_server(&names(listen))?;
        let ready = self.ready(&http, &mqtt, &https).map_err(StartCloud::Api)?;
        self.tell_endpoints(&ready);

        let tasks = [
            tokio::spawn(membership::follow(self.fleet.clone(), self.registry.changes())),
            tokio::spawn(schedule::run(self.fleet.clone())),
            tokio::spawn(presence::save(self.fleet.clone())),
        ];
        let gateway = Gateway::start(
            marram_gateway::Parts {
                registry: self.registry.clone(),
                fleet: self.fleet.clone(),
                identity: identity.clone(),
                store: self.store.clone(),
                clock: self.settings.clock.clone(),
            },
            Listeners { mqtt, https },
        )
        .await?;
        let api = self.start_api(http, &identity, &gateway)?;
        tracing::info!(endpoint = ready.endpoint_url, mqtt = ready.mqtt_endpoint, "serving");
        Ok(Cloud { ready, store: self.store, api, gateway, tasks, fleet: self.fleet })
    }

    fn ready(
        &self,
        http: &TcpListener,
        mqtt: &TcpListener,
        https: &TcpListener,
    ) -> io::Result<Ready> {
        let host = reachable(self.settings.listen);
        let at = |listener: &TcpListener| {
            Ok::<_, io::Error>(SocketAddr::new(host, listener.local_addr()?.port()).to_string())
        };
        let device_endpoint = at(https)?;
        let (account, key) = (self.registry.account(), self.registry.root_key());
        Ok(Ready {
            endpoint_url: format!("https://{}", at(http)?),
            mqtt_endpoint: at(mqtt)?,
            credentials_endpoint: device_endpoint.clone(),
            device_endpoint,
            ca_file: std::path::absolute(self.authority.certificate_file())?,
            region: account.region.clone(),
            account_id: account.account_id.clone(),
            access_key_id: key.access_key_id.clone(),
            secret_access_key: key.secret_access_key.clone(),
        })
    }

    fn tell_endpoints(&self, ready: &Ready) {
        self.registry.set_endpoints(Endpoints {
            data: reachable(self.settings.listen).to_string(),
            credentials: ready.credentials_endpoint.clone(),
        });
        self.fleet.set_artifact_urls(ArtifactUrls {
            endpoint: ready.endpoint_url.clone(),
            credentials: self.registry.system_key().clone(),
            clock: self.settings.clock.clone(),
        });
    }

    fn start_api(
        &self,
        listener: TcpListener,
        identity: &Identity,
        gateway: &Gateway,
    ) -> Result<Api, StartCloud> {
        let tls = marram_tls::server_config(identity, ClientAuth::None, &[b"http/1.1"])?;
        let parts = marram_api::Parts {
            registry: self.registry.clone(),
            fleet: self.fleet.clone(),
            blobs: self.blobs.clone(),
            topics: Arc::new(ToDevices(gateway.topics())),
            backups: Arc::new(Backup {
                store: self.store.clone(),
                blobs: self.blobs.clone(),
                account: self.registry.account().clone(),
                clock: self.settings.time(),
                data: self.settings.data.clone(),
            }),
            clock: self.settings.clock.clone(),
            virtual_clock: self.settings.virtual_clock.clone(),
            hosts: names(self.settings.listen),
        };
        Api::start(listener, Some(tls), parts).map_err(StartCloud::Api)
    }
}

async fn bind(port: Port, listen: IpAddr, number: u16) -> Result<TcpListener, StartCloud> {
    let address = SocketAddr::new(listen, number);
    TcpListener::bind(address).await.map_err(|source| StartCloud::Listen { port, address, source })
}

/// The names that our certificate is for.
fn names(listen: IpAddr) -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST), listen] {
        let name = address.to_string();
        if !address.is_unspecified() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The address that clients use: nobody can connect to `0.0.0.0`.
fn reachable(listen: IpAddr) -> IpAddr {
    match listen {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

#[cfg(test)]
mod tests;

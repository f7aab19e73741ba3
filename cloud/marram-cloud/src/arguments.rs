//! What the command line says.

use std::net::IpAddr;
use std::path::PathBuf;

use marram_os::clock::{Clock, ManualClock, SystemClock};
use marram_store::Database;

use crate::cloud::{DATABASE_FILE, Settings};
use crate::ephemeral::Ephemeral;
use crate::failure::Failure;
use crate::store::{self, StoreUrl};

/// The arguments of `marram-cloud` and of `marram cloud run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Keep everything in this directory, made where it is missing
    #[arg(long, value_name = "DIR", required_unless_present = "ephemeral")]
    pub data: Option<PathBuf>,
    /// Keep everything in a temporary folder that is removed at the end, for tests; MARRAM_STORE
    /// is not read
    #[arg(long, conflicts_with_all = ["data", "store", "store_file"])]
    pub ephemeral: bool,
    /// `virtual`: the time begins now, stands still, and is moved by `marram cloud clock advance`,
    /// for tests; on loopback only. Signatures and TLS go by the real time
    #[arg(long, value_enum, value_name = "CLOCK", default_value_t)]
    pub clock: ClockKind,
    /// Keep what is known in this PostgreSQL database instead of the data directory's SQLite:
    /// postgres://USER:PASSWORD@HOST:PORT/DATABASE. Others on this machine see a command line, so
    /// give a password by --store-file, the variable MARRAM_STORE, or ~/.pgpass
    #[arg(long, value_name = "URL", conflicts_with = "store_file")]
    pub store: Option<StoreUrl>,
    /// Read that URL from this file
    #[arg(long, value_name = "F")]
    pub store_file: Option<PathBuf>,
    /// The address to listen on; endpoints name it, or 127.0.0.1 where it is 0.0.0.0
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub listen: IpAddr,
    /// Port of the AWS APIs and of S3 (HTTPS); 0 takes a free one at each start
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub http_port: u16,
    /// Port of the devices' MQTT (TLS); 0 takes a free one at each start
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub mqtt_port: u16,
    /// Port of the devices' HTTPS; 0 takes a free one at each start
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub device_port: u16,
    /// Write this file, as JSON, once everything is served; it holds a secret key
    #[arg(long, value_name = "F")]
    pub ready_file: Option<PathBuf>,
    /// Log level: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
}

/// Which time a cloud goes by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ClockKind {
    /// The operating system's.
    #[default]
    Real,
    /// One that stands still until it is moved.
    Virtual,
}

impl Arguments {
    /// The settings, and the folder that is removed when it is dropped.
    pub(crate) fn settings(&self) -> Result<(Settings, Option<Ephemeral>), Failure> {
        let (data, ephemeral) = match &self.data {
            Some(data) => (data.clone(), None),
            None => {
                let ephemeral = Ephemeral::create().map_err(Failure::Ephemeral)?;
                (ephemeral.path().to_owned(), Some(ephemeral))
            }
        };
        let database = match &ephemeral {
            Some(_) => None,
            None => store::choose(self.store.as_ref(), self.store_file.as_deref())?,
        };
        let is_virtual = self.clock == ClockKind::Virtual;
        let settings = Settings {
            database: database.unwrap_or_else(|| Database::from(data.join(DATABASE_FILE))),
            virtual_clock: is_virtual.then(|| ManualClock::at_ms(SystemClock.now_ms())),
            listen: self.listen,
            http_port: self.http_port,
            mqtt_port: self.mqtt_port,
            device_port: self.device_port,
            ..Settings::local(data)
        };
        Ok((settings, ephemeral))
    }
}

//! What the command line says.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::cloud::Settings;
use crate::store::{self, ChooseStore, StoreUrl};

/// The arguments of `marram-cloud` and of `marram cloud run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Keep everything in this directory, made where it is missing
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
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

impl Arguments {
    pub(crate) fn settings(&self) -> Result<Settings, ChooseStore> {
        let database = store::choose(self.store.as_ref(), self.store_file.as_deref())?;
        let settings = Settings::local(&self.data);
        Ok(Settings {
            database: database.unwrap_or(settings.database),
            listen: self.listen,
            http_port: self.http_port,
            mqtt_port: self.mqtt_port,
            device_port: self.device_port,
            ..settings
        })
    }
}

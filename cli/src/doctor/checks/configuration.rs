//! The configuration: readable, of this version, and with all that a device of a cloud needs.

use std::path::Path;

use marram_nucleus::cloud::CloudSettings;
use marram_nucleus::config::OpenConfig;
use marram_telemetry::Chain;

use super::modes::let_read;
use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::device::Device;

pub(super) const CHECK: Check<Device> = Check::local(
    "configuration",
    "the kept configuration, or config.yaml before the first start, can be read and is complete",
    look,
);

fn look(device: &Device) -> Finding {
    let config = match &device.config {
        Ok(config) => config,
        Err(error) => return Finding::failed(Chain(error).to_string(), remedy(error, device)),
    };
    let missing = CloudSettings::missing_keys(config);
    match CloudSettings::from_config(config) {
        Some(settings) => {
            Finding::ok(format!("thing {} in region {}", settings.thing, settings.region))
        }
        None if missing.len() == CloudSettings::NEEDED_KEYS => {
            Finding::ok("names no cloud: the device runs for itself")
        }
        None => Finding::warning(
            format!(
                "names no cloud, because {} is empty: the device runs offline",
                missing.join(", ")
            ),
            "set it with `--init-config FILE` at the next start, or provision the device again",
        ),
    }
}

fn remedy(error: &OpenConfig, device: &Device) -> String {
    match error {
        OpenConfig::Initial(_) => "correct that key in config/config.yaml".to_owned(),
        OpenConfig::Damaged { .. } => {
            "start the version that wrote it, or restore config/ from a backup".to_owned()
        }
        OpenConfig::Lost { path } => format!(
            "restore {0} from a backup, or move {0} away to begin with config.yaml again",
            path.display()
        ),
        OpenConfig::Journal { path, .. } => journal(path),
        OpenConfig::Folder { .. } | OpenConfig::Keep(_) => let_read(&device.paths.config()),
    }
}

fn journal(path: &Path) -> String {
    format!("{}; a damaged snapshot must come from a backup", let_read(path))
}

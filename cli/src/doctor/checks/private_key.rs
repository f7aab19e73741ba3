//! The private key: readable by the nucleus and by nobody else, and the one of the certificate.

use std::fs::{self, File};

use marram_nucleus::cloud::ReadIdentity;
use marram_tls::ConfigureClient;

use super::modes::{is_open_to_others, let_read, mode};
use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::device::Device;

pub(super) const CHECK: Check<Device> = Check::local(
    "private-key",
    "the private key can be read, by its owner alone, and belongs to the certificate",
    look,
);

fn look(device: &Device) -> Finding {
    let settings = match device.settings() {
        Ok(settings) => settings,
        Err(skipped) => return skipped,
    };
    let path = &settings.private_key_file;
    let shown = path.display();
    let metadata = match File::open(path).and_then(|_| fs::metadata(path)) {
        Ok(metadata) => metadata,
        Err(error) => return Finding::failed(format!("{shown}: {error}"), let_read(path)),
    };
    match settings.tls(&[]) {
        Err(ReadIdentity::Tls(ConfigureClient::Pem { part: part @ "private key", source })) => {
            return Finding::failed(
                format!("the {part} in {shown} is not valid PEM: {source}"),
                "restore the key, or provision the device again",
            );
        }
        Err(ReadIdentity::Tls(ConfigureClient::Rejected {
            source: rustls::Error::InconsistentKeys(_),
            ..
        })) => {
            return Finding::failed(
                format!("{shown} is not the key of {}", settings.certificate_file.display()),
                "put the key and the certificate that were issued together in their places, or \
                 provision the device again",
            );
        }
        // What else may be wrong is the certificate's or the root CA's check to say.
        _ => {}
    }
    if is_open_to_others(&metadata) {
        return Finding::warning(
            format!(
                "{shown} has mode {:04o}: others may copy the device's identity",
                mode(&metadata)
            ),
            format!("chmod 600 {shown}"),
        );
    }
    Finding::ok(format!("{shown}, mode {:04o}", mode(&metadata)))
}

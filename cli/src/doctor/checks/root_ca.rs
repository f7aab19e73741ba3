//! The root certificates that the cloud's servers must chain to.

use std::fs;

use marram_tls::{certificate_ders, certificate_info};

use super::certificate::{day, validity};
use super::modes::let_read;
use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::device::Device;

pub(super) const CHECK: Check<Device> =
    Check::local("root-ca", "the root certificates can be read and are valid today", look);

fn look(device: &Device) -> Finding {
    let settings = match device.settings() {
        Ok(settings) => settings,
        Err(skipped) => return skipped,
    };
    let path = &settings.root_ca_file;
    let shown = path.display();
    let pem = match fs::read_to_string(path) {
        Ok(pem) => pem,
        Err(error) => return Finding::failed(format!("{shown}: {error}"), let_read(path)),
    };
    let renew = "fetch the cloud's root CA again: AmazonRootCA1.pem, or ca/root-ca.pem in the data \
                 directory of your own cloud";
    let read = certificate_ders(&pem).and_then(|ders| {
        ders.iter().map(|der| certificate_info(der)).collect::<Result<Vec<_>, _>>()
    });
    let roots = match read {
        Ok(roots) if !roots.is_empty() => roots,
        Ok(_) => return Finding::failed(format!("{shown} holds no certificate"), renew),
        Err(error) => return Finding::failed(format!("{shown}: {error}"), renew),
    };
    for root in &roots {
        if let Some(problem) = validity(root, &device.clock) {
            return problem.finding(&format!("the root CA {}", root.subject), renew);
        }
    }
    let names: Vec<String> = roots
        .iter()
        .map(|root| format!("{} until {}", root.subject, day(root.not_after_ms)))
        .collect();
    Finding::ok(names.join(", "))
}

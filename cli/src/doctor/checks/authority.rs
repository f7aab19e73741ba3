//! The cloud's own authority and the key that its secrets are sealed with.

use std::fs;
use std::path::Path;

use marram_os::clock::SystemClock;
use marram_tls::{certificate_der, certificate_info};

use super::certificate::{day, validity};
use super::modes::{is_open_to_others, let_read, mode};
use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::cloud::Cloud;

pub(super) const CHECK: Check<Cloud> = Check::local(
    "authority",
    "the certificate authority is whole and valid, its key and secrets.key closed to others",
    look,
);

fn look(cloud: &Cloud) -> Finding {
    let data = match cloud.data() {
        Ok(data) => data,
        Err(skipped) => return skipped,
    };
    let certificate = data.join("ca/root-ca.pem");
    let restore = "restore ca/ and secrets.key from a backup: without them no device can be issued \
                   a certificate and no access key works";
    let pem = match fs::read_to_string(&certificate) {
        Ok(pem) => pem,
        Err(error) => {
            let remedy = format!("{}; {restore}", let_read(&certificate));
            return Finding::failed(format!("{}: {error}", certificate.display()), remedy);
        }
    };
    let info = match certificate_der(&pem).and_then(|der| certificate_info(&der)) {
        Ok(info) => info,
        Err(error) => {
            return Finding::failed(format!("{}: {error}", certificate.display()), restore);
        }
    };
    for secret in ["ca/root-ca.key", "secrets.key"] {
        if let Some(problem) = secret_file(&data.join(secret), restore) {
            return problem;
        }
    }
    if let Some(problem) = validity(&info, &SystemClock::shared()) {
        return problem.finding("the authority", "start a new authority and issue all again");
    }
    Finding::ok(format!("{}, valid until {}", info.subject, day(info.not_after_ms)))
}

fn secret_file(path: &Path, restore: &str) -> Option<Finding> {
    match fs::metadata(path) {
        Err(error) => Some(Finding::failed(format!("{}: {error}", path.display()), restore)),
        Ok(metadata) if is_open_to_others(&metadata) => Some(Finding::failed(
            format!("{} has mode {:04o}", path.display(), mode(&metadata)),
            format!("chmod 600 {}; if others had access to it, start anew", path.display()),
        )),
        Ok(_) => None,
    }
}

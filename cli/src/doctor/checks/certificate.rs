//! The device's certificate: readable, valid today, and by whom it was issued.

use std::fs;

use marram_nucleus::cloud::ReadIdentity;
use marram_os::clock::SharedClock;
use marram_tls::{
    CertificateInfo, ConfigureClient, certificate_der, certificate_ders, certificate_info,
    is_signed_by,
};
use time::OffsetDateTime;

use super::modes::let_read;
use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::device::Device;

pub(super) const CHECK: Check<Device> =
    Check::local("certificate", "the device's certificate can be read and is valid today", look);

/// So soon before its end a certificate should have been renewed, in milliseconds.
const SOON_MS: i64 = 30 * DAY_MS;
const DAY_MS: i64 = 86_400_000;

fn look(device: &Device) -> Finding {
    let settings = match device.settings() {
        Ok(settings) => settings,
        Err(skipped) => return skipped,
    };
    let path = &settings.certificate_file;
    let pem = match fs::read_to_string(path) {
        Ok(pem) => pem,
        Err(error) => {
            return Finding::failed(format!("{}: {error}", path.display()), let_read(path));
        }
    };
    let read = certificate_der(&pem).and_then(|der| Ok((certificate_info(&der)?, der)));
    let (info, der) = match read {
        Ok(read) => read,
        Err(error) => {
            return Finding::failed(
                format!("{}: {error}", path.display()),
                "restore the certificate, or provision the device again",
            );
        }
    };
    let renew = "issue a new certificate for the device (`marram core provision`, or iot \
                 CreateKeysAndCertificate) and put it in place with its key";
    if let Some(problem) = validity(&info, &device.clock) {
        return problem.finding("the certificate", renew);
    }
    if let Err(ReadIdentity::Tls(ConfigureClient::Rejected { source, .. })) = settings.tls(&[])
        && matches!(source, rustls::Error::InvalidCertificate(_))
    {
        return Finding::failed(format!("{} cannot be used: {source}", path.display()), renew);
    }
    // AWS signs device certificates by another authority than its servers: no error.
    let roots = fs::read_to_string(&settings.root_ca_file).unwrap_or_default();
    let is_ours = certificate_ders(&roots)
        .is_ok_and(|roots| roots.iter().any(|root| is_signed_by(&der, root)));
    let issuer = if is_ours { "the configured root CA".to_owned() } else { info.issuer };
    Finding::ok(format!("valid until {}, issued by {issuer}", day(info.not_after_ms)))
}

/// What is wrong with a certificate's time.
pub(super) enum Validity {
    NotYet(i64),
    Expired(i64),
    Soon(i64),
}

/// `None` for a certificate that is valid for a while.
pub(super) fn validity(info: &CertificateInfo, clock: &SharedClock) -> Option<Validity> {
    let now = clock.now_ms();
    match () {
        () if now < info.not_before_ms => Some(Validity::NotYet(info.not_before_ms)),
        () if now > info.not_after_ms => Some(Validity::Expired(info.not_after_ms)),
        () if now > info.not_after_ms - SOON_MS => Some(Validity::Soon(info.not_after_ms)),
        () => None,
    }
}

impl Validity {
    pub(super) fn finding(&self, whose: &str, renew: &str) -> Finding {
        match self {
            Self::NotYet(ms) => Finding::failed(
                format!("{whose} is valid from {} on only", day(*ms)),
                "set the device's clock (see the check `clock`); if it is right, the authority's \
                 was wrong: issue the certificate again",
            ),
            Self::Expired(ms) => {
                Finding::failed(format!("{whose} has expired on {}", day(*ms)), renew)
            }
            Self::Soon(ms) => Finding::warning(format!("{whose} expires on {}", day(*ms)), renew),
        }
    }
}

/// `2049-12-31`.
pub(super) fn day(ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000));
    at.map_or_else(|_| "a day out of range".to_owned(), |at| at.date().to_string())
}

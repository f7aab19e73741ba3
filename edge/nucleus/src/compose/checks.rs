//! What a deployment may not do to the nucleus's own configuration (recipes and deployments, B5.7).
//!
//! Only what changes is checked: a device whose settings are wrong already must take the deployment
//! that mends them, and every other one too.

use marram_model::error_code::ErrorCode;
use marram_os::user::{self, ResolveUser};
use serde_json::Value;

use super::Composition;
use super::restart::setting;
use crate::config::ConfigStore;

const REGION: &str = "/awsRegion";
const ENDPOINTS: [(&str, ErrorCode); 2] = [
    ("/iotDataEndpoint", ErrorCode::IotDataEndpointFormatNotValid),
    ("/iotCredEndpoint", ErrorCode::IotCredEndpointFormatNotValid),
];
/// What the host of every endpoint of AWS's own contains.
const AWS_HOST: &str = ".amazonaws.";

/// Why a composition's nucleus configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum CheckNucleus {
    /// The user that components are to run as.
    #[error("`runWithDefault.posixUser` cannot be used")]
    User(#[source] ResolveUser),
    /// The shell that scripts are to run in.
    #[error(
        "`runWithDefault.posixShell` is `{0}`, which is no program on this device: install it, or name another"
    )]
    Shell(String),
    /// AWS has no such region.
    #[error(
        "`awsRegion` is `{0}`, and the endpoints are AWS's own: give a region of AWS, for example us-east-1"
    )]
    Region(String),
    /// An endpoint of another region.
    #[error("`{key}` is `{endpoint}`, which is not in region `{region}`: change one of them")]
    Endpoint {
        /// The key.
        key: &'static str,
        /// Its value.
        endpoint: String,
        /// The region.
        region: String,
        /// The code of this key.
        code: ErrorCode,
    },
}

impl CheckNucleus {
    /// The codes that a deployment reports for it, after `DEPLOYMENT_FAILURE`.
    pub fn error_codes(&self) -> Vec<ErrorCode> {
        match self {
            Self::User(_) | Self::Shell(_) => vec![ErrorCode::RunWithConfigNotValid],
            Self::Region(_) => vec![ErrorCode::UnsupportedRegion],
            Self::Endpoint { code, .. } => vec![code.clone()],
        }
    }
}

impl Composition {
    /// Refuses a nucleus configuration with which components could not run, or the cloud not be
    /// reached. `is_program` says whether components find a program.
    pub fn check_nucleus(
        &self,
        running: &ConfigStore,
        is_program: impl Fn(&str) -> bool,
    ) -> Result<(), CheckNucleus> {
        let Some((now, then)) = self.nucleus_change(running) else { return Ok(()) };
        check_run_with(&now, then, is_program)?;
        check_endpoints(&now, then)
    }
}

/// The value that a key gets, if it gets another one.
fn change(now: &Value, then: &Value, pointer: &str) -> Option<String> {
    let value = setting(then, pointer);
    (value != setting(now, pointer)).then_some(value)
}

fn check_run_with(
    now: &Value,
    then: &Value,
    is_program: impl Fn(&str) -> bool,
) -> Result<(), CheckNucleus> {
    if let Some(name) = change(now, then, "/runWithDefault/posixUser")
        && !name.is_empty()
    {
        user::resolve(&name).map_err(CheckNucleus::User)?;
    }
    match change(now, then, "/runWithDefault/posixShell") {
        Some(shell) if !shell.is_empty() && !is_program(&shell) => Err(CheckNucleus::Shell(shell)),
        _ => Ok(()),
    }
}

fn check_endpoints(now: &Value, then: &Value) -> Result<(), CheckNucleus> {
    let region = setting(then, REGION);
    let changes_region = change(now, then, REGION).is_some();
    for (pointer, code) in ENDPOINTS {
        let endpoint = setting(then, pointer);
        let is_changed = changes_region || change(now, then, pointer).is_some();
        if !is_changed || !endpoint.contains(AWS_HOST) {
            continue;
        }
        if !looks_like_aws_region(&region) {
            return Err(CheckNucleus::Region(region));
        }
        if !endpoint.contains(&region) {
            return Err(CheckNucleus::Endpoint { key: &pointer[1..], endpoint, region, code });
        }
    }
    Ok(())
}

/// `us-east-1`, `us-gov-west-1`, `ap-southeast-5`: regions come too often for a list.
fn looks_like_aws_region(region: &str) -> bool {
    let mut parts = region.split('-').rev();
    let number = parts.next().unwrap_or_default();
    let words: Vec<&str> = parts.collect();
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
        && words.len() >= 2
        && words.iter().all(is_word)
        && words.last().is_some_and(|area| area.len() == 2)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn endpoints(now: &Value, region: &str, data: &str, credentials: &str) -> Vec<ErrorCode> {
        let then =
            json!({"awsRegion": region, "iotDataEndpoint": data, "iotCredEndpoint": credentials});
        check_endpoints(now, &then).err().map(|error| error.error_codes()).unwrap_or_default()
    }

    const DATA: &str = "abc-ats.iot.eu-west-1.amazonaws.com";
    const CREDENTIALS: &str = "abc.credentials.iot.eu-west-1.amazonaws.com";

    #[test]
    fn b5_7_endpoints_of_aws_are_in_the_region() {
        let none = json!({});
        assert_eq!(endpoints(&none, "eu-west-1", DATA, CREDENTIALS), []);
        let elsewhere = "abc-ats.iot.us-east-1.amazonaws.com";
        let codes = endpoints(&none, "eu-west-1", elsewhere, CREDENTIALS);
        assert_eq!(codes, [ErrorCode::IotDataEndpointFormatNotValid]);
        let codes = endpoints(&none, "eu-west-1", DATA, elsewhere);
        assert_eq!(codes, [ErrorCode::IotCredEndpointFormatNotValid]);
        let codes = endpoints(&none, "mars", DATA, CREDENTIALS);
        assert_eq!(codes, [ErrorCode::UnsupportedRegion]);
    }

    #[test]
    fn b5_7_a_private_endpoint_passes_in_any_region() {
        assert_eq!(endpoints(&json!({}), "factory", "mqtt.factory.example", "10.0.0.1:8443"), []);
    }

    #[test]
    fn b5_7_what_does_not_change_is_not_checked() {
        let now = json!({"awsRegion": "us-east-1", "iotDataEndpoint": DATA, "iotCredEndpoint": ""});
        assert_eq!(endpoints(&now, "us-east-1", DATA, ""), []);
        let codes = endpoints(&now, "us-east-2", DATA, "");
        assert_eq!(codes, [ErrorCode::IotDataEndpointFormatNotValid], "the region has changed");
    }

    #[test]
    fn b5_7_regions_look_like_those_of_aws() {
        for region in ["us-east-1", "us-gov-west-1", "ap-southeast-12"] {
            assert!(looks_like_aws_region(region), "{region}");
        }
        for region in ["", "mars", "us-east", "us--1", "-1", "usa-east-1", "us-East-1", "us-1"] {
            assert!(!looks_like_aws_region(region), "{region}");
        }
    }

    #[test]
    fn b5_7_run_with_default_must_be_usable() {
        let check = |run_with: Value| {
            let then = json!({"runWithDefault": run_with});
            let checked = check_run_with(&json!({}), &then, |program| program == "sh");
            checked.err().map(|error| error.error_codes()).unwrap_or_default()
        };
        assert_eq!(check(json!({"posixUser": "root", "posixShell": "sh"})), []);
        assert_eq!(check(json!({"posixUser": ""})), []);
        let refused = [ErrorCode::RunWithConfigNotValid];
        assert_eq!(check(json!({"posixUser": "no-such-user"})), refused);
        assert_eq!(check(json!({"posixUser": "4000123"})), refused, "a number without a group");
        assert_eq!(check(json!({"posixShell": "fish"})), refused);
    }
}

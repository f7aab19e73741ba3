//! `marram env`: the variables that point plain AWS tools at this cloud.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use marram_cloud::Ready;

use crate::exit::BadInput;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file that the cloud wrote when it was ready (`marram-cloud --ready-file F`)
    #[arg(long, value_name = "F")]
    ready_file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    for line in exports(&read_ready(&arguments.ready_file)?) {
        println!("{line}");
    }
    Ok(())
}

/// What the AWS CLI and the SDKs read, as lines for any POSIX shell.
pub(crate) fn exports(ready: &Ready) -> impl Iterator<Item = String> {
    let variables = variables(ready).into_iter();
    variables.map(|(name, value)| format!("export {name}={}", shell_quoted(&value)))
}

/// Reads a cloud's ready file.
pub(crate) fn read_ready(path: &Path) -> Result<Ready> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        BadInput(format!(
            "--ready-file {}: {error}; start the cloud with `marram-cloud --ready-file {0}`",
            path.display()
        ))
    })?;
    serde_json::from_str(&text)
        .map_err(|error| BadInput(format!("--ready-file {}: {error}", path.display())))
        .context("reading the ready file")
}

fn variables(ready: &Ready) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", ready.endpoint_url.clone()),
        ("AWS_CA_BUNDLE", ready.ca_file.display().to_string()),
        ("AWS_ACCESS_KEY_ID", ready.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", ready.secret_access_key.clone()),
        ("AWS_REGION", ready.region.clone()),
        ("AWS_DEFAULT_REGION", ready.region.clone()),
    ]
}

/// One word for any POSIX shell.
fn shell_quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_survives_the_shell() {
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {}", shell_quoted("it's $HOME"))])
            .output()
            .unwrap();
        assert_eq!(output.stdout, b"it's $HOME");
    }
}

//! `marram cloud backup`: fetches an archive of the whole cloud.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::aws::{AwsClient, CallCloud};
use crate::env::read_ready;
use crate::exit::BadInput;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to write it; must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file that the cloud wrote when it was ready
    #[arg(long, value_name = "F")]
    ready_file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let file = &arguments.file;
    if file.exists() {
        return Err(BadInput(format!("{}: exists; choose another name", file.display())).into());
    }
    let ready = read_ready(&arguments.ready_file)?;
    let part = PathBuf::from(format!("{}.part", file.display()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let fetched = runtime.block_on(fetch(&AwsClient::new(&ready)?, &part));
    let bytes = match fetched {
        Ok(bytes) => bytes,
        Err(error) => {
            // What is there is no back-up.
            let _ = std::fs::remove_file(&part);
            return Err(error);
        }
    };
    std::fs::rename(&part, file).with_context(|| format!("renaming {}", part.display()))?;
    println!("{} ({bytes} bytes, holds secrets: keep it as you keep keys)", file.display());
    Ok(())
}

/// The file has its name only once it is whole.
async fn fetch(aws: &AwsClient, part: &Path) -> Result<u64> {
    let mut download =
        aws.download("marram", "POST", "/backup").await.context("making the back-up")?;
    let mut out = create(part).with_context(|| format!("writing {}", part.display()))?;
    let mut bytes = 0;
    while let Some(chunk) = download.chunk().await.map_err(CallCloud::Send)? {
        out.write_all(&chunk).with_context(|| format!("writing {}", part.display()))?;
        bytes += chunk.len() as u64;
    }
    if download.total_bytes() != Some(bytes) {
        bail!("the back-up broke off after {bytes} bytes: try again");
    }
    out.sync_all().with_context(|| format!("writing {}", part.display()))?;
    Ok(bytes)
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

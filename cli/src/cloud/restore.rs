//! `marram cloud restore`: makes a cloud from an archive.

use std::path::PathBuf;

use anyhow::Result;
use marram_cloud::{RestoreCloud, StoreUrl};

use crate::exit::BadInput;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What `marram cloud backup` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The cloud's data directory; no cloud may be running on it
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Restore what is known into this PostgreSQL database instead of the data directory's SQLite,
    /// wherever it came from; also MARRAM_STORE
    #[arg(long, value_name = "URL", conflicts_with = "store_file")]
    store: Option<StoreUrl>,
    /// Read that URL from this file
    #[arg(long, value_name = "F")]
    store_file: Option<PathBuf>,
    /// Take the place of what is there; a data directory is kept beside it, a database is not
    #[arg(long)]
    replace: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { file, data, store, store_file, replace } = arguments;
    let database = marram_cloud::choose_store(store.as_ref(), store_file.as_deref())
        .map_err(|error| BadInput(format!("{:#}", anyhow::Error::new(error))))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let restored = runtime.block_on(marram_cloud::restore(file, data, database, *replace));
    let restored = restored.map_err(|error| match error {
        error @ RestoreCloud::NotEmpty(_) => BadInput(error.to_string()).into(),
        error => anyhow::Error::new(error),
    })?;
    println!("{}: the cloud of account {}", data.display(), restored.account_id);
    if let Some(kept) = restored.kept {
        println!("what was there is in {}", kept.display());
    }
    Ok(())
}

//! `marram cloud export`: a cloud's content as plain files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use super::access::{Access, CloudClient};
use super::portable::folder::{Folder, segment};
use super::portable::{components, kinds, late_kinds};
use crate::exit::BadInput;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  marram cloud export fleet --ready-file cloud.json")]
pub(crate) struct Arguments {
    /// Where to write; must not exist or be empty
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Things and the deployments to single things too
    #[arg(long)]
    things: bool,
    #[command(flatten)]
    access: Access,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cloud = arguments.access.open()?;
    let dir = &arguments.dir;
    let is_empty = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !dir.exists(),
    };
    if !is_empty {
        let shown = dir.display();
        return Err(BadInput(format!("{shown}: is not an empty folder: name a new one")).into());
    }
    let part = part_of(dir)?;
    let written = write(&cloud, &part, arguments.things);
    let (counts, left_out) = match written {
        Ok(written) => written,
        Err(error) => {
            let _ = fs::remove_dir_all(&part);
            return Err(error);
        }
    };
    if dir.exists() {
        fs::remove_dir(dir).with_context(|| format!("replacing {}", dir.display()))?;
    }
    fs::rename(&part, dir).with_context(|| format!("renaming {}", part.display()))?;
    let exported: serde_json::Map<_, _> =
        counts.iter().map(|(folder, count)| ((*folder).to_owned(), json!(count))).collect();
    cloud.print(&json!({ "exported": exported, "notDeployable": left_out }), || {
        let mut text = format!("{}", dir.display());
        for (folder, count) in &counts {
            text.push_str(&format!("\n{count:>6} {folder}"));
        }
        for arn in &left_out {
            text.push_str(&format!("\nleft out, as it is not DEPLOYABLE: {arn}"));
        }
        text
    })
}

/// Where it is written: the folder has its name only once it is whole.
fn part_of(dir: &Path) -> Result<PathBuf> {
    let shown = dir.display();
    let Some(name) = dir.file_name() else {
        return Err(BadInput(format!("{shown}: has no name of its own: name a new folder")).into());
    };
    let mut name = name.to_owned();
    name.push(".part");
    let part = dir.with_file_name(name);
    if part.exists() {
        let remedy = "remove it if no export is writing it";
        return Err(BadInput(format!("{}: is in the way: {remedy}", part.display())).into());
    }
    Ok(part)
}

type Counts = Vec<(&'static str, usize)>;

fn write(cloud: &CloudClient, root: &Path, things: bool) -> Result<(Counts, Vec<String>)> {
    let folder = Folder::new(root, &cloud.ready);
    folder.write_about()?;
    let mut counts = Counts::new();
    for kind in kinds(things).into_iter().chain(late_kinds(things)) {
        let mut count = 0;
        for name in kind.names(cloud)? {
            let path = format!("{}/{}.json", kind.folder(), segment(&name));
            // It may have gone since it was listed.
            if let Some(item) = kind.fetch(cloud, &name).with_context(|| path.clone())? {
                folder.write_json(&path, &item)?;
                count += 1;
            }
        }
        counts.push((kind.folder(), count));
    }
    let (count, left_out) = components::export(cloud, &folder)?;
    counts.push((components::FOLDER, count));
    Ok((counts, left_out))
}

//! `marram core config get`: the device's configuration, and where each value comes from.
//!
//! Read from the device's folder beside a nucleus that may be running: what is shown is durable,
//! and nothing is changed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use marram_nucleus::config::{ConfigStore, ExplainedValue, Origin, without_private_keys};
use marram_nucleus::paths::NucleusPaths;
use marram_os::clock::SystemClock;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::exit::BadInput;
use crate::output::{self, Output};
use crate::table::Table;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show values, and with --explain who set each and when
    #[command(after_help = "Examples:  marram core config get --explain\n           \
                            marram core config get com.example.Pump /rate --explain\n\
                            The origins:  default of recipe V, deployment ID to TARGET:REVISION, \
                            local deployment ID, component NAME (over IPC), file PATH, nucleus")]
    Get(Arguments),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The component whose configuration is meant; without it, all of `system` and `services`
    component: Option<String>,
    /// A JSON pointer into the component's configuration, for example /network/port
    pointer: Option<String>,
    /// Show each value's origin and time
    #[arg(long)]
    explain: bool,
    /// The device's root folder [default: /greengrass/v2 as root, else
    /// ~/.local/share/marram/core]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// What is looked at: where in the tree, and what people call it.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    path: Vec<String>,
    name: String,
}

pub(crate) fn run(Command::Get(arguments): &Command, output: Output) -> Result<()> {
    let root = match &arguments.root {
        Some(root) => root.clone(),
        None => marramd::default_root()
            .ok_or_else(|| refused("HOME is not set: name the device with --root".to_owned()))?,
    };
    let store = open(&root)?;
    for place in places(arguments)? {
        show(&store, &place, arguments.explain, output)?;
    }
    Ok(())
}

fn open(root: &Path) -> Result<ConfigStore> {
    let paths = NucleusPaths::new(root);
    if !paths.config().is_dir() {
        let shown = root.display();
        return Err(refused(format!("{shown} is no device's root folder: name it with --root")));
    }
    ConfigStore::look(&paths, SystemClock::shared())
        .with_context(|| format!("the configuration in {}", root.display()))
}

fn places(arguments: &Arguments) -> Result<Vec<Place>> {
    let Some(component) = &arguments.component else {
        let roots = ["system", "services"];
        return Ok(roots.map(|r| Place { path: vec![r.to_owned()], name: r.to_owned() }).into());
    };
    let mut path = vec!["services".to_owned(), component.clone(), "configuration".to_owned()];
    let mut name = component.clone();
    if let Some(pointer) = arguments.pointer.as_deref().filter(|pointer| !pointer.is_empty()) {
        path.extend(segments(pointer)?);
        name.push_str(pointer);
    }
    Ok(vec![Place { path, name }])
}

/// The segments of an RFC 6901 pointer.
fn segments(pointer: &str) -> Result<Vec<String>> {
    let Some(rest) = pointer.strip_prefix('/') else {
        let example = format!("begin it with `/`, for example /{pointer}");
        return Err(refused(format!("`{pointer}` is no JSON pointer: {example}")));
    };
    Ok(rest.split('/').map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect())
}

fn show(store: &ConfigStore, place: &Place, explain: bool, output: Output) -> Result<()> {
    let path: Vec<&str> = place.path.iter().map(String::as_str).collect();
    let Some(value) = store.get(&path) else {
        return Err(refused(format!("there is no {} on this device", place.name)));
    };
    if !explain {
        let value = without_private_keys(value);
        match output {
            Output::Json => output::json(&value)?,
            Output::Text => output::line(&format!("{value:#}"))?,
        }
        return Ok(());
    }
    let values = store.explain(&path).unwrap_or_default();
    let is_shown = |v: &&ExplainedValue| !v.path.iter().any(|key| key.starts_with('_'));
    let rows: Vec<&ExplainedValue> = values.iter().filter(is_shown).collect();
    match output {
        Output::Json => output::json(&rows.iter().map(|row| as_json(row)).collect())?,
        Output::Text => output::line(&table(&place.name, &rows))?,
    }
    Ok(())
}

fn refused(message: String) -> anyhow::Error {
    BadInput(message).into()
}

fn as_json(row: &ExplainedValue) -> Value {
    json!({
        "path": row.path,
        "value": row.value,
        "modified": at(row.modified),
        "origin": row.origin,
    })
}

fn table(name: &str, rows: &[&ExplainedValue]) -> String {
    let mut table = Table::new(["KEY", "VALUE", "ORIGIN", "SET AT"]);
    for row in rows {
        let path = row.path.iter().map(|key| format!("/{key}"));
        let origin = row.origin.as_ref().map_or_else(|| "nucleus".to_owned(), Origin::to_string);
        table.row([path.collect(), row.value.to_string(), origin, at(row.modified)]);
    }
    format!("{name}\n{}", table.text())
}

/// The time as people read it; defaults that were never deployed have none that means anything.
fn at(modified_ms: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(modified_ms) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{modified_ms} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(component: Option<&str>, pointer: Option<&str>) -> Arguments {
        Arguments {
            component: component.map(str::to_owned),
            pointer: pointer.map(str::to_owned),
            explain: true,
            root: None,
        }
    }

    #[test]
    fn a_pointer_names_a_place_below_the_components_configuration() {
        let place = places(&arguments(Some("c"), Some("/a~1b/c"))).unwrap().remove(0);
        assert_eq!(place.path, ["services", "c", "configuration", "a/b", "c"]);
        let refused = places(&arguments(Some("c"), Some("rate"))).unwrap_err().to_string();
        assert_eq!(refused, "`rate` is no JSON pointer: begin it with `/`, for example /rate");
    }

    #[test]
    fn rows_are_aligned_and_name_their_origin() {
        let value = |path: &[&str], value: Value, origin| ExplainedValue {
            path: path.iter().map(|&key| key.to_owned()).collect(),
            value,
            modified: 1_767_323_045_000,
            origin,
        };
        let rate = value(&["rate"], json!(5), Some(Origin::Component { name: "c".into() }));
        let port = value(&["network", "port"], json!(8883), None);
        assert_eq!(
            table("c", &[&rate, &port]),
            "c\n\
             KEY            VALUE  ORIGIN       SET AT\n\
             /rate          5      component c  2026-01-02T03:04:05Z\n\
             /network/port  8883   nucleus      2026-01-02T03:04:05Z"
        );
    }
}

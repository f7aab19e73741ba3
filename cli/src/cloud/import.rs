//! `marram cloud import`: what an export wrote, into a cloud.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::access::{Access, CloudClient};
use super::portable::components::{self, ComponentFile, Imported};
use super::portable::fields::Fields;
use super::portable::folder::{Folder, segment};
use super::portable::{Kind, Named, kinds, late_kinds};
use crate::aws::CallCloud;
use crate::exit::BadInput;
use crate::table::Table;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  marram cloud import fleet --ready-file cloud.json")]
pub(crate) struct Arguments {
    /// What `marram cloud export` wrote, or what has the same layout
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    access: Access,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cloud = arguments.access.open()?;
    let folder = Folder::new(&arguments.dir, &cloud.ready);
    // All is read before anything is changed.
    let plan = read(&folder)?;
    let mut done = Done::default();
    let applied = apply(&cloud, &folder, &plan, &mut done);
    done.print(&cloud)?;
    applied?;
    let is_left = |result: &Imported| matches!(result, Imported::Conflict(_) | Imported::Failed(_));
    match done.0.iter().filter(|(_, result)| is_left(result)).count() {
        0 => Ok(()),
        count => bail!("{count} of {} were left as they are: see NOTE", done.0.len()),
    }
}

/// What a folder holds, in the order in which it is made.
struct Plan {
    early: Vec<(Box<dyn Kind>, Vec<Named>)>,
    components: Vec<ComponentFile>,
    late: Vec<(Box<dyn Kind>, Vec<Named>)>,
}

fn read(folder: &Folder) -> Result<Plan> {
    folder.check_about()?;
    let all = |kinds: Vec<Box<dyn Kind>>| -> Result<Vec<_>> {
        let read = kinds.into_iter().map(|kind| {
            let items = read_kind(folder, kind.as_ref())?;
            Ok((kind, items))
        });
        read.collect()
    };
    Ok(Plan {
        early: all(kinds(true))?,
        components: components::read(folder)?,
        late: all(late_kinds(true))?,
    })
}

fn read_kind(folder: &Folder, kind: &dyn Kind) -> Result<Vec<Named>> {
    let mut items = Vec::new();
    for file in folder.names(kind.folder())? {
        let path = format!("{}/{file}", kind.folder());
        if !file.ends_with(".json") {
            return Err(BadInput(format!("{path}: is no .json file: move it elsewhere")).into());
        }
        let named = kind.read(Fields::parse(&path, &folder.read_local(&path)?)?)?;
        let expected = format!("{}.json", segment(&named.name));
        if file != expected {
            let name = &named.name;
            return Err(BadInput(format!("{path}: is of `{name}`: call it {expected}")).into());
        }
        items.push(named);
    }
    in_order(kind, items)
}

/// Those that others need come first.
fn in_order(kind: &dyn Kind, mut open: Vec<Named>) -> Result<Vec<Named>> {
    let mut ordered = Vec::new();
    while !open.is_empty() {
        let waiting: BTreeSet<String> = open.iter().map(|named| named.name.clone()).collect();
        let waits = |named: &Named| named.after.as_ref().is_some_and(|a| waiting.contains(a));
        let (later, now): (Vec<Named>, Vec<Named>) = open.into_iter().partition(waits);
        if now.is_empty() {
            let names: Vec<&str> = later.iter().map(|named| named.name.as_str()).collect();
            let (folder, names) = (kind.folder(), names.join(", "));
            let what = "are above each other in a circle: give one of them another parent";
            return Err(BadInput(format!("{folder}: {names} {what}")).into());
        }
        ordered.extend(now);
        open = later;
    }
    Ok(ordered)
}

/// What was done so far, also when something fails.
#[derive(Default)]
struct Done(Vec<(String, Imported)>);

fn apply(cloud: &CloudClient, folder: &Folder, plan: &Plan, done: &mut Done) -> Result<()> {
    apply_kinds(cloud, &plan.early, done)?;
    for file in &plan.components {
        done.add(&file.path, components::import(cloud, folder, file))?;
    }
    apply_kinds(cloud, &plan.late, done)
}

fn apply_kinds(
    cloud: &CloudClient,
    kinds: &[(Box<dyn Kind>, Vec<Named>)],
    done: &mut Done,
) -> Result<()> {
    for (kind, items) in kinds {
        for named in items {
            let path = format!("{}/{}.json", kind.folder(), segment(&named.name));
            done.add(&path, import_one(cloud, kind.as_ref(), named))?;
        }
    }
    Ok(())
}

fn import_one(cloud: &CloudClient, kind: &dyn Kind, named: &Named) -> Result<Imported> {
    match kind.fetch(cloud, &named.name)? {
        None => {
            kind.create(cloud, &named.item)?;
            Ok(Imported::Created)
        }
        Some(found) if kind.is_same(&found, &named.item) => Ok(Imported::Unchanged),
        Some(found) => Ok(Imported::Conflict(difference(&found, &named.item))),
    }
}

fn difference(found: &Value, wanted: &Value) -> String {
    let members = [found, wanted].into_iter().filter_map(Value::as_object);
    let members: BTreeSet<&str> =
        members.flat_map(|object| object.keys()).map(String::as_str).collect();
    let differ: Vec<&str> =
        members.into_iter().filter(|member| found.get(member) != wanted.get(member)).collect();
    format!("other {}", differ.join(", "))
}

impl Done {
    /// What the cloud refuses stops nothing else; a cloud that is gone does.
    fn add(&mut self, path: &str, imported: Result<Imported>) -> Result<()> {
        let imported = imported.or_else(|error| match error.downcast_ref() {
            Some(CallCloud::Refused { .. }) => Ok(Imported::Failed(format!("{error:#}"))),
            _ => Err(error).with_context(|| format!("importing {path}")),
        })?;
        self.0.push((path.to_owned(), imported));
        Ok(())
    }

    fn print(&self, cloud: &CloudClient) -> Result<()> {
        let words = |imported: &Imported| match imported {
            Imported::Created => ("created", String::new()),
            Imported::Unchanged => ("unchanged", String::new()),
            Imported::Conflict(what) => ("conflict", what.clone()),
            Imported::Failed(what) => ("failed", what.clone()),
        };
        let items: Vec<Value> = self
            .0
            .iter()
            .map(|(item, imported)| {
                let (result, note) = words(imported);
                json!({ "item": item, "result": result, "note": note })
            })
            .collect();
        cloud.print(&json!({ "items": items }), || {
            let mut table = Table::new(["ITEM", "RESULT", "NOTE"]);
            for (item, imported) in &self.0 {
                let (result, note) = words(imported);
                table.row([item.clone(), result.to_owned(), note]);
            }
            table.text()
        })
    }
}

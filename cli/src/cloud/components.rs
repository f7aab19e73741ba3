//! `marram cloud components`: all components, or all versions of one.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::access::{Access, BY_TOKEN, CloudClient};
use super::cell;
use crate::aws::encoded;
use crate::exit::BadInput;
use crate::table::Table;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:  marram cloud components com.example.Pump --ready-file cloud.json"
)]
pub(crate) struct Arguments {
    /// Show all versions of this component, newest first
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Only your own components, or only those that come with the cloud
    #[arg(long, value_enum, ignore_case = true, value_name = "SCOPE", conflicts_with = "name")]
    scope: Option<Scope>,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Scope {
    Private,
    Public,
}

impl Scope {
    fn word(self) -> &'static str {
        match self {
            Self::Private => "PRIVATE",
            Self::Public => "PUBLIC",
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cloud = arguments.access.open()?;
    match &arguments.name {
        Some(name) => versions(&cloud, name),
        None => list(&cloud, arguments.scope),
    }
}

fn list(cloud: &CloudClient, scope: Option<Scope>) -> Result<()> {
    let mut all = Vec::new();
    for wanted in [Scope::Private, Scope::Public] {
        if scope.is_none_or(|scope| scope == wanted) {
            for component in of_scope(cloud, wanted)? {
                all.push((wanted, component));
            }
        }
    }
    let components: Vec<&Value> = all.iter().map(|(_, component)| component).collect();
    cloud.print(&json!({ "components": components }), || {
        let mut table = Table::new(["COMPONENT", "LATEST", "SCOPE", "CREATED", "PLATFORMS"]);
        for (scope, component) in &all {
            let latest = &component["latestVersion"];
            table.row([
                cell::text(&component["componentName"]),
                cell::text(&latest["componentVersion"]),
                scope.word().to_owned(),
                cell::time(&latest["creationTimestamp"]),
                cell::platforms(&latest["platforms"]),
            ]);
        }
        table.text()
    })
}

fn of_scope(cloud: &CloudClient, scope: Scope) -> Result<Vec<Value>> {
    let target = format!("/greengrass/v2/components?scope={}", scope.word());
    cloud.all("greengrass", &target, BY_TOKEN, "components")
}

fn versions(cloud: &CloudClient, name: &str) -> Result<()> {
    let mut found = None;
    for scope in [Scope::Private, Scope::Public] {
        let components = of_scope(cloud, scope)?;
        found = components.into_iter().find(|component| component["componentName"] == name);
        if found.is_some() {
            break;
        }
    }
    let Some(arn) = found.as_ref().and_then(|component| component["arn"].as_str()) else {
        let remedy = "`marram cloud components` lists those that are";
        return Err(BadInput(format!("there is no component `{name}`: {remedy}")).into());
    };
    let target = format!("/greengrass/v2/components/{}/versions", encoded(arn));
    let mut versions = Vec::new();
    for version in cloud.all("greengrass", &target, BY_TOKEN, "componentVersions")? {
        let arn = version["arn"].as_str().context("a version without an ARN")?;
        let target = format!("/greengrass/v2/components/{}/metadata", encoded(arn));
        versions.push(cloud.get("greengrass", &target).context("asking for a version")?);
    }
    cloud.print(&json!({ "componentVersions": versions }), || {
        let heads = ["COMPONENT", "VERSION", "STATE", "CREATED", "PLATFORMS", "ERRORS"];
        let mut table = Table::new(heads);
        for version in &versions {
            table.row([
                cell::text(&version["componentName"]),
                cell::text(&version["componentVersion"]),
                cell::text(&version["status"]["componentState"]),
                cell::time(&version["creationTimestamp"]),
                cell::platforms(&version["platforms"]),
                errors(&version["status"]["errors"]),
            ]);
        }
        table.text()
    })
}

/// What is wrong with a version's artifacts.
fn errors(errors: &Value) -> String {
    let errors = errors.as_object().into_iter().flatten();
    let texts: Vec<String> =
        errors.map(|(uri, problem)| format!("{uri}: {}", cell::text(problem))).collect();
    texts.join("; ")
}

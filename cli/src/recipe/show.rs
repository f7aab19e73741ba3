//! `marram recipe show`: what a device of a platform would run.

use std::path::PathBuf;

use anyhow::{Context, Result};
use marram_model::ComponentName;
use marram_recipe::platform::Attributes;
use marram_recipe::{Artifact, Dependency, Format, Manifest, Recipe, Selected, Strictness, parse};
use serde_json::{Map, Value, json};

use crate::exit::BadInput;
use crate::output::{self, Output};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  marram recipe show --platform os=linux,architecture=aarch64 \
                        recipe.yaml\nVariables such as {artifacts:path} are shown as they are \
                        written: only a device can fill them in.")]
pub(crate) struct Arguments {
    /// The recipe, JSON or YAML
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The device's attributes; without it, those of this machine
    #[arg(long, value_name = "NAME=VALUE,…", value_delimiter = ',')]
    platform: Vec<String>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let file = arguments.file.display();
    let attributes = attributes(&arguments.platform)?;
    let bytes = std::fs::read(&arguments.file)
        .map_err(|error| BadInput(format!("{file}: {error}; name a file that can be read")))?;
    let recipe = parse(&bytes, Format::Detect, Strictness::Device)
        .with_context(|| format!("{file}: `marram recipe check` shows where"))?;
    let selected = recipe.select(&attributes).with_context(|| no_manifest(&recipe, &attributes))?;
    match arguments.output {
        Output::Text => output::line(&as_text(&recipe, &selected, &attributes))?,
        Output::Json => output::json(&as_json(&recipe, &selected, &attributes))?,
    }
    Ok(())
}

fn attributes(pairs: &[String]) -> Result<Attributes, BadInput> {
    if pairs.is_empty() {
        return Ok(this_machine());
    }
    let pair = |pair: &String| match pair.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(BadInput(format!(
            "--platform: `{pair}` has no value: write NAME=VALUE, for example os=linux"
        ))),
    };
    pairs.iter().map(pair).collect()
}

/// What the nucleus says of the machine it runs on (recipes and deployments, A2.1).
fn this_machine() -> Attributes {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        other => other,
    };
    let attributes = [("os", std::env::consts::OS), ("architecture", architecture)];
    attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn no_manifest(recipe: &Recipe, attributes: &Attributes) -> String {
    let asked: Vec<String> = recipe.manifests.iter().map(platform).collect();
    format!(
        "no manifest is for {}: the recipe has manifests for [{}]; add one, or give another \
         --platform",
        joined(attributes),
        asked.join("], [")
    )
}

fn joined(attributes: &Attributes) -> String {
    let pairs: Vec<String> =
        attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(", ")
}

fn platform(manifest: &Manifest) -> String {
    let template = manifest.platform.iter().flatten();
    let pairs: Vec<String> = template
        .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("*")))
        .collect();
    if pairs.is_empty() { "every platform".to_owned() } else { pairs.join(", ") }
}

/// The number of the chosen manifest, from 1.
fn number(recipe: &Recipe, selected: &Selected<'_>) -> usize {
    let is_chosen = |manifest: &Manifest| std::ptr::eq(manifest, selected.manifest);
    recipe.manifests.iter().position(is_chosen).map_or(1, |index| index + 1)
}

fn as_text(recipe: &Recipe, selected: &Selected<'_>, attributes: &Attributes) -> String {
    let manifest = selected.manifest;
    let name = manifest.name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
    let mut rows = vec![
        ("Component", format!("{} {}", recipe.component_name, recipe.component_version)),
        ("Type", recipe.component_type.as_str().to_owned()),
        ("Device", joined(attributes)),
        (
            "Manifest",
            format!(
                "{} of {}{name}, for {}",
                number(recipe, selected),
                recipe.manifests.len(),
                platform(manifest)
            ),
        ),
    ];
    if !manifest.selections.is_empty() {
        rows.push(("Selections", manifest.selections.join(", ")));
    }
    rows.extend(recipe.dependencies.iter().map(|(name, dependency)| {
        let kind = dependency.dependency_type.as_str();
        ("Dependency", format!("{name} {} ({kind})", dependency.requirement))
    }));
    rows.extend(manifest.artifacts.iter().map(|artifact| ("Artifact", artifact_text(artifact))));
    if !recipe.default_configuration.is_empty() {
        rows.push(("Configuration", indented(&recipe.default_configuration)));
    }
    rows.push(match selected.lifecycle.is_empty() {
        true => ("Lifecycle", "none: the component only brings files".to_owned()),
        false => ("Lifecycle", indented(&selected.lifecycle)),
    });
    let rows: Vec<String> = rows.iter().map(|(head, text)| format!("{head:<15}{text}")).collect();
    rows.join("\n")
}

fn indented(map: &Map<String, Value>) -> String {
    format!("{:#}", Value::Object(map.clone())).replace('\n', &format!("\n{:15}", ""))
}

fn artifact_text(artifact: &Artifact) -> String {
    let permission = artifact.permission;
    format!(
        "{} (unarchive {}, read {}, execute {})",
        artifact.uri,
        artifact.unarchive.as_str(),
        permission.read.as_str(),
        permission.execute.as_str()
    )
}

fn as_json(recipe: &Recipe, selected: &Selected<'_>, attributes: &Attributes) -> Value {
    let manifest = selected.manifest;
    let artifacts: Vec<Value> = manifest
        .artifacts
        .iter()
        .map(|artifact| {
            json!({
                "uri": artifact.uri,
                "unarchive": artifact.unarchive.as_str(),
                "permission": {
                    "read": artifact.permission.read.as_str(),
                    "execute": artifact.permission.execute.as_str(),
                },
            })
        })
        .collect();
    let dependency = |(name, dependency): (&ComponentName, &Dependency)| {
        let value = json!({
            "versionRequirement": dependency.requirement.to_string(),
            "dependencyType": dependency.dependency_type.as_str(),
        });
        (name.to_string(), value)
    };
    json!({
        "componentName": recipe.component_name.as_str(),
        "componentVersion": recipe.component_version.to_string(),
        "componentType": recipe.component_type.as_str(),
        "platform": attributes,
        "manifest": {
            "number": number(recipe, selected),
            "name": manifest.name,
            "platform": manifest.platform,
            "selections": manifest.selections,
        },
        "dependencies": recipe.dependencies.iter().map(dependency).collect::<Map<_, _>>(),
        "artifacts": artifacts,
        "configuration": recipe.default_configuration,
        "lifecycle": selected.lifecycle,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "\
RecipeFormatVersion: '2020-01-25'
ComponentName: com.example.Pump
ComponentVersion: 1.2.0
ComponentDependencies:
  com.example.B: {VersionRequirement: ^1.0.0, DependencyType: SOFT}
Manifests:
  - Platform: {os: linux, architecture: aarch64}
    Selections: [linux]
    Artifacts: [{Uri: 's3://b/pump.zip', Unarchive: ZIP}]
  - Platform: {os: windows}
    Selections: [windows]
Lifecycle:
  linux: {run: ./pump}
  windows: {run: pump.exe}
";

    fn recipe() -> Recipe {
        parse(RECIPE.as_bytes(), Format::Detect, Strictness::Device).unwrap()
    }

    fn device(pairs: &[&str]) -> Attributes {
        attributes(&pairs.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_platforms_manifest_and_lifecycle_are_shown() {
        let (recipe, device) = (recipe(), device(&["os=linux", "architecture=aarch64"]));
        let selected = recipe.select(&device).unwrap();
        let text = as_text(&recipe, &selected, &device);
        assert!(text.contains("1 of 2, for architecture=aarch64, os=linux"), "{text}");
        assert!(text.contains("./pump") && !text.contains("pump.exe"), "{text}");
        assert!(text.contains("com.example.B >=1.0.0 <2.0.0 (SOFT)"), "{text}");
        assert!(text.contains("s3://b/pump.zip (unarchive ZIP, read OWNER, execute NONE)"));
        let json = as_json(&recipe, &selected, &device);
        assert_eq!(json["lifecycle"], json!({"run": "./pump"}));
        assert_eq!(json["dependencies"]["com.example.B"]["dependencyType"], "SOFT");
    }

    #[test]
    fn a_platform_without_a_manifest_is_told_which_there_are() {
        let (recipe, device) = (recipe(), device(&["os=darwin"]));
        assert!(recipe.select(&device).is_none());
        let message = no_manifest(&recipe, &device);
        assert!(message.contains("os=darwin") && message.contains("[os=windows]"), "{message}");
    }

    #[test]
    fn a_pair_without_a_value_is_refused() {
        assert!(attributes(&["linux".to_owned()]).is_err());
    }
}

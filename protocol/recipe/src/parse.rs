//! From the text of a recipe to its type.

mod manifest;

use std::collections::BTreeMap;

use marram_model::ComponentName;
use serde_json::{Map, Value};

use crate::fields::{Fields, Report, brief, join_path};
use crate::problem::{Problem, join};
use crate::recipe::{ComponentType, Dependency, DependencyType, Recipe};
use crate::yaml;

/// The cloud's limit for the text of a recipe.
pub const MAX_RECIPE_BYTES: usize = 16_000;

/// The only value of `RecipeFormatVersion`.
pub(crate) const FORMAT_VERSION: &str = "2020-01-25";

const FIELDS: &[&str] = &[
    "RecipeFormatVersion",
    "ComponentName",
    "ComponentVersion",
    "ComponentType",
    "ComponentDescription",
    "ComponentPublisher",
    "ComponentSource",
    "ComponentConfiguration",
    "ComponentDependencies",
    "Manifests",
    "Lifecycle",
];

/// How a recipe is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML 1.2, one document.
    Yaml,
    /// JSON if it begins with `{` and is JSON, otherwise YAML.
    Detect,
}

/// How much a recipe may deviate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// At creation: unknown fields are errors, a manifest is needed, the size is limited.
    Cloud,
    /// On the device: unknown fields are warnings.
    Device,
}

/// Why a recipe cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseRecipe {
    /// More than [`MAX_RECIPE_BYTES`].
    #[error("the recipe has {0} bytes: make it at most {MAX_RECIPE_BYTES}")]
    TooLarge(usize),
    /// Not text.
    #[error("the recipe is not UTF-8 text: save it as UTF-8")]
    NotText,
    /// Neither JSON nor YAML.
    #[error("the recipe is not {format}{}: {reason}", place(*line, *column))]
    Syntax {
        /// `JSON` or `YAML`.
        format: &'static str,
        /// From 1; absent where the parser cannot tell.
        line: Option<u64>,
        /// From 1.
        column: Option<u64>,
        /// What the parser objects to.
        reason: String,
    },
    /// Fields that are missing or wrong.
    #[error("the recipe is not valid: {}", join(.0))]
    Invalid(Vec<Problem>),
}

fn place(line: Option<u64>, column: Option<u64>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!(" (line {line}, column {column})"),
        _ => String::new(),
    }
}

/// Reads a recipe, dropping warnings.
pub fn parse(bytes: &[u8], format: Format, strictness: Strictness) -> Result<Recipe, ParseRecipe> {
    parse_with_warnings(bytes, format, strictness).map(|(recipe, _)| recipe)
}

/// Reads a recipe, with what was passed over.
pub fn parse_with_warnings(
    bytes: &[u8],
    format: Format,
    strictness: Strictness,
) -> Result<(Recipe, Vec<Problem>), ParseRecipe> {
    let is_strict = strictness == Strictness::Cloud;
    if is_strict && bytes.len() > MAX_RECIPE_BYTES {
        return Err(ParseRecipe::TooLarge(bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ParseRecipe::NotText)?;
    let tree = read_tree(text.strip_prefix('\u{feff}').unwrap_or(text), format)?;
    let mut report = Report { is_strict, ..Report::default() };
    match recipe(&mut report, &tree) {
        Some(recipe) if report.problems.is_empty() => Ok((recipe, report.warnings)),
        _ => Err(ParseRecipe::Invalid(report.problems)),
    }
}

fn read_tree(text: &str, format: Format) -> Result<Value, ParseRecipe> {
    match format {
        Format::Json => read_json(text),
        Format::Yaml => read_yaml(text),
        Format::Detect if text.trim_start().starts_with('{') => {
            // YAML may begin with a brace too, but who writes one means JSON.
            read_json(text).or_else(|error| read_yaml(text).map_err(|_| error))
        }
        Format::Detect => read_yaml(text),
    }
}

fn read_json(text: &str) -> Result<Value, ParseRecipe> {
    serde_json::from_str(text).map_err(|error| ParseRecipe::Syntax {
        format: "JSON",
        line: u64::try_from(error.line()).ok(),
        column: u64::try_from(error.column()).ok(),
        reason: error.to_string(),
    })
}

fn read_yaml(text: &str) -> Result<Value, ParseRecipe> {
    yaml::read(text).map_err(|yaml::NotYaml { line, column, reason }| ParseRecipe::Syntax {
        format: "YAML",
        line,
        column,
        reason,
    })
}

/// The recipe, if everything that it must have could be read.
fn recipe(report: &mut Report, tree: &Value) -> Option<Recipe> {
    if !tree.is_object() {
        report.problem("recipe", format!("is {}", brief(tree)), "write an object with fields");
        return None;
    }
    let fields = Fields::read(report, "", tree, FIELDS)?;
    format_version(report, &fields);
    let component_name = fields.required(report, "ComponentName");
    let component_version = fields.required(report, "ComponentVersion");
    let component_type =
        fields.word(report, "ComponentType", &ComponentType::ALL, ComponentType::as_str);
    let mut text = |name: &str| fields.text(report, name).map(str::to_owned);
    let component_description = text("ComponentDescription");
    let component_publisher = text("ComponentPublisher");
    let component_source = text("ComponentSource");
    let default_configuration = default_configuration(report, &fields);
    let dependencies = dependencies(report, &fields);
    let manifests = manifest::manifests(report, &fields);
    let has_none = fields.get("Manifests").is_none_or(|value| *value == Value::Array(Vec::new()));
    if has_none && report.is_strict {
        let remedy = "add at least one manifest; `Manifests: [{}]` is for every platform";
        report.problem("Manifests", "has no manifest", remedy);
    }
    let lifecycle = fields.map(report, "Lifecycle");
    Some(Recipe {
        component_name: component_name?,
        component_version: component_version?,
        component_type: component_type.unwrap_or_default(),
        component_description,
        component_publisher,
        component_source,
        default_configuration,
        dependencies,
        manifests,
        lifecycle,
    })
}

fn format_version(report: &mut Report, fields: &Fields<'_>) {
    let name = "RecipeFormatVersion";
    match fields.required_text(report, name) {
        None | Some(FORMAT_VERSION) => {}
        Some(other) => {
            let remedy = format!("write `{FORMAT_VERSION}`, the only format there is");
            report.problem(&fields.path_of(name), format!("is `{other}`"), remedy);
        }
    }
}

fn default_configuration(report: &mut Report, fields: &Fields<'_>) -> Map<String, Value> {
    let name = "ComponentConfiguration";
    let Some(value) = fields.get(name) else { return Map::new() };
    let known = &["DefaultConfiguration"];
    match Fields::read(report, &fields.path_of(name), value, known) {
        Some(inner) => inner.map(report, "DefaultConfiguration"),
        None => Map::new(),
    }
}

fn dependencies(report: &mut Report, fields: &Fields<'_>) -> BTreeMap<ComponentName, Dependency> {
    let name = "ComponentDependencies";
    let path = fields.path_of(name);
    let mut dependencies = BTreeMap::new();
    for (on, value) in &fields.map(report, name) {
        let path = join_path(&path, on);
        let on = match on.parse::<ComponentName>() {
            Ok(on) => on,
            Err(error) => {
                report.problem(&path, "is no component", error.to_string());
                continue;
            }
        };
        if let Some(dependency) = dependency(report, &path, value) {
            dependencies.insert(on, dependency);
        }
    }
    dependencies
}

fn dependency(report: &mut Report, path: &str, value: &Value) -> Option<Dependency> {
    let fields = Fields::read(report, path, value, &["VersionRequirement", "DependencyType"])?;
    let requirement = fields.required(report, "VersionRequirement");
    let dependency_type =
        fields.word(report, "DependencyType", &DependencyType::ALL, DependencyType::as_str);
    Some(Dependency {
        requirement: requirement?,
        dependency_type: dependency_type.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;

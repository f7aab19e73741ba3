//! Manifests and their artifacts.

use serde_json::Value;

use crate::fields::{Fields, Report, brief, join_path};
use crate::platform::{self, Template};
use crate::recipe::{Artifact, Audience, Manifest, Permission, Unarchive};

pub(super) fn manifests(report: &mut Report, fields: &Fields<'_>) -> Vec<Manifest> {
    let items = fields.list(report, "Manifests");
    items.into_iter().filter_map(|(path, value)| manifest(report, &path, value)).collect()
}

fn manifest(report: &mut Report, path: &str, value: &Value) -> Option<Manifest> {
    let known = &["Name", "Platform", "Lifecycle", "Selections", "Artifacts"];
    let fields = Fields::read(report, path, value, known)?;
    let name = fields.text(report, "Name").map(str::to_owned);
    let platform = platform(report, &fields);
    let lifecycle = fields.map(report, "Lifecycle");
    let selections = selections(report, &fields);
    let artifacts = fields.list(report, "Artifacts");
    let artifacts =
        artifacts.into_iter().filter_map(|(path, value)| artifact(report, &path, value)).collect();
    Some(Manifest { name, platform, lifecycle, selections, artifacts })
}

fn platform(report: &mut Report, fields: &Fields<'_>) -> Option<Template> {
    fields.get("Platform")?;
    let path = fields.path_of("Platform");
    let mut template = Template::new();
    for (key, value) in &fields.map(report, "Platform") {
        let path = join_path(&path, key);
        let wanted = match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            other => {
                report.problem(&path, format!("is {}", brief(other)), "write a text");
                continue;
            }
        };
        if let Some(text) = &wanted
            && let Err(reason) = platform::check(text)
        {
            let remedy = format!("write a regular expression that can be read: {reason}");
            report.problem(&path, format!("is `{text}`"), remedy);
        }
        template.insert(key.clone(), wanted);
    }
    Some(template)
}

/// A list of keywords; a single text counts as a list of one.
fn selections(report: &mut Report, fields: &Fields<'_>) -> Vec<String> {
    if let Some(Value::String(single)) = fields.get("Selections") {
        return vec![single.clone()];
    }
    let mut selections = Vec::new();
    for (path, value) in fields.list(report, "Selections") {
        match value {
            Value::String(keyword) => selections.push(keyword.clone()),
            other => report.problem(&path, format!("is {}", brief(other)), "write a keyword"),
        }
    }
    selections
}

fn artifact(report: &mut Report, path: &str, value: &Value) -> Option<Artifact> {
    let known = &["Uri", "Digest", "Algorithm", "Unarchive", "Permission"];
    let fields = Fields::read(report, path, value, known)?;
    let uri = fields.required_text(report, "Uri");
    if let Some(uri) = uri
        && !is_uri(uri)
    {
        let remedy = "write a URI such as `s3://bucket/key`, with spaces as `%20`";
        report.problem(&fields.path_of("Uri"), format!("is `{uri}`"), remedy);
    }
    let digest = fields.text(report, "Digest").map(str::to_owned);
    let algorithm = fields.text(report, "Algorithm").map(str::to_owned);
    let unarchive = fields.word(report, "Unarchive", &Unarchive::ALL, Unarchive::as_str);
    let permission = permission(report, &fields);
    Some(Artifact {
        uri: uri?.to_owned(),
        digest,
        algorithm,
        unarchive: unarchive.unwrap_or_default(),
        permission,
    })
}

fn permission(report: &mut Report, fields: &Fields<'_>) -> Permission {
    let default = Permission::default();
    let Some(value) = fields.get("Permission") else { return default };
    let path = fields.path_of("Permission");
    let Some(fields) = Fields::read(report, &path, value, &["Read", "Execute"]) else {
        return default;
    };
    let mut audience = |name: &str| fields.word(report, name, &Audience::ALL, Audience::as_str);
    Permission {
        read: audience("Read").unwrap_or(default.read),
        execute: audience("Execute").unwrap_or(default.execute),
    }
}

/// The characters of RFC 3986, and of its international form; what the scheme means is decided
/// where the artifact is fetched.
fn is_uri(text: &str) -> bool {
    let is_forbidden = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
    };
    !text.is_empty() && !text.contains(is_forbidden)
}

//! The request of `deployment create`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::exit::BadInput;
use crate::local::expand_home;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  greengrass-cli deployment create --recipeDir recipes \
                        --artifactDir artifacts --merge com.example.Hello=1.0.0\n\
                        The folders must stay until the deployment is no longer QUEUED.")]
pub(crate) struct Arguments {
    /// A component to add or to change, with its version; repeat for more
    #[arg(short, long, value_name = "NAME=VERSION")]
    merge: Vec<String>,
    /// A component to remove; repeat, or separate with commas, for more
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    remove: Vec<String>,
    /// The thing group that the deployment counts for
    #[arg(short, long = "groupId", value_name = "GROUP")]
    group_id: Option<String>,
    /// Folder with recipes to bring to the device
    #[arg(short, long = "recipeDir", value_name = "FOLDER")]
    recipe_dir: Option<PathBuf>,
    /// Folder with artifacts: FOLDER/component/version/file
    #[arg(short, long = "artifactDir", value_name = "FOLDER")]
    artifact_dir: Option<PathBuf>,
    /// The user that a component runs as; repeat for more
    #[arg(long = "runWith", value_name = "COMPONENT:posixUser=USER[:GROUP]")]
    run_with: Vec<String>,
    /// Limits: {"COMPONENT":{"cpus":0.5,"memory":KILOBYTES}}, or a file with that
    #[arg(long = "systemLimits", value_name = "JSON or file")]
    system_limits: Option<String>,
    /// Configuration: {"COMPONENT":{"MERGE":{…},"RESET":["/pointer"]}}, or a file with that
    #[arg(short = 'c', long = "update-config", value_name = "JSON or file")]
    update_config: Option<String>,
    /// What happens if the deployment fails; the nucleus's own default is DO_NOTHING [short: -fp]
    #[arg(long = "failure-handling-policy", value_enum, ignore_case = true)]
    failure_handling_policy: Option<FailureHandlingPolicy>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
enum FailureHandlingPolicy {
    Rollback,
    DoNothing,
}

impl FailureHandlingPolicy {
    fn wire_name(self) -> &'static str {
        match self {
            Self::Rollback => "ROLLBACK",
            Self::DoNothing => "DO_NOTHING",
        }
    }
}

/// The IPC request `CreateLocalDeployment` (ipc 4.6). What was not given is not in it.
pub(super) fn request(arguments: &Arguments) -> Result<Value> {
    let mut request = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        request.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("rootComponentVersionsToAdd", versions(&arguments.merge)?);
    let removed: Vec<&str> = arguments.remove.iter().map(|name| name.trim()).collect();
    put("rootComponentsToRemove", (!removed.is_empty()).then(|| json!(removed)));
    put("groupName", arguments.group_id.as_ref().map(|group| json!(group)));
    put("recipeDirectoryPath", folder("--recipeDir", arguments.recipe_dir.as_deref())?);
    put("artifactsDirectoryPath", folder("--artifactDir", arguments.artifact_dir.as_deref())?);
    put("componentToRunWithInfo", run_with(arguments)?);
    let update = arguments.update_config.as_deref();
    put("componentToConfiguration", update.map(updates).transpose()?);
    let policy = arguments.failure_handling_policy;
    put("failureHandlingPolicy", policy.map(|policy| json!(policy.wire_name())));
    Ok(Value::Object(request))
}

fn versions(pairs: &[String]) -> Result<Option<Value>, BadInput> {
    let mut versions = Map::new();
    for pair in pairs {
        let Some((name, version)) = pair.split_once('=') else {
            return Err(BadInput(format!(
                "--merge: `{pair}` has no version: write NAME=VERSION, for example {pair}=1.0.0"
            )));
        };
        versions.insert(name.trim().to_owned(), json!(version.trim()));
    }
    Ok((!versions.is_empty()).then_some(Value::Object(versions)))
}

fn folder(option: &str, path: Option<&Path>) -> Result<Option<Value>> {
    let Some(path) = path else { return Ok(None) };
    // The nucleus has another working folder.
    let path = std::path::absolute(expand_home(path)).context("finding the working folder")?;
    if !path.is_dir() {
        let path = path.display();
        return Err(BadInput(format!("{option}: {path} is no folder: name one that exists")).into());
    }
    Ok(Some(json!(path)))
}

/// Users and limits, put together by component.
fn run_with(arguments: &Arguments) -> Result<Option<Value>> {
    let mut components: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for text in &arguments.run_with {
        let (component, kind, user) = run_with_parts(text).ok_or_else(|| {
            BadInput(format!("--runWith: `{text}` is not COMPONENT:posixUser=USER[:GROUP]"))
        })?;
        let entry = components.entry(component.to_owned()).or_default();
        entry.insert(kind.to_owned(), json!(user));
    }
    if let Some(text) = &arguments.system_limits {
        for (component, limits) in objects("--systemLimits", text)? {
            let entry = components.entry(component).or_default();
            entry.insert("systemResourceLimits".to_owned(), limits);
        }
    }
    Ok((!components.is_empty()).then(|| json!(components)))
}

fn run_with_parts(text: &str) -> Option<(&str, &str, &str)> {
    let (left, user) = text.split_once('=')?;
    let (component, kind) = left.rsplit_once(':')?;
    (matches!(kind, "posixUser" | "windowsUser") && !user.is_empty())
        .then_some((component, kind, user))
}

/// The nucleus reads only MERGE and RESET and passes over the rest in silence, so we do not.
fn updates(text: &str) -> Result<Value> {
    let option = "--update-config";
    let components = objects(option, text)?;
    for (component, update) in &components {
        for (key, value) in update.as_object().into_iter().flatten() {
            let is_right = match key.as_str() {
                "MERGE" => value.is_object(),
                "RESET" => value.is_array(),
                _ => false,
            };
            if !is_right {
                return Err(BadInput(format!(
                    "{option}: `{component}.{key}` is not understood: write MERGE with an object, \
                     or RESET with a list of pointers such as \"/key\""
                ))
                .into());
            }
        }
    }
    Ok(Value::Object(components))
}

/// A JSON object of objects by component, from the command line or a file.
fn objects(option: &str, text: &str) -> Result<Map<String, Value>> {
    let path = expand_home(Path::new(text));
    let text = if path.is_file() {
        std::fs::read_to_string(&path)
            .with_context(|| format!("{option}: reading {}", path.display()))?
    } else {
        text.to_owned()
    };
    let components: Map<String, Value> = serde_json::from_str(&text).map_err(|error| {
        BadInput(format!("{option}: neither a file nor a JSON object by component: {error}"))
    })?;
    match components.iter().find(|(_, value)| !value.is_object()) {
        None => Ok(components),
        Some((component, value)) => {
            let message = format!("{option}: `{component}` is {value}: write an object");
            Err(BadInput(message).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn of(words: &[&str]) -> Result<Value> {
        let line = Line::try_parse_from([&["x"], words].concat()).unwrap();
        request(&line.arguments)
    }

    #[test]
    fn c6_every_option_is_in_the_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let file = folder.path().join("limits.json");
        std::fs::write(&file, r#"{"a":{"cpus":0.5,"memory":1024}}"#).unwrap();
        let request = of(&[
            "-m",
            "a=1.0.0",
            "--merge=b=2.0.0",
            "--remove",
            "c,d",
            "--remove",
            "e",
            "--groupId",
            "g",
            "-r",
            path,
            "-a",
            path,
            "--runWith",
            "a:posixUser=u:g",
            "--systemLimits",
            file.to_str().unwrap(),
            "--update-config",
            r#"{"a":{"MERGE":{"k":1},"RESET":["/x"]}}"#,
            "--failure-handling-policy",
            "ROLLBACK",
        ]);
        let expected = json!({
            "rootComponentVersionsToAdd": {"a": "1.0.0", "b": "2.0.0"},
            "rootComponentsToRemove": ["c", "d", "e"],
            "groupName": "g",
            "recipeDirectoryPath": path,
            "artifactsDirectoryPath": path,
            "componentToRunWithInfo": {"a": {
                "posixUser": "u:g",
                "systemResourceLimits": {"cpus": 0.5, "memory": 1024},
            }},
            "componentToConfiguration": {"a": {"MERGE": {"k": 1}, "RESET": ["/x"]}},
            "failureHandlingPolicy": "ROLLBACK",
        });
        assert_eq!(request.unwrap(), expected);
        assert_eq!(of(&[]).unwrap(), json!({}));
    }

    #[test]
    fn what_the_nucleus_would_pass_over_is_refused_by_name() {
        for (words, named) in [
            (["--merge", "a"], "--merge"),
            (["--recipeDir", "/no/such"], "--recipeDir"),
            (["--artifactDir", "/no/such"], "--artifactDir"),
            (["--runWith", "a=u"], "--runWith"),
            (["--systemLimits", "{"], "--systemLimits"),
            (["--systemLimits", r#"{"a":1}"#], "--systemLimits"),
            (["--update-config", r#"{"a":{"merge":{}}}"#], "`a.merge`"),
        ] {
            let message = of(&words).unwrap_err().to_string();
            assert!(message.contains(named), "{words:?}: {message}");
        }
    }
}

//! `marram recipe check`: every problem of every file, with its place and its remedy.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use marram_recipe::lifecycle::{ConfigNotValid, Lifecycle, StepName};
use marram_recipe::{Format, ParseRecipe, Place, Problem, Recipe, Strictness, locate, parse};
use serde_json::{Value, json};

use crate::output::{self, Output};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  marram recipe check recipes/*.yaml\n\
                        Exit code: 0 if every file is OK, 1 if any has a problem")]
pub(crate) struct Arguments {
    /// Recipes, JSON or YAML
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// A problem, and where its file has it.
#[derive(Debug)]
struct Finding {
    /// Empty where the whole file is meant.
    field: String,
    reason: String,
    remedy: String,
    place: Option<Place>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut bad = 0;
    for file in &arguments.files {
        let (text, findings) = check_file(file);
        bad += usize::from(!findings.is_empty());
        match arguments.output {
            Output::Text => output::line(&as_text(file, &text, &findings))?,
            Output::Json => output::json(&as_json(file, &text, &findings))?,
        }
    }
    match bad {
        0 => Ok(()),
        _ => bail!("{bad} of {} recipes cannot be used", arguments.files.len()),
    }
}

fn check_file(file: &Path) -> (String, Vec<Finding>) {
    match std::fs::read(file) {
        Ok(bytes) => (String::from_utf8_lossy(&bytes).into_owned(), check(&bytes)),
        Err(error) => {
            let remedy = "name a file that can be read".to_owned();
            let reason = format!("could not be read: {error}");
            (String::new(), vec![Finding { field: String::new(), reason, remedy, place: None }])
        }
    }
}

fn check(bytes: &[u8]) -> Vec<Finding> {
    let problems = match parse(bytes, Format::Detect, Strictness::Cloud) {
        Ok(recipe) => unusable_steps(&recipe),
        Err(ParseRecipe::Invalid(problems)) => problems,
        Err(whole) => return vec![of_whole_file(&whole)],
    };
    let text = String::from_utf8_lossy(bytes);
    problems
        .into_iter()
        .map(|Problem { field, reason, remedy }| {
            let place = locate(&text, &field);
            Finding { field, reason, remedy, place }
        })
        .collect()
}

fn of_whole_file(error: &ParseRecipe) -> Finding {
    let place = match error {
        ParseRecipe::Syntax { line: Some(line), column: Some(column), .. } => {
            Some(Place { line: *line, column: *column })
        }
        _ => None,
    };
    let (reason, remedy) = match error {
        ParseRecipe::Syntax { format, reason, .. } => (
            format!("is not {format}: {}", reason.lines().next().unwrap_or_default()),
            "mend the text at this place".to_owned(),
        ),
        ParseRecipe::TooLarge(bytes) => (
            format!("has {bytes} bytes"),
            format!("make it at most {}", marram_recipe::MAX_RECIPE_BYTES),
        ),
        other => (other.to_string(), "save it as a UTF-8 text".to_owned()),
    };
    Finding { field: String::new(), reason, remedy, place }
}

/// Steps that parse as parts of a recipe but would fail on the device when their turn comes.
fn unusable_steps(recipe: &Recipe) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for (index, manifest) in recipe.manifests.iter().enumerate() {
        let path = match manifest.lifecycle.is_empty() {
            true => "Lifecycle".to_owned(),
            false => format!("Manifests[{index}].Lifecycle"),
        };
        for problem in unusable_steps_of(&recipe.lifecycle_of(manifest), &path) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    problems
}

fn unusable_steps_of(map: &serde_json::Map<String, Value>, path: &str) -> Vec<Problem> {
    let lifecycle = match Lifecycle::parse(map) {
        Ok(lifecycle) => lifecycle,
        Err(error) => return vec![in_parts(path.to_owned(), &error.to_string())],
    };
    let wrong = StepName::ALL.into_iter().filter_map(|name| {
        let error = lifecycle.step(name)?.err()?;
        // A variable may become anything on the device.
        let is_variable =
            matches!(error, ConfigNotValid::Field { value, .. } if value.contains('{'));
        let field = match error {
            ConfigNotValid::Field { field, .. } => format!("{path}.{}.{field}", name.as_str()),
            _ => format!("{path}.{}", name.as_str()),
        };
        (!is_variable).then(|| in_parts(field, &error.to_string()))
    });
    wrong.collect()
}

/// An error's text is "what is wrong: what to write".
fn in_parts(field: String, text: &str) -> Problem {
    let (reason, remedy) = text.rsplit_once(": ").unwrap_or((text, "correct it"));
    Problem { field, reason: format!("cannot be used: {reason}"), remedy: remedy.to_owned() }
}

fn excerpt(text: &str, place: Place) -> Option<&str> {
    text.lines().nth(usize::try_from(place.line.checked_sub(1)?).ok()?)
}

fn as_text(file: &Path, text: &str, findings: &[Finding]) -> String {
    if findings.is_empty() {
        return format!("{}: OK", file.display());
    }
    let blocks: Vec<String> = findings.iter().map(|finding| block(file, text, finding)).collect();
    blocks.join("\n")
}

/// `FILE:LINE:COLUMN: problem`, the line, and a mark below it.
fn block(file: &Path, text: &str, finding: &Finding) -> String {
    let what = match finding.field.as_str() {
        "" => format!("{}: {}", finding.reason, finding.remedy),
        field => format!("`{field}` {}: {}", finding.reason, finding.remedy),
    };
    let file = file.display();
    let Some(place) = finding.place else { return format!("{file}: {what}") };
    let Place { line, column } = place;
    let head = format!("{file}:{line}:{column}: {what}");
    let Some(excerpt) = excerpt(text, place) else { return head };
    let before = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
    let mark = " ".repeat(before.min(excerpt.chars().count()));
    format!("{head}\n{line:>6} | {excerpt}\n       | {mark}^")
}

fn as_json(file: &Path, text: &str, findings: &[Finding]) -> Value {
    let problems: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "field": finding.field,
                "reason": finding.reason,
                "remedy": finding.remedy,
                "line": finding.place.map(|place| place.line),
                "column": finding.place.map(|place| place.column),
                "excerpt": finding.place.and_then(|place| excerpt(text, place)),
            })
        })
        .collect();
    json!({"file": file, "ok": findings.is_empty(), "problems": problems})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(rest: &str) -> String {
        format!(
            "RecipeFormatVersion: '2020-01-25'\nComponentName: a\nComponentVersion: 1.0.0\n{rest}"
        )
    }

    #[test]
    fn every_problem_is_shown_with_its_line_and_remedy() {
        let text = recipe(
            "Manifests:\n  - Artifacts:\n      - Uri: s3://a/b\n        Unarchive: TAR\nTypo: 1\n",
        );
        let shown = as_text(Path::new("r.yaml"), &text, &check(text.as_bytes()));
        let place = "r.yaml:7:9: `Manifests[0].Artifacts[0].Unarchive` is `TAR`: use one of";
        assert!(shown.contains(place), "{shown}");
        assert!(shown.contains("\n     7 |         Unarchive: TAR\n       |         ^"), "{shown}");
        assert!(shown.contains("r.yaml:8:1: `Typo`"), "{shown}");
    }

    #[test]
    fn broken_syntax_has_its_place() {
        let findings = check(b"{\n  \"a\": ,\n}");
        assert_eq!(findings[0].place.map(|place| place.line), Some(2));
        assert_eq!(check(b"\xff\xfe").len(), 1);
        assert_eq!(check(&[b'a'; 20_000]).len(), 1);
    }

    #[test]
    fn a_step_that_could_not_run_is_a_problem_before_it_is_deployed() {
        let text = recipe("Manifests:\n  - Lifecycle:\n      run: {Script: a, Timeout: soon}\n");
        let findings = check(text.as_bytes());
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].place, Some(Place { line: 6, column: 24 }));
        let variable = recipe(
            "Manifests:\n  - Lifecycle:\n      run: {Script: a, Timeout: '{configuration:/t}'}\n",
        );
        assert!(check(variable.as_bytes()).is_empty());
    }

    #[test]
    fn a_good_recipe_is_ok() {
        let text = recipe("Manifests: [{}]\n");
        assert_eq!(as_text(Path::new("r"), &text, &check(text.as_bytes())), "r: OK");
    }
}

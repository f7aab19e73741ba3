//! The findings, as a table for people or as JSON for programs.

use std::io::{self, IsTerminal};
use std::time::Duration;

use serde_json::{Value, json};

use super::check::{Check, Finding, Status};
use crate::output::{Output, json as print_json, line};

/// One check that was run.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) finding: Finding,
    pub(super) took: Duration,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Report {
    /// What was examined, for people.
    pub(super) subject: String,
    pub(super) examined: Vec<Examined>,
}

/// Prints the checks themselves.
pub(super) fn list<T>(checks: &[&Check<T>], output: Output) -> io::Result<()> {
    match output {
        Output::Json => {
            let checks: Vec<Value> =
                checks.iter().map(|check| json!({"id": check.id, "about": check.about})).collect();
            print_json(&json!({ "checks": checks }))
        }
        Output::Text => {
            let width = checks.iter().map(|check| check.id.len()).max().unwrap_or_default();
            checks
                .iter()
                .try_for_each(|check| line(&format!("{:width$}  {}", check.id, check.about)))
        }
    }
}

impl Report {
    pub(super) fn count(&self, status: Status) -> usize {
        self.examined.iter().filter(|examined| examined.finding.status == status).count()
    }

    pub(super) fn print(&self, output: Output) -> io::Result<()> {
        match output {
            Output::Json => print_json(&self.to_json()),
            Output::Text => {
                let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                line(&self.to_text(colour))
            }
        }
    }

    fn to_json(&self) -> Value {
        let checks: Vec<Value> = self.examined.iter().map(Examined::to_json).collect();
        let mut summary = serde_json::Map::new();
        for status in [Status::Ok, Status::Warning, Status::Failed, Status::Skipped] {
            summary.insert(status.as_str().to_owned(), self.count(status).into());
        }
        json!({"subject": self.subject, "checks": checks, "summary": summary})
    }

    pub(super) fn to_text(&self, colour: bool) -> String {
        let width =
            self.examined.iter().map(|examined| examined.id.len()).max().unwrap_or_default();
        let mut text = format!("Examined {}\n", self.subject);
        for Examined { id, finding, .. } in &self.examined {
            let mark = mark(finding.status, colour);
            text.push_str(&format!("{mark} {id:width$}  {}\n", finding.detail));
            if let Some(remedy) = &finding.remedy {
                text.push_str(&format!("  {:width$}  → {remedy}\n", ""));
            }
        }
        text.push_str(&format!(
            "{} ok, {} warnings, {} failed, {} skipped",
            self.count(Status::Ok),
            self.count(Status::Warning),
            self.count(Status::Failed),
            self.count(Status::Skipped)
        ));
        text
    }
}

impl Examined {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "about": self.about,
            "status": self.finding.status.as_str(),
            "detail": self.finding.detail,
            "remedy": self.finding.remedy,
            "milliseconds": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

fn mark(status: Status, colour: bool) -> String {
    let (mark, code) = match status {
        Status::Ok => ("✓", 32),
        Status::Warning => ("!", 33),
        Status::Failed => ("✗", 31),
        Status::Skipped => ("-", 2),
    };
    if colour { format!("\u{1b}[{code}m{mark}\u{1b}[0m") } else { mark.to_owned() }
}

//! Progress for people: one line a step with how long it took; colours only on a terminal.

use std::io::IsTerminal;
use std::time::Instant;

/// Prints steps to stderr, so that stdout stays data.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
    step_started: Instant,
    colour: bool,
}

impl Progress {
    pub(crate) fn start() -> Self {
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let now = Instant::now();
        Self { started: now, step_started: now, colour }
    }

    /// A step is done: what it made, and how long it took.
    pub(crate) fn done(&mut self, what: &str) {
        let seconds = self.step_started.elapsed().as_secs_f64();
        let mark = if self.colour { "\u{1b}[32m✓\u{1b}[0m" } else { "✓" };
        eprintln!("{mark} {what} ({seconds:.2} s)");
        self.step_started = Instant::now();
    }

    /// A line that a component or a program said.
    pub(crate) fn said(&self, who: &str, line: &str) {
        if self.colour {
            eprintln!("  \u{1b}[2m{who} |\u{1b}[0m {line}");
        } else {
            eprintln!("  {who} | {line}");
        }
    }

    /// Seconds since the start.
    pub(crate) fn total(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

//! What a component's processes write: its log file, and the last lines of stderr.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use marram_model::ComponentName;
use marram_model::component_state::ComponentState;
use marram_os::clock::SharedClock;
use marram_os::process::{Line, Output};
use marram_telemetry::{ComponentLog, Limits, LineLevel};

/// Lines of stderr that a status shows.
const STDERR_LINES: usize = 10;

/// Bytes of each of them.
const STDERR_LINE_BYTES: usize = 512;

/// The output of one component. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct ComponentOutput {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    component: ComponentName,
    folder: PathBuf,
    clock: SharedClock,
    /// Opened with the first line; components that write nothing have no file.
    log: Option<ComponentLog>,
    state: ComponentState,
    stderr: VecDeque<String>,
}

impl ComponentOutput {
    /// The output of `component`, to be kept in `folder`.
    pub(super) fn new(component: ComponentName, folder: PathBuf, clock: SharedClock) -> Self {
        let shared = Shared {
            component,
            folder,
            clock,
            log: None,
            state: ComponentState::New,
            stderr: VecDeque::new(),
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The component is in another state, which its log lines shall show.
    pub(super) fn set_state(&self, state: ComponentState) {
        self.lock().state = state;
    }

    /// A line that a process of the step `script` wrote.
    pub(super) fn line(&self, script: &str, line: &Line, limits: Limits) {
        let mut shared = self.lock();
        let (level, event) = match line.output {
            Output::Stdout => (LineLevel::Info, "stdout"),
            Output::Stderr => (LineLevel::Warn, "stderr"),
        };
        let text = line.text.trim();
        if line.output == Output::Stderr {
            shared.remember(text);
        }
        shared.write(level, event, text, &[("scriptName", script)], limits);
    }

    /// Something that the supervisor noticed.
    pub(super) fn error(&self, event: &str, text: &str, limits: Limits) {
        self.lock().write(LineLevel::Error, event, text, &[], limits);
    }

    /// The last lines of stderr, oldest first.
    pub(super) fn last_stderr(&self) -> Vec<String> {
        self.lock().stderr.iter().cloned().collect()
    }
}

impl Shared {
    fn remember(&mut self, text: &str) {
        if self.stderr.len() == STDERR_LINES {
            self.stderr.pop_front();
        }
        let end = text.floor_char_boundary(STDERR_LINE_BYTES);
        self.stderr.push_back(text[..end].to_owned());
    }

    /// A log that cannot be written must not stop the component: the nucleus's own log says so.
    fn write(
        &mut self,
        level: LineLevel,
        event: &str,
        text: &str,
        contexts: &[(&str, &str)],
        limits: Limits,
    ) {
        let log = match &mut self.log {
            Some(log) => log,
            None => {
                let name = self.component.as_ref();
                match ComponentLog::open(&self.folder, name, limits, Arc::clone(&self.clock)) {
                    Ok(log) => self.log.insert(log),
                    Err(error) => {
                        tracing::warn!(component = name, %error, "no log for the component");
                        return;
                    }
                }
            }
        };
        log.set_limits(limits);
        let own = [("serviceName", self.component.as_ref()), ("currentState", self.state.as_str())];
        let contexts: Vec<(&str, &str)> = contexts.iter().copied().chain(own).collect();
        if let Err(error) = log.line(level, event, text, &contexts) {
            tracing::warn!(component = %self.component, %error, "a log line was lost");
        }
    }
}

//! What a component writes to its streams, in the form of Greengrass's text logs.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use marram_os::clock::SharedClock;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::rotation::{Limits, OpenLog, SizeRotatingWriter};

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineLevel {
    /// Ordinary output.
    Info,
    /// Standard error.
    Warn,
    /// A failure that the nucleus noticed.
    Error,
}

impl fmt::Display for LineLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        })
    }
}

/// The log of one component: `COMPONENT.log`.
#[derive(Debug)]
pub struct ComponentLog {
    component: String,
    clock: SharedClock,
    writer: SizeRotatingWriter,
}

impl ComponentLog {
    /// Opens `folder/COMPONENT.log` to append to it.
    pub fn open(
        folder: &Path,
        component: &str,
        limits: Limits,
        clock: SharedClock,
    ) -> Result<Self, OpenLog> {
        let path = folder.join(format!("{component}.log"));
        let writer = SizeRotatingWriter::open(path, limits, clock.clone())?;
        Ok(Self { component: component.to_owned(), clock, writer })
    }

    /// From the next line on the log may grow so far.
    pub fn set_limits(&mut self, limits: Limits) {
        self.writer.set_limits(limits);
    }

    /// Writes one line, for example with the event `stdout` and the contexts `scriptName`,
    /// `serviceName` and `currentState`:
    ///
    /// `2026-01-02T03:04:05.006Z [INFO] (Copier) com.example.A: stdout. hello. {serviceName=…}`
    pub fn line(
        &mut self,
        level: LineLevel,
        event: &str,
        text: &str,
        contexts: &[(&str, &str)],
    ) -> io::Result<()> {
        let now = self.timestamp();
        let pairs: Vec<String> =
            contexts.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let line = format!(
            "{now} [{level}] (Copier) {}: {event}. {text}. {{{}}}\n",
            self.component,
            pairs.join(", ")
        );
        self.writer.write_all(line.as_bytes())
    }

    fn timestamp(&self) -> String {
        let form = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        // The form has no part that a date could lack.
        OffsetDateTime::from(self.clock.now()).format(form).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use marram_os::clock::ManualClock;

    use super::*;

    #[test]
    fn line_has_the_form_of_greengrass() {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::at_ms(1_767_323_045_006).shared();
        let mut log =
            ComponentLog::open(dir.path(), "com.example.A", Limits::default(), clock).unwrap();
        let contexts = [("serviceName", "com.example.A"), ("currentState", "RUNNING")];
        log.line(LineLevel::Warn, "stderr", "oh", &contexts).unwrap();
        assert_eq!(
            std::fs::read_to_string(dir.path().join("com.example.A.log")).unwrap(),
            "2026-01-02T03:04:05.006Z [WARN] (Copier) com.example.A: stderr. oh. \
             {serviceName=com.example.A, currentState=RUNNING}\n"
        );
    }
}

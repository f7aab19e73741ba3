//! Where the program's own log lines go, and which.

use std::io::{self, Write};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;

use crate::rotation::SizeRotatingWriter;

/// Where log lines go.
#[derive(Debug)]
pub enum Target {
    /// Standard error.
    Stderr,
    /// A file with bounds.
    File(SizeRotatingWriter),
}

/// Why the log could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum InitTelemetry {
    /// The levels are not understood.
    #[error(
        "`{levels}` is not a log level: write `info`, or `warn,marram_broker=debug` for one part"
    )]
    Levels {
        /// What was given.
        levels: String,
        /// Why it is not understood.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Set up before.
    #[error("the log was already set up in this process")]
    AlreadySet(#[source] tracing::subscriber::SetGlobalDefaultError),
    /// The log was torn down.
    #[error("the log's levels cannot be changed any more")]
    Gone(#[source] reload::Error),
}

/// The process's log: changes its levels while it runs.
#[derive(Debug, Clone)]
pub struct Telemetry {
    levels: reload::Handle<Targets, Registry>,
}

impl Telemetry {
    /// Takes new levels, in the form that [`init`] takes.
    pub fn set_levels(&self, levels: &str) -> Result<(), InitTelemetry> {
        self.levels.reload(parse(levels)?).map_err(InitTelemetry::Gone)
    }
}

/// Sets up the process's log, once. `levels` is a level (`trace`, `debug`, `info`, `warn`,
/// `error`, `off`, in any case), or several with parts of the program: `info,marram_broker=debug`.
pub fn init(levels: &str, target: Target) -> Result<Telemetry, InitTelemetry> {
    let (filter, handle) = reload::Layer::new(parse(levels)?);
    let layer = tracing_subscriber::fmt::layer().with_writer(Output::from(target));
    tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(layer.with_filter(filter)),
    )
    .map_err(InitTelemetry::AlreadySet)?;
    Ok(Telemetry { levels: handle })
}

fn parse(levels: &str) -> Result<Targets, InitTelemetry> {
    Targets::from_str(&levels.to_ascii_lowercase())
        .map_err(|source| InitTelemetry::Levels { levels: levels.to_owned(), source })
}

enum Output {
    Stderr,
    File(Mutex<SizeRotatingWriter>),
}

impl From<Target> for Output {
    fn from(target: Target) -> Self {
        match target {
            Target::Stderr => Self::Stderr,
            Target::File(writer) => Self::File(Mutex::new(writer)),
        }
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// Takes one line at a time; the subscriber hands over whole lines.
struct Line<'a>(&'a Output);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0 {
            Output::Stderr => io::stderr().lock().write_all(bytes)?,
            Output::File(file) => {
                file.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use marram_os::clock::SystemClock;
    use tracing::{debug, info};

    use super::*;
    use crate::rotation::Limits;

    #[test]
    fn levels_are_obeyed_and_can_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("greengrass.log");
        let file =
            SizeRotatingWriter::open(&path, Limits::default(), SystemClock::shared()).unwrap();
        let telemetry = init("INFO", Target::File(file)).unwrap();
        debug!("hidden");
        info!(answer = 42, "shown");
        telemetry.set_levels("warn,marram_telemetry=debug").unwrap();
        debug!("now shown");
        assert!(matches!(init("info", Target::Stderr), Err(InitTelemetry::AlreadySet(_))));

        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("shown answer=42"), "{text}");
        assert!(text.contains("DEBUG marram_telemetry::tracing_setup::tests: now shown"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn unknown_level_is_refused() {
        assert!(matches!(parse("info,x=loud"), Err(InitTelemetry::Levels { .. })));
    }
}

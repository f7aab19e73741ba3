//! An error with its causes in one line, the one place where a chain is printed.

use std::error::Error;
use std::fmt;

/// Displays an error and all its causes, joined by `: `.
///
/// Errors say what failed and leave the why to their source, so that a log line which shows only
/// the outermost one has lost the reason.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{what}")]
    struct Failed {
        what: &'static str,
        source: Box<dyn Error>,
    }

    #[test]
    fn every_cause_is_named_once_from_the_outside_in() {
        let disk = io::Error::other("no space");
        let write = Failed { what: "could not write", source: disk.into() };
        let start = Failed { what: "could not start", source: write.into() };
        assert_eq!(Chain(&start).to_string(), "could not start: could not write: no space");
        assert_eq!(Chain(&io::Error::other("alone")).to_string(), "alone");
    }
}

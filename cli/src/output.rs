//! What commands print: text for people, or JSON for programs.

use std::io::{self, ErrorKind, Write};

use serde_json::Value;

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// One JSON value on a line
    Json,
}

/// Prints one line of data. Unlike `println!` it does not panic when the reader has gone.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &Value) -> io::Result<()> {
    line(&value.to_string())
}

/// True if the failure is only that nobody reads our output any more (`… | head`).
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

//! `marram cloud clock`: the time in a cloud, and moving it where it is virtual.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};

use super::access::Access;
use super::cell;

/// One call takes a cloud no further, a week.
const MAX_CALL_SECONDS: u64 = 7 * 24 * 3600;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:  marram cloud clock advance 2h --ready-file cloud.json")]
pub(crate) enum Command {
    /// The time in the cloud, and whether it is virtual
    Show(Show),
    /// Move a virtual clock forward; all that is due by then is done when this returns
    Advance(Advance),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  marram cloud clock advance 1h30m --ready-file cloud.json")]
pub(crate) struct Advance {
    /// How far, for example 90s, 30m, 2h or 1d12h
    #[arg(value_name = "DURATION", value_parser = duration)]
    by: Duration,
    #[command(flatten)]
    access: Access,
}

pub(crate) fn run(command: &Command) -> Result<()> {
    let (access, by) = match command {
        Command::Show(show) => (&show.access, None),
        Command::Advance(advance) => (&advance.access, Some(advance.by)),
    };
    let cloud = access.open()?;
    let mut left = by.unwrap_or_default().as_secs();
    let mut clock = cloud.get("marram", "/clock").context("asking for the time")?;
    while left > 0 {
        let seconds = left.min(MAX_CALL_SECONDS);
        clock = cloud
            .call("marram", "POST", "/clock/advance", Some(json!({ "seconds": seconds })))
            .context("moving the clock")?;
        left -= seconds;
    }
    cloud.print(&clock, || {
        let seconds = clock["nowMs"].as_i64().map_or(Value::Null, |ms| json!(ms / 1000));
        let kind = if clock["isVirtual"] == true { "virtual" } else { "real" };
        format!("{} ({kind})", cell::time(&seconds))
    })
}

/// Whole numbers with their units, longest first or not: `1d12h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration: use for example 90s, 30m, 2h or 1d12h");
    let mut seconds: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let unit = match after.chars().next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            _ => return Err(wrong()),
        };
        let more = number.checked_mul(unit).and_then(|more| seconds.checked_add(more));
        seconds = more.ok_or_else(wrong)?;
        rest = &after[1..];
    }
    if seconds == 0 { Err(wrong()) } else { Ok(Duration::from_secs(seconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units() {
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(duration("1d12h"), Ok(Duration::from_secs(129_600)));
        for wrong in ["", "2", "h", "2w", "-1h", "0s", "1.5h", "99999999999999999999d", "2h "] {
            assert!(duration(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }
}

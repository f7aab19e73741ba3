//! `--time-window BEGIN,END`: two moments, absolute or from now, either of them open.
//!
//! Moments without a zone are UTC, as the device's logs are.

use anyhow::{Result, bail};
use time::macros::format_description;
use time::{Date, PrimitiveDateTime, Time};

/// Strict bounds in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    begin_ms: Option<i64>,
    end_ms: Option<i64>,
}

impl Window {
    pub(super) fn parse(text: &str, now_ms: i64) -> Result<Self> {
        let Some((begin, end)) = text.split_once(',') else {
            bail!(
                "Time window provided invalid: {text}; write BEGIN,END, for example -1h,-30min or \
                 2026-01-31T12:00:00,"
            );
        };
        Ok(Self { begin_ms: moment(begin, now_ms)?, end_ms: moment(end, now_ms)? })
    }

    pub(super) fn contains(self, ms: i64) -> bool {
        self.begin_ms.is_none_or(|begin| begin < ms) && self.end_ms.is_none_or(|end| ms < end)
    }

    /// True if nothing that comes from now on can be in it.
    pub(super) fn is_over(self, now_ms: i64) -> bool {
        self.end_ms.is_some_and(|end| end <= now_ms)
    }
}

fn moment(text: &str, now_ms: i64) -> Result<Option<i64>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    match offset(text).map(|offset| now_ms.saturating_add(offset)).or_else(|| absolute(text)) {
        Some(ms) => Ok(Some(ms)),
        None => bail!(
            "Time window provided invalid: {text}; write 2026-01-31, 2026-01-31T12:00:00.000, or \
             a time from now such as -2h15min"
        ),
    }
}

/// `-2h15min`: a sign, then numbers with units.
fn offset(text: &str) -> Option<i64> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let mut rest = text.get(1..).filter(|rest| !rest.is_empty())?;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit_ms: i64 = match unit {
            "d" | "day" | "days" => 86_400_000,
            "h" | "hr" | "hour" | "hours" => 3_600_000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            "s" | "sec" | "second" | "seconds" => 1000,
            _ => return None,
        };
        let part = number.parse::<i64>().ok()?.checked_mul(unit_ms)?;
        total = total.checked_add(part)?;
        rest = after;
    }
    Some(sign * total)
}

/// `2026-01-31`, with a time after `T` or a space, down to milliseconds.
pub(super) fn absolute(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let date = Date::parse(date, format_description!("[year]-[month]-[day]")).ok()?;
    let time = match clock.len() {
        5 => Time::parse(clock, format_description!("[hour]:[minute]")),
        8 => Time::parse(clock, format_description!("[hour]:[minute]:[second]")),
        _ => Time::parse(clock, format_description!("[hour]:[minute]:[second].[subsecond]")),
    };
    let moment = PrimitiveDateTime::new(date, time.ok()?).assume_utc();
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    #[test]
    fn offsets_and_absolute_moments() {
        assert_eq!(moment("-2h15min", NOW).unwrap(), Some(NOW - 8_100_000));
        assert_eq!(moment("+1d1s", NOW).unwrap(), Some(NOW + 86_401_000));
        assert_eq!(moment("2023-11-14T22:13:20", NOW).unwrap(), Some(NOW));
        assert_eq!(moment("2023-11-14T22:13:20.005Z", NOW).unwrap(), Some(NOW + 5));
        assert_eq!(moment("2023-11-14 22:13", NOW).unwrap(), Some(NOW - 20_000));
        assert_eq!(moment("2023-11-14", NOW).unwrap(), Some(NOW - 80_000_000));
        assert_eq!(moment("", NOW).unwrap(), None);
    }

    #[test]
    fn bounds_are_strict_and_may_be_open() {
        let window = Window::parse("-1s,", NOW).unwrap();
        assert!(!window.contains(NOW - 1000) && window.contains(NOW - 999));
        assert!(!window.is_over(NOW));
        let window = Window::parse(",-1s", NOW).unwrap();
        assert!(window.contains(0) && !window.contains(NOW - 1000) && window.is_over(NOW));
    }

    #[test]
    fn what_is_no_window_is_refused_in_the_official_words() {
        for text in ["-1h", "x,", "-1,", "-1y,", "2026-13-01,", "-,"] {
            let message = Window::parse(text, NOW).unwrap_err().to_string();
            assert!(message.starts_with("Time window provided invalid: "), "{text}: {message}");
        }
    }
}

//! The three ways AWS writes a moment as text, from and to milliseconds since the Unix epoch.
//!
//! Requests are dated `20260102T030405Z`, HTTP headers carry IMF-fixdate, and the XML bodies of
//! S3 and STS carry ISO 8601. (Numbers in JSON bodies need no help.)

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

const AMZ: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");
const HTTP: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);
const ISO: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// `20260102T030405Z`, as `X-Amz-Date` is written.
pub fn amz_date(ms: i64) -> String {
    format(ms, AMZ)
}

/// `Fri, 02 Jan 2026 03:04:05 GMT`, as `Date` and `Last-Modified` are written.
pub fn http_date(ms: i64) -> String {
    format(ms, HTTP)
}

/// `2026-01-02T03:04:05.000Z`, as S3 and STS write times in XML.
pub fn iso8601(ms: i64) -> String {
    format(ms, ISO)
}

/// Reads `20260102T030405Z`; nothing else.
pub fn parse_amz_date(text: &str) -> Option<i64> {
    parse(text, AMZ)
}

/// Reads `Fri, 02 Jan 2026 03:04:05 GMT`; the older HTTP date forms are not accepted.
pub fn parse_http_date(text: &str) -> Option<i64> {
    parse(text, HTTP)
}

fn format(ms: i64, description: &[BorrowedFormatItem<'_>]) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.format(description).unwrap_or_default()
}

fn parse(text: &str, description: &[BorrowedFormatItem<'_>]) -> Option<i64> {
    let moment = PrimitiveDateTime::parse(text, description).ok()?;
    moment.assume_utc().unix_timestamp().checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_767_323_045_000;

    #[test]
    fn every_form_is_written_and_read() {
        assert_eq!(amz_date(MS), "20260102T030405Z");
        assert_eq!(http_date(MS), "Fri, 02 Jan 2026 03:04:05 GMT");
        assert_eq!(iso8601(MS + 7), "2026-01-02T03:04:05.007Z");
        assert_eq!(parse_amz_date("20260102T030405Z"), Some(MS));
        assert_eq!(parse_http_date("Fri, 02 Jan 2026 03:04:05 GMT"), Some(MS));
    }

    #[test]
    fn other_forms_are_refused() {
        for text in ["", "20260102T030405", "2026-01-02T03:04:05Z", "20261302T030405Z"] {
            assert_eq!(parse_amz_date(text), None, "{text}");
        }
        assert_eq!(parse_http_date("Friday, 02-Jan-26 03:04:05 GMT"), None);
    }
}

//! One entry of a log, whichever way it was written.
//!
//! The Java nucleus writes JSON, or the text form that our component logs have; our own
//! `greengrass.log` has the form of `tracing`. All three are understood, so that `level=WARN`
//! works on each. A line that is none of them (a stack trace) belongs to the entry before it.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::macros::format_description;

use super::window::absolute;

/// An entry that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// Since the epoch; `None` where the log does not say.
    pub(super) ms: Option<i64>,
    /// `level`, `thread`, `loggerName`, `eventType`, `message`, `contexts`, `cause`, …
    pub(super) fields: Map<String, Value>,
    /// Whether it was JSON, which is shown shortened; text is shown as it is.
    is_json: bool,
}

/// `2026-01-02T03:04:05.006Z [INFO] (Copier) com.example.A: stdout. hello. {serviceName=…}`
static GREENGRASS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(\S+Z) \[([A-Z]+)\] \((.*?)\) ([^\s:]+): (.*?)(?: ?\{(.*)\})?$").ok()
});

/// `2026-01-02T03:04:05.006789Z  INFO marram_nucleus::ipc: message field=1`
static TRACING: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(\S+Z) +(TRACE|DEBUG|INFO|WARN|ERROR) ([\w:.-]+): (.*)$").ok());

/// `<13>Jan  2 03:04:05 host logger[17]: message`
static SYSLOG: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?:<(\d+)>)?(\w{3} +\d+ \d\d:\d\d:\d\d) (\S+) ([^\s:\[]+)(?:\[(.*?)\])?: (.*)$")
        .ok()
});

impl Entry {
    /// Reads a line of a Greengrass log; `None` if it does not begin an entry.
    pub(super) fn parse(line: &str) -> Option<Self> {
        if line.starts_with('{') {
            return Self::parse_json(line);
        }
        Self::parse_greengrass(line).or_else(|| Self::parse_tracing(line))
    }

    fn parse_json(line: &str) -> Option<Self> {
        let fields: Map<String, Value> = serde_json::from_str(line).ok()?;
        Some(Self { ms: fields.get("timestamp").and_then(Value::as_i64), fields, is_json: true })
    }

    fn parse_greengrass(line: &str) -> Option<Self> {
        let found = GREENGRASS.as_ref()?.captures(line)?;
        let mut fields = fields(&[
            ("level", &found[2]),
            ("thread", &found[3]),
            ("loggerName", &found[4]),
            ("message", &found[5]),
        ]);
        if let Some((event, _)) = found[5].split_once(". ") {
            fields.insert("eventType".to_owned(), event.into());
        }
        if let Some(contexts) = found.get(6) {
            let pairs = contexts.as_str().split(", ").filter_map(|pair| pair.split_once('='));
            let contexts: Map<String, Value> =
                pairs.map(|(name, value)| (name.to_owned(), value.into())).collect();
            fields.insert("contexts".to_owned(), Value::Object(contexts));
        }
        Some(Self { ms: Some(absolute(&found[1])?), fields, is_json: false })
    }

    fn parse_tracing(line: &str) -> Option<Self> {
        let found = TRACING.as_ref()?.captures(line)?;
        let fields =
            fields(&[("level", &found[2]), ("loggerName", &found[3]), ("message", &found[4])]);
        Some(Self { ms: Some(absolute(&found[1])?), fields, is_json: false })
    }

    /// Reads a line of syslog, whose times have no year: they are in the one before `now`.
    pub(super) fn parse_syslog(line: &str, now: OffsetDateTime) -> Option<Self> {
        let found = SYSLOG.as_ref()?.captures(line)?;
        let part = |index: usize| found.get(index).map_or("", |part| part.as_str());
        let fields = fields(&[
            ("priority", part(1)),
            ("host", part(3)),
            ("logger", part(4)),
            ("class", part(5)),
            ("message", part(6)),
        ]);
        Some(Self { ms: syslog_ms(part(2), now), fields, is_json: false })
    }

    /// A field at the top or among the contexts.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let contexts = self.fields.get("contexts").and_then(Value::as_object);
        let value = self.fields.get(name).or_else(|| contexts?.get(name))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// The text of the entry's exception, if it has one.
    pub(super) fn cause(&self) -> Option<String> {
        self.fields.get("cause").filter(|cause| !cause.is_null()).map(ToString::to_string)
    }

    /// The official short form of JSON; text is short already.
    pub(super) fn shortened(&self, line: &str) -> String {
        if !self.is_json {
            return line.to_owned();
        }
        let text = |name: &str| self.fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let parts = [text("eventType"), text("message")];
        let said: Vec<String> =
            parts.iter().filter(|part| !part.is_empty()).map(|part| format!("{part}.")).collect();
        let mut short = format!(
            "{} [{}] {}: {}",
            stamp(self.ms),
            text("level"),
            abbreviated(text("loggerName")),
            said.join(" ")
        );
        let contexts = self.fields.get("contexts").and_then(Value::as_object);
        if let Some(contexts) = contexts.filter(|contexts| !contexts.is_empty()) {
            let pair = |(name, value): (&String, &Value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{name}={value}")
            };
            let pairs: Vec<String> = contexts.iter().map(pair).collect();
            short += &format!(" {{{}}}", pairs.join(", "));
        }
        if let Some(cause) = self.cause() {
            short += &format!("\nEXCEPTION: {cause}");
        }
        short
    }
}

fn fields(pairs: &[(&str, &str)]) -> Map<String, Value> {
    let known = pairs.iter().filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect()
}

/// `yyyy-MM-dd HH:mm:ss UTC`.
fn stamp(ms: Option<i64>) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    let time = ms.and_then(|ms| OffsetDateTime::from_unix_timestamp(ms / 1000).ok());
    time.and_then(|time| time.format(form).ok()).unwrap_or_default()
}

/// `com.aws.greengrass.Kernel` is `greengrass.Kernel`: the last package and the class.
fn abbreviated(logger: &str) -> &str {
    let dots = logger.rmatch_indices('.').nth(1);
    dots.map_or(logger, |(at, _)| logger.get(at + 1..).unwrap_or(logger))
}

fn syslog_ms(text: &str, now: OffsetDateTime) -> Option<i64> {
    let form = format_description!(
        "[year] [month repr:short] [day padding:none] [hour]:[minute]:[second]"
    );
    let words: Vec<&str> = text.split_whitespace().collect();
    let in_year = |year: i32| {
        let text = format!("{year} {}", words.join(" "));
        Some(time::PrimitiveDateTime::parse(&text, form).ok()?.assume_utc())
    };
    let moment = in_year(now.year()).filter(|moment| *moment <= now + time::Duration::days(1));
    let moment = moment.or_else(|| in_year(now.year() - 1))?;
    Some(moment.unix_timestamp() * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_shortened_as_the_official_tool_does() {
        let line = r#"{"level":"WARN","eventType":"e","message":"m","contexts":{"k":"v"},"loggerName":"com.aws.greengrass.Kernel","timestamp":1700000000000,"cause":{"message":"boom"}}"#;
        let entry = Entry::parse(line).unwrap();
        assert_eq!(
            entry.shortened(line),
            "2023-11-14 22:13:20 UTC [WARN] greengrass.Kernel: e. m. {k=v}\n\
             EXCEPTION: {\"message\":\"boom\"}"
        );
        assert_eq!(entry.field("k").unwrap(), "v");
        assert_eq!(entry.ms, Some(1_700_000_000_000));
    }

    #[test]
    fn text_of_components_and_of_the_nucleus_has_fields_too() {
        let line = "2023-11-14T22:13:20.005Z [INFO] (Copier) com.a: stdout. hi: x. {serviceName=com.a, currentState=RUNNING}";
        let entry = Entry::parse(line).unwrap();
        assert_eq!(entry.ms, Some(1_700_000_000_005));
        for (name, value) in [
            ("level", "INFO"),
            ("loggerName", "com.a"),
            ("eventType", "stdout"),
            ("currentState", "RUNNING"),
        ] {
            assert_eq!(entry.field(name).unwrap(), value);
        }
        assert_eq!(entry.shortened(line), line);
        let line = "2023-11-14T22:13:20.000000Z  WARN marram_nucleus::ipc: slow client=1";
        assert_eq!(Entry::parse(line).unwrap().field("level").unwrap(), "WARN");
        assert_eq!(Entry::parse("\tat com.a.Main"), None);
    }

    #[test]
    fn syslog_is_of_the_year_before_now() {
        let now = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        let entry =
            Entry::parse_syslog("<13>Nov  4 22:13:20 host sshd[17]: hello: x", now).unwrap();
        assert_eq!(entry.field("logger").unwrap(), "sshd");
        assert_eq!(entry.field("priority").unwrap(), "13");
        assert_eq!(entry.ms, Some((1_700_000_000 - 10 * 86_400) * 1000));
        let late = Entry::parse_syslog("Dec 31 00:00:00 host a: x", now).unwrap();
        assert!(late.ms.unwrap() < 1_700_000_000_000);
    }
}

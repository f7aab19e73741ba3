//! Reading one file's members, each error with file, member, value and remedy.

use anyhow::Result;
use serde_json::{Map, Value};

use crate::exit::BadInput;

/// The longest value that a message repeats, in characters.
const SHOWN: usize = 80;

/// The members of a file that have not been read yet.
#[derive(Debug)]
pub(crate) struct Fields {
    /// The file's path within the folder.
    file: String,
    members: Map<String, Value>,
}

impl Fields {
    /// The members of a JSON text.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self> {
        let wrong = |what: String| {
            BadInput(format!("{file}: {what}: it must be one JSON object, as an export writes it"))
        };
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Ok(Self { file: file.to_owned(), members }),
            Ok(other) => Err(wrong(format!("is {}", shown(&other))).into()),
            Err(error) => Err(wrong(error.to_string()).into()),
        }
    }

    /// An error about one member.
    pub(crate) fn wrong(&self, member: &str, what: impl std::fmt::Display) -> anyhow::Error {
        BadInput(format!("{}: `{member}`: {what}", self.file)).into()
    }

    pub(crate) fn text(&mut self, member: &str) -> Result<String> {
        match self.optional_text(member)? {
            Some(text) => Ok(text),
            None => Err(self.wrong(member, "is missing: add it")),
        }
    }

    pub(crate) fn optional_text(&mut self, member: &str) -> Result<Option<String>> {
        match self.members.remove(member) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(other) => Err(self.wrong(member, format!("is {}: use a text", shown(&other)))),
        }
    }

    pub(crate) fn optional_number(&mut self, member: &str) -> Result<Option<i64>> {
        match self.members.remove(member) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => {
                    let what = format!("is {}: use a whole number", shown(&value));
                    Err(self.wrong(member, what))
                }
            },
        }
    }

    /// An object; empty where it is missing.
    pub(crate) fn object(&mut self, member: &str) -> Result<Map<String, Value>> {
        match self.members.remove(member) {
            None => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object),
            Some(other) => Err(self.wrong(member, format!("is {}: use an object", shown(&other)))),
        }
    }

    /// An object whose members are texts; empty where it is missing.
    pub(crate) fn texts(&mut self, member: &str) -> Result<Map<String, Value>> {
        let object = self.object(member)?;
        if let Some((name, value)) = object.iter().find(|(_, value)| !value.is_string()) {
            let what = format!("is {}: use a text", shown(value));
            return Err(self.wrong(&format!("{member}.{name}"), what));
        }
        Ok(object)
    }

    /// A list of texts; empty where it is missing.
    pub(crate) fn list(&mut self, member: &str) -> Result<Vec<Value>> {
        match self.members.remove(member) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => Ok(list),
            Some(other) => {
                Err(self.wrong(member, format!("is {}: use a list of texts", shown(&other))))
            }
        }
    }

    /// Refuses what was not read: a misspelt member would be lost in silence.
    pub(crate) fn end(self) -> Result<()> {
        match self.members.iter().next() {
            None => Ok(()),
            Some((member, value)) => {
                let what = format!(
                    "is {}, but there is no such member here: remove it, or check its spelling",
                    shown(value)
                );
                Err(self.wrong(member, what))
            }
        }
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Result<Fields> {
        Fields::parse("policies/a.json", text)
    }

    #[test]
    fn an_error_has_file_member_value_and_remedy() {
        let told = |result: Result<()>| result.unwrap_err().to_string();
        let read = |text: &str| fields(text).and_then(|mut f| f.text("policyName")).map(drop);
        assert_eq!(told(read("{}")), "policies/a.json: `policyName`: is missing: add it");
        assert_eq!(
            told(read(r#"{"policyName": 5}"#)),
            "policies/a.json: `policyName`: is 5: use a text"
        );
        let unknown = fields(r#"{"polcyName": "a"}"#).and_then(Fields::end);
        assert!(told(unknown).contains("`polcyName`: is \"a\", but there is no such member"));
        assert!(told(read("[1]")).contains("policies/a.json: is [1]: it must be one JSON object"));
        assert!(told(read("{")).contains("EOF"));
    }

    #[test]
    fn a_long_value_is_cut() {
        let text = format!("{{\"a\": \"{}\"}}", "é".repeat(200));
        let error = fields(&text).and_then(|mut f| f.object("a")).unwrap_err().to_string();
        assert!(error.contains('…') && error.chars().count() < 150, "{error}");
    }
}

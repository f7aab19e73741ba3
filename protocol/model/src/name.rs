//! Names of components.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use crate::text::serde_as_text;

/// A component's name: 1 to 128 characters of `[a-zA-Z0-9-_.]`
/// (recipes and deployments, A1.1).
///
/// Such a name is a safe single path segment, except for `.` and `..`, which are refused here
/// although AWS's pattern lets them pass: they would leave the component's folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentName(String);

/// Why a text is no component name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseComponentName {
    /// Empty, or more than 128 characters.
    #[error("component name `{name}` has {length} characters: use 1 to 128")]
    Length {
        /// The beginning of the name.
        name: String,
        /// Its whole length.
        length: usize,
    },
    /// A character outside the pattern.
    #[error(
        "component name `{name}` contains `{character}`: use only a-z, A-Z, 0-9, `-`, `_`, `.`"
    )]
    Character {
        /// The name.
        name: String,
        /// The first wrong character.
        character: char,
    },
    /// `.` or `..`.
    #[error("component name `{0}` would name a folder: use at least one character that is no dot")]
    Dots(String),
}

impl ComponentName {
    const MAX_LENGTH: usize = 128;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ComponentName {
    type Err = ParseComponentName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = text.chars().count();
        if length == 0 || length > Self::MAX_LENGTH {
            let name = text.chars().take(Self::MAX_LENGTH).collect();
            return Err(ParseComponentName::Length { name, length });
        }
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if let Some(character) = text.chars().find(|&c| !is_allowed(c)) {
            return Err(ParseComponentName::Character { name: text.to_owned(), character });
        }
        if matches!(text, "." | "..") {
            return Err(ParseComponentName::Dots(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ComponentName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ComponentName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<ComponentName> for String {
    fn from(name: ComponentName) -> Self {
        name.0
    }
}

serde_as_text!(ComponentName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rec_parse_04_length_and_characters() {
        assert!("a".repeat(128).parse::<ComponentName>().is_ok());
        assert!(matches!(
            "a".repeat(129).parse::<ComponentName>(),
            Err(ParseComponentName::Length { length: 129, .. })
        ));
        assert!("a.b-c_d".parse::<ComponentName>().is_ok());
        for bad in ["", "a/b", "a b", "a:b", ".", "..", "ä"] {
            assert!(bad.parse::<ComponentName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn serde_uses_the_text_and_checks_it() {
        let name: ComponentName = serde_json::from_str("\"com.example.A\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"com.example.A\"");
        assert!(serde_json::from_str::<ComponentName>("\"a/b\"").is_err());
    }
}

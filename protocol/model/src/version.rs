//! Versions of components: strict semantic versions within AWS's limits.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::text::serde_as_text;

/// A component's version: `M.m.p[-pre][+build]`, at most 64 characters, each number at most
/// 999999 (recipes and deployments, A1.1).
///
/// `Eq` and `Ord` are total and see build metadata, so that versions can be keys. Matching
/// against a [`Requirement`](crate::Requirement) ignores it: see [`Version::cmp_precedence`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(semver::Version);

/// Why a text is no component version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseVersion {
    /// More than 64 characters.
    #[error("version `{0}` is longer than 64 characters: shorten its pre-release or build part")]
    TooLong(String),
    /// Not a semantic version.
    #[error("version `{text}` is no semantic version ({reason}): use three numbers such as 1.0.0")]
    Syntax {
        /// The text.
        text: String,
        /// What the grammar objects to.
        reason: String,
    },
    /// A number above 999999.
    #[error("version `{0}` has a number above 999999: use a smaller one")]
    TooLarge(String),
}

impl Version {
    const MAX_LENGTH: usize = 64;
    const MAX_NUMBER: u64 = 999_999;

    /// The release `major.minor.patch`.
    pub fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self(semver::Version::new(major, minor, patch))
    }

    /// First number.
    pub fn major(&self) -> u64 {
        self.0.major
    }

    /// Second number.
    pub fn minor(&self) -> u64 {
        self.0.minor
    }

    /// Third number.
    pub fn patch(&self) -> u64 {
        self.0.patch
    }

    /// True if the version has a pre-release part.
    pub fn is_pre_release(&self) -> bool {
        !self.0.pre.is_empty()
    }

    /// The order of semantic versions, in which build metadata does not count.
    pub fn cmp_precedence(&self, other: &Self) -> Ordering {
        self.0.cmp_precedence(&other.0)
    }

    /// True if the two differ at most in build metadata.
    pub fn same_precedence(&self, other: &Self) -> bool {
        self.cmp_precedence(other).is_eq()
    }

    pub(crate) fn same_numbers(&self, other: &Self) -> bool {
        (self.major(), self.minor(), self.patch()) == (other.major(), other.minor(), other.patch())
    }

    pub(crate) fn with_pre_release(self, pre: semver::Prerelease) -> Self {
        Self(semver::Version { pre, ..self.0 })
    }
}

impl FromStr for Version {
    type Err = ParseVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > Self::MAX_LENGTH {
            return Err(ParseVersion::TooLong(text.chars().take(Self::MAX_LENGTH).collect()));
        }
        let version = semver::Version::parse(text).map_err(|error| ParseVersion::Syntax {
            text: text.to_owned(),
            reason: error.to_string(),
        })?;
        if [version.major, version.minor, version.patch].iter().any(|&n| n > Self::MAX_NUMBER) {
            return Err(ParseVersion::TooLarge(text.to_owned()));
        }
        Ok(Self(version))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(Version);

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn rec_parse_02_limits_and_strictness() {
        assert!("999999.0.0".parse::<Version>().is_ok());
        for bad in ["1.0", "1", "v1.0.0", "1000000.0.0", "01.0.0", "1.0.0.0", "1.0.x", "1.0.0+", ""]
        {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
        assert!(format!("1.0.0-{}", "a".repeat(60)).parse::<Version>().is_err());
    }

    #[test]
    fn ver_sort_order_of_pre_releases() {
        let sorted = [
            "1.0.0-1",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
        ];
        for pair in sorted.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn build_metadata_is_kept_but_has_no_precedence() {
        assert_eq!(version("1.0.0+b").to_string(), "1.0.0+b");
        assert!(version("1.0.0+b").same_precedence(&version("1.0.0")));
        assert_ne!(version("1.0.0+b"), version("1.0.0"));
    }
}

//! Version requirements: npm-style ranges as Greengrass reads them.
//!
//! The grammar is npm's where semver4j, the nucleus's library, is defective, and the pre-release
//! rule is semver4j's (recipes and deployments, A4.1 and A4.2): a set of one comparator accepts
//! pre-releases by plain order, a set of several accepts them only next to a comparator with a
//! pre-release of the same three numbers. Several requirements on one component are combined by
//! asking each: never by joining their texts, which binds `||` wrongly.

mod grammar;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::Version;
use crate::text::serde_as_text;

pub use grammar::ParseRequirement;

/// Which versions a dependent, a group or a deployment accepts.
///
/// `Display` and serde give the normalised form (`^1.0.0` becomes `>=1.0.0 <2.0.0`), which the
/// Java nucleus and nucleus-lite both read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// Any one set must match; never empty.
    sets: Vec<Vec<Comparator>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Comparator {
    operator: Operator,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operator {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Requirement {
    /// Exactly this version: how a deployment pins its root components.
    pub fn exact(version: &Version) -> Self {
        let comparator = Comparator { operator: Operator::Equal, version: version.clone() };
        Self { sets: vec![vec![comparator]] }
    }

    /// Every version: `*`.
    pub fn any() -> Self {
        Self { sets: vec![vec![Comparator::at_least(Version::new(0, 0, 0))]] }
    }

    /// True if `version` meets the requirement. Build metadata does not count.
    pub fn matches(&self, version: &Version) -> bool {
        self.sets.iter().any(|set| set_matches(set, version))
    }
}

fn set_matches(set: &[Comparator], version: &Version) -> bool {
    if !set.iter().all(|comparator| comparator.matches(version)) {
        return false;
    }
    set.len() == 1
        || !version.is_pre_release()
        || set.iter().any(|comparator| {
            comparator.version.is_pre_release() && comparator.version.same_numbers(version)
        })
}

impl Comparator {
    fn at_least(version: Version) -> Self {
        Self { operator: Operator::GreaterOrEqual, version }
    }

    fn below(version: Version) -> Self {
        Self { operator: Operator::Less, version }
    }

    fn matches(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        match self.operator {
            Operator::Equal => order == Ordering::Equal,
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater,
            Operator::GreaterOrEqual => order != Ordering::Less,
        }
    }
}

impl Operator {
    fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl FromStr for Requirement {
    type Err = ParseRequirement;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        grammar::parse(text).map(|sets| Self { sets })
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, set) in self.sets.iter().enumerate() {
            if i > 0 {
                f.write_str(" || ")?;
            }
            for (j, comparator) in set.iter().enumerate() {
                if j > 0 {
                    f.write_str(" ")?;
                }
                write!(f, "{}{}", comparator.operator.as_str(), comparator.version)?;
            }
        }
        Ok(())
    }
}

serde_as_text!(Requirement);

#[cfg(test)]
mod tests;

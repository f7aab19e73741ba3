//! This program, as deployments and the fleet see it.

use std::path::PathBuf;

use marram_model::Version;

/// The version of Greengrass's nucleus whose behaviour this one has: what components read as
/// `GGC_VERSION`, and what requirements on `aws.greengrass.Nucleus` are held against, unless a
/// deployment brought this program under a version of its own.
pub const NUCLEUS_VERSION: &str = "2.17.0";

/// This program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The version of `aws.greengrass.Nucleus` that it is.
    pub version: Version,
    /// Its file; `None` if it is part of another program, which no deployment can replace.
    pub executable: Option<PathBuf>,
}

impl Program {
    /// One that no deployment can replace.
    pub fn fixed() -> Self {
        Self { version: own_version(), executable: None }
    }

    /// One that a deployment can replace. `version` is what the deployment that brought it called
    /// it.
    pub fn replaceable(executable: PathBuf, version: Option<Version>) -> Self {
        Self { version: version.unwrap_or_else(own_version), executable: Some(executable) }
    }
}

fn own_version() -> Version {
    Version::new(2, 17, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_same_in_words_and_numbers() {
        assert_eq!(Program::fixed().version.to_string(), NUCLEUS_VERSION);
    }
}

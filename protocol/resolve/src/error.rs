//! Why there is no set of versions that would do.

use std::fmt;

use marram_model::error_code::ErrorCode;
use marram_model::{ComponentName, Version};

use super::Query;

/// Why there is no set of versions that would do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Resolve {
    /// No version meets all requirements on one component.
    #[error("{reason} {component} meets every requirement: {requirements}")]
    NoVersion {
        /// The component.
        component: ComponentName,
        /// The beginning of the sentence, for example `offline: no stored version of`.
        reason: String,
        /// `thinggroup/G requires =1.0.0, com.example.A requires >=1.0.0 <2.0.0`.
        requirements: String,
    },
    /// A version that does not meet what was asked.
    #[error(
        "{component} {version} was offered, but does not meet every requirement: {requirements}"
    )]
    Unsuitable {
        /// The component.
        component: ComponentName,
        /// The offered version.
        version: Version,
        /// As in `NoVersion`.
        requirements: String,
    },
    /// Requirements that lead from one choice to the other and back.
    #[error(
        "the requirements on {component} never come to rest: each version brings others that \
         exclude it; narrow the dependencies of the components that need it"
    )]
    Unsettled {
        /// The component.
        component: ComponentName,
    },
    /// Components that need each other.
    #[error("{} depend on each other: remove one of the dependencies", path(.0))]
    Circular(Vec<ComponentName>),
    /// Two components that are a nucleus.
    #[error("{0} and {1} are both a nucleus: deploy only one of them")]
    SeveralNuclei(ComponentName, ComponentName),
    /// A dependency would change the nucleus.
    #[error(
        "a dependency needs nucleus {resolved}, but {running} runs: name aws.greengrass.Nucleus \
         {resolved} in the deployment to change it"
    )]
    NucleusVersion {
        /// The version of this program.
        running: Version,
        /// The version that was chosen.
        resolved: Version,
    },
}

fn path(components: &[ComponentName]) -> String {
    components.iter().map(ComponentName::as_str).collect::<Vec<_>>().join(" → ")
}

impl Resolve {
    /// No version was found, with the beginning of the sentence that says where.
    pub fn no_version(query: &Query, reason: impl Into<String>) -> Self {
        let component = query.component.clone();
        Self::NoVersion { component, reason: reason.into(), requirements: query.to_string() }
    }

    pub(super) fn unsuitable(query: &Query, version: Version) -> Self {
        let component = query.component.clone();
        Self::Unsuitable { component, version, requirements: query.to_string() }
    }

    /// The codes that a deployment reports for it, after `DEPLOYMENT_FAILURE`.
    pub fn error_codes(&self) -> Vec<ErrorCode> {
        match self {
            Self::NoVersion { .. } | Self::Unsettled { .. } => vec![
                ErrorCode::NoAvailableComponentVersion,
                ErrorCode::ComponentVersionRequirementsNotMet,
            ],
            Self::Unsuitable { .. } => vec![ErrorCode::ResolveComponentCandidatesBadResponse],
            Self::Circular(_) => vec![ErrorCode::ComponentCircularDependencyError],
            Self::SeveralNuclei(..) => vec![ErrorCode::MultipleNucleusResolvedError],
            Self::NucleusVersion { .. } => vec![ErrorCode::UnauthorizedNucleusMinorVersionUpdate],
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (requirer, requirement)) in self.requirements.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{requirer} requires {requirement}")?;
        }
        Ok(())
    }
}

//! A deployment that brings another version of the nucleus: the new program is on trial until the
//! deployment has succeeded (ADR 0011).
//!
//! Who starts which program is not decided here but by `marramd`, from what is linked in `alts/`.

use std::path::{Path, PathBuf};

use marram_model::Version;
use marram_model::error_code::ErrorCode;

use super::NucleusSteps;
use crate::alternatives::{Alternatives, ChangeAlternatives, PROGRAM};
use crate::compose::services::running_versions;
use crate::deployment::current::Current;
use crate::deployment::machine::Failure;
use crate::packages::PlatformRecipe;
use crate::resolve::NUCLEUS;

impl NucleusSteps {
    /// Refuses a nucleus that cannot take this one's place.
    pub(super) fn check_replaceable(&self, recipe: &PlatformRecipe) -> Result<(), Failure> {
        let wanted = &recipe.recipe.component_version;
        let running = &self.program.version;
        let has_program = recipe
            .manifest
            .artifacts
            .iter()
            .any(|artifact| artifact.uri.rsplit('/').next() == Some(PROGRAM));
        if !has_program {
            return Err(Failure {
                cause: format!(
                    "{NUCLEUS} {wanted} is wanted, and {running} runs: the recipe of {wanted} has \
                     no artifact `{PROGRAM}` for this platform, so name {running}, or leave \
                     {NUCLEUS} out of the deployment"
                ),
                codes: vec![ErrorCode::NucleusVersionNotFound],
            });
        }
        self.own_executable().map(|_| ())
    }

    fn own_executable(&self) -> Result<&Path, Failure> {
        self.program.executable.as_deref().ok_or_else(|| Failure {
            cause: "the nucleus that runs is part of another program, which no deployment can \
                    replace: run the device with `marramd`"
                .to_owned(),
            codes: vec![ErrorCode::LaunchDirectoryCorrupted],
        })
    }

    /// Whether this program is the one that the deployment brings.
    pub(super) fn is_new_nucleus(&self, current: &Current) -> bool {
        current.nucleus.as_ref() == Some(&self.program.version)
    }

    /// Links the new program so that the next start tries it.
    pub(super) fn put_nucleus_on_trial(&self, current: &Current) -> Result<(), Failure> {
        let Some(version) = &current.nucleus else { return Ok(()) };
        let program = self.artifact(version)?;
        let id = current.key().replace(':', ".").replace('/', "+");
        self.alternatives()
            .stage(&id, &program, version, self.own_executable()?)
            .map_err(|error| not_changed(&error))
    }

    fn artifact(&self, version: &Version) -> Result<PathBuf, Failure> {
        let name = NUCLEUS
            .parse()
            .map_err(|error| Failure::of(&error, vec![ErrorCode::NucleusVersionNotFound]))?;
        Ok(self.paths.artifacts(&name, version).join(PROGRAM))
    }

    /// After the start: the new program did not come up if this is another one.
    pub(super) fn check_nucleus_runs(&self, current: &Current) -> Result<(), Failure> {
        match &current.nucleus {
            Some(wanted) if *wanted != self.program.version => Err(Failure {
                cause: format!(
                    "{NUCLEUS} {wanted} did not come up, and {} runs again: see logs/greengrass.log",
                    self.program.version
                ),
                codes: vec![ErrorCode::NucleusRestartFailure],
            }),
            _ => Ok(()),
        }
    }

    /// The deployment has done all else: from now on the new program starts.
    pub(super) fn keep_new_nucleus(&self, current: &Current) -> Result<(), Failure> {
        if !self.is_new_nucleus(current) {
            return Ok(());
        }
        self.alternatives().promote().map_err(|error| not_changed(&error))
    }

    /// The configuration of before is back: the program of before starts next.
    pub(super) fn give_nucleus_back(&self, current: &Current) -> Result<(), Failure> {
        if current.nucleus.is_none() {
            return Ok(());
        }
        self.alternatives().withdraw().map_err(|error| not_changed(&error))
    }

    /// A deployment that could not go back leaves nothing on trial: what the configuration says
    /// is what starts.
    pub(super) fn close_trial(&self, current: &Current) {
        let alternatives = self.alternatives();
        if current.nucleus.is_none() || alternatives.on_trial().is_none() {
            return;
        }
        let configured = running_versions(&self.config).remove(NUCLEUS);
        let closed = match configured == current.nucleus && self.is_new_nucleus(current) {
            true => alternatives.promote(),
            false => alternatives.withdraw(),
        };
        if let Err(error) = closed {
            let error = &error as &(dyn std::error::Error + 'static);
            tracing::error!(error, "the nucleus's program stays on trial");
        }
    }

    fn alternatives(&self) -> Alternatives {
        Alternatives::new(&self.paths)
    }
}

fn not_changed(error: &ChangeAlternatives) -> Failure {
    Failure::of(error, vec![ErrorCode::LaunchDirectoryCorrupted])
}

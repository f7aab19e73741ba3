//! What is different about a deployment made on the device itself.
//!
//! It asks no cloud which groups there are, so it never drops one; what others brought stays.

use marram_model::ComponentName;
use marram_model::deployment::RunWith;

use super::NucleusSteps;
use crate::compose::services::running_versions;
use crate::deployment::current::Current;
use crate::deployment::groups::Roots;
use crate::deployment::local::{LocalRequest, ReadLocalRequest};
use crate::deployment::machine::Failure;
use crate::deployment::request::Request;
use crate::packages::{ImportFolder, blocking};

impl NucleusSteps {
    /// Makes the document of a local deployment whose turn has come.
    pub(super) fn accept_local(
        &self,
        request: &Request,
        deployment_id: &str,
    ) -> Result<Current, Failure> {
        let failed = |error: ReadLocalRequest| Failure::of(&error, error.error_codes());
        let local = LocalRequest::parse(&request.document).map_err(failed)?;
        let running = running_versions(&self.config);
        let mut present: Roots = self.state.groups().roots_of(&local.group());
        for (name, version) in &mut present {
            if let Some(running) = running.get(name) {
                *version = running.clone();
            }
        }
        let run_with = |name: &ComponentName| {
            let stored = self.config.get(&["services", name.as_str(), "runWith"])?;
            serde_json::from_value::<RunWith>(stored).ok()
        };
        let document = local
            .to_document(deployment_id, request.received_ms, present, run_with)
            .map_err(failed)?;
        let folders = local.folders();
        Ok(Current { folders, ..Current::new(request.clone(), document) })
    }

    /// Copies the folders that the deployment brings; after a restart only if that was not done.
    pub(super) async fn gather_local(&self, current: &mut Current) -> Result<(), Failure> {
        let Some(folders) = current.folders.clone() else { return Ok(()) };
        let store = self.store.clone();
        let copied = blocking::run(move |cancelled| -> Result<(), ImportFolder> {
            if let Some(recipes) = &folders.recipes {
                store.import_recipes(recipes, cancelled)?;
            }
            match &folders.artifacts {
                Some(artifacts) => store.import_artifacts(artifacts, cancelled),
                None => Ok(()),
            }
        });
        copied.await.map_err(|error| Failure::of(&error, error.error_codes()))?;
        current.folders = None;
        Ok(())
    }
}

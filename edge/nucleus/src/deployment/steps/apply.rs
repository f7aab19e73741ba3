//! The two steps that change the device: forward and back, one transaction each.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use marram_model::ComponentName;
use marram_model::component_state::ComponentState;
use marram_model::error_code::ErrorCode;
use marram_os::file::{create_folder_durably_on, write_atomically_on};
use marram_os::storage::Disk;

use super::NucleusSteps;
use crate::compose::{Composer, Composition, device_attributes, merge_timestamp};
use crate::config::initial::warn_of_settings;
use crate::config::{ChangeConfig, ConfigSnapshot};
use crate::deployment::bootstrap::{BootstrapTasks, in_dependency_order};
use crate::deployment::current::Current;
use crate::deployment::machine::{Event, Failure};

impl NucleusSteps {
    /// Writes the new configuration, and with it that the deployment is past this step.
    pub(super) fn apply(&self, current: &mut Current) -> Result<(), Failure> {
        current.broken_before = self.broken();
        let composition = self.composition(current)?;
        let needs = composition.restart_needs(&self.config, &self.program.version);
        if needs.is_restart() {
            tracing::info!(?needs, "the deployment needs a restart of the nucleus");
            current.machine.require_restart();
            let order = in_dependency_order(&needs.bootstrap, &composition.dependencies());
            current.bootstrap = BootstrapTasks::new(order);
            current.nucleus = needs.nucleus;
        }
        keep_snapshot(
            &**self.config.disk(),
            &self.snapshot_file(current),
            &self.config.snapshot(),
        )?;
        self.config
            .transaction(|tx| {
                composition.write(tx, self.clock.now_ms())?;
                self.state.put_current(tx, &past_this_step(current))
            })
            .map_err(not_written)?;
        warn_of_settings(&self.config);
        Ok(())
    }

    /// What the deployment makes of the configuration as it is now, checked.
    pub(super) fn composition(&self, current: &Current) -> Result<Composition, Failure> {
        let resolution = self.resolution()?;
        let thing = self.config.get(&["system", "thingName"]);
        let composer = Composer {
            config: &self.config,
            store: &self.store,
            paths: &self.paths,
            attributes: &device_attributes(&self.config),
            origin: &Arc::new(current.origin()),
            thing_name: thing.as_ref().and_then(|name| name.as_str()).unwrap_or_default(),
        };
        let (created, now) = (current.timestamp(), self.clock.now_ms());
        let as_of = merge_timestamp(&self.config, &current.document, created, now);
        let composition = composer
            .compose(&resolution, &current.document, as_of)
            .map_err(|error| Failure::of(&error, error.error_codes()))?;
        composition
            .check_nucleus(&self.config, |program| self.supervisor.has_program(program))
            .map_err(|error| Failure::of(&error, error.error_codes()))?;
        Ok(composition)
    }

    /// Writes the configuration of before, and with it that the deployment is past this step.
    pub(super) fn restore(&self, current: &mut Current) -> Result<(), Failure> {
        let snapshot = self.snapshot_of(current)?;
        current.rollback_bootstrap = self.rollback_bootstrap(&snapshot, current);
        self.config
            .transaction(|tx| {
                tx.restore(&snapshot);
                self.state.put_current(tx, &past_this_step(current))
            })
            .map_err(not_written)
    }

    /// The configuration from before the deployment changed it.
    pub(super) fn snapshot_of(&self, current: &Current) -> Result<ConfigSnapshot, Failure> {
        read_snapshot(&**self.config.disk(), &self.snapshot_file(current))
    }

    fn broken(&self) -> BTreeSet<ComponentName> {
        let all = self.supervisor.status().into_iter();
        all.filter(|c| c.state == ComponentState::Broken).map(|c| c.name).collect()
    }

    /// The snapshot is of no use once the deployment is over.
    pub(super) fn forget_snapshot(&self, current: &Current) {
        let file = self.snapshot_file(current);
        if let Some(folder) = file.parent()
            && self.config.disk().exists(folder)
            && let Err(error) = self.config.disk().remove_folder(folder)
        {
            tracing::warn!(%error, folder = %folder.display(), "a snapshot could not be removed");
        }
    }
}

/// The deployment as it goes on when its present step is done.
pub(super) fn past_this_step(current: &Current) -> Current {
    let mut past = current.clone();
    past.machine.handle(Event::Done);
    past
}

fn not_written(error: ChangeConfig) -> Failure {
    Failure::of(&error, vec![ErrorCode::IoError, ErrorCode::IoWriteError])
}

fn keep_snapshot(disk: &dyn Disk, file: &Path, snapshot: &ConfigSnapshot) -> Result<(), Failure> {
    let codes = || vec![ErrorCode::IoError, ErrorCode::IoWriteError];
    let bytes = serde_json::to_vec(snapshot).map_err(|error| Failure::of(&error, codes()))?;
    if let Some(folder) = file.parent() {
        create_folder_durably_on(disk, folder, 0o700)
            .map_err(|error| Failure::of(&error, codes()))?;
    }
    write_atomically_on(disk, file, &bytes, 0o600).map_err(|error| Failure::of(&error, codes()))
}

fn read_snapshot(disk: &dyn Disk, file: &Path) -> Result<ConfigSnapshot, Failure> {
    let codes = || vec![ErrorCode::IoError, ErrorCode::IoReadError];
    let bytes = disk.read(file).map_err(|error| Failure::of(&error, codes()))?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::of(&error, codes()))
}

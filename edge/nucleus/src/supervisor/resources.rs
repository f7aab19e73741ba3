//! The control groups of one component: `systemResourceLimits` (A7.8) and pausing (ipc 4.5).
//!
//! A component has a group only while it needs one. Groups are a service to it and never in its
//! way: where there are none, it runs without, after one warning.

use std::os::fd::OwnedFd;
use std::time::Duration;

use marram_model::ComponentName;
use marram_model::deployment::SystemResourceLimits;
use marram_os::cgroup::{Cgroups, Group, Limits, Purpose, UseCgroup};
use marram_telemetry::Chain;
use tokio::time::{Instant, sleep};

use crate::lifecycle::KillScope;

/// The group above those of components.
pub(super) const PARENT: &str = "greengrass";

/// How long processes may take to stand still.
pub(super) const FREEZE_DEADLINE: Duration = Duration::from_secs(2);

/// How long a group may hold on to processes that have ended.
const REMOVE_DEADLINE: Duration = Duration::from_secs(1);

/// How often a group that is being frozen is looked at.
pub(super) const FREEZE_POLL: Duration = Duration::from_millis(10);

/// How often the removal of a group is tried.
const REMOVE_POLL: Duration = Duration::from_millis(2);

/// Why a component could not be paused.
#[derive(Debug, thiserror::Error)]
pub enum PauseComponent {
    /// There is none of this name.
    #[error("there is no component of this name")]
    Unknown,
    /// It runs in the nucleus's own process.
    #[error("only components of scripts can be paused")]
    NotGeneric,
    /// It has nothing to pause.
    #[error("the component is not RUNNING")]
    NotRunning,
    /// The control group failed.
    #[error("its processes cannot be frozen")]
    Cgroup(#[from] UseCgroup),
    /// Some of its processes went on.
    #[error("its processes did not stand still within {FREEZE_DEADLINE:?}")]
    TooSlow,
}

/// Why a component could not be resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeComponent {
    /// There is none of this name.
    #[error("there is no component of this name")]
    Unknown,
    /// It runs in the nucleus's own process.
    #[error("only components of scripts can be resumed")]
    NotGeneric,
    /// Nobody paused it.
    #[error("the component is not paused")]
    NotPaused,
    /// The control group failed.
    #[error("its processes cannot be released")]
    Cgroup(#[from] UseCgroup),
}

/// The control groups of one component.
#[derive(Debug)]
pub(super) struct Resources {
    component: ComponentName,
    cgroups: Cgroups,
    /// With v2 at most one, with v1 one for each purpose.
    groups: Vec<Group>,
    limits: Option<SystemResourceLimits>,
    is_paused: bool,
    has_warned: bool,
}

impl Resources {
    pub(super) fn new(component: ComponentName, cgroups: Cgroups) -> Self {
        Self {
            component,
            cgroups,
            groups: Vec::new(),
            limits: None,
            is_paused: false,
            has_warned: false,
        }
    }

    /// Makes the group of a process that is about to start, and returns how it gets in.
    pub(super) fn admit(&mut self, limits: Option<SystemResourceLimits>) -> Vec<OwnedFd> {
        self.limits = limits;
        let Some(wanted) = limits.map(|limits| self.usable(limits)) else { return Vec::new() };
        if wanted == Limits::default() {
            return Vec::new();
        }
        let entrances = self.group_for(Purpose::Limits).and_then(|group| {
            group.limit(wanted)?;
            group.entrances()
        });
        entrances.unwrap_or_else(|error| {
            self.warn(&error);
            Vec::new()
        })
    }

    /// Sets other limits for `processes`, which run already.
    pub(super) fn change(
        &mut self,
        limits: Option<SystemResourceLimits>,
        processes: impl Fn() -> Vec<u32>,
    ) {
        if self.limits == limits {
            return;
        }
        self.limits = limits;
        let wanted = limits.map(|limits| self.usable(limits)).unwrap_or_default();
        let has_group = self.groups.iter().any(|group| group.serves(Purpose::Limits));
        if wanted == Limits::default() && !has_group {
            return;
        }
        let changed = self.group_for(Purpose::Limits).and_then(|group| {
            group.limit(wanted)?;
            group.add_all(processes)
        });
        match changed {
            Ok(()) => tracing::info!(component = %self.component, ?wanted, "limits changed"),
            Err(error) => self.warn(&error),
        }
    }

    /// Begins to freeze `processes`.
    pub(super) fn freeze(&mut self, processes: impl Fn() -> Vec<u32>) -> Result<(), UseCgroup> {
        self.is_paused = true;
        let frozen = self.group_for(Purpose::Freezing).and_then(|group| {
            // Frozen before it is filled: what it takes in cannot start others meanwhile.
            group.freeze()?;
            group.add_all(processes)
        });
        if frozen.is_err() {
            self.thaw();
        }
        frozen
    }

    /// Whether the freezing is over: all stands still, or goes on because it was resumed. Else it is
    /// begun anew, because v1 may get stuck at processes that were just starting others.
    pub(super) fn stands_still(&self) -> bool {
        let group = self.groups.iter().find(|group| group.serves(Purpose::Freezing));
        let Some(group) = group.filter(|group| self.is_paused && !group.is_frozen()) else {
            return true;
        };
        if let Err(error) = group.thaw().and_then(|()| group.freeze()) {
            tracing::debug!(component = %self.component, reason = %Chain(&error), "freezing again");
        }
        group.is_frozen()
    }

    /// Lets frozen processes go on.
    pub(super) fn resume(&mut self) -> Result<(), UseCgroup> {
        for group in self.groups.iter().filter(|group| group.serves(Purpose::Freezing)) {
            group.thaw()?;
        }
        self.is_paused = false;
        Ok(())
    }

    /// Lets frozen processes go on if there are any: they are to be stopped, which they must hear.
    pub(super) fn thaw(&mut self) {
        if self.is_paused
            && let Err(error) = self.resume()
        {
            let reason = Chain(&error).to_string();
            tracing::warn!(component = %self.component, reason, "could not resume it");
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Hands out the groups when all processes are to end.
    pub(super) fn take(&mut self, scope: KillScope) -> Vec<Group> {
        self.thaw();
        match scope {
            KillScope::All => std::mem::take(&mut self.groups),
            KillScope::Run(_) => Vec::new(),
        }
    }

    fn group_for(&mut self, purpose: Purpose) -> Result<&Group, UseCgroup> {
        let found = self.groups.iter().position(|group| group.serves(purpose));
        let at = match found {
            Some(at) => at,
            None => {
                let name = self.component.as_str();
                self.groups.push(self.cgroups.create(PARENT, name, purpose)?);
                self.groups.len() - 1
            }
        };
        Ok(&self.groups[at])
    }

    /// The limits without those that make no sense.
    fn usable(&self, limits: SystemResourceLimits) -> Limits {
        let ignore = |key, value: &dyn std::fmt::Display| {
            tracing::warn!(
                component = %self.component,
                "systemResourceLimits.{key} is {value} and ignored: give a number above 0"
            );
        };
        let memory_bytes = limits.memory.and_then(|kilobytes| match u64::try_from(kilobytes) {
            Ok(kilobytes @ 1..) => Some(kilobytes.saturating_mul(1024)),
            _ => {
                ignore("memory", &kilobytes);
                None
            }
        });
        let cpus = limits.cpus.filter(|cpus| {
            let makes_sense = *cpus > 0.0 && cpus.is_finite();
            if !makes_sense {
                ignore("cpus", cpus);
            }
            makes_sense
        });
        Limits { memory_bytes, cpus }
    }

    fn warn(&mut self, error: &UseCgroup) {
        if !std::mem::replace(&mut self.has_warned, true) {
            let reason = Chain(error).to_string();
            tracing::warn!(
                component = %self.component, reason,
                "the component runs without its systemResourceLimits"
            );
        }
    }
}

/// Ends what may be left in a group, and the group.
pub(super) async fn remove(group: &Group) {
    group.kill();
    let end = Instant::now() + REMOVE_DEADLINE;
    while let Err(error) = group.remove() {
        if Instant::now() >= end {
            return tracing::warn!(reason = %Chain(&error), "a control group is left behind");
        }
        sleep(REMOVE_POLL).await;
    }
}

//! What the device tells of its components, and when (device-cloud protocol, section 8).
//!
//! A pure machine: it compares what there is with what the cloud was told, so that no change can
//! be missed, however many happen between two messages. The shell gives it the time, publishes,
//! and gives back what could not be published.

mod chunks;

use std::collections::{BTreeMap, VecDeque};

use marram_model::component_state::ComponentState;
use marram_model::fleet_status::{
    ComponentReport, DeploymentInformation, FleetStatus, MessageType, OverallDeviceStatus, Trigger,
};

pub(crate) use chunks::payloads;

/// Messages about single components are at least so far behind the message before.
const SPACING_MS: i64 = 3_000;
/// A reconnection this soon after a message is not worth one, if nothing changed.
const RECONNECT_SILENCE_MS: i64 = 60_000;
/// Deployments that may end while the device is away before the oldest's message is given up.
const MAX_WAITING: usize = 32;

/// Who is speaking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceDescription {
    /// The nucleus's version.
    pub nucleus_version: String,
    /// The operating system, for example `linux`.
    pub platform: String,
    /// For example `amd64`.
    pub architecture: String,
}

/// How a deployment ended, for the fleet status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentEnd {
    /// Which kind of deployment it was.
    pub trigger: Trigger,
    /// Its outcome; which roots it left unchanged is filled in here.
    pub information: DeploymentInformation,
}

/// Decides what to tell and when.
#[derive(Debug)]
pub(crate) struct StatusMachine {
    thing: String,
    device: DeviceDescription,
    /// The number of the next message.
    sequence: i64,
    present: BTreeMap<String, ComponentReport>,
    told: BTreeMap<String, ComponentReport>,
    is_online: bool,
    /// Whether the first message of this start is out: nothing goes before it.
    is_launched: bool,
    in_deployment: bool,
    last_ms: Option<i64>,
    /// When the changes that wait are due.
    due_ms: Option<i64>,
    /// Messages of deployments that ended while the device was away.
    waiting: VecDeque<FleetStatus>,
}

impl StatusMachine {
    /// A device that has told nothing since its start; `sequence` is the next message's number.
    pub(crate) fn new(thing: &str, device: DeviceDescription, sequence: i64) -> Self {
        Self {
            thing: thing.to_owned(),
            device,
            sequence,
            present: BTreeMap::new(),
            told: BTreeMap::new(),
            is_online: false,
            is_launched: false,
            in_deployment: false,
            last_ms: None,
            due_ms: None,
            waiting: VecDeque::new(),
        }
    }

    /// The number that the next message will have: to be kept over restarts.
    pub(crate) fn next_sequence(&self) -> i64 {
        self.sequence
    }

    /// When to call [`Self::tick`], in milliseconds since the epoch.
    pub(crate) fn due_ms(&self) -> Option<i64> {
        self.due_ms.filter(|_| self.is_online)
    }

    /// All the components there are now.
    pub(crate) fn components(
        &mut self,
        all: Vec<ComponentReport>,
        now_ms: i64,
    ) -> Vec<FleetStatus> {
        self.present = all.into_iter().map(|c| (c.component_name.clone(), c)).collect();
        let is_worth_telling = |report: &ComponentReport| match report.status.parse() {
            Ok(ComponentState::Errored) => true,
            Ok(ComponentState::Broken | ComponentState::Running | ComponentState::Finished) => {
                !self.in_deployment
            }
            _ => false,
        };
        if self.due_ms.is_none() && self.changes().iter().any(is_worth_telling) {
            self.due_ms = Some(self.last_ms.map_or(now_ms, |last| now_ms.max(last + SPACING_MS)));
        }
        self.tick(now_ms)
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now_ms: i64) -> Vec<FleetStatus> {
        if !self.is_online || !self.is_launched || self.due_ms.is_none_or(|due| now_ms < due) {
            return Vec::new();
        }
        self.due_ms = None;
        let mut changes = self.changes();
        if self.in_deployment {
            changes.retain(|report| report.status == ComponentState::Errored.as_str());
        }
        if changes.is_empty() {
            return Vec::new();
        }
        vec![self.partial(Trigger::ComponentStatusChange, changes, None, now_ms)]
    }

    /// The connection is there.
    pub(crate) fn connected(&mut self, now_ms: i64) -> Vec<FleetStatus> {
        self.is_online = true;
        if !self.is_launched {
            self.is_launched = true;
            self.due_ms = None;
            let mut messages = vec![self.complete(Trigger::NucleusLaunch, now_ms)];
            messages.extend(self.waiting.drain(..));
            return messages;
        }
        let mut messages: Vec<FleetStatus> = self.waiting.drain(..).collect();
        let changes = self.changes();
        let is_recent = self.last_ms.is_some_and(|last| now_ms - last < RECONNECT_SILENCE_MS);
        let is_news = !changes.is_empty() || !is_recent;
        if is_news && !self.in_deployment {
            self.due_ms = None;
            messages.push(self.partial(Trigger::Reconnect, changes, None, now_ms));
        }
        messages
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self) {
        self.is_online = false;
    }

    /// It is time for the regular message about everything.
    pub(crate) fn cadence(&mut self, now_ms: i64) -> Vec<FleetStatus> {
        if !self.is_online || !self.is_launched {
            return Vec::new();
        }
        self.due_ms = None;
        vec![self.complete(Trigger::Cadence, now_ms)]
    }

    /// A deployment begins: until its end only failures are told.
    pub(crate) fn deployment_began(&mut self) {
        self.in_deployment = true;
    }

    /// A deployment ended; all the components there are now.
    pub(crate) fn deployment_ended(
        &mut self,
        end: DeploymentEnd,
        all: Vec<ComponentReport>,
        now_ms: i64,
    ) -> Vec<FleetStatus> {
        self.in_deployment = false;
        self.due_ms = None;
        self.present = all.into_iter().map(|c| (c.component_name.clone(), c)).collect();
        let changes = self.changes();
        let mut information = end.information;
        if let Some(arn) = &information.fleet_configuration_arn_for_status {
            let is_changed = |name: &str| changes.iter().any(|c| c.component_name == name);
            let roots = self.present.values().filter(|c| c.is_root);
            let unchanged = roots
                .filter(|c| c.fleet_config_arns.contains(arn) && !is_changed(&c.component_name));
            information.unchanged_root_components =
                unchanged.map(|c| c.component_name.clone()).collect();
        }
        let message = self.partial(end.trigger, changes, Some(information), now_ms);
        if self.is_online && self.is_launched {
            return vec![message];
        }
        self.keep(message);
        Vec::new()
    }

    /// A message could not be published: its content is told again when the device is back.
    pub(crate) fn lost(&mut self, message: FleetStatus) {
        if message.known_trigger() == Some(Trigger::NucleusLaunch) {
            self.is_launched = false;
        }
        if message.deployment_information.is_some() {
            self.keep(message);
            return;
        }
        for component in message.components {
            self.told.remove(&component.component_name);
        }
    }

    fn keep(&mut self, message: FleetStatus) {
        if self.waiting.len() == MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(message);
    }

    /// What differs from what was told; a removed component with its last state, and brought by
    /// no deployment.
    fn changes(&self) -> Vec<ComponentReport> {
        let changed = self.present.iter().filter(|(name, now)| self.told.get(*name) != Some(now));
        let removed = self.told.iter().filter(|(name, _)| !self.present.contains_key(*name));
        let removed = removed.map(|(_, last)| ComponentReport {
            fleet_config_arns: Vec::new(),
            is_root: false,
            ..last.clone()
        });
        changed.map(|(_, now)| now.clone()).chain(removed).collect()
    }

    fn remember(&mut self, message_type: MessageType, components: &[ComponentReport]) {
        if message_type == MessageType::Complete {
            self.told.clone_from(&self.present);
            return;
        }
        for component in components {
            let name = &component.component_name;
            if self.present.contains_key(name) {
                self.told.insert(name.clone(), component.clone());
            } else {
                self.told.remove(name);
            }
        }
    }

    fn complete(&mut self, trigger: Trigger, now_ms: i64) -> FleetStatus {
        let all = self.present.values().cloned().collect();
        self.message(MessageType::Complete, trigger, all, None, now_ms)
    }

    fn partial(
        &mut self,
        trigger: Trigger,
        components: Vec<ComponentReport>,
        information: Option<DeploymentInformation>,
        now_ms: i64,
    ) -> FleetStatus {
        self.message(MessageType::Partial, trigger, components, information, now_ms)
    }

    fn message(
        &mut self,
        message_type: MessageType,
        trigger: Trigger,
        components: Vec<ComponentReport>,
        deployment_information: Option<DeploymentInformation>,
        now_ms: i64,
    ) -> FleetStatus {
        let sequence_number = self.sequence;
        self.sequence += 1;
        self.remember(message_type, &components);
        self.last_ms = Some(now_ms);
        let is_broken = |c: &ComponentReport| c.status == ComponentState::Broken.as_str();
        let overall_device_status = if self.present.values().any(is_broken) {
            OverallDeviceStatus::Unhealthy
        } else {
            OverallDeviceStatus::Healthy
        };
        FleetStatus {
            ggc_version: self.device.nucleus_version.clone(),
            platform: self.device.platform.clone(),
            architecture: self.device.architecture.clone(),
            runtime: None,
            thing: self.thing.clone(),
            overall_device_status,
            sequence_number,
            timestamp: now_ms,
            message_type,
            trigger: trigger.to_string(),
            chunk_info: None,
            components,
            deployment_information,
        }
    }
}

#[cfg(test)]
mod tests;

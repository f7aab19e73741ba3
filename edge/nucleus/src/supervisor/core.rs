//! All components: their machines are fed here, and what they want is carried out.
//!
//! Everything happens under one lock and nothing in here waits: steps run in tasks of their own,
//! and report back through [`Events`].

mod closing;
mod limits;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use marram_model::ComponentName;
use marram_model::component_state::{ComponentState, StatusCode};
use marram_os::cgroup::Cgroups;
use marram_os::process::Exit;
use marram_recipe::DependencyType;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Shared;
use super::board::Board;
use super::entry::{Closing, Entry, definition_of};
use super::events::{Events, Listener};
use super::output::ComponentOutput;
use super::process::{self, Task};
use super::runner::{Order, Runner, Started};
use super::settings;
use super::spec::{Reaction, ServiceSet, ServiceSpec};
use super::status::{Mark, StateChange};
use super::tokens::IssueToken;
use crate::component::Running;
use crate::lifecycle::{
    Action, Event, KillId, KillScope, Readiness, Request, RunId, Status, StepEvent, TimerId,
};

/// All components.
pub(super) struct Core {
    runner: Runner,
    cgroups: Cgroups,
    board: Arc<Board>,
    shared: Weak<Shared>,
    components: BTreeMap<ComponentName, Entry>,
    removals: Vec<(BTreeSet<ComponentName>, oneshot::Sender<()>)>,
    /// Work that ends processes.
    tasks: JoinSet<()>,
    began: Instant,
    last_mark: Mark,
    last_instance: u64,
    is_stopping: bool,
}

impl Core {
    pub(super) fn new(
        runner: Runner,
        cgroups: Cgroups,
        board: Arc<Board>,
        shared: Weak<Shared>,
    ) -> Self {
        Self {
            runner,
            cgroups,
            board,
            shared,
            components: BTreeMap::new(),
            removals: Vec::new(),
            tasks: JoinSet::new(),
            began: Instant::now(),
            last_mark: Mark::default(),
            last_instance: 0,
            is_stopping: false,
        }
    }

    /// The last state change.
    pub(super) fn mark(&self) -> Mark {
        self.last_mark
    }

    pub(super) fn contains(&self, name: &ComponentName) -> bool {
        self.components.contains_key(name)
    }

    /// Something happened to one instance of a component.
    pub(super) fn take_event(&mut self, component: &ComponentName, instance: u64, event: Event) {
        if self.is_current(component, instance) {
            self.feed(component.clone(), event);
        }
    }

    /// A guest runs. One that was ended meanwhile, or belongs to an earlier instance, ends here.
    pub(super) fn take_guest(
        &mut self,
        component: &ComponentName,
        instance: u64,
        run: RunId,
        guest: Box<dyn Running>,
    ) {
        let Some(entry) = self.components.get_mut(component) else { return };
        if entry.instance == instance && entry.jobs.remove(&run).is_some() {
            entry.guest = Some(guest);
            let started = StepEvent::Exited(Exit::Code(0));
            self.feed(component.clone(), Event::Step(run, started));
        }
    }

    /// Nothing is left of an instance that is being removed, unless it was applied again meanwhile.
    pub(super) fn take_end(&mut self, component: &ComponentName, instance: u64) {
        let is_awaited = self.components.get(component).is_some_and(|entry| {
            entry.instance == instance && entry.closing == Some(Closing::Ends)
        });
        if is_awaited {
            self.drop_component(component);
            self.advance_closing();
        }
    }

    fn is_current(&self, component: &ComponentName, instance: u64) -> bool {
        self.components.get(component).is_some_and(|entry| entry.instance == instance)
    }

    /// Creates and changes components; all of them exist before the first one starts.
    pub(super) fn apply(&mut self, set: ServiceSet) {
        if self.is_stopping {
            return;
        }
        let mut requests = Vec::new();
        for (name, spec) in set {
            requests.extend(self.apply_one(name, spec));
        }
        self.apply_limits();
        let names: Vec<ComponentName> = self.components.keys().cloned().collect();
        let readiness = names.iter().filter_map(|name| self.changed_readiness(name));
        let readiness: Vec<_> = readiness.collect();
        for (name, readiness) in readiness {
            self.feed(name, Event::Dependencies(readiness));
        }
        for (name, request) in requests {
            self.feed(name, Event::Request(request));
        }
    }

    /// Says what to ask of the component once all others are defined too.
    fn apply_one(
        &mut self,
        name: ComponentName,
        spec: ServiceSpec,
    ) -> Option<(ComponentName, Request)> {
        let Some(entry) = self.components.get_mut(&name) else {
            self.create(name.clone(), spec);
            return Some((name, Request::Start));
        };
        let reaction = entry.spec.reaction_to(&spec);
        let is_broken = entry.machine.status().state == ComponentState::Broken;
        let returns = entry.closing.take().is_some();
        entry.uninstalls = false;
        let definition = definition_of(&spec);
        entry.spec = spec;
        self.feed(name.clone(), Event::Define(definition));
        let request = match reaction {
            _ if is_broken || returns => Request::Reinstall,
            Reaction::Reinstall => Request::Reinstall,
            Reaction::Restart => Request::Restart,
            Reaction::Nothing => return None,
        };
        Some((name, request))
    }

    fn create(&mut self, name: ComponentName, spec: ServiceSpec) {
        let (instance, output) = (self.next_instance(), self.output_of(&name));
        let mut entry = Entry::new(spec, instance, output, self.cgroups.clone());
        entry.token = self.issue_token(&name);
        let status = entry.machine.status().clone();
        self.components.insert(name.clone(), entry);
        self.announce(&name, status);
        self.post(&name);
    }

    pub(super) fn next_instance(&mut self) -> u64 {
        self.last_instance += 1;
        self.last_instance
    }

    pub(super) fn output_of(&self, name: &ComponentName) -> ComponentOutput {
        let logs = self.runner.paths.logs();
        ComponentOutput::new(name.clone(), logs, Arc::clone(&self.runner.clock))
    }

    pub(super) fn start(&self, order: Order) -> Started {
        self.runner.start(order)
    }

    pub(super) fn has_program(&self, program: &str) -> bool {
        self.runner.has_program(program)
    }

    pub(super) fn revoke_token(&self, name: &ComponentName) {
        self.runner.tokens.revoke(name);
    }

    /// Without random numbers the component runs, but cannot prove who it is.
    pub(super) fn issue_token(&self, name: &ComponentName) -> String {
        self.runner.tokens.issue(name).unwrap_or_else(|error: IssueToken| {
            tracing::error!(component = %name, %error, "the component gets no token");
            String::new()
        })
    }

    /// Feeds an event to a component, and to others what follows for them.
    pub(super) fn feed(&mut self, name: ComponentName, event: Event) {
        let mut events = VecDeque::from([(name, event)]);
        while let Some((name, event)) = events.pop_front() {
            let now = self.began.elapsed();
            let Some(entry) = self.components.get_mut(&name) else { continue };
            for action in entry.machine.handle(event, now) {
                let follows = self.carry_out(&name, action);
                events.extend(follows.map(|event| (name.clone(), event)));
            }
            self.post(&name);
            let dependers = self.dependers(&name);
            let changed = dependers.iter().filter_map(|depender| self.changed_readiness(depender));
            let changed: Vec<_> = changed.collect();
            for (depender, readiness) in changed {
                events.push_back((depender, Event::Dependencies(readiness)));
            }
        }
        self.advance_closing();
    }

    /// Carries an action out; an event that is known at once is returned.
    fn carry_out(&mut self, name: &ComponentName, action: Action) -> Option<Event> {
        match action {
            Action::Run { run, step, definition } => {
                let events = self.events_of(name)?;
                let groups = self.admit(name, step);
                let entry = self.components.get_mut(name)?;
                let is_first = !std::mem::replace(&mut entry.is_prepared, true);
                let (token, output) = (entry.token.clone(), entry.output.clone());
                tracing::debug!(component = %name, step = step.as_str(), "starting a step");
                let order =
                    Order { run, step, definition, token, output, events, groups, is_first };
                match self.runner.start(order) {
                    Started::No(event) => Some(Event::Step(run, event)),
                    Started::Running(job) => {
                        entry.jobs.insert(run, job);
                        Some(Event::Step(run, StepEvent::Spawned))
                    }
                }
            }
            Action::Kill { kill, scope } => self.kill(name, kill, scope),
            Action::SetTimer { timer, after } => {
                let task = self.timer(name, timer, after)?;
                self.components.get_mut(name)?.timer = Some(task);
                None
            }
            Action::Announce(status) => {
                self.announce(name, status);
                None
            }
        }
    }

    fn kill(&mut self, name: &ComponentName, kill: KillId, scope: KillScope) -> Option<Event> {
        let events = self.events_of(name)?;
        let entry = self.components.get_mut(name)?;
        let (jobs, guest) = entry.take_jobs(scope);
        let groups = entry.resources.take(scope);
        if jobs.is_empty() && guest.is_none() && groups.is_empty() {
            return Some(Event::Killed { kill, complete: true });
        }
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(async move {
            let complete = process::end(jobs, guest, groups).await;
            events.send(Event::Killed { kill, complete });
        });
        None
    }

    fn timer(&self, name: &ComponentName, timer: TimerId, after: Duration) -> Option<Task> {
        let events = self.events_of(name)?;
        Some(Task::spawn(async move {
            tokio::time::sleep(after).await;
            events.send(Event::Timer(timer));
        }))
    }

    fn events_of(&self, name: &ComponentName) -> Option<Events> {
        let instance = self.components.get(name)?.instance;
        let listener = Listener::Machine(self.shared.clone());
        Some(Events { component: name.clone(), instance, listener })
    }

    /// A component reached a state; a new instance of it, one that installs again, also gets a new
    /// token.
    fn announce(&mut self, name: &ComponentName, status: Status) {
        self.last_mark.0 += 1;
        let is_again_new = status.state == ComponentState::New;
        let limits = settings::log_limits(&self.runner.config);
        let Some(entry) = self.components.get_mut(name) else { return };
        entry.changed = self.last_mark;
        entry.output.set_state(status.state);
        if status.state != ComponentState::Running {
            entry.resources.thaw();
        }
        let from = entry.announced.replace(status.state);
        if is_again_new || from == Some(ComponentState::Stopping) {
            entry.is_prepared = false;
        }
        if status.code != StatusCode::None {
            let event = format!("component-{}", status.state.as_str().to_lowercase());
            entry.output.error(&event, &status.reason, limits);
            tracing::warn!(component = %name, state = status.state.as_str(), reason = status.reason);
        } else {
            tracing::info!(component = %name, state = status.state.as_str());
        }
        // Whoever hears of the change and looks finds it.
        self.board.post(entry.status(), &entry.output);
        self.board.announce(StateChange {
            name: name.clone(),
            version: entry.spec.version.clone(),
            from,
            to: Some(status.state),
            code: status.code,
            reason: status.reason,
            at: self.last_mark,
        });
        if is_again_new && from.is_some_and(|from| from != ComponentState::Errored) {
            let token = self.issue_token(name);
            if let Some(entry) = self.components.get_mut(name) {
                entry.token = token;
            }
        }
    }

    fn post(&self, name: &ComponentName) {
        if let Some(entry) = self.components.get(name) {
            self.board.post(entry.status(), &entry.output);
        }
    }

    /// The components with a HARD dependency on this one.
    fn dependers(&self, name: &ComponentName) -> Vec<ComponentName> {
        let depends =
            |entry: &Entry| entry.spec.dependencies.get(name) == Some(&DependencyType::Hard);
        let dependers = self.components.iter().filter(|(_, entry)| depends(entry));
        dependers.map(|(depender, _)| depender.clone()).collect()
    }

    /// The component's readiness, if its dependencies have changed it. A dependency that is no
    /// component here belongs to the nucleus itself and is always there.
    fn changed_readiness(&self, name: &ComponentName) -> Option<(ComponentName, Readiness)> {
        let entry = self.components.get(name)?;
        let hard =
            entry.spec.dependencies.iter().filter(|(_, kind)| **kind == DependencyType::Hard);
        let readiness = hard
            .filter_map(|(dependency, _)| self.components.get(dependency))
            .map(|dependency| dependency.machine.readiness_of_dependers())
            .min()
            .unwrap_or(Readiness::Ready);
        (readiness != entry.machine.readiness()).then(|| (name.clone(), readiness))
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let components: Vec<&ComponentName> = self.components.keys().collect();
        f.debug_struct("Core").field("components", &components).finish_non_exhaustive()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.kill_all();
        self.board.stop();
    }
}

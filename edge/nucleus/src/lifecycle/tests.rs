//! The machine against a simulated shell with a virtual clock.

use std::collections::{BTreeMap, BTreeSet};

use marram_model::deployment::RunWith;
use marram_recipe::lifecycle::Lifecycle;
use serde_json::{Value, json};

use super::*;

mod conformance;
mod random;

/// What a step's process does in the simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    /// It ends at once with this code.
    Exit(i32),
    /// It ends only when it is killed.
    Sleep,
    /// Its Skipif holds.
    Skip,
    /// It cannot be started.
    Refuse(Refusal),
}

/// Carries out a machine's actions at once, in a time of its own.
struct Sim {
    machine: Machine,
    now: Duration,
    behaviours: BTreeMap<&'static str, Behaviour>,
    alive: BTreeMap<RunId, StepName>,
    timers: BTreeSet<(Duration, TimerId)>,
    /// Steps and states in the order they came: `install`, `NEW`, …
    trace: Vec<String>,
    /// The reason of each ERRORED and BROKEN.
    reasons: Vec<String>,
}

fn definition(lifecycle: Value) -> Arc<Definition> {
    let Value::Object(map) = lifecycle else { panic!("a lifecycle is an object") };
    let work = Work::Scripts(Lifecycle::parse(&map));
    let version = "1.0.0".parse().unwrap();
    Arc::new(Definition { version, run_with: RunWith::default(), work })
}

impl Sim {
    /// A component with these scripts; `exit N`, `sleep`, `skip` and `refuse` are what they do.
    fn new(lifecycle: Value) -> Self {
        let mut behaviours = BTreeMap::new();
        for step in ["install", "startup", "run", "shutdown", "recover", "uninstall"] {
            let script = lifecycle[step]["Script"].as_str().or_else(|| lifecycle[step].as_str());
            let behaviour = match script
                .map(|script| script.split_at(script.find(' ').unwrap_or(script.len())))
            {
                Some(("exit", code)) => Behaviour::Exit(code.trim().parse().unwrap()),
                Some(("skip", _)) => Behaviour::Skip,
                Some(_) => Behaviour::Sleep,
                None => Behaviour::Refuse(Refusal::ConfigNotValid),
            };
            behaviours.insert(step, behaviour);
        }
        Self {
            machine: Machine::new(definition(lifecycle)),
            now: Duration::from_secs(1_000_000),
            behaviours,
            alive: BTreeMap::new(),
            timers: BTreeSet::new(),
            trace: Vec::new(),
            reasons: Vec::new(),
        }
    }

    fn started(lifecycle: Value) -> Self {
        let mut sim = Self::new(lifecycle);
        sim.request(Request::Start);
        sim
    }

    fn request(&mut self, request: Request) {
        self.feed(Event::Request(request));
    }

    /// An event and all that follows from it at once.
    fn feed(&mut self, event: Event) {
        let mut events = std::collections::VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.machine.handle(event, self.now) {
                events.extend(self.carry_out(action));
            }
        }
    }

    fn carry_out(&mut self, action: Action) -> Vec<Event> {
        match action {
            Action::Run { run, step, .. } => {
                self.trace.push(step.as_str().to_owned());
                self.run(run, step)
            }
            Action::Kill { kill, scope } => {
                match scope {
                    KillScope::All => self.alive.clear(),
                    KillScope::Run(run) => {
                        self.alive.remove(&run);
                    }
                }
                vec![Event::Killed { kill, complete: true }]
            }
            Action::SetTimer { timer, after } => {
                self.timers.insert((self.now + after, timer));
                Vec::new()
            }
            Action::Announce(status) => {
                self.trace.push(status.state.as_str().to_owned());
                if status.code != StatusCode::None {
                    self.reasons.push(format!("{}: {}", status.code.as_str(), status.reason));
                }
                Vec::new()
            }
        }
    }

    fn run(&mut self, run: RunId, step: StepName) -> Vec<Event> {
        let is_main = |step: &StepName| matches!(step, StepName::Startup | StepName::Run);
        assert!(
            !is_main(&step) || !self.alive.values().any(is_main),
            "two main processes: {:?}",
            self.trace
        );
        let after = match self.behaviours[step.as_str()] {
            Behaviour::Exit(code) => {
                return vec![
                    Event::Step(run, StepEvent::Spawned),
                    Event::Step(run, StepEvent::Exited(Exit::Code(code))),
                ];
            }
            Behaviour::Sleep => {
                self.alive.insert(run, step);
                StepEvent::Spawned
            }
            Behaviour::Skip => StepEvent::Skipped,
            Behaviour::Refuse(refusal) => StepEvent::Refused(refusal, "no".to_owned()),
        };
        vec![Event::Step(run, after)]
    }

    /// The one living process of `step` ends.
    fn exit(&mut self, step: StepName, code: i32) {
        let run = *self.alive.iter().find(|(_, alive)| **alive == step).unwrap().0;
        self.alive.remove(&run);
        self.feed(Event::Step(run, StepEvent::Exited(Exit::Code(code))));
    }

    fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some((at, timer)) = self.timers.first().copied().filter(|(at, _)| *at <= end) {
            self.timers.remove(&(at, timer));
            self.now = at;
            self.feed(Event::Timer(timer));
        }
        self.now = end;
    }

    fn state(&self) -> ComponentState {
        self.machine.status().state
    }

    /// What was traced since the last call.
    fn take_trace(&mut self) -> String {
        std::mem::take(&mut self.trace).join(" ")
    }
}

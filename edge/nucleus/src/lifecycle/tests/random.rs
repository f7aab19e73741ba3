//! Random histories: whatever happens, in whatever order, the promises hold.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Happening {
    Request(usize),
    Readiness(usize),
    Exit(usize, i32),
    Report(bool),
    Advance(u64),
    Behave(&'static str, Behaviour),
    Redefine(usize),
    /// An event with a number that is not awaited.
    Stale(u64),
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        (0..2).prop_map(Behaviour::Exit),
        Just(Behaviour::Sleep),
        Just(Behaviour::Skip),
        Just(Behaviour::Refuse(Refusal::Io)),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let step =
        prop::sample::select(vec!["install", "startup", "run", "shutdown", "recover", "uninstall"]);
    prop_oneof![
        4 => (0..5usize).prop_map(Happening::Request),
        2 => (0..3usize).prop_map(Happening::Readiness),
        4 => (0..3usize, 0..2).prop_map(|(which, code)| Happening::Exit(which, code)),
        2 => any::<bool>().prop_map(Happening::Report),
        3 => (0..130u64).prop_map(Happening::Advance),
        2 => (step, behaviour()).prop_map(|(step, behaviour)| Happening::Behave(step, behaviour)),
        1 => (0..4usize).prop_map(Happening::Redefine),
        1 => (0..40u64).prop_map(Happening::Stale),
    ]
}

fn lifecycles() -> [Value; 4] {
    [
        json!({"install": "sleep", "run": "sleep", "shutdown": "sleep", "recover": "sleep"}),
        json!({"startup": "sleep", "run": "sleep", "uninstall": "sleep"}),
        json!({"run": {"Script": "sleep", "Timeout": 7}, "shutdown": "exit 1"}),
        json!({}),
    ]
}

fn apply(sim: &mut Sim, happening: &Happening) {
    let was_broken = sim.state() == ComponentState::Broken && sim.machine.is_stopped();
    let leads_out = matches!(happening, Happening::Request(3 | 4));
    match happening {
        Happening::Request(which) => {
            let all = [
                Request::Start,
                Request::Stop,
                Request::Restart,
                Request::Reinstall,
                Request::Uninstall,
            ];
            sim.request(all[*which]);
        }
        Happening::Readiness(which) => {
            let all = [Readiness::Ready, Readiness::Leaving, Readiness::NotReady];
            sim.feed(Event::Dependencies(all[*which]));
        }
        Happening::Exit(which, code) => {
            if let Some((&run, _)) = sim.alive.iter().nth(*which) {
                sim.alive.remove(&run);
                sim.feed(Event::Step(run, StepEvent::Exited(Exit::Code(*code))));
            }
        }
        Happening::Report(true) => sim.feed(Event::ReportedRunning),
        Happening::Report(false) => sim.feed(Event::ReportedErrored),
        Happening::Advance(seconds) => sim.advance(Duration::from_secs(*seconds)),
        Happening::Behave(step, behaviour) => {
            sim.behaviours.insert(step, *behaviour);
        }
        Happening::Redefine(which) => {
            sim.feed(Event::Define(definition(lifecycles()[*which].clone())));
        }
        Happening::Stale(id) => {
            if !sim.alive.contains_key(&RunId(*id)) {
                sim.feed(Event::Step(RunId(*id), StepEvent::Exited(Exit::Code(1))));
            }
            sim.feed(Event::Killed { kill: KillId(*id), complete: true });
        }
    }
    if was_broken && !leads_out {
        assert_eq!(sim.state(), ComponentState::Broken, "after {happening:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_history_keeps_the_promises(
        which in 0..4usize, happenings in vec(happening(), 0..40)
    ) {
        let mut sim = Sim::started(lifecycles()[which].clone());
        // The simulation itself asserts that there are never two main processes.
        for happening in &happenings {
            apply(&mut sim, happening);
        }
        sim.request(Request::Stop);
        // Recover, then shutdown, then recover again, then uninstall: the longest way down.
        sim.advance(Duration::from_secs(60 + 15 + 60 + 120));
        prop_assert!(sim.machine.is_stopped(), "{:?} {:?}", sim.machine, sim.trace);
        let state = sim.state();
        prop_assert!(
            matches!(
                state,
                ComponentState::Finished | ComponentState::Broken | ComponentState::Uninstalled
            ),
            "{state:?}"
        );
        prop_assert!(sim.alive.is_empty(), "{:?}", sim.alive);
        sim.request(Request::Uninstall);
        sim.advance(Duration::from_secs(120));
        prop_assert_eq!(sim.state(), ComponentState::Uninstalled);
        prop_assert!(sim.machine.is_stopped() && sim.alive.is_empty());
        sim.request(Request::Reinstall);
        prop_assert!(sim.state() != ComponentState::Broken || sim.reasons.len() >= 3);
    }
}

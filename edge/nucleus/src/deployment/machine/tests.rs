//! The order of a deployment's steps, by example and for every sequence of events.

use proptest::prelude::*;

use super::*;

/// The steps that a cancel ends.
const BEFORE_APPLY: [Step; 5] = [
    Step::Gather,
    Step::Resolve,
    Step::Prepare,
    Step::NotifyComponents,
    Step::ValidateConfiguration,
];

fn failure(cause: &str) -> Failure {
    Failure { cause: cause.to_owned(), codes: vec![ErrorCode::ComponentUpdateError] }
}

/// A machine brought to `step` by nothing but successes (and one failure for the way back).
fn at(step: Step, on_failure: OnFailure) -> Machine {
    bring(Machine::new(on_failure), step)
}

/// The same of a deployment that restarts the nucleus.
fn restarting_at(step: Step, on_failure: OnFailure) -> Machine {
    let mut machine = Machine::new(on_failure);
    machine.require_restart();
    bring(machine, step)
}

fn bring(mut machine: Machine, step: Step) -> Machine {
    if !machine.is_canceled() {
        machine.resume();
    }
    while machine.step() != step {
        let event = if machine.step() == Step::Remove {
            Event::Failed(failure("first"))
        } else {
            Event::Done
        };
        assert_ne!(machine.handle(event), Action::Ignore, "{step:?} cannot be reached");
    }
    machine
}

fn detail(action: Action) -> DetailedStatus {
    match action {
        Action::Finish(Ending::Failed { detailed, .. }) => detailed,
        other => panic!("expected a failed ending, got {other:?}"),
    }
}

#[test]
fn steps_follow_in_order_to_success() {
    let mut machine = Machine::new(OnFailure::Rollback);
    let mut action = machine.resume();
    let mut steps = Vec::new();
    while let Action::Run(step) = action {
        steps.push(step);
        action = machine.handle(Event::Done);
    }
    use Step::*;
    let before = [Gather, Resolve, Prepare, NotifyComponents, ValidateConfiguration];
    assert_eq!(steps, [&before[..], &[Apply, Settle, Remove]].concat());
    assert_eq!(action, Action::Finish(Ending::Succeeded));
}

#[test]
fn b5_9_a_restart_comes_between_the_configuration_and_the_components_both_ways() {
    let mut machine = restarting_at(Step::Apply, OnFailure::Rollback);
    let mut steps = Vec::new();
    let mut event = Event::Done;
    while let Action::Run(step) = machine.handle(event) {
        steps.push(step);
        event = if step == Step::Remove { Event::Failed(failure("x")) } else { Event::Done };
    }
    use Step::*;
    let forward = [Bootstrap, Restart, Settle, Remove];
    let back = [Restore, BootstrapRestored, RestartRestored, SettleRestored];
    assert_eq!(steps, [forward, back].concat());
}

#[test]
fn b5_9_a_deployment_that_restarts_goes_back_whatever_its_policy() {
    for step in [Step::Bootstrap, Step::Restart, Step::Settle, Step::Remove] {
        let mut machine = restarting_at(step, OnFailure::DoNothing);
        assert_eq!(machine.handle(Event::Failed(failure("x"))), Action::Run(Step::Restore));
    }
}

#[test]
fn b5_9_a_failing_bootstrap_of_the_rollback_still_brings_the_old_components_up() {
    let mut machine = restarting_at(Step::BootstrapRestored, OnFailure::Rollback);
    let action = machine.handle(Event::Failed(failure("exit 1")));
    assert_eq!(action, Action::Run(Step::RestartRestored));
    let saved = serde_json::to_string(&machine).unwrap();
    let mut machine: Machine = serde_json::from_str(&saved).unwrap();
    assert_eq!(machine.handle(Event::Done), Action::Run(Step::SettleRestored));
    assert_eq!(detail(machine.handle(Event::Done)), DetailedStatus::FailedUnableToRollback);
}

#[test]
fn engine_rollback_new_component_broken_restores_and_says_why() {
    let mut machine = at(Step::Settle, OnFailure::Rollback);
    assert_eq!(machine.handle(Event::Failed(failure("B is BROKEN"))), Action::Run(Step::Restore));
    assert_eq!(machine.handle(Event::Done), Action::Run(Step::SettleRestored));
    let Action::Finish(Ending::Failed { detailed, failure }) = machine.handle(Event::Done) else {
        panic!("not finished");
    };
    assert_eq!(detailed, DetailedStatus::FailedRollbackComplete);
    assert_eq!(failure.cause, "B is BROKEN");
}

#[test]
fn engine_do_nothing_new_component_broken_stays() {
    let mut machine = at(Step::Settle, OnFailure::DoNothing);
    let action = machine.handle(Event::Failed(failure("x")));
    assert_eq!(detail(action), DetailedStatus::FailedRollbackNotRequested);
}

#[test]
fn engine_a_refused_configuration_changes_nothing() {
    for step in [Step::NotifyComponents, Step::ValidateConfiguration] {
        let mut machine = at(step, OnFailure::DoNothing);
        let action = machine.handle(Event::Failed(failure("x")));
        assert_eq!(detail(action), DetailedStatus::FailedNoStateChange, "{step:?}");
    }
}

#[test]
fn a_failing_rollback_keeps_both_causes() {
    let mut machine = at(Step::Restore, OnFailure::Rollback);
    let Action::Finish(Ending::Failed { detailed, failure }) =
        machine.handle(Event::Failed(failure("disk full")))
    else {
        panic!("not finished");
    };
    assert_eq!(detailed, DetailedStatus::FailedUnableToRollback);
    assert!(failure.cause.starts_with("first") && failure.cause.ends_with("disk full"));
}

#[test]
fn a_cancel_before_apply_ends_and_after_it_leads_back() {
    for step in BEFORE_APPLY {
        let mut machine = at(step, OnFailure::Rollback);
        assert_eq!(machine.handle(Event::Cancel), Action::Finish(Ending::Canceled), "{step:?}");
    }
    for step in [Step::Bootstrap, Step::Restart, Step::Settle, Step::Remove] {
        for on_failure in [OnFailure::Rollback, OnFailure::DoNothing] {
            let mut machine = restarting_at(step, on_failure);
            let mut action = machine.handle(Event::Cancel);
            assert_eq!(action, Action::Run(Step::Restore), "{step:?}");
            while matches!(action, Action::Run(_)) {
                assert_eq!(machine.handle(Event::Cancel), Action::Ignore, "cancelled already");
                action = machine.handle(Event::Done);
            }
            assert_eq!(action, Action::Finish(Ending::Canceled), "{step:?}");
        }
    }
}

#[test]
fn a_cancel_during_apply_goes_back_when_that_is_done() {
    let mut machine = at(Step::Apply, OnFailure::Rollback);
    assert_eq!(machine.handle(Event::Cancel), Action::Ignore);
    assert_eq!(machine.handle(Event::Done), Action::Run(Step::Restore));
}

#[test]
fn restored_components_that_are_slow_end_a_cancelled_deployment_and_broken_ones_fail_it() {
    let canceled = || {
        let mut machine = at(Step::Settle, OnFailure::Rollback);
        machine.handle(Event::Cancel);
        bring(machine, Step::SettleRestored)
    };
    let slow = canceled().handle(Event::Overdue(failure("slow")));
    assert_eq!(slow, Action::Finish(Ending::Canceled));
    let broken = canceled().handle(Event::Failed(failure("broken")));
    assert_eq!(detail(broken), DetailedStatus::FailedUnableToRollback);
}

#[test]
fn a_cancel_of_a_deployment_that_goes_back_shortens_its_wait_and_keeps_its_failure() {
    let mut machine = at(Step::SettleRestored, OnFailure::Rollback);
    assert_eq!(machine.handle(Event::Cancel), Action::Run(Step::SettleRestored));
    assert_eq!(machine.handle(Event::Cancel), Action::Ignore);
    let Action::Finish(Ending::Failed { detailed, failure }) =
        machine.handle(Event::Overdue(failure("slow")))
    else {
        panic!("not finished");
    };
    assert_eq!(detailed, DetailedStatus::FailedUnableToRollback);
    assert!(failure.cause.starts_with("first") && failure.cause.ends_with("slow"));
}

#[test]
fn a_restart_starts_over_before_apply_and_carries_on_after() {
    for (killed_in, resumed_in) in [
        (Step::Prepare, Step::Gather),
        (Step::NotifyComponents, Step::Gather),
        (Step::ValidateConfiguration, Step::Gather),
        (Step::Apply, Step::Gather),
        (Step::Settle, Step::Settle),
        (Step::Remove, Step::Remove),
        (Step::Restore, Step::Restore),
        (Step::SettleRestored, Step::SettleRestored),
    ] {
        let saved = serde_json::to_string(&at(killed_in, OnFailure::Rollback)).unwrap();
        let mut machine: Machine = serde_json::from_str(&saved).unwrap();
        assert_eq!(machine.resume(), Action::Run(resumed_in), "killed in {killed_in:?}");
    }
    for step in [
        Step::Bootstrap,
        Step::Restart,
        Step::Settle,
        Step::BootstrapRestored,
        Step::RestartRestored,
    ] {
        let saved = serde_json::to_string(&restarting_at(step, OnFailure::Rollback)).unwrap();
        let mut machine: Machine = serde_json::from_str(&saved).unwrap();
        assert_eq!(machine.resume(), Action::Run(step), "killed in {step:?}");
        assert!(machine.restarts());
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Done),
        2 => Just(Event::Failed(failure("x"))),
        1 => Just(Event::Overdue(failure("slow"))),
        1 => Just(Event::Cancel),
    ]
}

proptest! {
    #[test]
    fn every_deployment_ends_once_and_tells_the_truth(
        rollback: bool,
        restarts: bool,
        events in proptest::collection::vec(event(), 0..40),
    ) {
        let on_failure = if rollback { OnFailure::Rollback } else { OnFailure::DoNothing };
        let mut machine = Machine::new(on_failure);
        if restarts {
            machine.require_restart();
        }
        let mut step = match machine.resume() {
            Action::Run(step) => step,
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        let (mut changed, mut restored) = (false, false);
        let mut ended = None;
        for event in events.into_iter().chain(std::iter::repeat_n(Event::Done, 14)) {
            let was_done = event == Event::Done;
            match machine.handle(event) {
                Action::Run(next) => {
                    prop_assert!(ended.is_none());
                    changed |= was_done && step == Step::Apply;
                    restored |= was_done && step == Step::Restore;
                    step = next;
                }
                Action::Finish(ending) => {
                    prop_assert!(ended.is_none());
                    ended = Some(ending);
                }
                Action::Ignore => {}
            }
        }
        match ended {
            Some(Ending::Canceled) => prop_assert!(!changed || restored),
            Some(Ending::Failed { detailed, .. }) => {
                prop_assert_eq!(detailed == DetailedStatus::FailedNoStateChange, !changed);
                let stays = detailed == DetailedStatus::FailedRollbackNotRequested;
                prop_assert!(!stays || (!rollback && !restarts));
            }
            Some(Ending::Succeeded) => prop_assert!(changed),
            None => prop_assert!(false, "fourteen successes in a row end every deployment"),
        }
    }
}

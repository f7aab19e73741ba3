//! The rows of the conformance table "Lifecycle" that concern one component, and A7.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn life_no_steps_finish_at_once() {
    let mut sim = Sim::started(json!({}));
    assert_eq!(sim.take_trace(), "INSTALLED STARTING FINISHED");
    assert!(sim.machine.is_settled());
}

#[test]
fn life_run_that_ends_well_runs_shutdown() {
    let mut sim = Sim::started(json!({"run": "exit 0", "shutdown": "exit 0"}));
    assert_eq!(sim.take_trace(), "INSTALLED STARTING run RUNNING STOPPING shutdown FINISHED");
    assert!(sim.machine.is_settled());
}

#[test]
fn life_run_that_fails_is_tried_three_times() {
    let mut sim = Sim::started(json!({"install": "exit 0", "run": "exit 3"}));
    assert_eq!(
        sim.take_trace(),
        "install INSTALLED STARTING run RUNNING ERRORED STOPPING \
         INSTALLED STARTING run RUNNING ERRORED STOPPING \
         INSTALLED STARTING run RUNNING BROKEN"
    );
    let reason = sim.reasons.last().unwrap();
    assert!(reason.starts_with("RUN_ERROR") && reason.ends_with("exited with code 3."), "{reason}");
}

#[test]
fn life_install_that_fails_is_tried_three_times() {
    let mut sim = Sim::started(json!({"install": "exit 1"}));
    assert_eq!(sim.take_trace(), "install ERRORED NEW install ERRORED NEW install BROKEN");
    assert!(sim.reasons[2].starts_with("INSTALL_ERROR"), "{:?}", sim.reasons);
    assert!(sim.reasons[2].ends_with("exited with code 1."), "{:?}", sim.reasons);
}

#[test]
fn life_startup_hides_run() {
    let mut sim = Sim::started(json!({"startup": "exit 0", "run": "sleep"}));
    assert_eq!(sim.take_trace(), "INSTALLED STARTING startup RUNNING");
    assert!(sim.machine.is_settled());
}

#[test]
fn life_skipped_startup_falls_through_to_run() {
    let mut sim = Sim::started(json!({"startup": "skip", "run": "sleep"}));
    assert_eq!(sim.take_trace(), "INSTALLED STARTING startup run RUNNING");
}

#[test]
fn life_skipped_install_counts_as_installed_and_skipped_run_as_finished() {
    let mut sim = Sim::started(json!({"install": "skip", "run": "skip"}));
    assert_eq!(sim.take_trace(), "install INSTALLED STARTING run FINISHED");
}

#[test]
fn life_startup_timeout() {
    let mut sim = Sim::started(json!({"startup": {"Script": "sleep", "Timeout": 1}}));
    assert_eq!(sim.state(), ComponentState::Starting);
    assert!(!sim.machine.is_settled());
    sim.advance(SECOND);
    assert!(sim.reasons[0].starts_with("STARTUP_TIMEOUT"), "{:?}", sim.reasons);
    assert!(sim.take_trace().contains("startup ERRORED STOPPING INSTALLED STARTING startup"));
    sim.advance(SECOND * 2);
    assert_eq!(sim.state(), ComponentState::Broken);
    assert!(sim.alive.is_empty());
}

#[test]
fn life_run_timeout() {
    let mut sim = Sim::started(json!({"run": {"Script": "sleep", "Timeout": 1}}));
    assert_eq!(sim.state(), ComponentState::Running);
    sim.advance(SECOND);
    assert!(sim.reasons[0].starts_with("RUN_TIMEOUT"), "{:?}", sim.reasons);
    assert_eq!(sim.alive.len(), 1);
}

#[test]
fn life_run_without_script_is_not_valid() {
    let mut sim = Sim::started(json!({"run": {"Timeout": 5}}));
    assert_eq!(
        sim.take_trace(),
        "INSTALLED STARTING run ERRORED STOPPING INSTALLED STARTING run ERRORED STOPPING \
         INSTALLED STARTING run BROKEN"
    );
    assert!(sim.reasons[2].starts_with("RUN_CONFIG_NOT_VALID"), "{:?}", sim.reasons);
}

#[test]
fn life_recover_runs_before_shutdown_and_not_after_the_third_failure() {
    let lifecycle = json!({"run": "exit 1", "recover": "exit 0", "shutdown": "exit 0"});
    let mut sim = Sim::started(lifecycle);
    let attempt = "INSTALLED STARTING run RUNNING ERRORED recover STOPPING shutdown";
    assert_eq!(
        sim.take_trace(),
        format!("{attempt} {attempt} INSTALLED STARTING run RUNNING BROKEN shutdown")
    );
}

#[test]
fn life_errors_far_apart_never_break() {
    let mut sim = Sim::started(json!({"run": "sleep", "errorResetTime": 2}));
    for _ in 0..10 {
        sim.advance(SECOND * 3);
        sim.exit(StepName::Run, 1);
        assert_eq!(sim.state(), ComponentState::Running);
    }
    for _ in 0..2 {
        sim.advance(SECOND);
        sim.exit(StepName::Run, 1);
    }
    assert_eq!(sim.state(), ComponentState::Broken);
}

#[test]
fn life_dependency_that_leaves_running_restarts() {
    let mut sim = Sim::started(json!({"run": "sleep"}));
    sim.take_trace();
    sim.feed(Event::Dependencies(Readiness::Leaving));
    assert_eq!(sim.take_trace(), "");
    sim.feed(Event::Dependencies(Readiness::NotReady));
    assert_eq!(sim.take_trace(), "STOPPING INSTALLED");
    sim.feed(Event::Dependencies(Readiness::Leaving));
    assert_eq!(sim.take_trace(), "");
    sim.feed(Event::Dependencies(Readiness::Ready));
    assert_eq!(sim.take_trace(), "STARTING run RUNNING");
}

#[test]
fn life_dependency_states() {
    use ComponentState::{Broken, Errored, Finished, Installed, New, Running, Starting, Stopping};
    for state in [Running, Finished] {
        assert_eq!(Readiness::of_hard(state, true), Readiness::Ready);
    }
    for state in [New, Installed, Starting, Errored, Broken] {
        assert_eq!(Readiness::of_hard(state, true), Readiness::NotReady, "{state:?}");
    }
    assert_eq!(Readiness::of_hard(Stopping, true), Readiness::Leaving);
    assert_eq!(Readiness::of_hard(Stopping, false), Readiness::NotReady);
}

#[test]
fn life_install_does_not_wait_for_dependencies() {
    let mut sim = Sim::new(json!({"install": "exit 0", "run": "sleep"}));
    sim.feed(Event::Dependencies(Readiness::NotReady));
    sim.request(Request::Start);
    assert_eq!(sim.take_trace(), "install INSTALLED");
    assert!(!sim.machine.is_settled() && !sim.machine.is_stopped());
}

#[test]
fn life_reported_running_counts_only_while_starting() {
    let mut sim = Sim::new(json!({"startup": "sleep"}));
    sim.feed(Event::Dependencies(Readiness::NotReady));
    sim.request(Request::Start);
    sim.feed(Event::ReportedRunning);
    assert_eq!(sim.state(), ComponentState::Installed);
    sim.feed(Event::Dependencies(Readiness::Ready));
    sim.feed(Event::ReportedRunning);
    assert_eq!(sim.state(), ComponentState::Running);
    sim.advance(SECOND * 600);
    assert_eq!(sim.state(), ComponentState::Running);
    sim.exit(StepName::Startup, 0);
    assert_eq!(sim.state(), ComponentState::Running);
}

#[test]
fn a7_2_startup_that_fails_after_reporting_running() {
    let mut sim = Sim::started(json!({"startup": "sleep"}));
    sim.feed(Event::ReportedRunning);
    sim.exit(StepName::Startup, 4);
    assert!(sim.reasons[0].starts_with("STARTUP_ERROR"), "{:?}", sim.reasons);
}

#[test]
fn a7_1_reported_errors_by_state() {
    let mut sim =
        Sim::started(json!({"install": "sleep", "startup": "sleep", "shutdown": "sleep"}));
    sim.feed(Event::ReportedErrored);
    sim.exit(StepName::Install, 0);
    sim.feed(Event::ReportedErrored);
    assert_eq!(sim.state(), ComponentState::Stopping);
    sim.feed(Event::ReportedErrored);
    sim.feed(Event::ReportedRunning);
    assert_eq!(sim.state(), ComponentState::Running);
    sim.feed(Event::ReportedErrored);
    let codes: Vec<&str> = sim.reasons.iter().map(|r| r.split(':').next().unwrap()).collect();
    assert_eq!(codes, ["INSTALL_ERROR", "STARTUP_ERROR", "SHUTDOWN_ERROR", "RUN_ERROR"]);
}

#[test]
fn a7_2_shutdown_that_takes_too_long_still_stops() {
    let mut sim = Sim::started(json!({"run": "sleep", "shutdown": "sleep"}));
    sim.take_trace();
    sim.request(Request::Stop);
    sim.advance(SECOND * 14);
    assert_eq!(sim.state(), ComponentState::Stopping);
    sim.advance(SECOND);
    assert_eq!(sim.take_trace(), "STOPPING shutdown ERRORED FINISHED");
    assert!(sim.reasons[0].starts_with("SHUTDOWN_TIMEOUT"), "{:?}", sim.reasons);
    assert!(sim.alive.is_empty() && sim.machine.is_stopped());
}

#[test]
fn a7_2_recover_that_takes_too_long_is_ended() {
    let mut sim = Sim::started(json!({"run": "exit 1", "recover": "sleep"}));
    assert_eq!(sim.state(), ComponentState::Errored);
    sim.take_trace();
    sim.advance(SECOND * 60);
    assert_eq!(sim.take_trace(), "STOPPING INSTALLED STARTING run RUNNING ERRORED recover");
}

#[test]
fn a7_2_started_version_is_shut_down_by_its_own_script() {
    let mut sim = Sim::new(json!({"run": "sleep", "shutdown": "exit 0"}));
    let old = Arc::clone(&sim.machine.definition);
    sim.request(Request::Start);
    let new = definition(json!({"install": "exit 0", "run": "sleep", "shutdown": "exit 1"}));
    sim.feed(Event::Define(Arc::clone(&new)));
    let actions = sim.machine.handle(Event::Request(Request::Reinstall), sim.now);
    let shutdown = actions.iter().find_map(|action| match action {
        Action::Run { step: StepName::Shutdown, definition, .. } => Some(definition),
        _ => None,
    });
    assert!(Arc::ptr_eq(shutdown.unwrap(), &old));
}

#[test]
fn a7_2_reinstall_leads_out_of_broken_and_others_do_not() {
    let mut sim = Sim::started(json!({"run": "exit 1"}));
    assert_eq!(sim.state(), ComponentState::Broken);
    for request in [Request::Start, Request::Restart, Request::Stop] {
        sim.request(request);
        assert_eq!(sim.state(), ComponentState::Broken);
    }
    sim.behaviours.insert("run", Behaviour::Sleep);
    sim.take_trace();
    sim.request(Request::Reinstall);
    assert_eq!(sim.take_trace(), "NEW INSTALLED STARTING run RUNNING");
    for _ in 0..2 {
        sim.exit(StepName::Run, 1);
        assert_eq!(sim.state(), ComponentState::Running, "counters were cleared");
    }
}

#[test]
fn a7_2_stop_before_install_and_start_after_it_installs() {
    let mut sim = Sim::started(json!({"install": "sleep", "run": "sleep"}));
    sim.request(Request::Stop);
    assert_eq!(sim.take_trace(), "install FINISHED");
    assert!(sim.alive.is_empty());
    sim.behaviours.insert("install", Behaviour::Exit(0));
    sim.request(Request::Start);
    assert_eq!(sim.take_trace(), "NEW install INSTALLED STARTING run RUNNING");
}

#[test]
fn a7_2_start_after_finished_does_not_reinstall() {
    let mut sim = Sim::started(json!({"install": "exit 0", "run": "sleep"}));
    sim.request(Request::Stop);
    sim.take_trace();
    sim.request(Request::Start);
    assert_eq!(sim.take_trace(), "INSTALLED STARTING run RUNNING");
}

#[test]
fn a7_2_late_exit_of_an_earlier_start_is_ignored() {
    let mut sim = Sim::started(json!({"run": "sleep"}));
    let first = *sim.alive.first_key_value().unwrap().0;
    sim.request(Request::Restart);
    sim.feed(Event::Step(first, StepEvent::Exited(Exit::Code(1))));
    assert_eq!(sim.state(), ComponentState::Running);
}

#[test]
fn a7_6_new_version_replaces_an_install_that_hangs() {
    let mut sim = Sim::started(json!({"install": "sleep"}));
    sim.behaviours.insert("install", Behaviour::Exit(0));
    sim.request(Request::Reinstall);
    assert_eq!(sim.take_trace(), "install install INSTALLED STARTING FINISHED");
}

#[test]
fn survivors_of_sigkill_break_the_component() {
    let mut sim = Sim::started(json!({"run": "sleep"}));
    let actions = sim.machine.handle(Event::Request(Request::Restart), sim.now);
    let kill = actions.iter().find_map(|action| match action {
        Action::Kill { kill, .. } => Some(*kill),
        _ => None,
    });
    let event = Event::Killed { kill: kill.unwrap(), complete: false };
    sim.machine.handle(event, sim.now);
    assert_eq!(sim.state(), ComponentState::Broken);
    assert!(sim.machine.is_stopped());
}

#[test]
fn a7_2_uninstall_stops_first_and_ignores_failures() {
    let mut sim =
        Sim::started(json!({"run": "sleep", "shutdown": "exit 0", "uninstall": "exit 3"}));
    sim.take_trace();
    sim.request(Request::Uninstall);
    assert_eq!(
        sim.take_trace(),
        "STOPPING shutdown FINISHED UNINSTALLING uninstall UNINSTALLING UNINSTALLED"
    );
    let reason = "UNINSTALL_ERROR: The uninstall step failed. Its script exited with code 3.";
    assert_eq!(sim.reasons, [reason, reason]);
    assert!(sim.machine.is_stopped());
}

#[test]
fn a7_2_uninstall_has_120_seconds() {
    let mut sim = Sim::started(json!({"run": "sleep", "uninstall": "sleep"}));
    sim.request(Request::Uninstall);
    sim.advance(Duration::from_secs(119));
    assert_eq!(sim.state(), ComponentState::Uninstalling);
    sim.advance(Duration::from_secs(1));
    assert_eq!(sim.state(), ComponentState::Uninstalled);
    assert!(sim.reasons[0].starts_with("UNINSTALL_TIMEOUT"), "{:?}", sim.reasons);
    assert!(sim.alive.is_empty());
}

#[test]
fn a7_2_uninstall_leads_out_of_broken_without_finishing() {
    let mut sim = Sim::started(json!({"run": "exit 1"}));
    assert_eq!(sim.state(), ComponentState::Broken);
    sim.take_trace();
    sim.request(Request::Uninstall);
    assert_eq!(sim.take_trace(), "UNINSTALLING UNINSTALLED");
}

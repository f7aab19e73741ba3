//! The listener against what the cloud's shadow service sends.

use marram_model::status::{DeploymentOutcome, DeploymentStatus};
use proptest::prelude::*;

use super::*;

fn arn(revision: i64) -> String {
    format!("arn:aws:greengrass:eu-west-1:1:configuration:thing/core:{revision}")
}

fn config(revision: i64) -> String {
    json!({"configurationArn": arn(revision), "components": {}}).to_string()
}

fn desired(revision: i64, status: &str) -> Value {
    json!({"fleetConfig": config(revision), "desiredStatus": status})
}

fn status(revision: i64, status: DeploymentStatus) -> ReportedDeployment {
    ReportedDeployment::new(&arn(revision), &DeploymentOutcome::plain(status), "2.17.0")
}

fn receive(listener: &mut ShadowListener, version: i64, state: Value) -> Vec<Action> {
    let payload = json!({"state": state, "version": version, "timestamp": 1}).to_string();
    listener.document(payload.as_bytes(), |_| false)
}

fn offer(revision: i64) -> Action {
    Action::Offer { configuration_arn: arn(revision), document: config(revision) }
}

fn cancel(revision: i64) -> Action {
    Action::Cancel { configuration_arn: arn(revision) }
}

#[test]
fn deployment_is_offered_once() {
    let mut listener = ShadowListener::default();
    assert_eq!(listener.connected(), [Action::Get]);
    let state = json!({"desired": desired(1, "SUCCEEDED")});
    assert_eq!(receive(&mut listener, 1, state.clone()), [offer(1)]);
    assert_eq!(receive(&mut listener, 1, state.clone()), []);
    assert_eq!(receive(&mut listener, 2, state), []);
}

#[test]
fn deployment_that_ended_before_the_start_is_not_run_again() {
    let mut listener = ShadowListener::default();
    let state = json!({
        "desired": desired(1, "SUCCEEDED"), "reported": status(1, DeploymentStatus::Failed),
    });
    assert_eq!(receive(&mut listener, 3, state), []);
    let next = json!({"desired": desired(2, "SUCCEEDED")});
    assert_eq!(receive(&mut listener, 4, next), [offer(2)]);
}

#[test]
fn deployment_under_way_before_the_start_is_offered_again() {
    let mut listener = ShadowListener::default();
    let state = json!({
        "desired": desired(1, "SUCCEEDED"), "reported": status(1, DeploymentStatus::InProgress),
    });
    assert_eq!(receive(&mut listener, 3, state), [offer(1)]);
}

#[test]
fn cancel_hits_the_deployment_that_it_names() {
    let mut listener = ShadowListener::default();
    receive(&mut listener, 1, json!({"desired": desired(1, "SUCCEEDED")}));
    let canceled = json!({"desired": desired(1, "CANCELED")});
    assert_eq!(receive(&mut listener, 2, canceled.clone()), [cancel(1)]);
    assert_eq!(receive(&mut listener, 3, canceled), []);
}

#[test]
fn cancel_at_start_is_ignored_unless_the_deployment_was_under_way() {
    let canceled = desired(1, "CANCELED");
    let mut fresh = ShadowListener::default();
    assert_eq!(receive(&mut fresh, 1, json!({"desired": canceled})), []);
    let mut resuming = ShadowListener::default();
    let state = json!({"desired": canceled, "reported": status(1, DeploymentStatus::InProgress)});
    assert_eq!(receive(&mut resuming, 1, state), [cancel(1)]);
}

#[test]
fn next_revision_withdraws_the_running_one() {
    let mut listener = ShadowListener::default();
    receive(&mut listener, 1, json!({"desired": desired(1, "SUCCEEDED")}));
    let next = json!({"desired": desired(2, "SUCCEEDED")});
    assert_eq!(receive(&mut listener, 2, next.clone()), [cancel(1), offer(2)]);
    listener.ended(&arn(2));
    let third = json!({"desired": desired(3, "SUCCEEDED")});
    assert_eq!(receive(&mut listener, 3, third), [offer(3)]);
    assert_eq!(receive(&mut listener, 2, next), [], "a late message");
}

#[test]
fn status_that_the_cloud_shows_wrongly_is_said_again() {
    let mut listener = ShadowListener::default();
    listener.reporting(&status(1, DeploymentStatus::Succeeded));
    let shown = |s| json!({"reported": status(1, s)});
    assert_eq!(receive(&mut listener, 4, shown(DeploymentStatus::Succeeded)), []);
    assert_eq!(
        receive(&mut listener, 5, shown(DeploymentStatus::InProgress)),
        [Action::ReportAgain]
    );
    assert_eq!(listener.last_report(), Some(&status(1, DeploymentStatus::Succeeded)));
}

#[test]
fn own_echo_moves_the_version_and_nothing_else() {
    let mut listener = ShadowListener::default();
    listener.reporting(&status(1, DeploymentStatus::Succeeded));
    let echo = json!({
        "state": {"reported": status(1, DeploymentStatus::InProgress)}, "version": 7,
        "clientToken": "own",
    });
    let actions = listener.document(echo.to_string().as_bytes(), |token| token == "own");
    assert_eq!(actions, []);
    let update = listener.update("core", &status(1, DeploymentStatus::Succeeded), "t");
    assert_eq!(update["version"], 7);
    assert_eq!(update["state"]["reported"]["status"], "SUCCEEDED");
    assert_eq!(update["shadowName"], "AWSManagedGreengrassV2Deployment");
}

#[test]
fn odd_documents_are_ignored() {
    let mut listener = ShadowListener::default();
    assert_eq!(listener.document(b"nonsense", |_| false), []);
    for state in [
        json!({"desired": null}),
        json!({"desired": {"fleetConfig": "{}", "desiredStatus": "SUCCEEDED"}}),
        json!({"desired": {"desiredStatus": "SUCCEEDED"}}),
        json!({"reported": {"x": 1}}),
        json!({}),
    ] {
        assert_eq!(receive(&mut listener, 1, state), []);
    }
}

proptest! {
    /// Whatever order and repetition: nothing is offered twice in a row, only what was offered is
    /// cancelled, and at most one deployment is not withdrawn or ended.
    #[test]
    fn at_most_one_deployment_is_out(
        steps in prop::collection::vec((1..4_i64, any::<bool>(), any::<bool>()), 0..40)
    ) {
        let mut listener = ShadowListener::default();
        let mut out: Option<String> = None;
        for (version, (revision, is_cancel, ends)) in steps.into_iter().enumerate() {
            let word = if is_cancel { "CANCELED" } else { "SUCCEEDED" };
            let state = json!({"desired": desired(revision, word)});
            for action in receive(&mut listener, version as i64, state) {
                match action {
                    Action::Offer { configuration_arn, .. } => {
                        prop_assert_eq!(out.replace(configuration_arn), None);
                    }
                    Action::Cancel { configuration_arn } => {
                        prop_assert_eq!(out.take(), Some(configuration_arn));
                    }
                    Action::Get | Action::ReportAgain => prop_assert!(false, "{:?}", action),
                }
            }
            if ends && let Some(arn) = out.take() {
                listener.ended(&arn);
            }
        }
    }
}

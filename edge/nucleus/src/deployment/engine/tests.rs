//! The engine with steps that do nothing but what a test tells them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use marram_model::deployment::DeploymentDocument;
use marram_model::status::DetailedStatus;
use tokio::sync::Notify;

use super::*;
use crate::deployment::request::Source;

const DOCUMENT: &str =
    r#"{"configurationArn":"arn:aws:greengrass:us-east-1:1:configuration:thinggroup/G:1"}"#;

/// Steps that end at once, unless a test holds one or makes it fail.
#[derive(Default)]
struct FakeSteps {
    ran: Mutex<Vec<(String, Step)>>,
    reported: Mutex<Vec<(String, DeploymentOutcome)>>,
    saved: Mutex<Vec<String>>,
    /// Writes that the disk refuses from the step on that it is full in.
    full_disk: Mutex<Option<(Step, u32)>>,
    failing: Mutex<BTreeMap<Step, &'static str>>,
    holding: Mutex<Option<Step>>,
    restarts: bool,
    changed: Notify,
}

impl Steps for FakeSteps {
    fn accept(&self, request: &Request) -> Result<Current, DeploymentOutcome> {
        DeploymentDocument::parse(request.document.as_bytes())
            .map(|document| Current::new(request.clone(), document))
            .map_err(|error| {
                DeploymentOutcome::failed(
                    DetailedStatus::FailedNoStateChange,
                    error.to_string(),
                    error.error_codes(),
                )
            })
    }

    async fn run(&self, step: Step, current: &mut Current) -> Result<(), Failure> {
        self.ran.lock().unwrap().push((current.key().to_owned(), step));
        self.changed.notify_waiters();
        if step == Step::Apply && self.restarts {
            current.machine.require_restart();
        }
        let held = *self.holding.lock().unwrap() == Some(step);
        if held {
            std::future::pending::<()>().await;
        }
        match self.failing.lock().unwrap().get(&step) {
            Some(cause) => Err(Failure { cause: (*cause).to_owned(), codes: Vec::new() }),
            None => Ok(()),
        }
    }

    async fn save(&self, current: &Current) -> Result<(), Failure> {
        self.write()?;
        let saved = serde_json::to_string(current).unwrap();
        self.saved.lock().unwrap().push(saved);
        Ok(())
    }

    fn saved(&self) -> Option<Current> {
        serde_json::from_str(self.saved.lock().unwrap().last()?).ok()
    }

    async fn close(&self, current: &Current, outcome: &DeploymentOutcome) -> Result<(), Failure> {
        self.report(&current.request, outcome.clone()).await
    }

    async fn report(&self, request: &Request, outcome: DeploymentOutcome) -> Result<(), Failure> {
        self.write()?;
        self.reported.lock().unwrap().push((request.source.key().to_owned(), outcome));
        self.changed.notify_waiters();
        Ok(())
    }

    async fn began(&self) {}

    async fn ended(&self, _: &Current, _: &DeploymentOutcome) {}
}

impl FakeSteps {
    fn write(&self) -> Result<(), Failure> {
        let reached = self.ran.lock().unwrap().last().map(|(_, step)| *step);
        match &mut *self.full_disk.lock().unwrap() {
            Some((from, refused @ 1..)) if reached >= Some(*from) => {
                *refused -= 1;
                Err(Failure { cause: "disk full".to_owned(), codes: Vec::new() })
            }
            _ => Ok(()),
        }
    }

    /// Waits until a condition on what happened is true; paused time makes the limit instant.
    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if condition(self) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60 * 60 * 24), wait).await.expect("happens");
    }

    fn statuses(&self, key: &str) -> Vec<DeploymentStatus> {
        let reported = self.reported.lock().unwrap();
        reported.iter().filter(|(k, _)| k == key).map(|(_, outcome)| outcome.status).collect()
    }

    fn has_ended(&self, key: &str) -> bool {
        self.statuses(key).iter().any(|status| status.is_terminal())
    }
}

fn job(id: &str) -> Request {
    Request::new(Source::Job { job_id: id.to_owned() }, DOCUMENT, 1)
}

fn started(steps: &Arc<FakeSteps>) -> Deployments {
    let (deployments, commands) = Deployments::channel();
    start(Arc::clone(steps), Deadlines::default(), commands, None);
    deployments
}

use DeploymentStatus::{Canceled, Failed, InProgress, Succeeded};

#[tokio::test(start_paused = true)]
async fn deployments_run_one_after_another_and_report() {
    let steps = Arc::new(FakeSteps::default());
    let deployments = started(&steps);
    deployments.offer(job("a")).await;
    deployments.offer(job("b")).await;
    steps.until(|s| s.has_ended("b")).await;
    assert_eq!(steps.statuses("a"), [InProgress, Succeeded]);
    assert_eq!(steps.statuses("b"), [InProgress, Succeeded]);
    let ran = steps.ran.lock().unwrap();
    let first_b = ran.iter().position(|(key, _)| key == "b").unwrap();
    assert!(ran[..first_b].iter().all(|(key, _)| key == "a"));
}

#[tokio::test(start_paused = true)]
async fn a_step_past_its_deadline_fails_the_deployment_and_says_which() {
    let steps = Arc::new(FakeSteps::default());
    *steps.holding.lock().unwrap() = Some(Step::Prepare);
    let deployments = started(&steps);
    deployments.offer(job("a")).await;
    steps.until(|s| s.has_ended("a")).await;
    let reported = steps.reported.lock().unwrap();
    let outcome = &reported.last().unwrap().1;
    assert_eq!(outcome.detailed, Some(DetailedStatus::FailedNoStateChange));
    assert!(outcome.failure_cause.as_deref().unwrap().contains("Prepare"));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_a_hanging_download_at_once_and_the_next_one_runs() {
    let steps = Arc::new(FakeSteps::default());
    *steps.holding.lock().unwrap() = Some(Step::Prepare);
    let deployments = started(&steps);
    deployments.offer(job("a")).await;
    steps.until(|s| s.ran.lock().unwrap().iter().any(|(_, step)| *step == Step::Prepare)).await;
    let before = tokio::time::Instant::now();
    deployments.cancel("a").await;
    steps.until(|s| s.has_ended("a")).await;
    assert_eq!(steps.statuses("a"), [InProgress, Canceled]);
    assert!(before.elapsed() < Duration::from_secs(1));
    *steps.holding.lock().unwrap() = None;
    deployments.offer(job("b")).await;
    steps.until(|s| s.has_ended("b")).await;
    assert_eq!(steps.statuses("b"), [InProgress, Succeeded]);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_honoured_within_ten_seconds_in_every_step() {
    use Step::*;
    let before = [Gather, Resolve, Prepare, NotifyComponents, ValidateConfiguration];
    let after = [Bootstrap, Restart, Settle, Remove, SettleRestored];
    for (held, on_the_way_back) in before.into_iter().chain(after).map(|s| (s, s > Restore)) {
        let steps =
            FakeSteps { restarts: held == Bootstrap || held == Restart, ..Default::default() };
        *steps.holding.lock().unwrap() = Some(held);
        if on_the_way_back {
            steps.failing.lock().unwrap().insert(Settle, "B is BROKEN");
        }
        let steps = Arc::new(steps);
        let deployments = started(&steps);
        deployments.offer(job("a")).await;
        steps.until(|s| s.ran.lock().unwrap().iter().any(|(_, step)| *step == held)).await;
        let asked = tokio::time::Instant::now();
        deployments.cancel("a").await;
        steps.until(|s| s.has_ended("a")).await;
        assert!(asked.elapsed() <= Duration::from_secs(10), "{held:?}: {:?}", asked.elapsed());
        let end = if on_the_way_back { Failed } else { Canceled };
        assert_eq!(steps.statuses("a"), [InProgress, end], "{held:?}");
        let went_back = steps.ran.lock().unwrap().iter().any(|(_, step)| *step == Restore);
        assert_eq!(went_back, held > Apply, "{held:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_does_not_wait_for_restored_components_that_hang() {
    let steps = Arc::new(FakeSteps::default());
    *steps.holding.lock().unwrap() = Some(Step::Settle);
    let deployments = started(&steps);
    deployments.offer(job("a")).await;
    steps.until(|s| s.ran.lock().unwrap().iter().any(|(_, step)| *step == Step::Settle)).await;
    *steps.holding.lock().unwrap() = Some(Step::SettleRestored);
    let asked = tokio::time::Instant::now();
    deployments.cancel("a").await;
    steps.until(|s| s.has_ended("a")).await;
    assert!(asked.elapsed() <= Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(steps.statuses("a"), [InProgress, Canceled]);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_for_a_while_loses_neither_the_way_back_nor_the_status() {
    for full_from in [Step::Settle, Step::SettleRestored] {
        let steps = FakeSteps::default();
        steps.failing.lock().unwrap().insert(Step::Settle, "B is BROKEN");
        *steps.full_disk.lock().unwrap() = Some((full_from, 7));
        let steps = Arc::new(steps);
        let deployments = started(&steps);
        deployments.offer(job("a")).await;
        deployments.offer(job("b")).await;
        steps.until(|s| s.has_ended("b")).await;
        let reported = steps.reported.lock().unwrap();
        let ends =
            reported.iter().filter(|(key, outcome)| key == "a" && outcome.status.is_terminal());
        let ends: Vec<_> = ends.map(|(_, outcome)| outcome.detailed).collect();
        assert_eq!(ends, [Some(DetailedStatus::FailedRollbackComplete)], "full from {full_from:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_deployment_is_cancelled_without_running() {
    let steps = Arc::new(FakeSteps::default());
    *steps.holding.lock().unwrap() = Some(Step::Resolve);
    let deployments = started(&steps);
    deployments.offer(job("a")).await;
    steps.until(|s| !s.ran.lock().unwrap().is_empty()).await;
    deployments.offer(job("b")).await;
    deployments.cancel("b").await;
    steps.until(|s| s.has_ended("b")).await;
    assert_eq!(steps.statuses("b"), [Canceled]);
    assert!(steps.ran.lock().unwrap().iter().all(|(key, _)| key == "a"));
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_document_is_reported_and_does_not_block_the_next() {
    let steps = Arc::new(FakeSteps::default());
    let deployments = started(&steps);
    let bad = Request { document: "{".to_owned(), ..job("bad") };
    deployments.offer(bad).await;
    deployments.offer(job("good")).await;
    steps.until(|s| s.has_ended("good")).await;
    assert_eq!(steps.statuses("bad"), [Failed]);
    assert_eq!(steps.statuses("good"), [InProgress, Succeeded]);
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_save_a_restart_ends_the_deployment() {
    for restarts in [false, true] {
        let broken = || {
            let steps = FakeSteps { restarts, ..FakeSteps::default() };
            steps.failing.lock().unwrap().insert(Step::Settle, "B is BROKEN");
            Arc::new(steps)
        };
        let steps = broken();
        let deployments = started(&steps);
        deployments.offer(job("a")).await;
        steps.until(|s| s.has_ended("a")).await;
        let saved: Vec<String> = steps.saved.lock().unwrap().clone();
        let expected = if restarts { 13 } else { 9 };
        assert_eq!(saved.len(), expected, "each step is saved before it begins");
        for position in saved {
            let steps = broken();
            let interrupted: Current = serde_json::from_str(&position).unwrap();
            let (_deployments, commands) = Deployments::channel();
            start(Arc::clone(&steps), Deadlines::default(), commands, Some(interrupted));
            steps.until(|s| s.has_ended("a")).await;
            let reported = steps.reported.lock().unwrap();
            let outcome = &reported.last().unwrap().1;
            assert_eq!(outcome.detailed, Some(DetailedStatus::FailedRollbackComplete));
            assert_eq!(outcome.failure_cause.as_deref(), Some("B is BROKEN"), "from {position}");
        }
    }
}

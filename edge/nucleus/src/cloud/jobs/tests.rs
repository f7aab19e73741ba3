//! The listener against single messages, and against a cloud that loses and repeats them.

use marram_model::jobs::{JobExecution, JobStatus, Notify};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn execution(job_id: &str, queued_at: i64) -> JobExecution {
    serde_json::from_value(json!({
        "jobId": job_id, "status": "QUEUED", "queuedAt": queued_at, "lastUpdatedAt": queued_at,
        "versionNumber": 1, "executionNumber": 1, "jobDocument": {"deploymentId": job_id},
    }))
    .unwrap()
}

fn reply(execution: Option<JobExecution>) -> ExecutionReply {
    ExecutionReply { client_token: None, timestamp: 1, execution }
}

fn notify(jobs: serde_json::Value) -> Notify {
    serde_json::from_value(json!({"timestamp": 1, "jobs": jobs})).unwrap()
}

fn summary(job_id: &str) -> serde_json::Value {
    json!([{"jobId": job_id, "queuedAt": 1, "lastUpdatedAt": 1, "versionNumber": 1,
            "executionNumber": 1}])
}

fn offer(job_id: &str) -> Action {
    let document = json!({"deploymentId": job_id}).to_string();
    Action::Offer { job_id: job_id.to_owned(), document }
}

fn cancel(job_id: &str) -> Action {
    Action::Cancel { job_id: job_id.to_owned() }
}

/// A listener that was offered one job.
fn running(job_id: &str) -> JobsListener {
    let mut listener = JobsListener::default();
    assert_eq!(listener.connected(), [Action::Describe]);
    assert_eq!(listener.described(reply(Some(execution(job_id, 1)))), [offer(job_id)]);
    listener
}

#[test]
fn execution_is_offered_once_however_often_it_is_named() {
    let mut listener = running("a");
    assert_eq!(listener.notified(&notify(json!({"QUEUED": summary("a")}))), [Action::Describe]);
    assert_eq!(listener.described(reply(Some(execution("a", 1)))), []);
    assert_eq!(listener.connected(), [Action::Describe]);
    assert_eq!(listener.described(reply(Some(execution("a", 1)))), []);
}

#[test]
fn empty_notification_cancels_the_running_job() {
    let mut listener = running("a");
    assert_eq!(listener.notified(&notify(json!({}))), [cancel("a")]);
    assert_eq!(listener.notified(&notify(json!({}))), []);
}

#[test]
fn cancellation_while_away_is_noticed_at_the_next_connection() {
    let mut listener = running("a");
    listener.connected();
    assert_eq!(listener.described(reply(None)), [cancel("a")]);
}

#[test]
fn newer_job_replaces_the_running_one() {
    let mut listener = running("a");
    listener.notified(&notify(json!({"QUEUED": summary("b")})));
    assert_eq!(listener.described(reply(Some(execution("b", 1)))), [cancel("a"), offer("b")]);
}

#[test]
fn notification_of_progress_alone_is_ignored_unless_it_names_another_job() {
    let mut listener = running("a");
    assert_eq!(listener.notified(&notify(json!({"IN_PROGRESS": summary("a")}))), []);
    let other = notify(json!({"IN_PROGRESS": summary("b")}));
    assert_eq!(listener.notified(&other), [Action::Describe]);
}

#[test]
fn ended_job_is_not_run_again_before_the_cloud_has_heard() {
    let mut listener = running("a");
    listener.ended("a");
    listener.connected();
    let mut still = execution("a", 1);
    still.status = JobStatus::InProgress;
    assert_eq!(listener.described(reply(Some(still))), []);
    assert_eq!(listener.end_delivered(), [Action::Describe]);
    assert_eq!(listener.described(reply(Some(execution("a", 2)))), [offer("a")], "queued anew");
}

#[test]
fn notifications_during_a_question_make_one_more() {
    let mut listener = JobsListener::default();
    assert_eq!(listener.connected(), [Action::Describe]);
    for _ in 0..5 {
        assert_eq!(listener.notified(&notify(json!({"QUEUED": summary("a")}))), []);
    }
    assert_eq!(listener.described(reply(None)), [Action::Describe]);
    assert_eq!(listener.described(reply(None)), [], "an empty answer is no reason to ask again");
}

#[test]
fn failed_question_is_asked_again_when_it_is_time() {
    let mut listener = JobsListener::default();
    listener.connected();
    assert_eq!(listener.describe_failed(), []);
    assert_eq!(listener.retry(), [Action::Describe]);
}

#[test]
fn execution_that_is_over_is_not_run() {
    let mut listener = JobsListener::default();
    listener.connected();
    let mut over = execution("a", 1);
    over.status = JobStatus::Canceled;
    assert_eq!(listener.described(reply(Some(over))), []);
}

/// What can happen between the device and its cloud.
#[derive(Debug, Clone)]
enum Event {
    Queue,
    CancelAll,
    Reconnect,
    LoseNotification,
    End,
    Answer,
    Fail,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        Just(Event::Queue),
        Just(Event::CancelAll),
        Just(Event::Reconnect),
        Just(Event::LoseNotification),
        Just(Event::End),
        Just(Event::Answer),
        Just(Event::Fail),
    ];
    prop::collection::vec(event, 0..60)
}

/// A cloud with its queue, and what the device was told to run.
#[derive(Default)]
struct World {
    listener: JobsListener,
    pending: VecDeque<JobExecution>,
    made: i64,
    running: Vec<String>,
    offered: Vec<String>,
    asked: usize,
    lose_next: bool,
}

impl World {
    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Describe => self.asked += 1,
                Action::Offer { job_id, .. } => {
                    assert!(!self.offered.contains(&job_id), "{job_id} was offered twice");
                    self.offered.push(job_id.clone());
                    self.running.push(job_id);
                }
                Action::Cancel { job_id } => {
                    assert!(self.running.contains(&job_id), "{job_id} did not run");
                    self.running.retain(|running| *running != job_id);
                }
            }
        }
        assert!(self.asked <= 1, "one question at a time");
        assert!(self.running.len() <= 1, "one deployment at a time");
    }

    fn notify(&mut self) {
        if std::mem::take(&mut self.lose_next) {
            return;
        }
        let jobs = match self.pending.front() {
            Some(first) => json!({"QUEUED": summary(&first.job_id)}),
            None => json!({}),
        };
        let actions = self.listener.notified(&notify(jobs));
        self.act(actions);
    }

    fn answer(&mut self) {
        if self.asked > 0 {
            self.asked -= 1;
            let actions = self.listener.described(reply(self.pending.front().cloned()));
            self.act(actions);
        }
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Queue => {
                self.made += 1;
                self.pending.push_back(execution(&format!("job{}", self.made), self.made));
                self.notify();
            }
            Event::CancelAll => {
                self.pending.clear();
                self.notify();
            }
            Event::LoseNotification => self.lose_next = true,
            Event::Reconnect => {
                self.asked = 0;
                let actions = self.listener.connected();
                self.act(actions);
            }
            Event::Answer => self.answer(),
            Event::Fail => {
                if self.asked > 0 {
                    self.asked -= 1;
                    let mut actions = self.listener.describe_failed();
                    if actions.is_empty() {
                        actions = self.listener.retry();
                    }
                    self.act(actions);
                }
            }
            Event::End => {
                if let Some(job_id) = self.running.pop() {
                    self.listener.ended(&job_id);
                    self.pending.retain(|job| job.job_id != job_id);
                    let actions = self.listener.end_delivered();
                    self.act(actions);
                }
            }
        }
    }
}

proptest! {
    /// Whatever was lost or repeated: after a reconnection with answers, the device runs exactly
    /// what the cloud has as its first, and never anything twice.
    #[test]
    fn device_and_cloud_agree_after_any_history(events in events()) {
        let mut world = World::default();
        for event in &events {
            world.happen(event);
        }
        world.happen(&Event::Reconnect);
        while world.asked > 0 {
            world.answer();
        }
        let first = world.pending.front().map(|job| job.job_id.clone());
        prop_assert_eq!(world.running.first(), first.as_ref());
    }
}

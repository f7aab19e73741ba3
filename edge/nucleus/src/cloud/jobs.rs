//! Thing-group deployments as IoT jobs: which execution to run, and when it was withdrawn.
//!
//! A pure machine after the Java nucleus's `IotJobsHelper` (device-cloud protocol 3.1), made safe
//! where that one can lose a deployment:
//!
//! - at most one question (`$next/get`) is under way, so that no answer of the cloud, however odd,
//!   makes the device ask in a loop; a notification meanwhile makes it ask once more afterwards;
//! - an execution is known by its job and `queuedAt` together, never by being "older";
//! - after a deployment has ended the device asks by itself, and does not rely on being told;
//! - "nothing pending" as an answer withdraws the current job too, so that a cancellation that
//!   was sent while the device was away is noticed.

use std::collections::VecDeque;

use marram_model::jobs::{ExecutionReply, JobExecution, Notify};

/// Ended executions that are remembered. The cloud goes on naming one only until its status has
/// arrived, and only one is current at a time.
const REMEMBERED: usize = 32;

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Publish a Describe of `$next`.
    Describe,
    /// Hand a deployment over.
    Offer {
        /// The job, which is the deployment's id on the device.
        job_id: String,
        /// The job document as it came.
        document: String,
    },
    /// Withdraw a deployment that was handed over.
    Cancel {
        /// Its job.
        job_id: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Execution {
    job_id: String,
    queued_at: i64,
}

/// What the device knows of its jobs.
#[derive(Debug, Default)]
pub(crate) struct JobsListener {
    /// The execution that was handed over and has not ended.
    current: Option<Execution>,
    /// Executions that ended here; the cloud may not know it yet.
    ended: VecDeque<Execution>,
    asking: bool,
    ask_again: bool,
}

impl JobsListener {
    /// The connection is there, new or again, and the topics are subscribed.
    pub(crate) fn connected(&mut self) -> Vec<Action> {
        // A question from before the connection broke is never answered.
        self.asking = false;
        self.ask()
    }

    /// The set of pending executions changed.
    pub(crate) fn notified(&mut self, notify: &Notify) -> Vec<Action> {
        let pending = &notify.jobs;
        if pending.is_empty() {
            return self.withdraw();
        }
        let names_current = self.current.as_ref().is_none_or(|current| {
            pending
                .in_progress
                .iter()
                .chain(&pending.queued)
                .any(|job| job.job_id == current.job_id)
        });
        if pending.queued.is_empty() && names_current { Vec::new() } else { self.ask() }
    }

    /// The cloud answered what is next.
    pub(crate) fn described(&mut self, reply: ExecutionReply) -> Vec<Action> {
        let mut actions = match reply.execution {
            Some(execution) => self.next_is(execution),
            None => self.withdraw(),
        };
        actions.extend(self.answered());
        actions
    }

    /// The cloud refused to answer, or did not in time; the shell asks again later by
    /// [`Self::retry`].
    pub(crate) fn describe_failed(&mut self) -> Vec<Action> {
        self.answered()
    }

    /// Time to ask again after a failure.
    pub(crate) fn retry(&mut self) -> Vec<Action> {
        self.ask()
    }

    /// A deployment ended here, whatever its outcome: it is not taken up again.
    pub(crate) fn ended(&mut self, job_id: &str) {
        if let Some(current) = self.current.take_if(|current| current.job_id == job_id) {
            if self.ended.len() == REMEMBERED {
                self.ended.pop_front();
            }
            self.ended.push_back(current);
        }
    }

    /// The cloud knows that a deployment ended: its next one may wait.
    pub(crate) fn end_delivered(&mut self) -> Vec<Action> {
        self.ask()
    }

    fn ask(&mut self) -> Vec<Action> {
        if self.asking {
            self.ask_again = true;
            return Vec::new();
        }
        self.asking = true;
        self.ask_again = false;
        vec![Action::Describe]
    }

    fn answered(&mut self) -> Vec<Action> {
        self.asking = false;
        if self.ask_again { self.ask() } else { Vec::new() }
    }

    fn next_is(&mut self, execution: JobExecution) -> Vec<Action> {
        let known = Execution { job_id: execution.job_id, queued_at: execution.queued_at };
        if self.current.as_ref() == Some(&known) || self.ended.contains(&known) {
            return Vec::new();
        }
        let Some(document) = execution.job_document.filter(|_| !execution.status.is_terminal())
        else {
            return Vec::new();
        };
        let mut actions = self.withdraw();
        let job_id = known.job_id.clone();
        self.current = Some(known);
        actions.push(Action::Offer { job_id, document: document.to_string() });
        actions
    }

    fn withdraw(&mut self) -> Vec<Action> {
        let current = self.current.take();
        current.map(|current| Action::Cancel { job_id: current.job_id }).into_iter().collect()
    }
}

#[cfg(test)]
mod tests;

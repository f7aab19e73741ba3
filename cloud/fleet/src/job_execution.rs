//! One device's execution of one job, as a pure state machine.
//!
//! QUEUED and IN_PROGRESS are pending; everything else is final. The version counts every accepted
//! change, so that a device and the cloud can tell whether they speak of the same state
//! (device-cloud protocol, section 3; cloud API, section 5.6).
//!
//! Two timers can end an execution that is in progress: the job's own, which starts with the first
//! IN_PROGRESS and never changes, and one that the device starts anew with each step and that
//! never outlasts the job's (AWS IoT developer guide, "How job configurations work").

use marram_model::jobs::{JobStatus, RejectCode, StatusDetails};

/// Where one device stands with one job. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// How often the job was queued for the device, from 1.
    pub number: i64,
    /// The status.
    pub status: JobStatus,
    /// What the device last told.
    pub details: StatusDetails,
    /// Counts changes from 1.
    pub version: i64,
    /// When it was queued.
    pub queued_at_s: i64,
    /// When it was first in progress.
    pub started_at_s: Option<i64>,
    /// When it last changed.
    pub updated_at_s: i64,
    /// When the job's own timer ends it; set from the first IN_PROGRESS on.
    pub limit_at_s: Option<i64>,
    /// When the first of the two timers ends it.
    pub times_out_at_s: Option<i64>,
    /// The attempts that it was retried after.
    pub attempts: Attempts,
    /// Whether it was cancelled while it was in progress.
    pub is_force_canceled: bool,
}

/// How many attempts of a thing at a job were retried, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempts {
    /// FAILED.
    pub failed: i64,
    /// TIMED_OUT.
    pub timed_out: i64,
}

/// What a device does with its step timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepTimer {
    /// Starts it, in place of one that runs.
    Minutes(i64),
    /// Stops it.
    Off,
}

/// What a device reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The status it wants.
    pub status: JobStatus,
    /// Replace the stored details when given.
    pub details: Option<StatusDetails>,
    /// If given, must be the stored version.
    pub expected_version: Option<i64>,
    /// If given, must be the current number.
    pub number: Option<i64>,
    /// The step timer stays as it is when absent.
    pub step: Option<StepTimer>,
    /// How long the job lets an execution be in progress, in seconds.
    pub limit_s: Option<i64>,
}

impl Report {
    /// A status and nothing else.
    pub fn of(status: JobStatus) -> Self {
        Self {
            status,
            details: None,
            expected_version: None,
            number: None,
            step: None,
            limit_s: None,
        }
    }
}

/// How an execution is cancelled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cancellation {
    /// Whether it is cancelled in progress too.
    pub force: bool,
    /// If given, must be the stored version.
    pub expected_version: Option<i64>,
    /// Replace the stored details when given.
    pub details: Option<StatusDetails>,
}

/// What happens to an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The device reports.
    Update(Report),
    /// The job, or this execution of it, was cancelled; one in progress runs on unless forced.
    Cancel(Cancellation),
    /// The device left the job's target.
    Remove,
    /// The device was in progress for longer than it may be.
    TimeOut,
    /// The job is to be done (again): a new execution begins, and its attempts count from 0.
    Requeue {
        /// When, in seconds since 1970.
        queued_at_s: i64,
    },
    /// The attempt failed or timed out and is to be repeated: a new execution begins.
    Retry {
        /// When, in seconds since 1970.
        queued_at_s: i64,
    },
}

/// Why an event changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefuseEvent {
    /// The number is not the current one.
    #[error("execution number {asked} is not the current one, which is {current}")]
    Number {
        /// As sent.
        asked: i64,
        /// As stored.
        current: i64,
    },
    /// Devices may only report IN_PROGRESS, SUCCEEDED, FAILED and REJECTED.
    #[error(
        "a device cannot report the status {0}: use IN_PROGRESS, SUCCEEDED, FAILED or REJECTED"
    )]
    Status(JobStatus),
    /// The execution is final, or in progress and not forced.
    #[error("an execution that is {from} cannot become {to}")]
    Transition {
        /// As stored.
        from: JobStatus,
        /// As wanted.
        to: JobStatus,
    },
    /// The version is not the stored one.
    #[error("expected version {asked} is not the stored one, which is {current}")]
    Version {
        /// As sent.
        asked: i64,
        /// As stored.
        current: i64,
    },
}

impl RefuseEvent {
    /// The code that the device is answered.
    pub fn code(&self) -> RejectCode {
        match self {
            Self::Number { .. } => RejectCode::ResourceNotFound,
            Self::Status(_) => RejectCode::InvalidRequest,
            Self::Transition { .. } => RejectCode::InvalidStateTransition,
            Self::Version { .. } => RejectCode::VersionMismatch,
        }
    }
}

impl Execution {
    /// A new execution.
    pub fn queued(number: i64, queued_at_s: i64) -> Self {
        Self {
            number,
            status: JobStatus::Queued,
            details: StatusDetails::new(),
            version: 1,
            queued_at_s,
            started_at_s: None,
            updated_at_s: queued_at_s,
            limit_at_s: None,
            times_out_at_s: None,
            attempts: Attempts::default(),
            is_force_canceled: false,
        }
    }

    /// The execution after `event`, which happens at `now_s`.
    ///
    /// # Errors
    /// The event is not possible now; the execution stays as it is.
    pub fn after(&self, event: Event, now_s: i64) -> Result<Self, RefuseEvent> {
        match event {
            Event::Update(report) => self.reported(report, now_s),
            Event::Cancel(Cancellation { force, expected_version, details }) => {
                self.check_transition(JobStatus::Canceled, force)?;
                self.check_version(expected_version)?;
                let mut next = self.changed(JobStatus::Canceled, now_s);
                next.is_force_canceled = self.status == JobStatus::InProgress;
                next.details = details.unwrap_or(next.details);
                Ok(next)
            }
            Event::Remove => {
                self.check_transition(JobStatus::Removed, true)?;
                Ok(self.changed(JobStatus::Removed, now_s))
            }
            Event::TimeOut if self.status == JobStatus::InProgress => {
                Ok(self.changed(JobStatus::TimedOut, now_s))
            }
            Event::TimeOut => {
                Err(RefuseEvent::Transition { from: self.status, to: JobStatus::TimedOut })
            }
            Event::Requeue { queued_at_s } => {
                if self.is_pending() {
                    let (from, to) = (self.status, JobStatus::Queued);
                    return Err(RefuseEvent::Transition { from, to });
                }
                Ok(Self::queued(self.number + 1, queued_at_s))
            }
            Event::Retry { queued_at_s } => {
                let Attempts { failed, timed_out } = self.attempts;
                let attempts = match self.status {
                    JobStatus::Failed => Attempts { failed: failed + 1, timed_out },
                    JobStatus::TimedOut => Attempts { failed, timed_out: timed_out + 1 },
                    from => {
                        return Err(RefuseEvent::Transition { from, to: JobStatus::Queued });
                    }
                };
                Ok(Self { attempts, ..Self::queued(self.number + 1, queued_at_s) })
            }
        }
    }

    /// Whether the device still has something to do.
    pub fn is_pending(&self) -> bool {
        !self.status.is_terminal()
    }

    fn reported(&self, report: Report, now_s: i64) -> Result<Self, RefuseEvent> {
        self.check_number(report.number)?;
        check_reportable(report.status)?;
        self.check_transition(report.status, true)?;
        self.check_version(report.expected_version)?;
        let mut next = self.changed(report.status, now_s);
        next.details = report.details.unwrap_or(next.details);
        if report.status == JobStatus::InProgress {
            if next.started_at_s.is_none() {
                next.started_at_s = Some(now_s);
                next.limit_at_s = report.limit_s.map(|limit_s| now_s.saturating_add(limit_s));
                next.times_out_at_s = next.limit_at_s;
            }
            next.set_step(report.step, now_s);
        }
        Ok(next)
    }

    fn set_step(&mut self, step: Option<StepTimer>, now_s: i64) {
        match step {
            None => {}
            Some(StepTimer::Off) => self.times_out_at_s = self.limit_at_s,
            Some(StepTimer::Minutes(minutes)) => {
                let step_at_s = now_s.saturating_add(minutes.saturating_mul(60));
                let limit_at_s = self.limit_at_s.unwrap_or(i64::MAX);
                self.times_out_at_s = Some(step_at_s.min(limit_at_s));
            }
        }
    }

    /// Nothing times out that is not in progress.
    fn changed(&self, status: JobStatus, now_s: i64) -> Self {
        let times_out_at_s = self.times_out_at_s.filter(|_| !status.is_terminal());
        let version = self.version + 1;
        Self { status, version, updated_at_s: now_s, times_out_at_s, ..self.clone() }
    }

    fn check_number(&self, asked: Option<i64>) -> Result<(), RefuseEvent> {
        match asked {
            Some(asked) if asked != self.number => {
                Err(RefuseEvent::Number { asked, current: self.number })
            }
            _ => Ok(()),
        }
    }

    fn check_version(&self, asked: Option<i64>) -> Result<(), RefuseEvent> {
        match asked {
            Some(asked) if asked != self.version => {
                Err(RefuseEvent::Version { asked, current: self.version })
            }
            _ => Ok(()),
        }
    }

    fn check_transition(&self, to: JobStatus, from_progress: bool) -> Result<(), RefuseEvent> {
        match self.status {
            JobStatus::Queued => Ok(()),
            JobStatus::InProgress if from_progress => Ok(()),
            from => Err(RefuseEvent::Transition { from, to }),
        }
    }
}

fn check_reportable(status: JobStatus) -> Result<(), RefuseEvent> {
    match status {
        JobStatus::InProgress | JobStatus::Succeeded | JobStatus::Failed | JobStatus::Rejected => {
            Ok(())
        }
        other => Err(RefuseEvent::Status(other)),
    }
}

#[cfg(test)]
mod tests;

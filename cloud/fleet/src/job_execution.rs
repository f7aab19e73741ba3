//! One device's execution of one job, as a pure state machine.
//!
//! QUEUED and IN_PROGRESS are pending; everything else is final. The version counts every accepted
//! change, so that a device and the cloud can tell whether they speak of the same state
//! (device-cloud protocol, section 3; cloud API, section 5.6).

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
}

/// What happens to an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The device reports.
    Update {
        /// The status it wants.
        status: JobStatus,
        /// Replace the stored details when given.
        details: Option<StatusDetails>,
        /// If given, must be the stored version.
        expected_version: Option<i64>,
        /// If given, must be the current number.
        number: Option<i64>,
    },
    /// The job was cancelled; one in progress runs on unless forced.
    Cancel {
        /// Whether it is cancelled in progress too.
        force: bool,
    },
    /// The device left the job's target.
    Remove,
    /// The device was in progress for longer than it may be.
    TimeOut,
    /// The job is to be done (again): a new execution begins.
    Requeue {
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
        }
    }

    /// The execution after `event`, which happens at `now_s`.
    ///
    /// # Errors
    /// The event is not possible now; the execution stays as it is.
    pub fn after(&self, event: Event, now_s: i64) -> Result<Self, RefuseEvent> {
        match event {
            Event::Update { status, details, expected_version, number } => {
                self.check_number(number)?;
                check_reportable(status)?;
                self.check_transition(status, true)?;
                self.check_version(expected_version)?;
                let mut next = self.changed(status, now_s);
                if let Some(details) = details {
                    next.details = details;
                }
                if status == JobStatus::InProgress {
                    next.started_at_s = next.started_at_s.or(Some(now_s));
                }
                Ok(next)
            }
            Event::Cancel { force } => {
                self.check_transition(JobStatus::Canceled, force)?;
                Ok(self.changed(JobStatus::Canceled, now_s))
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
        }
    }

    /// Whether the device still has something to do.
    pub fn is_pending(&self) -> bool {
        !self.status.is_terminal()
    }

    fn changed(&self, status: JobStatus, now_s: i64) -> Self {
        Self { status, version: self.version + 1, updated_at_s: now_s, ..self.clone() }
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn update(status: JobStatus) -> Event {
        Event::Update { status, details: None, expected_version: None, number: None }
    }

    #[test]
    fn d7_in_progress_then_succeeded_counts_the_version() {
        let queued = Execution::queued(1, 100);
        let running = queued.after(update(JobStatus::InProgress), 105).unwrap();
        assert_eq!((running.version, running.started_at_s), (2, Some(105)));
        let again = running.after(update(JobStatus::InProgress), 106).unwrap();
        assert_eq!((again.version, again.started_at_s), (3, Some(105)));
        let done = again.after(update(JobStatus::Succeeded), 107).unwrap();
        assert_eq!((done.version, done.is_pending(), done.updated_at_s), (4, false, 107));
    }

    #[test]
    fn d8_nothing_follows_a_final_status() {
        let done = Execution::queued(1, 1).after(update(JobStatus::Succeeded), 2).unwrap();
        for event in [update(JobStatus::Failed), Event::Cancel { force: true }, Event::Remove] {
            let refused = done.after(event, 3).unwrap_err();
            assert_eq!(refused.code(), RejectCode::InvalidStateTransition);
        }
    }

    #[test]
    fn d10_another_version_or_number_is_refused() {
        let queued = Execution::queued(2, 1);
        let wrong = |expected_version, number| Event::Update {
            status: JobStatus::InProgress,
            details: None,
            expected_version,
            number,
        };
        let code = |event| queued.after(event, 2).unwrap_err().code();
        assert_eq!(code(wrong(Some(9), None)), RejectCode::VersionMismatch);
        assert_eq!(code(wrong(Some(1), Some(1))), RejectCode::ResourceNotFound);
        assert_eq!(code(update(JobStatus::Canceled)), RejectCode::InvalidRequest);
        assert!(queued.after(wrong(Some(1), Some(2)), 2).is_ok());
    }

    #[test]
    fn cancelling_leaves_what_runs_unless_forced() {
        let running = Execution::queued(1, 1).after(update(JobStatus::InProgress), 2).unwrap();
        assert!(running.after(Event::Cancel { force: false }, 3).is_err());
        let forced = running.after(Event::Cancel { force: true }, 3).unwrap();
        assert_eq!(forced.status, JobStatus::Canceled);
    }

    #[test]
    fn details_are_kept_until_they_are_replaced() {
        let details: StatusDetails =
            [("k".to_owned(), serde_json::Value::from("v"))].into_iter().collect();
        let with = |details| Event::Update {
            status: JobStatus::InProgress,
            details,
            expected_version: None,
            number: None,
        };
        let first = Execution::queued(1, 1).after(with(Some(details.clone())), 2).unwrap();
        assert_eq!(first.after(with(None), 3).unwrap().details, details);
        let emptied = first.after(with(Some(StatusDetails::new())), 3).unwrap();
        assert!(emptied.details.is_empty());
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let version = prop::option::of(1_i64..6);
        let number = prop::option::of(1_i64..4);
        prop_oneof![
            6 => (prop::sample::select(JobStatus::ALL), version, number).prop_map(
                |(status, expected_version, number)| Event::Update {
                    status,
                    details: None,
                    expected_version,
                    number,
                }
            ),
            2 => any::<bool>().prop_map(|force| Event::Cancel { force }),
            1 => Just(Event::Remove),
            1 => Just(Event::TimeOut),
            1 => (1_i64..100).prop_map(|queued_at_s| Event::Requeue { queued_at_s }),
        ]
    }

    proptest! {
        #[test]
        fn every_history_keeps_the_rules(events in prop::collection::vec(any_event(), 0..40)) {
            let mut state = Execution::queued(1, 0);
            for (now, event) in (1_i64..).zip(events) {
                let requeued = matches!(event, Event::Requeue { .. });
                let Ok(next) = state.after(event, now) else {
                    continue;
                };
                if requeued {
                    prop_assert!(!state.is_pending());
                    prop_assert_eq!((next.number, next.version), (state.number + 1, 1));
                } else {
                    prop_assert!(state.is_pending());
                    prop_assert_eq!((next.number, next.version), (state.number, state.version + 1));
                    prop_assert_eq!(next.queued_at_s, state.queued_at_s);
                    prop_assert!(next.started_at_s.is_some() || next.status != JobStatus::InProgress);
                    prop_assert!(next.status != JobStatus::Queued);
                }
                state = next;
            }
        }
    }
}

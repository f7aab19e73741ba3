use proptest::prelude::*;

use super::*;

fn cancel(force: bool) -> Event {
    Event::Cancel(Cancellation { force, ..Cancellation::default() })
}

fn update(status: JobStatus) -> Event {
    Event::Update(Report::of(status))
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
    for event in [update(JobStatus::Failed), cancel(true), Event::Remove] {
        let refused = done.after(event, 3).unwrap_err();
        assert_eq!(refused.code(), RejectCode::InvalidStateTransition);
    }
}

#[test]
fn d10_another_version_or_number_is_refused() {
    let queued = Execution::queued(2, 1);
    let wrong = |expected_version, number| {
        let report = Report::of(JobStatus::InProgress);
        Event::Update(Report { expected_version, number, ..report })
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
    assert!(running.after(cancel(false), 3).is_err());
    let forced = running.after(cancel(true), 3).unwrap();
    assert_eq!(forced.status, JobStatus::Canceled);
}

#[test]
fn details_are_kept_until_they_are_replaced() {
    let details: StatusDetails =
        [("k".to_owned(), serde_json::Value::from("v"))].into_iter().collect();
    let with = |details| Event::Update(Report { details, ..Report::of(JobStatus::InProgress) });
    let first = Execution::queued(1, 1).after(with(Some(details.clone())), 2).unwrap();
    assert_eq!(first.after(with(None), 3).unwrap().details, details);
    let emptied = first.after(with(Some(StatusDetails::new())), 3).unwrap();
    assert!(emptied.details.is_empty());
}

fn progress(step: Option<StepTimer>) -> Event {
    Event::Update(Report { step, limit_s: Some(20 * 60), ..Report::of(JobStatus::InProgress) })
}

/// The example of AWS's developer guide, in minutes from the job's beginning.
#[test]
fn a_step_timer_replaces_the_one_before_and_never_outlasts_the_jobs() {
    let mut state = Execution::queued(1, 0).after(progress(None), 0).unwrap();
    assert_eq!(state.times_out_at_s, Some(20 * 60));
    for (minute, step, ends) in [(5, 7, 12), (10, 5, 15), (13, 9, 20)] {
        state = state.after(progress(Some(StepTimer::Minutes(step))), minute * 60).unwrap();
        assert_eq!(state.times_out_at_s, Some(ends * 60), "at minute {minute}");
    }
    state = state.after(progress(Some(StepTimer::Minutes(1))), 14 * 60).unwrap();
    state = state.after(progress(None), 14 * 60 + 30).unwrap();
    assert_eq!(state.times_out_at_s, Some(15 * 60), "an update without a step leaves it");
    state = state.after(progress(Some(StepTimer::Off)), 14 * 60 + 40).unwrap();
    assert_eq!(state.times_out_at_s, Some(20 * 60));
    let done = state.after(update(JobStatus::Succeeded), 900).unwrap();
    assert_eq!(done.times_out_at_s, None);
}

#[test]
fn a_jobs_timer_starts_once_and_a_step_needs_none() {
    let bare = Event::Update(Report {
        step: Some(StepTimer::Minutes(3)),
        ..Report::of(JobStatus::InProgress)
    });
    let state = Execution::queued(1, 0).after(bare, 10).unwrap();
    assert_eq!((state.limit_at_s, state.times_out_at_s), (None, Some(190)));
    let later = state.after(progress(None), 20).unwrap();
    assert_eq!(later.limit_at_s, None, "the job's limit is fixed with the first IN_PROGRESS");
}

#[test]
fn a_retry_begins_a_new_execution_and_a_requeue_forgets_the_attempts() {
    let failed = Execution::queued(1, 0).after(update(JobStatus::Failed), 1).unwrap();
    let again = failed.after(Event::Retry { queued_at_s: 2 }, 2).unwrap();
    assert_eq!((again.number, again.version, again.status), (2, 1, JobStatus::Queued));
    let running = again.after(progress(None), 3).unwrap();
    let over = running.after(Event::TimeOut, 3000).unwrap();
    let third = over.after(Event::Retry { queued_at_s: 3001 }, 3001).unwrap();
    assert_eq!(third.attempts, Attempts { failed: 1, timed_out: 1 });
    let left = third.after(Event::Remove, 3002).unwrap();
    assert!(left.after(Event::Retry { queued_at_s: 1 }, 3003).is_err());
    let rejoined = left.after(Event::Requeue { queued_at_s: 3004 }, 3004).unwrap();
    assert_eq!((rejoined.number, rejoined.attempts), (4, Attempts::default()));
}

#[test]
fn a_cancellation_may_expect_a_version_and_leave_details() {
    let running = Execution::queued(1, 1).after(progress(None), 2).unwrap();
    let details: StatusDetails =
        [("k".to_owned(), serde_json::Value::from("v"))].into_iter().collect();
    let with = |expected_version| {
        let details = Some(details.clone());
        Event::Cancel(Cancellation { force: true, expected_version, details })
    };
    assert_eq!(running.after(with(Some(1)), 3).unwrap_err().code(), RejectCode::VersionMismatch);
    let canceled = running.after(with(Some(2)), 3).unwrap();
    assert!(canceled.is_force_canceled && canceled.times_out_at_s.is_none());
    assert_eq!(canceled.details, details);
    let queued = Execution::queued(1, 1).after(cancel(true), 2).unwrap();
    assert!(!queued.is_force_canceled, "it was not in progress");
}

fn any_event() -> impl Strategy<Value = Event> {
    let version = prop::option::of(1_i64..6);
    let number = prop::option::of(1_i64..4);
    prop_oneof![
        6 => (prop::sample::select(JobStatus::ALL), version, number).prop_map(
            |(status, expected_version, number)| {
                Event::Update(Report { expected_version, number, ..Report::of(status) })
            }
        ),
        2 => any::<bool>().prop_map(cancel),
        1 => Just(Event::Remove),
        1 => Just(Event::TimeOut),
        1 => (1_i64..100).prop_map(|queued_at_s| Event::Requeue { queued_at_s }),
        1 => (1_i64..100).prop_map(|queued_at_s| Event::Retry { queued_at_s }),
    ]
}

proptest! {
    #[test]
    fn every_history_keeps_the_rules(events in prop::collection::vec(any_event(), 0..40)) {
        let mut state = Execution::queued(1, 0);
        for (now, event) in (1_i64..).zip(events) {
            let requeued = matches!(event, Event::Requeue { .. } | Event::Retry { .. });
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

    /// Whatever a device does with its step timer, the job's own bound holds and never moves.
    #[test]
    fn no_step_outlasts_the_job(
        limit_s in prop::option::of(60_i64..100_000),
        steps in prop::collection::vec((0_i64..5_000, prop::option::of(-1_i64..200)), 1..30),
    ) {
        let mut state = Execution::queued(1, 0);
        let (mut now_s, mut expected) = (0, None);
        for (gap, minutes) in steps {
            let step = minutes.map(|m| if m < 1 { StepTimer::Off } else { StepTimer::Minutes(m) });
            now_s += gap;
            if let (true, Some(_)) = (state.status == JobStatus::Queued, limit_s) {
                expected = limit_s.map(|limit_s| now_s + limit_s);
            }
            let report = Report { step, limit_s, ..Report::of(JobStatus::InProgress) };
            state = state.after(Event::Update(report), now_s).unwrap();
            prop_assert_eq!(state.limit_at_s, expected);
            if let (Some(limit), Some(end)) = (expected, state.times_out_at_s) {
                prop_assert!(end <= limit);
            }
            match step {
                Some(StepTimer::Off) => prop_assert_eq!(state.times_out_at_s, expected),
                Some(StepTimer::Minutes(m)) => {
                    let end = expected.map_or(now_s + m * 60, |limit| limit.min(now_s + m * 60));
                    prop_assert_eq!(state.times_out_at_s, Some(end));
                }
                None => {}
            }
        }
    }
}

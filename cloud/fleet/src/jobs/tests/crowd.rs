//! A whole job under a virtual clock, with things that do as they like, held against a naive count
//! of what they did.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::testing::{TestFleet, request, wire};

const THINGS: usize = 7;
const PER_MINUTE: usize = 3;
/// One retry after FAILED and one after TIMED_OUT.
const MOST_ATTEMPTS: usize = 3;
const THRESHOLD_PER_CENT: i64 = 60;
const LEAST: i64 = 4;
/// All attempts of all things, one a minute, would be over by then.
const MOST_MINUTES: usize = THINGS * MOST_ATTEMPTS;

/// What a thing does with an attempt. A thing that hangs is timed out after a minute.
const ACTS: [&str; 4] = ["SUCCEEDED", "FAILED", "REJECTED", "hangs"];

/// What is to be expected of the job, by what its things did.
#[derive(Debug, Default)]
struct Expected {
    executed: i64,
    failed: i64,
    is_given_up: bool,
    /// How many attempts each thing was given.
    attempts: [usize; THINGS],
}

/// How many attempts a thing that acts like this is given: another one after the first that fails,
/// and after the first that hangs.
fn attempts_of(acts: &[usize; MOST_ATTEMPTS]) -> usize {
    let mut retries = BTreeSet::from(["FAILED", "hangs"]);
    let again = acts.iter().take_while(|act| retries.remove(ACTS[**act])).count();
    again + 1
}

impl Expected {
    fn ended(&mut self, is_failure: bool) {
        self.executed += 1;
        self.failed += i64::from(is_failure);
        self.is_given_up |=
            self.executed >= LEAST && self.failed * 100 >= THRESHOLD_PER_CENT * self.executed;
    }
}

async fn crowd() -> TestFleet {
    let t = TestFleet::start().await;
    t.add_group("G", None).await;
    for number in 0..THINGS {
        t.add_thing(&thing(number)).await;
        t.join(&thing(number), "G").await;
    }
    let asked = json!({
        "jobId": "j", "document": "{}",
        "targets": ["arn:aws:iot:us-east-1:123456789012:thinggroup/G"],
        "jobExecutionsRolloutConfig": {"maximumPerMinute": PER_MINUTE},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 1},
        "abortConfig": {"criteriaList": [{
            "failureType": "FAILED", "action": "CANCEL",
            "thresholdPercentage": THRESHOLD_PER_CENT, "minNumberOfExecutedThings": LEAST,
        }]},
        "jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "FAILED", "numberOfRetries": 1},
            {"failureType": "TIMED_OUT", "numberOfRetries": 1},
        ]},
    });
    t.fleet.create_job(request(asked)).await.unwrap();
    t
}

fn thing(number: usize) -> String {
    format!("t{number}")
}

async fn ask(t: &TestFleet, number: usize, name: &str, payload: Value) -> Value {
    t.sent();
    let thing = thing(number);
    let topic = format!("$aws/things/{thing}/jobs/{name}");
    t.fleet.jobs_request(&thing, &thing, &topic, payload.to_string().as_bytes()).await;
    t.sent().remove(0).payload
}

async fn job(t: &TestFleet) -> Value {
    wire(&t.fleet.describe_job(request(json!({"jobId": "j"}))).await.unwrap())["job"].clone()
}

/// One minute: every thing that has an attempt acts; gives how many of them hang.
async fn act(
    t: &TestFleet,
    acts: &[[usize; MOST_ATTEMPTS]],
    told: &mut BTreeSet<usize>,
    expected: &mut Expected,
) -> usize {
    let mut hanging = 0;
    for (number, acts) in acts.iter().enumerate() {
        let execution = ask(t, number, "$next/get", json!({})).await["execution"].clone();
        if execution.is_null() {
            continue;
        }
        assert_eq!(execution["status"], "QUEUED");
        assert!(!expected.is_given_up, "nothing is queued of a job that was given up");
        told.insert(number);
        let attempt = usize::try_from(execution["executionNumber"].as_i64().unwrap()).unwrap();
        assert!(attempt <= attempts_of(acts), "attempt {attempt} of {acts:?}");
        expected.attempts[number] = attempt;
        let act = ACTS[acts[attempt - 1]];
        let status = if act == "hangs" { "IN_PROGRESS" } else { act };
        let reply = ask(t, number, "j/update", json!({"status": status})).await;
        assert!(reply.get("code").is_none(), "{reply}");
        match act {
            "hangs" => hanging += 1,
            ended => expected.ended(ended == "FAILED"),
        }
    }
    hanging
}

async fn run(acts: Vec<[usize; MOST_ATTEMPTS]>) {
    let t = crowd().await;
    let (mut told, mut expected) = (BTreeSet::new(), Expected::default());
    for _ in 0..MOST_MINUTES {
        let before = told.len();
        let hanging = act(&t, &acts, &mut told, &mut expected).await;
        assert!(told.len() - before <= PER_MINUTE, "{} were told at once", told.len() - before);
        t.clock.advance(Duration::from_secs(60));
        t.fleet.tick().await.unwrap();
        for _ in 0..hanging {
            expected.ended(false);
        }
        let status = job(&t).await["status"].clone();
        assert_eq!(status == "CANCELED", expected.is_given_up, "{status}: {expected:?}");
        if status != "IN_PROGRESS" {
            break;
        }
    }
    let job = job(&t).await;
    assert_ne!(job["status"], "IN_PROGRESS");
    if !expected.is_given_up {
        let wanted: Vec<usize> = acts.iter().map(attempts_of).collect();
        assert_eq!(expected.attempts[..], wanted, "{acts:?}");
    }
    let details = job["jobProcessDetails"].as_object().unwrap();
    let all: i64 = details.values().filter_map(Value::as_i64).sum();
    assert_eq!(all, i64::try_from(THINGS).unwrap());
    for pending in ["numberOfQueuedThings", "numberOfInProgressThings"] {
        assert_eq!(details[pending], 0, "{details:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a26c_a26d_whatever_things_do_a_job_keeps_its_rate_its_criteria_and_its_retries(
        acts in prop::collection::vec(prop::array::uniform3(0..ACTS.len()), THINGS),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(acts));
    }
}

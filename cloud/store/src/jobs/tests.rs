use super::*;
use crate::testing::on_both;
use crate::{Database, ExecutionFilter, ExecutionRow, Store};

const SPACE: &str = "aws-gg-deployment";

fn job(id: &str, created_at_ms: i64) -> JobRow {
    JobRow {
        id: id.to_owned(),
        namespace: String::new(),
        target_selection: "CONTINUOUS".to_owned(),
        status: "IN_PROGRESS".to_owned(),
        is_force_canceled: false,
        reason_code: None,
        comment: None,
        request_json: "{}".to_owned(),
        document_json: "{\"a\":1}".to_owned(),
        created_at_ms,
        updated_at_ms: created_at_ms,
        completed_at_ms: None,
    }
}

fn execution(job_id: &str, thing: &str, namespace: &str) -> ExecutionRow {
    ExecutionRow {
        job_id: job_id.to_owned(),
        thing: thing.to_owned(),
        namespace: namespace.to_owned(),
        number: 2,
        status: "QUEUED".to_owned(),
        is_pending: true,
        is_released: false,
        is_force_canceled: true,
        failed_attempts: 3,
        timed_out_attempts: 4,
        details_json: "{}".to_owned(),
        version: 5,
        queued_at_s: 6,
        started_at_s: Some(7),
        updated_at_s: 8,
        limit_at_s: Some(10),
        times_out_at_s: Some(9),
    }
}

async fn a_job_comes_back_and_its_changes_too(database: Database) {
    let store = Store::open(database).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let made = job("j", 1);
    tx.put_job(&made).await.unwrap();
    assert_eq!(tx.job("j").await.unwrap(), Some(made.clone()));
    let changed = JobRow {
        status: "CANCELED".to_owned(),
        is_force_canceled: true,
        reason_code: Some("WHY".to_owned()),
        comment: Some("so".to_owned()),
        updated_at_ms: 2,
        completed_at_ms: Some(3),
        ..made
    };
    tx.put_job(&changed).await.unwrap();
    assert_eq!(tx.job("j").await.unwrap(), Some(changed));
    for target in ["b", "a", "b"] {
        tx.put_job_target("j", target).await.unwrap();
    }
    assert_eq!(tx.job_targets("j").await.unwrap(), ["a", "b"]);
    assert!(tx.continuous_jobs("").await.unwrap().is_empty(), "it is over");
}

async fn an_execution_comes_back_and_goes_with_its_job(database: Database) {
    let store = Store::open(database).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.put_job(&job("j", 1)).await.unwrap();
    tx.put_job_target("j", "t").await.unwrap();
    let (first, second) = (execution("j", "a", ""), execution("j", "b", ""));
    for row in [&first, &second, &execution("other", "a", SPACE)] {
        tx.put_execution(row).await.unwrap();
    }
    assert_eq!(tx.execution("j", "a").await.unwrap(), Some(first.clone()));
    assert_eq!(tx.executions_of_job("j", "", "", 9).await.unwrap(), [first.clone(), second]);
    assert_eq!(tx.executions_of_job("j", "QUEUED", "a", 9).await.unwrap().len(), 1);
    assert!(tx.executions_of_job("j", "FAILED", "", 9).await.unwrap().is_empty());
    let filter = ExecutionFilter { namespace: Some(String::new()), ..Default::default() };
    assert_eq!(tx.executions_of_thing("a", &filter, "", 9).await.unwrap(), [first]);
    tx.delete_execution("j", "a").await.unwrap();
    assert_eq!(tx.execution("j", "a").await.unwrap(), None);
    tx.delete_job("j").await.unwrap();
    assert_eq!(tx.job("j").await.unwrap(), None);
    assert!(tx.job_targets("j").await.unwrap().is_empty());
    assert_eq!(tx.execution("j", "b").await.unwrap(), None);
    assert!(tx.execution("other", "a").await.unwrap().is_some());
}

async fn jobs_are_listed_newest_first_by_what_is_asked(database: Database) {
    let store = Store::open(database).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    for (id, created) in [("a", 1), ("b", 2), ("c", 2)] {
        tx.put_job(&job(id, created)).await.unwrap();
    }
    let snapshot = JobRow {
        target_selection: "SNAPSHOT".to_owned(),
        namespace: "own".to_owned(),
        ..job("d", 3)
    };
    tx.put_job(&snapshot).await.unwrap();
    tx.put_job_target("b", "group").await.unwrap();
    let mut list = async |filter: JobFilter, before, limit| {
        let jobs = tx.jobs_before(&filter, SPACE, before, limit).await.unwrap();
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(list(JobFilter::default(), None, 3).await, ["d", "c", "b"]);
    assert_eq!(list(JobFilter::default(), Some((2, "b")), 3).await, ["a"]);
    let by = |target: Option<&str>, selection: Option<&str>, namespace: Option<&str>| JobFilter {
        target_arn: target.map(str::to_owned),
        target_selection: selection.map(str::to_owned),
        namespace: namespace.map(str::to_owned),
        status: None,
    };
    assert_eq!(list(by(Some("group"), None, None), None, 9).await, ["b"]);
    assert_eq!(list(by(None, Some("SNAPSHOT"), None), None, 9).await, ["d"]);
    assert_eq!(list(by(None, None, Some("own")), None, 9).await, ["d"]);
    let canceled = JobFilter { status: Some("CANCELED".to_owned()), ..Default::default() };
    assert!(list(canceled, None, 9).await.is_empty());
    let ids: Vec<_> = tx.continuous_jobs("").await.unwrap().into_iter().map(|j| j.id).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(tx.continuous_jobs("group").await.unwrap().len(), 1);
}

on_both! {
    a_job_comes_back_and_its_changes_too,
    an_execution_comes_back_and_goes_with_its_job,
    jobs_are_listed_newest_first_by_what_is_asked,
}

//! The report, the choice of checks, and the runner with checks that hang or break.

use std::collections::BTreeSet;
use std::time::Duration;

use super::check::{Look, Waiting};
use super::*;

const FINE: Check<()> = Check::local("fine", "is fine", |()| Finding::ok("as it should be"));
const BROKEN: Check<()> = Check::local("broken", "panics", |()| panic!("a check with a defect"));
const HANGING: Check<()> = Check {
    deadline: Duration::from_millis(20),
    look: Look::Network(|_| -> Waiting { Box::pin(std::future::pending()) }),
    ..Check::local("hanging", "never ends", |()| Finding::ok(""))
};
const ALL: &[Check<()>] = &[FINE, BROKEN, HANGING];

fn examined() -> Report {
    let checks: Vec<&'static Check<()>> = ALL.iter().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let examined = runtime.block_on(examine::all(&checks, Arc::new(())));
    Report { subject: "a test".to_owned(), examined }
}

#[test]
fn a_check_that_hangs_or_breaks_is_a_finding_and_loses_no_other() {
    let report = examined();
    let found: Vec<_> = report.examined.iter().map(|e| (e.id, e.finding.status)).collect();
    assert_eq!(
        found,
        [("fine", Status::Ok), ("broken", Status::Failed), ("hanging", Status::Failed)]
    );
    assert!(report.examined[1].finding.detail.contains("broke"));
    assert!(report.examined[2].finding.detail.contains("no answer within"));
}

#[test]
fn the_table_has_remedies_and_colour_only_when_asked() {
    let report = examined();
    let text = report.to_text(false);
    assert!(text.starts_with("Examined a test\n✓ fine     as it should be\n✗ broken"), "{text}");
    assert!(text.contains("           → this is a defect of marram"), "{text}");
    assert!(text.ends_with("1 ok, 0 warnings, 2 failed, 0 skipped"), "{text}");
    assert!(!text.contains('\u{1b}'));
    assert!(report.to_text(true).contains("\u{1b}[32m✓"));
}

#[test]
fn only_known_checks_can_be_chosen() {
    let only = ["hanging".to_owned(), "fine".to_owned()];
    let ids: Vec<_> = chosen(ALL, &only).unwrap().iter().map(|check| check.id).collect();
    assert_eq!(ids, ["fine", "hanging"]);
    let error = chosen(ALL, &["nope".to_owned()]).unwrap_err();
    assert!(error.downcast_ref::<BadInput>().is_some());
    assert!(error.to_string().contains("fine, broken, hanging"), "{error}");
}

#[test]
fn names_are_unique_and_every_check_says_what_it_looks_at() {
    let device = checks::DEVICE.iter().map(|check| (check.id, check.about));
    let cloud = checks::CLOUD.iter().map(|check| (check.id, check.about));
    for checks in [device.collect::<Vec<_>>(), cloud.collect()] {
        let unique: BTreeSet<_> = checks.iter().map(|(id, _)| id).collect();
        assert_eq!(unique.len(), checks.len());
        assert!(checks.iter().all(|(_, about)| !about.is_empty()));
    }
}

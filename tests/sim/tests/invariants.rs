//! Each promise by its name, over the same seeds, and proof that a broken device is noticed.
//!
//! `cargo xtask sim` plays many more.

use std::sync::LazyLock;

use marram_sim::{History, Invariant, Sabotage, play};

const SEEDS: u64 = 60;

static HISTORIES: LazyLock<Vec<History>> = LazyLock::new(|| {
    (0..SEEDS).map(|seed| play(seed, Sabotage::None).expect("it can be played")).collect()
});

fn holds(invariant: Invariant) {
    for history in HISTORIES.iter() {
        let broken = history.broken.as_ref().is_some_and(|(which, _)| *which == invariant);
        assert!(!broken, "{history}");
    }
}

#[test]
fn invariant_1_every_deployment_ends() {
    holds(Invariant::Ends);
}

#[test]
fn invariant_2_a_cancel_is_honoured_and_the_next_deployment_accepted_within_ten_seconds() {
    holds(Invariant::Honoured);
}

#[test]
fn invariant_3_after_a_failure_the_device_is_as_it_was() {
    holds(Invariant::RolledBack);
}

#[test]
fn invariant_4_a_power_cut_at_any_write_loses_nothing_acknowledged() {
    holds(Invariant::Durable);
    assert!(HISTORIES.iter().map(|history| history.cuts).sum::<u32>() > 20, "hardly a power cut");
}

#[test]
fn invariant_4_every_status_is_told_once() {
    holds(Invariant::Told);
}

#[test]
fn invariant_7_local_deployments_and_lost_bookkeeping_remove_nothing_of_a_group() {
    holds(Invariant::Kept);
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for history in HISTORIES.iter().take(12) {
        let again = play(history.seed, Sabotage::None).unwrap();
        assert_eq!(history.lines, again.lines);
        assert_eq!(history.hash(), again.hash());
    }
    assert_ne!(HISTORIES[0].hash(), HISTORIES[1].hash());
}

#[test]
fn a_disk_that_does_not_sync_is_noticed() {
    let is_noticed = |seed| play(seed, Sabotage::LyingDisk).unwrap().broken.is_some();
    assert!((0..SEEDS).any(is_noticed));
}

#[test]
fn a_cloud_that_forgets_a_status_is_noticed() {
    let history = (0..SEEDS).map(|seed| play(seed, Sabotage::ForgetfulCloud).unwrap());
    let mut told = history.filter_map(|history| history.broken);
    assert!(told.any(|(invariant, _)| invariant == Invariant::Told));
}

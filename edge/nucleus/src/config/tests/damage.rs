//! A damaged state: told, made good where that is possible, and never taken for a first start.

use std::path::Path;

use super::*;

const EXPECTED: [&str; 3] = ["first", "second", "third"];

/// A device that has run: a snapshot with `first`, and `second` and `third` in its log.
fn device() -> tempfile::TempDir {
    let fixture = Fixture::new();
    let config = fixture.folder.path().join("config");
    std::fs::write(config.join("config.yaml"), "system: {thingName: T}").unwrap();
    fixture.store.merge(&["first"], &json!(1), 5).unwrap();
    fixture.store.shared.committer.as_ref().unwrap().disk().compact_now(&fixture.store.root());
    fixture.store.merge(&["second"], &json!(2), 5).unwrap();
    fixture.store.merge(&["third"], &json!(3), 5).unwrap();
    fixture.store.commit().unwrap();
    fixture.folder
}

fn journal(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join("config/journal").join(name)
}

fn try_open(folder: &tempfile::TempDir) -> Result<ConfigStore, OpenConfig> {
    let clock = ManualClock::at_ms(NOW).shared();
    ConfigStore::open(&NucleusPaths::new(folder.path()), None, clock)
}

fn flip(path: &Path, place: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[place] ^= 0x04;
    std::fs::write(path, bytes).unwrap();
}

/// How many of the changes are there, which must be the first ones.
fn kept(store: &ConfigStore) -> usize {
    let there: Vec<bool> = EXPECTED.iter().map(|key| store.get(&[key]).is_some()).collect();
    let count = there.iter().filter(|&&is_there| is_there).count();
    assert!(there[..count].iter().all(|&is_there| is_there), "{there:?}");
    assert_eq!(store.get(&["system"]), None, "taken for a first start");
    count
}

#[test]
fn a_flipped_bit_anywhere_in_the_snapshot_loses_nothing() {
    let length = std::fs::metadata(journal(&device(), "snapshot")).unwrap().len();
    for place in (0..usize::try_from(length).unwrap()).step_by(5) {
        let folder = device();
        flip(&journal(&folder, "snapshot"), place);
        assert_eq!(kept(&try_open(&folder).unwrap()), 3, "byte {place}");
        assert_eq!(kept(&try_open(&folder).unwrap()), 3, "byte {place}, the next start");
        assert!(journal(&folder, "damaged/snapshot").exists());
    }
}

#[test]
fn a_flipped_bit_anywhere_in_the_log_costs_only_what_follows() {
    let length = std::fs::metadata(journal(&device(), "log.1")).unwrap().len();
    let length = usize::try_from(length).unwrap();
    let mut found = Vec::new();
    for place in 0..length {
        let folder = device();
        flip(&journal(&folder, "log.1"), place);
        let store = try_open(&folder).unwrap();
        found.push(kept(&store));
        assert!(journal(&folder, "damaged/log.1").exists(), "byte {place}");
        store.merge(&["more"], &json!(4), 5).unwrap();
        let now = store.get(&[]);
        drop(store);
        assert_eq!(try_open(&folder).unwrap().get(&[]), now);
    }
    assert!(found.is_sorted(), "{found:?}");
    assert_eq!((found[0], found[length - 1]), (1, 2));
}

#[test]
fn truncated_files_lose_only_what_is_gone() {
    for length in 0..40 {
        let folder = device();
        let path = journal(&folder, "snapshot");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..length.min(bytes.len() - 1)]).unwrap();
        assert_eq!(kept(&try_open(&folder).unwrap()), 3);
    }
    for name in ["snapshot", "log.1", "snapshot.old", "log.0"] {
        let folder = device();
        // A device with one snapshot has none before it.
        let removed = std::fs::remove_file(journal(&folder, name));
        assert_eq!(removed.is_err(), name == "snapshot.old");
        let expected = if name == "log.1" { 1 } else { 3 };
        assert_eq!(kept(&try_open(&folder).unwrap()), expected, "{name}");
    }
}

#[test]
fn a_state_of_which_nothing_is_left_is_refused_with_the_remedy() {
    let folder = device();
    flip(&journal(&folder, "snapshot"), 20);
    flip(&journal(&folder, "log.0"), 9);
    for _ in 0..2 {
        let error = try_open(&folder).unwrap_err();
        let text = marram_telemetry::Chain(&error).to_string();
        assert!(text.contains("snapshot") && text.contains("backup"), "{text}");
    }
    let fixture = Fixture::new();
    fixture.store.merge(&["first"], &json!(1), 5).unwrap();
    fixture.store.commit().unwrap();
    let Fixture { folder, store } = fixture;
    drop(store);
    flip(&journal(&folder, "log.0"), 9);
    let error = try_open(&folder).unwrap_err();
    assert!(matches!(error, OpenConfig::Lost { .. }), "{error}");
    let again = try_open(&folder).map(|store| store.get(&[]));
    assert!(
        again.is_err(),
        "refused once, it must not begin with nothing the next time: {again:?}"
    );
}

#[test]
fn a_kill_within_the_very_first_write_is_a_first_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("config")).unwrap();
    std::fs::write(folder.path().join("config/config.yaml"), "system: {thingName: T}").unwrap();
    drop(try_open(&folder).unwrap());
    let log = journal(&folder, "log.0");
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..bytes.len() / 2]).unwrap();
    let store = try_open(&folder).unwrap();
    assert_eq!(store.get(&["system", "thingName"]), Some(json!("T")));
}

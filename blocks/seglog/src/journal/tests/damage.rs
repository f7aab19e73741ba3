//! Damage that no power cut does: found, told, and made good where that is possible.

use super::*;

/// Three generations: `state-2` with one record in its log, made from `state-1` and its log.
fn grown() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    journal.append(b"0").unwrap();
    journal.snapshot(b"state-1").unwrap();
    journal.append(b"1").unwrap();
    journal.snapshot(b"state-2").unwrap();
    journal.append(b"2").unwrap();
    journal.append(b"3").unwrap();
    journal.sync().unwrap();
    dir
}

fn flip(path: &Path, place: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[place] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

fn text(recovered: &Recovered) -> (String, Vec<String>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let snapshot = recovered.snapshot.as_deref().map(text).unwrap_or_default();
    (snapshot, recovered.records.iter().map(|record| text(record)).collect())
}

fn expected(snapshot: &str, records: &[&str]) -> (String, Vec<String>) {
    (snapshot.to_owned(), records.iter().map(|&record| record.to_owned()).collect())
}

#[test]
fn every_byte_of_the_snapshot_may_be_damaged_and_nothing_is_lost() {
    let dir = grown();
    let path = snapshot_path(dir.path());
    let whole = std::fs::read(&path).unwrap();
    for place in 0..whole.len() {
        flip(&path, place);
        let recovered = reopen(dir.path());
        assert_eq!(text(&recovered), expected("state-1", &["1", "2", "3"]), "byte {place}");
        assert_eq!(recovered.damage[0].cost, Cost::Nothing);
        assert!(dir.path().join("damaged/snapshot").exists());
        std::fs::write(&path, &whole).unwrap();
    }
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(text(&reopen(dir.path())), expected("state-1", &["1", "2", "3"]));
    }
}

#[test]
fn a_lost_snapshot_is_no_first_start() {
    let dir = grown();
    std::fs::remove_file(snapshot_path(dir.path())).unwrap();
    let recovered = reopen(dir.path());
    assert_eq!(text(&recovered), expected("state-1", &["1", "2", "3"]));
    assert_eq!(recovered.damage.len(), 1);
    assert_eq!(text(&Journal::look(dir.path()).unwrap()), text(&recovered));
}

#[test]
fn the_first_snapshot_is_made_again_from_the_first_log() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    journal.append(b"0").unwrap();
    journal.snapshot(b"state-1").unwrap();
    journal.append(b"1").unwrap();
    journal.sync().unwrap();
    drop(journal);
    flip(&snapshot_path(dir.path()), 20);
    assert_eq!(text(&reopen(dir.path())), expected("", &["0", "1"]));
}

#[test]
fn what_cannot_be_told_is_refused_and_left_alone() {
    for other in ["snapshot.old", "log.1"] {
        let dir = grown();
        flip(&snapshot_path(dir.path()), 20);
        let other = dir.path().join(other);
        flip(&other, 8);
        let before = std::fs::read(&other).unwrap();
        for _ in 0..2 {
            let error = Journal::open(dir.path()).unwrap_err();
            assert!(matches!(error, OpenJournal::DamagedSnapshot { .. }), "{error}");
        }
        assert_eq!(std::fs::read(&other).unwrap(), before);
    }
    let dir = grown();
    for name in ["snapshot", "snapshot.old", "log.1"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
    }
    assert!(matches!(Journal::open(dir.path()), Err(OpenJournal::DamagedSnapshot { .. })));
}

#[test]
fn a_damaged_record_costs_what_follows_it_and_is_told() {
    let dir = grown();
    let path = log_path(dir.path(), 2);
    flip(&path, 0);
    let recovered = reopen(dir.path());
    assert_eq!(text(&recovered), expected("state-2", &[]));
    let length = std::fs::metadata(dir.path().join("damaged/log.2")).unwrap().len();
    assert_eq!(
        recovered.damage,
        [Damage { path: path.clone(), cost: Cost::After { offset: 0, bytes: length } }]
    );
    assert!(reopen(dir.path()).damage.is_empty(), "what was cut off is told once");
}

#[test]
fn a_missing_log_is_told() {
    let dir = grown();
    std::fs::remove_file(log_path(dir.path(), 2)).unwrap();
    let recovered = reopen(dir.path());
    assert_eq!(text(&recovered), expected("state-2", &[]));
    assert_eq!(recovered.damage[0].cost, Cost::Log);
}

#[test]
fn starting_over_leaves_nothing_to_go_back_to() {
    let dir = grown();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    journal.start_over(b"anew").unwrap();
    journal.append(b"4").unwrap();
    journal.sync().unwrap();
    drop(journal);
    assert_eq!(text(&reopen(dir.path())), expected("anew", &["4"]));
    let mut names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["lock", "log.3", "snapshot"]);
}

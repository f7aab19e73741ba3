//! What is recovered after clean ends, torn tails, damage and half-done snapshots.

use proptest::prelude::*;

use super::*;

mod damage;

fn reopen(folder: &Path) -> Recovered {
    Journal::open(folder).unwrap().1
}

fn write(folder: &Path, records: &[Vec<u8>]) {
    let (mut journal, _) = Journal::open(folder).unwrap();
    for record in records {
        journal.append(record).unwrap();
    }
    journal.sync().unwrap();
}

#[test]
fn records_come_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let records = vec![b"one".to_vec(), Vec::new(), b"three".to_vec()];
    write(dir.path(), &records);
    assert_eq!(reopen(dir.path()), Recovered { records, ..Recovered::default() });
}

#[test]
fn looking_disturbs_nobody_and_sees_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Journal::look(&dir.path().join("absent")).unwrap(), Recovered::default());
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    journal.snapshot(b"state").unwrap();
    journal.append(b"one").unwrap();
    journal.sync().unwrap();
    std::fs::write(log_path(dir.path(), 9), b"of another generation").unwrap();
    let torn = [std::fs::read(log_path(dir.path(), 1)).unwrap(), vec![1, 2, 3]].concat();
    std::fs::write(log_path(dir.path(), 1), &torn).unwrap();
    let seen = Journal::look(dir.path()).unwrap();
    assert_eq!((seen.snapshot.as_deref(), seen.dropped_bytes), (Some(b"state".as_slice()), 3));
    assert_eq!(seen.records, [b"one".to_vec()]);
    assert_eq!(std::fs::read(log_path(dir.path(), 1)).unwrap(), torn, "nothing is cut off");
    assert!(log_path(dir.path(), 9).exists(), "nothing is removed");
    assert!(matches!(Journal::open(dir.path()), Err(OpenJournal::InUse { .. })));
}

#[test]
fn snapshot_replaces_log_and_later_records_follow_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    journal.append(b"replaced").unwrap();
    journal.snapshot(b"state").unwrap();
    assert_eq!(journal.log_bytes(), 0);
    journal.append(b"after").unwrap();
    journal.sync().unwrap();
    drop(journal);
    let recovered = reopen(dir.path());
    assert_eq!(recovered.snapshot.as_deref(), Some(b"state".as_slice()));
    assert_eq!(recovered.records, [b"after".to_vec()]);
    let files = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, 4, "lock, snapshot, its log and the one before it");
}

#[test]
fn log_of_another_generation_is_never_read() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[b"kept".to_vec()]);
    // As if power was cut after the next log was made and before its snapshot was in place.
    std::fs::write(log_path(dir.path(), 1), b"").unwrap();
    let recovered = reopen(dir.path());
    assert_eq!((&recovered.records[..], &recovered.damage[..]), (&[b"kept".to_vec()][..], &[][..]));
    assert!(!log_path(dir.path(), 1).exists());

    // As if power was cut after the snapshot was in place and before the old log was removed.
    std::fs::write(log_path(dir.path(), 1), b"").unwrap();
    let state = encode_snapshot(1, b"state").unwrap();
    file::write_atomically(&snapshot_path(dir.path()), &state, MODE).unwrap();
    let recovered = reopen(dir.path());
    assert!(recovered.damage.is_empty());
    assert_eq!(recovered.snapshot.as_deref(), Some(b"state".as_slice()));
    assert!(recovered.records.is_empty());
}

#[test]
fn second_opener_is_refused_while_the_first_lives() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = Journal::open(dir.path()).unwrap();
    assert!(matches!(Journal::open(dir.path()), Err(OpenJournal::InUse { .. })));
    drop(first);
    assert!(Journal::open(dir.path()).is_ok());
}

#[test]
fn a_holder_that_is_about_to_end_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = Journal::open(dir.path()).unwrap();
    let ending = std::thread::spawn(move || {
        std::thread::sleep(LOCK_PAUSE);
        drop(first);
    });
    assert!(Journal::open(dir.path()).is_ok());
    ending.join().unwrap();
}

#[test]
fn too_long_a_record_is_refused_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    let long = vec![0; record::MAX_RECORD_BYTES + 1];
    assert!(matches!(journal.append(&long), Err(WriteJournal::TooLong { .. })));
    journal.append(b"fits").unwrap();
    journal.sync().unwrap();
    drop(journal);
    assert_eq!(reopen(dir.path()).records, [b"fits".to_vec()]);
}

fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..12)
}

/// The byte offset at which each record ends.
fn ends(records: &[Vec<u8>]) -> Vec<usize> {
    let mut end = 0;
    let each = records.iter().map(|record| {
        end += record::HEADER_BYTES + record.len();
        end
    });
    each.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn truncation_anywhere_recovers_exactly_the_whole_records(
        records in records(), cut in any::<prop::sample::Index>()
    ) {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &records);
        let path = log_path(dir.path(), 0);
        let bytes = std::fs::read(&path).unwrap();
        let cut = cut.index(bytes.len() + 1);
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let whole = ends(&records).into_iter().filter(|end| *end <= cut).count();
        prop_assert_eq!(&reopen(dir.path()).records, &records[..whole]);

        write(dir.path(), &[b"next".to_vec()]);
        let mut expected = records[..whole].to_vec();
        expected.push(b"next".to_vec());
        prop_assert_eq!(reopen(dir.path()).records, expected);
    }

    #[test]
    fn flipped_bit_recovers_exactly_the_records_before_it(
        records in records(), place in any::<prop::sample::Index>(), bit in 0..8_u8
    ) {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &records);
        let path = log_path(dir.path(), 0);
        let mut bytes = std::fs::read(&path).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        std::fs::write(&path, &bytes).unwrap();
        let before = ends(&records).into_iter().filter(|end| *end <= place).count();
        let recovered = reopen(dir.path());
        prop_assert_eq!(&recovered.records, &records[..before]);
        prop_assert!(recovered.dropped_bytes > 0);
        let is_last = before + 1 == records.len();
        prop_assert_eq!(recovered.damage.is_empty(), is_last, "only the last may have been torn");
        prop_assert!(dir.path().join("damaged/log.0").exists());
    }

    #[test]
    fn garbage_after_the_end_is_cut_off(
        records in records(), garbage in prop::collection::vec(any::<u8>(), 1..64)
    ) {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &records);
        let path = log_path(dir.path(), 0);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(&garbage);
        std::fs::write(&path, &bytes).unwrap();
        prop_assert_eq!(&reopen(dir.path()).records, &records);
    }
}

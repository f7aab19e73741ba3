//! The journal: written, cut and damaged as the input says, and opened again. Whatever happens
//! to the log, what comes back is a prefix of what was kept.

use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use marram_seglog::{Journal, OpenJournal};

#[derive(Debug, Arbitrary)]
enum Step {
    Append(Vec<u8>),
    Snapshot(Vec<u8>),
    /// Opened again after so many bytes of the log's end were lost.
    Cut(u8),
    /// Opened again after one byte of the log has changed.
    Damage {
        at: u16,
        to: u8,
    },
    /// Opened again after a write that tore: these bytes behind the log.
    Tear(Vec<u8>),
    /// Opened again with another snapshot file.
    Replace(Vec<u8>),
}

pub(crate) fn run(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut input = Unstructured::new(data);
    let Ok(steps) = Vec::<Step>::arbitrary(&mut input) else { return };
    let mut kept = Kept::default();
    let Ok((mut journal, _)) = Journal::open(folder.path()) else { panic!("a fresh journal") };
    for step in steps {
        let reopen = match step {
            Step::Append(record) => {
                journal.append(&record).expect("a short record");
                journal.sync().expect("a disk with room");
                kept.records.push(record);
                continue;
            }
            Step::Snapshot(state) => {
                journal.snapshot(&state).expect("a short snapshot");
                kept = Kept { snapshot: Some(state), records: Vec::new() };
                continue;
            }
            damage => damage,
        };
        drop(journal);
        change(folder.path(), &reopen);
        match Journal::open(folder.path()) {
            Ok((opened, recovered)) => {
                if matches!(reopen, Step::Replace(_)) {
                    kept.snapshot.clone_from(&recovered.snapshot);
                    kept.records.clone_from(&recovered.records);
                }
                assert_eq!(recovered.snapshot, kept.snapshot, "the snapshot after {reopen:?}");
                assert!(kept.records.starts_with(&recovered.records) || grew(&reopen));
                kept.records = recovered.records;
                journal = opened;
            }
            Err(OpenJournal::DamagedSnapshot { .. }) if matches!(reopen, Step::Replace(_)) => {
                return;
            }
            Err(error) => panic!("after {reopen:?}: {error}"),
        }
    }
}

#[derive(Debug, Default)]
struct Kept {
    snapshot: Option<Vec<u8>>,
    records: Vec<Vec<u8>>,
}

/// Bytes behind the log may by chance be whole records.
fn grew(step: &Step) -> bool {
    matches!(step, Step::Tear(_) | Step::Damage { .. })
}

fn change(folder: &Path, step: &Step) {
    let log = fs::read_dir(folder)
        .expect("the journal's folder")
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with("log."))
        .map(|entry| entry.path())
        .expect("a log");
    let mut bytes = fs::read(&log).expect("the log");
    match step {
        Step::Cut(count) => bytes.truncate(bytes.len().saturating_sub(usize::from(*count))),
        Step::Damage { at, to } => {
            if let Some(byte) = bytes.get_mut(usize::from(*at)) {
                *byte = *to;
            }
        }
        Step::Tear(more) => bytes.extend_from_slice(more),
        Step::Replace(snapshot) => {
            fs::write(folder.join("snapshot"), snapshot).expect("the snapshot is written");
        }
        Step::Append(_) | Step::Snapshot(_) => {}
    }
    fs::write(log, bytes).expect("the log is written");
}

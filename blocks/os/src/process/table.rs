//! The process table, read from `/proc`.

use std::collections::HashSet;

/// One process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pid: u32,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) is_zombie: bool,
}

/// All processes that can be seen now.
pub(super) fn read() -> Vec<Entry> {
    let Ok(folders) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = folders.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| {
        // A process that ended meanwhile is simply not there.
        parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    })
    .collect()
}

/// The processes that `pid` started and theirs, without `pid` itself; nearest first.
pub fn descendants(pid: u32) -> Vec<u32> {
    below(&read(), pid)
}

pub(super) fn below(table: &[Entry], root: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut seen = HashSet::from([root]);
    let mut parents = vec![root];
    while !parents.is_empty() {
        let children: Vec<u32> = table
            .iter()
            .filter(|entry| parents.contains(&entry.parent) && seen.insert(entry.pid))
            .map(|entry| entry.pid)
            .collect();
        found.extend_from_slice(&children);
        parents = children;
    }
    found
}

/// `pid (name) state ppid pgrp …`; the name may hold spaces and parentheses (proc(5)).
fn parse_stat(text: &str) -> Option<Entry> {
    let pid = text.split_once(' ')?.0.parse().ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    Some(Entry { pid, parent, group, is_zombie: matches!(state, "Z" | "X") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_the_name() {
        let entry = parse_stat("42 (a) b (c) Z 7 8 9 0 -1").unwrap();
        assert_eq!(entry, Entry { pid: 42, parent: 7, group: 8, is_zombie: true });
        assert_eq!(parse_stat("42 (sh"), None);
    }

    #[test]
    fn own_process_is_in_the_table() {
        let own = std::process::id();
        assert!(read().iter().any(|entry| entry.pid == own));
    }

    #[test]
    fn below_follows_children_and_survives_a_cycle() {
        let entry = |pid, parent| Entry { pid, parent, group: pid, is_zombie: false };
        let table = [entry(1, 3), entry(2, 1), entry(3, 2), entry(9, 8)];
        assert_eq!(below(&table, 1), [2, 3]);
    }
}

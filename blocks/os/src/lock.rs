//! Who holds the lock of a file, without taking it.
//!
//! Trying to take a lock is no way to ask: for that instant its owner would be refused. The kernel
//! lists the locks instead (`proc_locks(5)`).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The process that holds the lock of `path` (`flock(2)`), `None` when nobody does. A holder in
/// another process namespace is not seen.
pub fn holder(path: &Path) -> io::Result<Option<u32>> {
    let metadata = fs::metadata(path)?;
    let table = fs::read_to_string("/proc/locks")?;
    let (major, minor) = (rustix::fs::major(metadata.dev()), rustix::fs::minor(metadata.dev()));
    Ok(find(&table, &format!("{major:02x}:{minor:02x}:{}", metadata.ino())))
}

/// `1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF`; a waiting one has `->` after its number.
fn find(table: &str, file: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        if fields.next()? != "FLOCK" {
            return None;
        }
        let process = fields.nth(2)?.parse().ok()?;
        (fields.next()? == file).then_some(process)
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_found_and_not_disturbed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = File::create(&path).unwrap();
        assert_eq!(holder(&path).unwrap(), None);
        lock.try_lock().unwrap();
        assert_eq!(holder(&path).unwrap(), Some(std::process::id()));
        lock.unlock().unwrap();
        assert_eq!(holder(&path).unwrap(), None);
        assert!(holder(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn who_waits_and_other_kinds_are_passed_over() {
        let table = "1: POSIX  ADVISORY  WRITE 7 fe:00:12 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 8 fe:00:12 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 9 fe:00:13 0 EOF\n";
        assert_eq!(find(table, "fe:00:12"), Some(8));
        assert_eq!(find(table, "fe:00:13"), None);
    }
}

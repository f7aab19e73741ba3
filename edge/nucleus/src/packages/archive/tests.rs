use std::os::unix::fs::PermissionsExt;

use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;

struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn pack(&self, entries: &[(&str, &[u8])]) -> PathBuf {
        let path = self.dir.path().join("a.zip");
        let mut writer = ZipWriter::new(File::create(&path).unwrap());
        for (name, bytes) in entries {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap();
        path
    }

    fn folder(&self) -> PathBuf {
        let into = self.dir.path().join("into");
        std::fs::create_dir_all(&into).unwrap();
        into
    }

    fn unpack(&self, archive: &Path, room: u64) -> Result<(), Unarchive> {
        unpack(archive, &self.folder(), 0o640, room, &Cancelled::default())
    }
}

#[test]
fn files_and_folders_get_their_modes() {
    let fixture = Fixture::new();
    let archive = fixture.pack(&[("main.py", b"1"), ("lib/deep/x.py", b"2")]);
    fixture.unpack(&archive, u64::MAX).unwrap();
    let mode = |path: &str| {
        std::fs::metadata(fixture.folder().join(path)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(std::fs::read(fixture.folder().join("lib/deep/x.py")).unwrap(), b"2");
    assert_eq!(mode("main.py"), 0o640);
    assert_eq!(mode("lib"), 0o755);
    assert_eq!(mode("lib/deep"), 0o755);
}

#[test]
fn an_entry_outside_the_folder_is_refused() {
    for name in ["../evil", "a/../../evil"] {
        let fixture = Fixture::new();
        let archive = fixture.pack(&[(name, b"x")]);
        let error = fixture.unpack(&archive, u64::MAX).unwrap_err();
        assert!(matches!(&error, Unarchive::Escapes(entry) if entry == name), "{error}");
        assert!(!fixture.dir.path().join("evil").exists());
    }
}

#[test]
fn an_absolute_entry_stays_within_the_folder() {
    let fixture = Fixture::new();
    let outside = fixture.dir.path().join("evil");
    let archive = fixture.pack(&[(outside.to_str().unwrap(), b"x")]);
    let _ = fixture.unpack(&archive, u64::MAX);
    assert!(!outside.exists());
}

#[test]
fn unpacking_that_nobody_waits_for_ends() {
    let fixture = Fixture::new();
    let archive = fixture.pack(&[("a", b"x")]);
    let cancelled = Cancelled::default();
    cancelled.cancel();
    let result = unpack(&archive, &fixture.folder(), 0o640, u64::MAX, &cancelled);
    assert!(matches!(result, Err(Unarchive::Write(_))), "{result:?}");
}

#[test]
fn a_link_becomes_a_file() {
    let fixture = Fixture::new();
    let path = fixture.dir.path().join("a.zip");
    let mut writer = ZipWriter::new(File::create(&path).unwrap());
    writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    writer.finish().unwrap();
    fixture.unpack(&path, u64::MAX).unwrap();
    let link = fixture.folder().join("link");
    assert!(!link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(std::fs::read(link).unwrap(), b"/etc/passwd");
}

#[test]
fn nothing_is_written_through_a_link() {
    let fixture = Fixture::new();
    let outside = fixture.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let path = fixture.dir.path().join("a.zip");
    let mut writer = ZipWriter::new(File::create(&path).unwrap());
    let options = SimpleFileOptions::default();
    writer.add_symlink("link", outside.to_str().unwrap(), options).unwrap();
    writer.start_file("link/evil", options).unwrap();
    writer.write_all(b"x").unwrap();
    writer.finish().unwrap();
    assert!(fixture.unpack(&path, u64::MAX).is_err());
    assert_eq!(std::fs::read_dir(outside).unwrap().count(), 0);
}

#[test]
fn modes_of_the_archive_do_not_count() {
    let fixture = Fixture::new();
    let path = fixture.dir.path().join("a.zip");
    let mut writer = ZipWriter::new(File::create(&path).unwrap());
    let options = SimpleFileOptions::default().unix_permissions(0o6777);
    writer.start_file("root-for-all", options).unwrap();
    writer.finish().unwrap();
    fixture.unpack(&path, u64::MAX).unwrap();
    let mode = fixture.folder().join("root-for-all").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
}

#[test]
fn an_archive_of_too_many_entries_is_refused() {
    let fixture = Fixture::new();
    let path = fixture.dir.path().join("a.zip");
    let mut writer = ZipWriter::new(io::BufWriter::new(File::create(&path).unwrap()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for number in 0..=MAX_ENTRIES {
        writer.add_directory(number.to_string(), stored).unwrap();
    }
    writer.finish().unwrap();
    let error = fixture.unpack(&path, u64::MAX).unwrap_err();
    assert!(matches!(error, Unarchive::TooMany(count) if count == MAX_ENTRIES + 1), "{error}");
    assert_eq!(std::fs::read_dir(fixture.folder()).unwrap().count(), 0);
}

#[test]
fn names_that_no_disk_takes_are_refused() {
    for names in [vec!["x".repeat(300)], vec!["a".to_owned(), "a/b".to_owned()]] {
        let fixture = Fixture::new();
        let entries: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
        let archive = fixture.pack(&entries);
        assert!(fixture.unpack(&archive, u64::MAX).is_err(), "{names:?}");
    }
}

#[test]
fn an_archive_that_grows_too_much_is_refused() {
    let fixture = Fixture::new();
    let archive = fixture.pack(&[("zeroes", &vec![0; 100_000])]);
    let error = fixture.unpack(&archive, 50_000).unwrap_err();
    assert!(matches!(error, Unarchive::TooLarge { limit: 50_000 }), "{error}");
    let bomb = fixture.pack(&[("zeroes", &vec![0; RATIO_FREE_BYTES as usize + 1])]);
    let error = fixture.unpack(&bomb, u64::MAX).unwrap_err();
    assert!(matches!(error, Unarchive::TooLarge { limit: RATIO_FREE_BYTES }), "{error}");
}

#[test]
fn what_is_no_archive_is_refused() {
    let fixture = Fixture::new();
    let path = fixture.dir.path().join("a.zip");
    std::fs::write(&path, b"not a zip").unwrap();
    assert!(matches!(fixture.unpack(&path, u64::MAX), Err(Unarchive::Read(_))));
}

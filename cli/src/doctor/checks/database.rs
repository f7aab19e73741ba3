//! The cloud's database file: SQLite, and writable by us. A cloud on PostgreSQL has none; how that
//! database is shows in the answer of the check `api`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};

use super::modes::let_read;
use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::cloud::Cloud;

pub(super) const CHECK: Check<Cloud> =
    Check::local("database", "cloud.db is a database and can be written", look);

/// What every SQLite 3 file begins with (sqlite.org/fileformat.html).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

fn look(cloud: &Cloud) -> Finding {
    let data = match cloud.data() {
        Ok(data) => data,
        Err(skipped) => return skipped,
    };
    let path = data.join("cloud.db");
    let shown = path.display();
    // Opened and not written: SQLite's own locks are between its users.
    let file = OpenOptions::new().read(true).write(true).open(&path);
    let mut begin = [0; MAGIC.len()];
    let read = file.and_then(|mut file| {
        file.read_exact(&mut begin)?;
        file.metadata()
    });
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Finding::skipped(format!(
            "no {shown}: a cloud on PostgreSQL has none, one on SQLite makes it at its first start"
        )),
        Err(error) => Finding::failed(format!("{shown}: {error}"), let_read(&path)),
        Ok(_) if begin != *MAGIC => Finding::failed(
            format!("{shown} is no SQLite database"),
            "restore cloud.db, with cloud.db-wal if there is one, from a backup",
        ),
        Ok(metadata) => Finding::ok(format!("{shown}, {} kB", metadata.len() / 1000)),
    }
}

//! The token that the nucleus left for this user (ipc 4.9). It is another one after each start of
//! the nucleus, so it is read for each command.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

/// Where the nucleus leaves tokens, below its root.
pub(super) const FOLDER: &str = "cli_ipc_info";

/// Where the nucleus listens, and by what it knows us.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    #[serde(rename = "cli_auth_token")]
    pub(super) token: String,
    #[serde(rename = "domain_socket_path")]
    pub(crate) socket: PathBuf,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// Reads the token of this user, of its group, or else any that it may read.
pub(crate) fn read(root: &Path) -> Result<Credentials> {
    let user = marram_os::user::current().context("looking up the user who runs this")?;
    read_for(&root.join(FOLDER), user.uid, user.gid)
}

fn read_for(folder: &Path, uid: u32, gid: u32) -> Result<Credentials> {
    let own = [folder.join(format!("user-{uid}")), folder.join(format!("group-{gid}"))];
    let mut others: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    others.sort();
    let found = own.into_iter().chain(others).find_map(|path| Some((fs::read(&path).ok()?, path)));
    let (text, path) = found.ok_or_else(|| {
        anyhow!(
            "Not able to find auth information in directory: {}. Please run CLI as authorized \
             user or group.",
            folder.display()
        )
    })?;
    // The parser's message could quote the token.
    serde_json::from_slice(&text).map_err(|error| {
        anyhow!(
            "the auth information {} is not valid at line {}: restart the nucleus, which writes \
             it anew",
            path.display(),
            error.line()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leave(folder: &Path, name: &str) {
        let text = format!(r#"{{"cli_auth_token":"{name}","domain_socket_path":"/s"}}"#);
        fs::write(folder.join(name), text).unwrap();
    }

    #[test]
    fn the_user_comes_before_its_group_and_that_before_others() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let token = || read_for(folder, 7, 8).map(|credentials| credentials.token);
        let none = token().unwrap_err().to_string();
        assert!(none.starts_with("Not able to find auth information in directory: "), "{none}");
        for name in ["group-5", "group-8", "user-7"] {
            leave(folder, name);
            assert_eq!(token().unwrap(), name);
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        leave(folder.path(), "user-7");
        let credentials = read_for(folder.path(), 7, 8).unwrap();
        assert!(!format!("{credentials:?}").contains("user-7"));
    }
}

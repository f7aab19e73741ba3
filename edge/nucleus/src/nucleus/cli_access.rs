//! The token files by which people on the device may use it: `cli_ipc_info/`
//! (ipc 4.9; components 2.2).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use marram_os::file::{WriteFile, create_dir_all_mode, set_owner, write_atomically};
use marram_os::user;
use serde_json::{Value, json};

use crate::config::ConfigStore;
use crate::paths::NucleusPaths;
use crate::supervisor::tokens::Tokens;

/// Comma-separated names or ids of the groups whose members may use the device.
const AUTHORIZED_GROUPS: &[&str] =
    &["services", "aws.greengrass.Cli", "configuration", "AuthorizedPosixGroups"];

/// Writes the files, at each start and when the groups change.
#[derive(Debug, Clone)]
pub(super) struct CliAccess {
    pub(super) paths: NucleusPaths,
    pub(super) config: ConfigStore,
    pub(super) tokens: Tokens,
    pub(super) socket: PathBuf,
}

/// Why nobody may use the device.
#[derive(Debug, thiserror::Error)]
enum GrantCliAccess {
    #[error("the files of earlier tokens cannot be removed")]
    Remove(#[source] io::Error),
    #[error("a token file cannot be written")]
    Write(#[from] WriteFile),
    #[error("no token can be made")]
    Token(#[from] crate::supervisor::tokens::IssueToken),
    #[error("the nucleus's own user is not known")]
    User(#[from] user::ResolveUser),
}

impl CliAccess {
    /// Makes all earlier tokens worthless and hands out new ones. A failure is logged: components
    /// must run all the same.
    pub(super) fn grant(&self) {
        if let Err(error) = self.try_grant() {
            let error = &error as &(dyn std::error::Error + 'static);
            tracing::error!(error, "the files in cli_ipc_info could not be written");
        }
    }

    /// Grants anew whenever the authorized groups change; ends with the configuration.
    pub(super) async fn follow_changes(self) {
        let mut watcher = self.config.watch(AUTHORIZED_GROUPS);
        while watcher.changed().await.is_some() {
            self.grant();
        }
    }

    fn try_grant(&self) -> Result<(), GrantCliAccess> {
        self.tokens.revoke_cli();
        let folder = self.paths.cli_ipc_info();
        remove_files(&folder).map_err(GrantCliAccess::Remove)?;
        create_dir_all_mode(&folder, 0o755)?;
        let own = user::current()?;
        let groups = self.groups();
        if groups.is_empty() {
            return self.write(&folder, &format!("user-{}", own.uid), None, own.uid);
        }
        for gid in groups {
            self.write(&folder, &format!("group-{gid}"), Some(gid), own.uid)?;
        }
        Ok(())
    }

    /// The group ids that are configured and known.
    fn groups(&self) -> Vec<u32> {
        let configured = self.config.get(AUTHORIZED_GROUPS);
        let list = configured.as_ref().and_then(Value::as_str).unwrap_or_default();
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let known = names.filter_map(|name| match user::group(name) {
            Ok(gid) => Some(gid),
            Err(error) => {
                tracing::warn!(%error, "AuthorizedPosixGroups names a group that is none");
                None
            }
        });
        known.collect()
    }

    fn write(
        &self,
        folder: &Path,
        holder: &str,
        gid: Option<u32>,
        uid: u32,
    ) -> Result<(), GrantCliAccess> {
        let token = self.tokens.issue_cli(&format!("greengrass-cli#{holder}"))?;
        let content = json!({"cli_auth_token": token, "domain_socket_path": self.socket});
        let file = folder.join(holder);
        let Some(gid) = gid else {
            write_atomically(&file, content.to_string().as_bytes(), 0o600)?;
            return Ok(());
        };
        // Readable by the group only once it is the right group's.
        write_atomically(&file, content.to_string().as_bytes(), 0o600)?;
        set_owner(&file, uid, gid)?;
        marram_os::file::set_mode(&file, 0o640)?;
        Ok(())
    }
}

fn remove_files(folder: &Path) -> io::Result<()> {
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                let path = entry?.path();
                if !path.is_dir() {
                    fs::remove_file(path)?;
                }
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

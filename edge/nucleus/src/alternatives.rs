//! The programs of the nucleus on this device: which one starts, and which one is on trial.
//!
//! The layout is Greengrass's (`nucleus: lifecyclemanager/KernelAlternatives.java`): folders
//! `alts/<id>/distro/bin/` with a program each, and links that say what they are for. `current`
//! starts. `new` is on trial: it becomes `current` when the deployment that brought it has
//! succeeded, and `broken` when it has not. `old` is what `current` was before. Every change is one
//! rename, so that a power cut leaves a device that starts; and because only a proven program is
//! ever `current`, it starts one that works (ADR 0011).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use marram_model::Version;
use marram_os::file::{WriteFile, create_dir_all_mode, sync_dir, write_atomically};

use crate::paths::NucleusPaths;

/// The program's file name, in artifacts and on the device.
pub const PROGRAM: &str = "marramd";

const CURRENT: &str = "current";
const NEW: &str = "new";
const OLD: &str = "old";
const BROKEN: &str = "broken";
/// The folder of the program that the device was installed with, or was first started with.
const INIT: &str = "init";
/// Beside a program: the version of `aws.greengrass.Nucleus` that it is.
const VERSION: &str = "version";
/// How often the program on trial was started.
const ATTEMPTS: &str = "attempts";

/// `alts/` of one device.
#[derive(Debug, Clone)]
pub struct Alternatives {
    folder: PathBuf,
}

/// Why the programs could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeAlternatives {
    /// A file or a folder.
    #[error("the nucleus's program cannot be put into place")]
    Write(#[from] WriteFile),
    /// A program or a link.
    #[error("could not {action} `{}`", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// The file it was done to.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A program that is in use.
    #[error("`{0}` is in use: it cannot be replaced")]
    InUse(String),
    /// A new program is on trial.
    #[error("a deployment is changing the nucleus right now: wait until it is over")]
    OnTrial,
}

impl ChangeAlternatives {
    fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }
}

impl Alternatives {
    /// The programs under this root.
    pub fn new(paths: &NucleusPaths) -> Self {
        Self { folder: paths.root().join("alts") }
    }

    /// `alts/` itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The program that starts; `None` on a device that was never installed or updated.
    pub fn current(&self) -> Option<PathBuf> {
        self.program(&self.target(CURRENT)?)
    }

    /// The program that a deployment has brought and that is still to prove itself.
    pub fn on_trial(&self) -> Option<PathBuf> {
        let new = self.target(NEW)?;
        // Proven, and only the link was not removed any more.
        if self.target(CURRENT).as_ref() == Some(&new) {
            return None;
        }
        self.program(&new)
    }

    /// The version that a program of ours is, if a deployment brought it.
    pub fn version_of(&self, program: &Path) -> Option<Version> {
        let folder = program.parent()?.parent()?.parent()?;
        let own = fs::canonicalize(&self.folder).ok()?;
        if fs::canonicalize(folder).ok()?.parent()? != own {
            return None;
        }
        fs::read_to_string(folder.join(VERSION)).ok()?.trim().parse().ok()
    }

    /// Makes `program` what starts, as an installation does.
    pub fn install(&self, program: &Path) -> Result<PathBuf, ChangeAlternatives> {
        if self.on_trial().is_some() {
            return Err(ChangeAlternatives::OnTrial);
        }
        let installed = self.put(INIT, program, None)?;
        self.link(CURRENT, INIT)?;
        self.unlink(NEW)?;
        Ok(installed)
    }

    /// Puts `program` on trial, under the name of the deployment that brings it. `running` is the
    /// program to come back to, where no installation has named one.
    pub fn stage(
        &self,
        id: &str,
        program: &Path,
        version: &Version,
        running: &Path,
    ) -> Result<(), ChangeAlternatives> {
        if self.current().is_none() {
            self.put(INIT, running, None)?;
            self.link(CURRENT, INIT)?;
        }
        if [CURRENT, OLD].iter().any(|link| self.target(link).as_deref() == Some(id)) {
            return Err(ChangeAlternatives::InUse(id.to_owned()));
        }
        self.put(id, program, Some(version))?;
        self.remove_file(ATTEMPTS)?;
        self.link(NEW, id)
    }

    /// How often the program on trial was started.
    pub fn attempts(&self) -> u32 {
        let text = fs::read_to_string(self.folder.join(ATTEMPTS)).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// Keeps how often the program on trial was started, so that a power cut does not reset it.
    pub fn set_attempts(&self, attempts: u32) -> Result<(), ChangeAlternatives> {
        let text = attempts.to_string();
        Ok(write_atomically(&self.folder.join(ATTEMPTS), text.as_bytes(), 0o600)?)
    }

    /// The program on trial has proven itself: it starts from now on. Does nothing if none is on
    /// trial.
    pub fn promote(&self) -> Result<(), ChangeAlternatives> {
        if self.on_trial().is_some()
            && let (Some(new), Some(current)) = (self.target(NEW), self.target(CURRENT))
        {
            self.link(OLD, &current)?;
            self.link(CURRENT, &new)?;
        }
        self.unlink(NEW)?;
        self.remove_file(ATTEMPTS)?;
        self.remove_others()
    }

    /// The program on trial has failed: `current` starts, as before. Does nothing if none is on
    /// trial.
    pub fn withdraw(&self) -> Result<(), ChangeAlternatives> {
        if self.on_trial().is_none() {
            return self.unlink(NEW);
        }
        let new = self.folder.join(NEW);
        fs::rename(&new, self.folder.join(BROKEN))
            .map_err(ChangeAlternatives::at("rename", &new))?;
        sync_dir(&self.folder)?;
        self.remove_file(ATTEMPTS)
    }

    /// The folder that a link names.
    fn target(&self, link: &str) -> Option<String> {
        let target = fs::read_link(self.folder.join(link)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    fn program(&self, id: &str) -> Option<PathBuf> {
        let program = self.folder.join(id).join("distro/bin").join(PROGRAM);
        program.is_file().then_some(program)
    }

    /// Copies a program into the folder `id`; whoever sees it sees all of it.
    fn put(
        &self,
        id: &str,
        program: &Path,
        version: Option<&Version>,
    ) -> Result<PathBuf, ChangeAlternatives> {
        create_dir_all_mode(&self.folder, 0o700)?;
        let folder = self.folder.join(id);
        let bin = folder.join("distro/bin");
        create_dir_all_mode(&bin, 0o700)?;
        let bytes = fs::read(program).map_err(ChangeAlternatives::at("read", program))?;
        let place = bin.join(PROGRAM);
        write_atomically(&place, &bytes, 0o755)?;
        match version {
            Some(version) => {
                write_atomically(&folder.join(VERSION), version.to_string().as_bytes(), 0o600)?;
            }
            None => self.remove_file(&format!("{id}/{VERSION}"))?,
        }
        Ok(place)
    }

    fn link(&self, link: &str, id: &str) -> Result<(), ChangeAlternatives> {
        let place = self.folder.join(link);
        let temporary = self.folder.join(format!(".{link}.tmp"));
        self.remove_file(&format!(".{link}.tmp"))?;
        std::os::unix::fs::symlink(id, &temporary)
            .and_then(|()| fs::rename(&temporary, &place))
            .map_err(ChangeAlternatives::at("link", &place))?;
        Ok(sync_dir(&self.folder)?)
    }

    fn unlink(&self, link: &str) -> Result<(), ChangeAlternatives> {
        self.remove_file(link)
    }

    fn remove_file(&self, name: &str) -> Result<(), ChangeAlternatives> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ChangeAlternatives::at("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes programs that no link but `broken` names; the first one stays.
    fn remove_others(&self) -> Result<(), ChangeAlternatives> {
        let kept = [CURRENT, OLD, NEW].map(|link| self.target(link).unwrap_or_default());
        let Ok(entries) = fs::read_dir(&self.folder) else { return Ok(()) };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && name != INIT && !kept.contains(&name) {
                let path = entry.path();
                fs::remove_dir_all(&path).map_err(ChangeAlternatives::at("remove", &path))?;
            }
        }
        if self.target(BROKEN).is_some_and(|id| self.program(&id).is_none()) {
            self.unlink(BROKEN)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

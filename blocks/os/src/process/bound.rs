//! A program that is started in the place of this one, and ends when this one does.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::process::Command;

use super::{Exit, tree};

/// A child that shares this program's standard streams and is killed with it, whatever ends it.
#[derive(Debug)]
pub struct BoundChild {
    inner: tokio::process::Child,
    pid: u32,
}

impl BoundChild {
    /// Starts `program`. Call it on the process's main thread: the child ends with the thread that
    /// started it. `env` is its whole environment.
    pub fn spawn(
        program: &Path,
        args: &[OsString],
        env: Vec<(OsString, OsString)>,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(env).kill_on_drop(true);
        let parent = getpid();
        // SAFETY: between fork and exec only async-signal-safe functions may run: prctl and
        // getppid are thin system calls, and the conversion of an errno into an io::Error does not
        // allocate.
        unsafe {
            command.pre_exec(move || {
                set_parent_process_death_signal(Some(Signal::KILL))?;
                // The parent may have ended before that.
                if getppid() != Some(parent) {
                    return Err(rustix::io::Errno::SRCH.into());
                }
                Ok(())
            });
        }
        let inner = tree::spawn_owned(&mut command)?;
        let pid = inner.id().unwrap_or_default();
        Ok(Self { inner, pid })
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        super::terminate(self.pid);
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // It has ended already, which is as good.
        let _ = self.inner.start_kill();
    }

    /// Waits until it has ended. Cancel safe; may be called again.
    pub async fn wait(&mut self) -> io::Result<Exit> {
        let status = self.inner.wait().await?;
        tree::disown(self.pid);
        Ok(status.into())
    }
}

//! Watches over a new version of the nucleus until it has proven itself, and brings the old one back
//! if it does not (ADR 0011).
//!
//! The guard is the old program, in the process that a service manager or a person started; the new
//! one is its child and dies with it. It needs no word from the child but that it is up, by the
//! service manager's own protocol, which the guard passes on: whether the trial is over it reads
//! from the links in `alts/`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use marram_nucleus::alternatives::{Alternatives, ChangeAlternatives};
use marram_os::notify::{self, Notifier, NotifyListener};
use marram_os::process::{BoundChild, Exit};
use marram_telemetry::Chain;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::failure::{REBOOT, START_AGAIN};
use crate::launch;

/// How often the new program may fail; counted across restarts of the device.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// The new program may take this long to end when it is asked to.
const END_GRACE: Duration = Duration::from_secs(15);

/// What the guard's process does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It ends with this code.
    Exit(u8),
    /// The device's current program takes its place.
    Become(PathBuf),
}

/// Why a trial cannot be watched.
#[derive(Debug, thiserror::Error)]
enum WatchTrial {
    #[error("the socket of the new program's messages could not be made")]
    Listen(#[source] io::Error),
    #[error("the new program could not be started")]
    Spawn(#[source] io::Error),
    #[error("the new program's end was not heard of")]
    Wait(#[source] io::Error),
    #[error(transparent)]
    Keep(#[from] ChangeAlternatives),
}

/// How one start of the new program went.
#[derive(Debug)]
enum Outcome {
    /// Somebody asked us to end, and it has ended.
    Stopped(Exit),
    /// It ended by itself, or because it did not come up.
    Ended { exit: Exit, was_up: bool },
}

/// A trial.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    pub(crate) alternatives: &'a Alternatives,
    /// The program on trial.
    pub(crate) program: &'a Path,
    /// Its arguments.
    pub(crate) words: &'a [OsString],
    /// How long it may take to come up.
    pub(crate) deadline: Duration,
}

impl Guard<'_> {
    /// Watches until the trial is over or somebody asks this process to end.
    pub(crate) async fn watch(&self) -> Result<Verdict, ChangeAlternatives> {
        let mut asked = tokio::spawn(marram_os::signal::termination());
        loop {
            let attempts = self.alternatives.attempts();
            if attempts >= ATTEMPTS {
                tracing::error!(attempts, "the new nucleus does not come up: the old one is back");
                return self.bring_back();
            }
            let outcome = match self.attempt(attempts, &mut asked).await {
                Ok(outcome) => outcome,
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "the new nucleus cannot be tried");
                    return self.bring_back();
                }
            };
            tracing::info!(?outcome, attempt = attempts + 1, "the new nucleus has ended");
            if let Some(verdict) = self.judge(&outcome, attempts)? {
                return Ok(verdict);
            }
            sleep(PAUSE).await;
        }
    }

    /// What follows from an end; `None` if the program is tried again.
    fn judge(
        &self,
        outcome: &Outcome,
        attempts: u32,
    ) -> Result<Option<Verdict>, ChangeAlternatives> {
        let (exit, was_up) = match outcome {
            Outcome::Stopped(exit) => {
                self.alternatives.set_attempts(attempts)?;
                return Ok(Some(Verdict::Exit(code(*exit))));
            }
            Outcome::Ended { exit, was_up } => (*exit, *was_up),
        };
        if self.alternatives.on_trial().is_none() {
            let is_kept = self.alternatives.current().as_deref() == Some(self.program);
            return match self.alternatives.current() {
                // A proven program's end is its own affair, as if there were no guard.
                _ if is_kept && exit != Exit::Code(START_AGAIN.into()) => {
                    Ok(Some(Verdict::Exit(code(exit))))
                }
                Some(current) => Ok(Some(Verdict::Become(current))),
                None => Ok(Some(Verdict::Exit(code(exit)))),
            };
        }
        match exit {
            // It works, and wants another start on the way.
            Exit::Code(wish) if was_up && wish == i32::from(START_AGAIN) => {
                self.alternatives.set_attempts(attempts)?;
                Ok(None)
            }
            Exit::Code(wish) if was_up && wish == i32::from(REBOOT) => {
                self.alternatives.set_attempts(attempts)?;
                Ok(Some(Verdict::Exit(REBOOT)))
            }
            _ => Ok(None),
        }
    }

    fn bring_back(&self) -> Result<Verdict, ChangeAlternatives> {
        self.alternatives.withdraw()?;
        Ok(self.alternatives.current().map_or(Verdict::Exit(1), Verdict::Become))
    }

    async fn attempt(
        &self,
        attempts: u32,
        asked: &mut JoinHandle<io::Result<&'static str>>,
    ) -> Result<Outcome, WatchTrial> {
        self.alternatives.set_attempts(attempts + 1)?;
        let socket = self.alternatives.folder().join("notify.socket");
        let messages = NotifyListener::bind(&socket).map_err(WatchTrial::Listen)?;
        let manager = Notifier::from_environment();
        let mut child = BoundChild::spawn(self.program, self.words, environment(&socket))
            .map_err(WatchTrial::Spawn)?;
        let end = Instant::now() + self.deadline;
        let watchdog = crate::watchdog_period();
        let mut was_up = false;
        loop {
            tokio::select! {
                exit = child.wait() => {
                    return Ok(Outcome::Ended { exit: exit.map_err(WatchTrial::Wait)?, was_up });
                }
                message = messages.message() => if let Ok(message) = message {
                    was_up |= notify::says(&message, notify::READY);
                    manager.notify(&message);
                },
                _ = &mut *asked => {
                    let exit = stop(&mut child).await.map_err(WatchTrial::Wait)?;
                    return Ok(Outcome::Stopped(exit));
                }
                // Once it is up, its own signs of life are passed on.
                () = sleep(watchdog.unwrap_or(self.deadline)), if !was_up && watchdog.is_some() => {
                    manager.notify(notify::ALIVE);
                }
                () = sleep_until(end), if !was_up => {
                    tracing::error!(deadline = ?self.deadline, "the new nucleus is not up in time");
                    let exit = stop(&mut child).await.map_err(WatchTrial::Wait)?;
                    return Ok(Outcome::Ended { exit, was_up });
                }
            }
        }
    }
}

async fn stop(child: &mut BoundChild) -> io::Result<Exit> {
    child.terminate();
    if let Ok(exit) = timeout(END_GRACE, child.wait()).await {
        return exit;
    }
    child.kill();
    child.wait().await
}

/// Ours, but for what tells the child of us; the watchdog's process is us.
fn environment(socket: &Path) -> Vec<(OsString, OsString)> {
    let ours = [notify::SOCKET_VARIABLE, notify::WATCHDOG_PID_VARIABLE, launch::VARIABLE];
    let kept = std::env::vars_os().filter(|(name, _)| !ours.iter().any(|own| name == own));
    let told = [
        (notify::SOCKET_VARIABLE.into(), socket.into()),
        (launch::VARIABLE.into(), launch::TRIAL.into()),
    ];
    kept.chain(told).collect()
}

/// An exit as our own code, as shells show it.
fn code(exit: Exit) -> u8 {
    match exit {
        Exit::Code(code) => u8::try_from(code).unwrap_or(1),
        Exit::Signal(signal) => u8::try_from(128 + signal).unwrap_or(1),
    }
}

#[cfg(test)]
mod tests;

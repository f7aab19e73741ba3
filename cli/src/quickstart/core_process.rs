//! The core device of a quickstart: this same program, run again as `marram core run`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// The device's runtime stops its components within 10 s; then it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(12);

/// How often the ready file is looked for.
const PERIOD: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(crate) struct CoreProcess {
    child: Child,
    id: u32,
    ready_file: PathBuf,
    output: PathBuf,
}

impl CoreProcess {
    pub(crate) fn start(root: &Path) -> Result<Self> {
        let ready_file = root.join("ready.json");
        let output = root.join("marramd.out");
        let program = std::env::current_exe().context("finding this program's file")?;
        let file =
            File::create(&output).with_context(|| format!("creating {}", output.display()))?;
        let child = Command::new(program)
            .args(["core", "run", "--root"])
            .arg(root)
            .arg("--ready-file")
            .arg(&ready_file)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            // A Ctrl-C in the terminal is ours to pass on, so that the order of stopping holds.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("starting the device runtime")?;
        let id = child.id().context("the device runtime has no process id")?;
        Ok(Self { child, id, ready_file, output })
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Waits for the ready file; fails at once if the runtime ends before.
    pub(crate) async fn until_ready(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !self.ready_file.exists() {
            if self.child.try_wait()?.is_some() {
                return Err(self.exited().await);
            }
            if Instant::now() >= deadline {
                bail!("the device runtime is not ready after {} s", limit.as_secs());
            }
            sleep(PERIOD).await;
        }
        Ok(())
    }

    /// Resolves when the runtime has ended by itself, which it should not.
    pub(crate) async fn exited(&mut self) -> Error {
        match self.child.wait().await {
            Ok(status) => {
                let said = std::fs::read_to_string(&self.output).unwrap_or_default();
                anyhow!("the device runtime ended by itself ({status}): {}", said.trim())
            }
            Err(error) => anyhow!(error).context("waiting for the device runtime"),
        }
    }

    /// SIGTERM, so that components stop in order; then, at the deadline, SIGKILL.
    pub(crate) async fn stop(mut self) {
        marram_os::process::terminate(self.id);
        if timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

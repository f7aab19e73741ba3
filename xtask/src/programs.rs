//! The built programs as processes, for measuring.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::interop::target_dir;
use crate::run;

const TIMEOUT: Duration = Duration::from_secs(30);
const THING: &str = "measured";
/// A configuration for a core without a cloud, if its root folder has one.
const INIT: &str = "init.yaml";

/// A temporary folder with a short path, removed at the end.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn make(purpose: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("marram-{purpose}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// An empty folder; one of the same name from before is gone.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in a temporary folder, where it may stay.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program that is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command, mut is_ready: impl FnMut() -> bool) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let mut running = Self(child);
        let deadline = Instant::now() + TIMEOUT;
        while !is_ready() {
            if let Some(status) = running.0.try_wait()? {
                bail!("{command:?} ended with {status}");
            }
            if Instant::now() > deadline {
                bail!("{command:?} is not ready after {} s", TIMEOUT.as_secs());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(running)
    }

    fn stop(mut self) -> Result<()> {
        run::succeeds(Command::new("kill").arg(self.0.id().to_string()))?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already after `stop`.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A cloud on a folder of its own.
#[derive(Debug)]
pub(crate) struct Cloud {
    running: Running,
    ready_file: PathBuf,
}

impl Cloud {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let ready_file = folder.join("ready.json");
        let mut command = Command::new(target_dir().join("release/marram-cloud"));
        command.arg("--data").arg(folder.join("data")).arg("--ready-file").arg(&ready_file);
        Ok(Self { running: Running::start(&mut command, || ready_file.exists())?, ready_file })
    }

    pub(crate) fn id(&self) -> u32 {
        self.running.0.id()
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.running.stop()
    }
}

/// The device runtime on a root folder.
#[derive(Debug)]
pub(crate) struct Core(Running);

impl Core {
    pub(crate) fn start(root: &Path) -> Result<Self> {
        let ready_file = root.join("ready.json");
        if ready_file.exists() {
            fs::remove_file(&ready_file)?;
        }
        let mut command = Command::new(target_dir().join("edge/marramd"));
        command.arg("--root").arg(root).arg("--ready-file").arg(&ready_file);
        let init = root.join(INIT);
        if init.exists() {
            command.arg("--init-config").arg(init);
        }
        Ok(Self(Running::start(&mut command, || ready_file.exists())?))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.0.id()
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.0.stop()
    }
}

/// Makes a core without a cloud of a root folder: components run as who runs this.
pub(crate) fn prepare_offline(root: &Path) -> Result<()> {
    let id = |option: &str| -> Result<String> {
        let output = run::output(run::program("id").arg(option))?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let user = format!("{}:{}", id("-u")?, id("-g")?);
    let init = serde_json::json!({"services": {"aws.greengrass.Nucleus": {
        "configuration": {"runWithDefault": {"posixUser": user}}}}});
    Ok(fs::write(root.join(INIT), init.to_string())?)
}

fn marram(arguments: &[&str], paths: &[(&str, &Path)]) -> Result<()> {
    let mut command = Command::new(target_dir().join("release/marram"));
    command.args(arguments);
    for (option, path) in paths {
        command.arg(option).arg(path);
    }
    let output = run::output(&mut command)?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

pub(crate) fn provision(cloud: &Cloud, root: &Path) -> Result<()> {
    let paths = [("--ready-file", cloud.ready_file.as_path()), ("--root", root)];
    marram(&["core", "provision", "--thing", THING], &paths)
}

pub(crate) fn until_healthy(cloud: &Cloud) -> Result<()> {
    let paths = [("--ready-file", cloud.ready_file.as_path())];
    marram(&["core", "wait", "--thing", THING], &paths)
}

pub(crate) fn quickstart() -> Result<Duration> {
    let started = Instant::now();
    marram(&["quickstart", "--once"], &[])?;
    Ok(started.elapsed())
}

/// Proportional set size: shared pages count by their share.
pub(crate) fn pss_mb(process: u32) -> Result<f64> {
    kilobytes(&format!("/proc/{process}/smaps_rollup"), "Pss:")
}

/// Resident set size.
pub(crate) fn rss_mb(process: u32) -> Result<f64> {
    kilobytes(&format!("/proc/{process}/status"), "VmRSS:")
}

fn kilobytes(path: &str, key: &str) -> Result<f64> {
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let line = text.lines().find(|line| line.starts_with(key));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    let kilobytes: f64 = number.with_context(|| format!("{path} has no {key}"))?.parse()?;
    Ok(kilobytes / 1000.0)
}

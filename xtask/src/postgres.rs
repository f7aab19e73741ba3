//! A PostgreSQL server for the tests: its own data in `target/postgres`, on a loopback port,
//! run as an unprivileged user (the server refuses root) and stopped afterwards.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{interop, run};

/// The variable in which tests find the server.
pub(crate) const VARIABLE: &str = "MARRAM_TEST_STORE";

const USER: &str = "marram";
const PASSWORD: &str = "tests-only";
/// For a root that may not run the server itself; Debian's package makes it.
const SERVER_USER: &str = "postgres";
const START_DEADLINE: Duration = Duration::from_secs(30);
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// A running server; dropped, it is stopped and its data removed.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    port: u16,
}

/// Runs a program with a server; true if it exited 0.
pub(crate) fn run(program: &[OsString]) -> Result<bool> {
    let Some((name, arguments)) = program.split_first() else { bail!("no program is named") };
    let server = Server::start()?;
    run::succeeds(Command::new(name).args(arguments).env(VARIABLE, server.url()))
}

impl Server {
    /// Starts a server, installing Debian's package where we may.
    pub(crate) fn start() -> Result<Self> {
        let programs = programs()?;
        let folder = interop::target_dir().join("postgres");
        remove(&folder)?;
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let is_root = run::is_root();
        if is_root {
            own(&folder)?;
        }
        let as_user = |program: &str| {
            let program = programs.join(program);
            let mut command = if is_root { unprivileged() } else { Command::new(&program) };
            if is_root {
                command.arg(&program);
            }
            // Not the workspace's root: the user need not be able to read it.
            command.current_dir("/");
            command
        };
        initialise(as_user("initdb"), &folder)?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let log = fs::File::create(interop::target_dir().join("postgres.log"))?;
        let child = as_user("postgres")
            .arg("-D")
            .arg(folder.join("data"))
            .args(["-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            // Each test has a few connections; nothing of it outlives a power cut.
            .args(["-c", "max_connections=300", "-c", "fsync=off"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting postgres")?;
        let mut server = Self { child, folder, port };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    /// What `--store` takes.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("postgres ended with {status}: see target/postgres.log");
            }
            // Written once connections are accepted: "ready" in the eighth line.
            let state = fs::read_to_string(self.folder.join("data/postmaster.pid"));
            if state.is_ok_and(|text| text.lines().any(|line| line.trim() == "ready")) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("postgres is not ready after {START_DEADLINE:?}: see target/postgres.log");
            }
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT is its fast stop: sessions are cut, the data is left in order.
        let asked =
            run::succeeds(Command::new("kill").args(["-INT", &self.child.id().to_string()]));
        let deadline = Instant::now() + STOP_DEADLINE;
        while asked.is_ok() && Instant::now() < deadline {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                break;
            }
            sleep(Duration::from_millis(20));
        }
        // Does nothing to one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = remove(&self.folder);
    }
}

/// The folder of the newest server programs.
fn programs() -> Result<PathBuf> {
    if let Some(found) = newest() {
        return Ok(found);
    }
    if !run::may_install() {
        bail!("no PostgreSQL server; as root on a Debian this would install it by itself");
    }
    run::succeeds(run::program("apt-get").args(["update", "-q"]))?;
    let mut install = run::program("apt-get");
    install.args(["install", "-y", "-q", "--no-install-recommends", "postgresql"]);
    run::succeeds(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    newest().context("Debian's package postgresql could not be installed")
}

fn newest() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .filter_map(|entry| {
            let folder = entry.ok()?.path();
            let version: u32 = folder.file_name()?.to_str()?.parse().ok()?;
            let programs = folder.join("bin");
            programs.join("postgres").exists().then_some((version, programs))
        })
        .max()
        .map(|(_, programs)| programs)
}

fn initialise(mut initdb: Command, folder: &Path) -> Result<()> {
    let password = folder.join("password");
    fs::write(&password, PASSWORD)?;
    let output = run::output(
        initdb
            .arg("-D")
            .arg(folder.join("data"))
            .arg(format!("--pwfile={}", password.display()))
            .args(["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--no-sync"]),
    )?;
    if !output.status.success() {
        bail!("initdb failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn unprivileged() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", SERVER_USER, "--regid", SERVER_USER, "--clear-groups"]);
    command
}

fn own(folder: &Path) -> Result<()> {
    if run::succeeds(Command::new("chown").arg(SERVER_USER).arg(folder))? {
        return Ok(());
    }
    bail!("there is no user `{SERVER_USER}`, and the server does not run as root")
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

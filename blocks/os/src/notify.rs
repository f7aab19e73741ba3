//! Telling a service manager how this program is, by systemd's protocol (`sd_notify(3)`): datagrams
//! of `NAME=value` lines to the Unix socket that `NOTIFY_SOCKET` names.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The variable with the service manager's socket: a path, or `@` and an abstract name.
pub const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";
/// Microseconds between two signs of life that the service manager tolerates.
pub const WATCHDOG_VARIABLE: &str = "WATCHDOG_USEC";
/// The process that the watchdog is meant for.
pub const WATCHDOG_PID_VARIABLE: &str = "WATCHDOG_PID";

/// It is up.
pub const READY: &str = "READY=1";
/// It is going down.
pub const STOPPING: &str = "STOPPING=1";
/// A sign of life.
pub const ALIVE: &str = "WATCHDOG=1";

/// Longer than any message of the protocol that we know.
const MAX_MESSAGE_BYTES: usize = 4096;

/// The way to a service manager, or to nobody.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
}

impl Notifier {
    /// `socket` is the value of [`SOCKET_VARIABLE`]; without one, or with one that is no address,
    /// nobody is told.
    pub fn new(socket: Option<&str>) -> io::Result<Self> {
        let Some(name) = socket.filter(|name| !name.is_empty()) else {
            return Ok(Self { socket: None });
        };
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let own = UnixDatagram::unbound()?;
        // A manager that does not read must not hold up the program.
        own.set_nonblocking(true)?;
        Ok(Self { socket: Some((own, address)) })
    }

    /// The way to the manager that this process's environment names.
    pub fn from_environment() -> Self {
        let socket = std::env::var(SOCKET_VARIABLE).ok();
        Self::new(socket.as_deref()).unwrap_or_else(|error| {
            tracing::warn!(%error, ?socket, "the service manager cannot be told anything");
            Self { socket: None }
        })
    }

    /// Sends a state, for example [`READY`]. A manager that is gone or full misses it.
    pub fn notify(&self, state: &str) {
        if let Some((own, address)) = &self.socket
            && let Err(error) = own.send_to_addr(state.as_bytes(), address)
        {
            tracing::debug!(state, %error, "the service manager was not told");
        }
    }
}

/// How often to send [`ALIVE`]: at half of what the manager tolerates. `None` if it does not watch
/// this process.
pub fn watchdog_period(usec: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let is_ours = pid.is_none_or(|pid| pid.parse() == Ok(std::process::id()));
    let usec: u64 = usec?.parse().ok().filter(|usec| *usec > 0)?;
    is_ours.then(|| Duration::from_micros(usec / 2))
}

/// The manager's end: hears what a child says. The socket's file goes with it.
#[derive(Debug)]
pub struct NotifyListener {
    socket: tokio::net::UnixDatagram,
    path: PathBuf,
}

impl NotifyListener {
    /// Listens at `path`, in the place of whatever was there.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self { socket: tokio::net::UnixDatagram::bind(path)?, path: path.to_owned() })
    }

    /// The next message. Cancel safe.
    pub async fn message(&self) -> io::Result<String> {
        let mut buffer = [0; MAX_MESSAGE_BYTES];
        let length = self.socket.recv(&mut buffer).await?;
        Ok(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned())
    }
}

impl Drop for NotifyListener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether a message carries this state.
pub fn says(message: &str, state: &str) -> bool {
    message.lines().any(|line| line == state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn states_arrive_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = NotifyListener::bind(&path).unwrap();
        Notifier::new(path.to_str()).unwrap().notify("READY=1\nSTATUS=up");
        let message = listener.message().await.unwrap();
        assert!(says(&message, READY) && !says(&message, STOPPING));
        drop(listener);
        assert!(!path.exists());
        NotifyListener::bind(&path).unwrap();

        let name = format!("marram-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        Notifier::new(Some(&format!("@{name}"))).unwrap().notify(ALIVE);
        let mut buffer = [0; 32];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], ALIVE.as_bytes());
    }

    #[test]
    fn without_a_manager_nobody_is_told_and_nothing_fails() {
        for name in [None, Some(""), Some("/nonexistent/socket")] {
            Notifier::new(name).unwrap().notify(READY);
        }
    }

    #[test]
    fn the_watchdog_is_fed_twice_as_often_as_needed_if_it_is_ours() {
        let own = std::process::id().to_string();
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog_period(Some("2000000"), None), second);
        assert_eq!(watchdog_period(Some("2000000"), Some(&own)), second);
        assert_eq!(watchdog_period(Some("2000000"), Some("1")), None);
        assert_eq!(watchdog_period(Some("0"), None), None);
        assert_eq!(watchdog_period(None, None), None);
    }
}

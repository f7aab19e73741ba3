//! The peer: Debian's mosquitto on loopback, without persistence and without limits of its queues.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::programs::Running;
use crate::run;

/// Where Debian puts it, which is on no ordinary user's PATH.
const PROGRAM: &str = "/usr/sbin/mosquitto";

/// A broker that lets anybody in.
#[derive(Debug)]
pub(super) struct Mosquitto {
    pub(super) address: SocketAddr,
    _running: Running,
}

impl Mosquitto {
    /// Starts one; installs it first where that is possible.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        install()?;
        let address = free_address()?;
        let config = folder.join("mosquitto.conf");
        let (ip, port) = (address.ip(), address.port());
        fs::write(
            &config,
            format!(
                "listener {port} {ip}\nallow_anonymous true\npersistence false\nlog_dest none\n\
                 set_tcp_nodelay true\nmax_queued_messages 0\nmax_queued_bytes 0\n"
            ),
        )?;
        let mut command = Command::new(PROGRAM);
        command.arg("-c").arg(config);
        let running = Running::start(&mut command, || TcpStream::connect(address).is_ok())?;
        Ok(Self { address, _running: running })
    }
}

fn install() -> Result<()> {
    if Path::new(PROGRAM).exists() {
        return Ok(());
    }
    if !run::may_install() {
        bail!("no {PROGRAM}; as root on a Debian this would install it by itself");
    }
    run::succeeds(run::program("apt-get").args(["update", "-q"]))?;
    let mut install = run::program("apt-get");
    install.args(["install", "-y", "-q", "--no-install-recommends", "mosquitto"]);
    // Its package would start a service that nobody asked for.
    install.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    run::succeeds(&mut install)?;
    if !Path::new(PROGRAM).exists() {
        bail!("Debian's mosquitto could not be installed");
    }
    Ok(())
}

/// An address that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

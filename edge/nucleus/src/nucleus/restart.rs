//! How a deployment asks for another start of the nucleus or of the device.
//!
//! The nucleus never ends its own process: it says what it wants, and whoever started it stops it
//! in good order and carries the wish out.

use tokio::sync::watch;

/// What is to start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// The nucleus.
    Nucleus,
    /// The whole device, and the nucleus with it.
    Device,
}

/// Where deployments ask. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct RestartSwitch(watch::Sender<Option<Restart>>);

impl Default for RestartSwitch {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl RestartSwitch {
    /// Asks; a wish for the whole device is not taken back by one for the nucleus.
    pub(crate) fn ask(&self, restart: Restart) {
        self.0.send_if_modified(|asked| {
            let is_more = asked.is_none() || restart == Restart::Device;
            if is_more {
                *asked = Some(restart);
            }
            is_more
        });
    }

    /// Waits until somebody has asked.
    pub(crate) async fn asked(&self) -> Restart {
        let mut asked = self.0.subscribe();
        let found = asked.wait_for(Option::is_some).await.ok().and_then(|asked| *asked);
        match found {
            Some(restart) => restart,
            // The sender is ours, so this is never reached.
            None => std::future::pending().await,
        }
    }
}

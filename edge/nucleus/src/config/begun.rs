//! Changes whose writing nobody blocks for.

use super::commit::{Committer, Ticket};
use super::{ChangeConfig, ConfigStore, Shared, UpdateConfiguration};
use crate::packages::blocking;

/// A change that has been made and is on its way to the disk.
#[derive(Debug)]
#[must_use = "the change may be lost before it is durable"]
pub struct Begun<T> {
    result: T,
    ticket: Ticket,
}

impl<T> Begun<T> {
    pub(super) fn new(result: T, ticket: Ticket) -> Self {
        Self { result, ticket }
    }

    /// Waits until the change is durable; an error says that it never happened.
    pub async fn kept(self) -> Result<T, ChangeConfig> {
        self.ticket.settled().await?;
        Ok(self.result)
    }
}

impl Begun<Result<(), UpdateConfiguration>> {
    /// Waits for the end of a component's update.
    pub async fn ended(self) -> Result<(), UpdateConfiguration> {
        self.kept().await.unwrap_or_else(|error| Err(UpdateConfiguration::NotKept(error)))
    }
}

/// Has what is staged written, unless that is being done. Needs a tokio runtime.
pub(super) fn write_in_background(store: &ConfigStore, committer: &Committer) {
    if committer.must_start_flushing() {
        let flushing = Flushing { store: store.clone(), is_over: false };
        // Not awaited: each change waits for its own ticket.
        drop(blocking::spawn(move || flushing.run()));
    }
}

/// Writes in the background until nothing is staged, or until the runtime ends.
struct Flushing {
    store: ConfigStore,
    is_over: bool,
}

impl Flushing {
    fn run(mut self) {
        let Shared { committer: Some(committer), published, .. } = &*self.store.shared else {
            return;
        };
        while !self.is_over {
            committer.settle_all(published);
            self.is_over = committer.may_stop_flushing();
        }
    }
}

impl Drop for Flushing {
    fn drop(&mut self) {
        // A runtime that ends may drop this before it has begun.
        if !self.is_over
            && let Some(committer) = &self.store.shared.committer
        {
            committer.stop_flushing();
        }
    }
}

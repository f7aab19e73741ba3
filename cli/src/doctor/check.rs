//! What a check is, and what it finds.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A file system that answers does so at once.
const LOCAL_DEADLINE: Duration = Duration::from_secs(5);
/// Name, TCP, TLS and an answer, over a slow mobile network.
const NETWORK_DEADLINE: Duration = Duration::from_secs(15);

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// As it should be.
    Ok,
    /// It works, and may not for long, or not for all.
    Warning,
    /// Something that the device or cloud needs does not work.
    Failed,
    /// There was nothing to look at, or no way to.
    Skipped,
}

impl Status {
    /// Its word in JSON and in the summary.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) status: Status,
    /// What was seen, or why there was nothing to see.
    pub(crate) detail: String,
    /// What to do; for everything that is not in order.
    pub(crate) remedy: Option<String>,
}

impl Finding {
    pub(crate) fn ok(detail: impl Into<String>) -> Self {
        Self { status: Status::Ok, detail: detail.into(), remedy: None }
    }

    pub(crate) fn warning(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status: Status::Warning, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    pub(crate) fn failed(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status: Status::Failed, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self { status: Status::Skipped, detail: why.into(), remedy: None }
    }
}

/// A finding that is waited for.
pub(super) type Waiting = Pin<Box<dyn Future<Output = Finding> + Send>>;

/// One thing to look at, of a subject `T`: a device or a cloud.
#[derive(Debug)]
pub(super) struct Check<T> {
    /// Its name for `--only` and in JSON.
    pub(super) id: &'static str,
    /// What it looks at.
    pub(super) about: &'static str,
    /// After that it is given up.
    pub(super) deadline: Duration,
    pub(super) look: Look<T>,
}

/// How a check looks.
pub(super) enum Look<T> {
    /// At files, on a thread of its own.
    Local(fn(&T) -> Finding),
    /// Over sockets.
    Network(fn(Arc<T>) -> Waiting),
}

impl<T> std::fmt::Debug for Look<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Local(_) => "Local",
            Self::Network(_) => "Network",
        })
    }
}

impl<T> Check<T> {
    pub(super) const fn local(
        id: &'static str,
        about: &'static str,
        look: fn(&T) -> Finding,
    ) -> Self {
        Self { id, about, deadline: LOCAL_DEADLINE, look: Look::Local(look) }
    }

    pub(super) const fn network(
        id: &'static str,
        about: &'static str,
        look: fn(Arc<T>) -> Waiting,
    ) -> Self {
        Self { id, about, deadline: NETWORK_DEADLINE, look: Look::Network(look) }
    }
}

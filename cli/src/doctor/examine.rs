//! Runs the checks at the same time, each within its deadline.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::check::{Check, Finding, Look};
use super::report::Examined;

/// How long a person waits without wondering.
const PROGRESS: Duration = Duration::from_secs(1);

/// All findings, in the order of the checks.
pub(super) async fn all<T: Send + Sync + 'static>(
    checks: &[&'static Check<T>],
    subject: Arc<T>,
) -> Vec<Examined> {
    let mut running = JoinSet::new();
    for (at, check) in checks.iter().copied().enumerate() {
        running.spawn(one(at, check, Arc::clone(&subject)));
    }
    let mut open: BTreeSet<usize> = (0..checks.len()).collect();
    let mut done: Vec<Option<Examined>> = checks.iter().map(|_| None).collect();
    let mut progress = interval_at(Instant::now() + PROGRESS, PROGRESS);
    progress.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let is_watched = std::io::stderr().is_terminal();
    loop {
        tokio::select! {
            next = running.join_next() => match next {
                None => break,
                // Every check catches its own panic, so that none is lost here.
                Some(Err(_)) => {}
                Some(Ok((at, examined))) => {
                    open.remove(&at);
                    done[at] = Some(examined);
                }
            },
            _ = progress.tick(), if is_watched => {
                let waiting: Vec<&str> = open.iter().map(|at| checks[*at].id).collect();
                eprintln!("… waiting for {}", waiting.join(", "));
            }
        }
    }
    done.into_iter().flatten().collect()
}

async fn one<T: Send + Sync + 'static>(
    at: usize,
    check: &'static Check<T>,
    subject: Arc<T>,
) -> (usize, Examined) {
    let started = Instant::now();
    let work = match check.look {
        Look::Local(look) => tokio::task::spawn_blocking(move || look(&subject)),
        Look::Network(look) => tokio::spawn(look(subject)),
    };
    let finding = match timeout(check.deadline, work).await {
        Ok(Ok(finding)) => finding,
        Ok(Err(error)) => broken(&error),
        Err(_) => Finding::failed(
            format!("no answer within {} s", check.deadline.as_secs()),
            "something that it asks hangs: a network file system, a resolver or a server",
        ),
    };
    (at, Examined { id: check.id, about: check.about, finding, took: started.elapsed() })
}

fn broken(error: &JoinError) -> Finding {
    Finding::failed(
        format!("the check itself broke: {error}"),
        "this is a defect of marram: report it with the text on stderr",
    )
}

//! Connections that have not shown yet who they are: as many as there is room for, and when there
//! is none the oldest goes for the newest.
//!
//! Whoever means to connect needs milliseconds here; whoever only holds a place is the oldest
//! sooner or later. So many idle connections keep nobody out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// A bounded number of places.
#[derive(Debug)]
pub struct Lobby {
    places: usize,
    guests: Mutex<Guests>,
    sent_away: AtomicU64,
}

#[derive(Debug, Default)]
struct Guests {
    /// By age.
    waiting: BTreeMap<u64, Arc<Notify>>,
    last: u64,
}

impl Lobby {
    /// A lobby with `places`.
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { places, guests: Mutex::default(), sent_away: AtomicU64::new(0) })
    }

    /// Takes a place; of too many guests the oldest is sent away.
    pub fn enter(self: &Arc<Self>) -> Guest {
        let leave = Arc::new(Notify::new());
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        guests.last += 1;
        let number = guests.last;
        guests.waiting.insert(number, Arc::clone(&leave));
        if guests.waiting.len() > self.places
            && let Some((_, oldest)) = guests.waiting.pop_first()
        {
            oldest.notify_one();
            self.sent_away.fetch_add(1, Ordering::Relaxed);
        }
        Guest { lobby: Arc::clone(self), number, leave }
    }

    /// How many are there now.
    pub fn len(&self) -> usize {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner).waiting.len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many were sent away since the beginning.
    pub fn sent_away(&self) -> u64 {
        self.sent_away.load(Ordering::Relaxed)
    }
}

/// A place in a [`Lobby`], free again when this is dropped.
#[derive(Debug)]
pub struct Guest {
    lobby: Arc<Lobby>,
    number: u64,
    leave: Arc<Notify>,
}

impl Guest {
    /// Waits until the place is needed for somebody else.
    pub async fn sent_away(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = self.lobby.guests.lock().unwrap_or_else(PoisonError::into_inner);
        guests.waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_goes_for_the_newest_and_who_leaves_makes_room() {
        let lobby = Lobby::new(2);
        let (first, second) = (lobby.enter(), lobby.enter());
        drop(lobby.enter());
        first.sent_away().await;
        let stays = timeout(Duration::from_secs(1), second.sent_away()).await;
        assert!(stays.is_err());
        let _third = lobby.enter();
        assert_eq!((lobby.len(), lobby.sent_away()), (2, 1));
    }
}

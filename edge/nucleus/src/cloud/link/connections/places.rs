//! Which of components' filters is on which connection, and which connection's copy of a message
//! is handed on. Pure.

use std::collections::{BTreeMap, BTreeSet};

use marram_mqtt::topic::{self, Shared};

/// The places of all filters that components use.
#[derive(Debug)]
pub(super) struct Places {
    /// Filters on the first connection, and on each of the others.
    limits: (usize, usize),
    filters: BTreeMap<String, Place>,
    /// Connections that take no more before their limit, by what the server said.
    full: BTreeSet<usize>,
}

#[derive(Debug)]
struct Place {
    connection: usize,
    /// How often it was asked for.
    uses: usize,
    /// Whether the server has confirmed it.
    is_established: bool,
}

impl Places {
    /// With room for so many filters on the first connection and on each further one.
    pub(super) fn new(of_first: usize, of_others: usize) -> Self {
        let limits = (of_first, of_others.max(1));
        Self { limits, filters: BTreeMap::new(), full: BTreeSet::new() }
    }

    /// Counts one use of the filter more. A new one goes to the first connection with room.
    pub(super) fn place(&mut self, filter: &str) -> usize {
        if let Some(place) = self.filters.get_mut(filter) {
            place.uses += 1;
            return place.connection;
        }
        let mut connection = 0;
        while !self.has_room(connection) {
            connection += 1;
        }
        let place = Place { connection, uses: 1, is_established: false };
        self.filters.insert(filter.to_owned(), place);
        connection
    }

    /// Counts one use less. The connection that has no filter any more, if that is so.
    pub(super) fn leave(&mut self, filter: &str) -> Option<usize> {
        let place = self.filters.get_mut(filter)?;
        place.uses -= 1;
        if place.uses > 0 {
            return None;
        }
        let connection = place.connection;
        self.filters.remove(filter);
        let is_empty = self.count(connection) == 0;
        if is_empty {
            self.full.remove(&connection);
        }
        is_empty.then_some(connection)
    }

    /// The server has confirmed the filter, or is told to forget it.
    pub(super) fn establish(&mut self, filter: &str, is_established: bool) {
        if let Some(place) = self.filters.get_mut(filter) {
            place.is_established = is_established;
        }
    }

    /// Whether the server has confirmed the filter.
    pub(super) fn is_established(&self, filter: &str) -> bool {
        self.filters.get(filter).is_some_and(|place| place.is_established)
    }

    /// The server has no room for the filter on its connection. False if it has none at all there,
    /// so that another connection would not help.
    pub(super) fn note_full(&mut self, connection: usize, filter: &str) -> bool {
        let has_others = self.filters.iter().any(|(other, place)| {
            other != filter && place.connection == connection && place.is_established
        });
        // The first one has the nucleus's own.
        let helps = has_others || connection == 0;
        if helps {
            self.full.insert(connection);
        }
        helps
    }

    /// Where the filter is.
    pub(super) fn of(&self, filter: &str) -> Option<usize> {
        Some(self.filters.get(filter)?.connection)
    }

    /// How often the filter was asked for.
    pub(super) fn uses(&self, filter: &str) -> usize {
        self.filters.get(filter).map_or(0, |place| place.uses)
    }

    /// Whether a message that came on a connection is to be handed on, to all components at once.
    ///
    /// The server sends a copy on each connection with a filter for the topic, and one is enough:
    /// that of the first connection of those that are up. A retained message comes only on the
    /// connection of a new subscription, and one of a shared subscription on that of any member,
    /// so neither makes another one superfluous.
    pub(super) fn delivers(
        &self,
        connection: usize,
        topic: &str,
        is_retained: bool,
        is_up: impl Fn(usize) -> bool,
    ) -> bool {
        let mut is_selected = false;
        for (filter, place) in &self.filters {
            let shared = Shared::parse(filter);
            let plain = shared.map_or(filter.as_str(), |shared| shared.filter);
            if !topic::matches(plain, topic) {
                continue;
            }
            is_selected |= place.connection == connection;
            let comes_elsewhere = shared.is_none()
                && place.is_established
                && place.connection < connection
                && is_up(place.connection);
            if comes_elsewhere && !is_retained {
                return false;
            }
        }
        is_selected
    }

    fn has_room(&self, connection: usize) -> bool {
        let limit = if connection == 0 { self.limits.0 } else { self.limits.1 };
        !self.full.contains(&connection) && self.count(connection) < limit
    }

    fn count(&self, connection: usize) -> usize {
        self.filters.values().filter(|place| place.connection == connection).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(filters: &[&str]) -> Places {
        let mut places = Places::new(1, 2);
        for filter in filters {
            places.place(filter);
            places.establish(filter, true);
        }
        places
    }

    #[test]
    fn filters_go_to_the_first_connection_with_room() {
        let mut places = Places::new(1, 2);
        let at: Vec<_> = ["a", "b", "c", "d", "b"].iter().map(|f| places.place(f)).collect();
        assert_eq!(at, [0, 1, 1, 2, 1]);
        assert_eq!(places.leave("b"), None, "it was asked for twice");
        assert_eq!(places.leave("b"), None, "`c` is still there");
        assert_eq!(places.leave("d"), Some(2));
        assert_eq!((places.place("e"), places.place("f")), (1, 2));
    }

    #[test]
    fn a_connection_that_the_server_calls_full_gets_no_more() {
        let mut places = placed(&["a", "b"]);
        assert_eq!(places.place("c"), 1);
        assert!(places.note_full(1, "c"));
        places.leave("c");
        assert_eq!(places.place("c"), 2);
        assert!(!places.note_full(2, "c"), "it takes none at all");
    }

    #[test]
    fn a_message_that_comes_on_several_connections_is_handed_on_once() {
        let places = placed(&["a/+", "+/b", "a/b"]);
        let up = |_: usize| true;
        assert!(places.delivers(0, "a/b", false, up));
        assert!(!places.delivers(1, "a/b", false, up), "the first one has it");
        assert!(places.delivers(1, "a/b", false, |other| other != 0), "it is down");
        assert!(places.delivers(1, "a/b", true, up), "retained for a new subscription");
        assert!(places.delivers(1, "x/b", false, up));
        assert!(!places.delivers(0, "x/b", false, up), "the nucleus's own");
    }

    #[test]
    fn a_filter_that_is_not_confirmed_or_shared_makes_no_other_superfluous() {
        let mut places = Places::new(1, 2);
        places.place("a");
        places.place("+");
        assert!(places.delivers(1, "a", false, |_| true));
        let places = placed(&["$share/g/a", "+"]);
        assert!(places.delivers(1, "a", false, |_| true));
        assert!(places.delivers(0, "a", false, |_| true));
    }
}

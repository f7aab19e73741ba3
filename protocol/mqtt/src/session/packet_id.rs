//! Allocation of packet identifiers.

use crate::packet::PacketId;

/// Hands out 1, 2, … 65535, 1, … without those in use.
#[derive(Debug, Default)]
pub(super) struct PacketIds {
    last: u16,
}

impl PacketIds {
    /// The next identifier for which `in_use` is false; `None` when all 65535 are taken.
    pub(super) fn allocate(&mut self, in_use: impl Fn(PacketId) -> bool) -> Option<PacketId> {
        for _ in 0..u16::MAX {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if let Some(id) = PacketId::new(self.last)
                && !in_use(id)
            {
                return Some(id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_around_zero_and_skips_identifiers_in_use() {
        let mut ids = PacketIds { last: u16::MAX - 1 };
        let mut next = |used: &[u16]| ids.allocate(|id| used.contains(&id.get())).unwrap().get();
        assert_eq!(next(&[]), u16::MAX);
        assert_eq!(next(&[1]), 2);
        assert_eq!(ids.allocate(|_| true), None);
    }
}

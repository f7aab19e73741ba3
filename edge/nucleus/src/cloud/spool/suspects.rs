//! Which message makes the server end the connection.
//!
//! MQTT 3.1.1 has no code to refuse a message with: AWS IoT ends the connection, and would do so
//! for ever. All that were on their way when it ended are suspects. Each is then sent alone; one
//! that is acknowledged is cleared, one whose connection ends [`SOLE_CUTS`] times is found.

use std::collections::BTreeMap;

/// How often a connection ends with one message alone on its way until that is taken as the cause.
pub(crate) const SOLE_CUTS: u32 = 3;

/// Messages under suspicion, with the number of connections that ended with only them on their way.
#[derive(Debug, Default)]
pub(super) struct Suspects(BTreeMap<u64, u32>);

/// What a cut says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing certain.
    Open,
    /// It is the cause.
    Guilty,
}

impl Suspects {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The connection ended with this message on its way; alone, if it was a suspect before.
    pub(super) fn cut(&mut self, id: u64) -> Verdict {
        let Some(cuts) = self.0.get_mut(&id) else {
            self.0.insert(id, 0);
            return Verdict::Open;
        };
        *cuts += 1;
        if *cuts < SOLE_CUTS { Verdict::Open } else { Verdict::Guilty }
    }

    /// The message is acknowledged or gone.
    pub(super) fn clear(&mut self, id: u64) {
        self.0.remove(&id);
    }
}

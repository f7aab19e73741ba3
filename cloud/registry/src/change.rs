//! What the registry tells the gateway and the fleet after a change was committed.

/// A committed change. The channel is bounded: a receiver that lagged has missed some and must
/// look at everything again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A certificate may no longer be used: it was deactivated, revoked or deleted. Its
    /// connections must be cut.
    CertificateDisabled {
        /// The certificate's id.
        certificate_id: String,
    },
    /// A thing was put into a group.
    MemberAdded {
        /// The group that was named; its ancestors have the member too.
        group: String,
        /// The thing.
        thing: String,
    },
    /// A thing was taken out of a group.
    MemberRemoved {
        /// The group that was named.
        group: String,
        /// The thing.
        thing: String,
    },
    /// A group was deleted, and all memberships with it.
    GroupDeleted {
        /// The group.
        group: String,
    },
    /// A thing was deleted, and all its memberships with it.
    ThingDeleted {
        /// The thing.
        thing: String,
    },
}

//! The deterministic fault simulation of a device's deployments.
//!
//! What is real: the deployment engine with its steps, the resolver, the lifecycles and their
//! supervisor, the configuration store with its journal, the books of the groups, the statuses that
//! wait for the cloud. What is simulated: the disk under the journal ([`disk`]), the cloud behind its
//! network and the components' scripts ([`world`]), and the time. A [`plan`] follows from a seed,
//! [`run`] plays it, and the same seed gives the same history.

pub mod books;
pub mod disk;
pub mod plan;
pub mod random;
pub mod run;
pub mod world;

pub use run::{History, Invariant, Sabotage, play};

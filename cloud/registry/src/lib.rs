//! Things, groups, certificates, policies, role aliases, access keys.
//!
//! The registry decides who is who: which certificate is which device and what its policies let
//! it do, which access key is which principal. Each operation of the `iot` service is one method
//! of [`Registry`]: it checks the request, changes the store in one transaction, brings the
//! identities of connected devices up to date, and only then answers. So what an answer promises
//! already holds for the very next message of every connected device.

mod access_keys;
mod attachments;
mod bootstrap;
mod certificates;
mod change;
mod credentials;
mod fields;
mod groups;
mod identity;
mod keys;
mod managed_policies;
mod memberships;
mod page;
mod permissions;
mod policies;
mod policy_versions;
mod principal_policies;
mod provisioning;
mod registration;
mod registry;
mod role_aliases;
mod role_policies;
mod roles;
mod sealing;
mod tags;
mod thing_types;
mod things;

#[cfg(test)]
mod tests;

pub use access_keys::{KnownAccessKey, KnownSession, Principal};
pub use bootstrap::{OpenRegistry, RegistrySettings};
pub use change::Change;
pub use groups::GroupChain;
pub use identity::{DeviceIdentity, RefuseCertificate};
pub use managed_policies::NewPolicy;
pub use permissions::Permissions;
pub use registry::{Endpoints, Registry};
pub use role_policies::no_such_role_policy;
pub use roles::NewRole;

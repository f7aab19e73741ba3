//! The cloud's durable state: one module per noun, numbered migrations.
//!
//! What is committed here is what the cloud has promised: an answer is sent only after its
//! transaction committed, so a killed process loses nothing that anybody was told. There is one
//! writer at a time ([`Store::begin`]); readers ([`Store::read`]) see a consistent snapshot and
//! never wait for it. Reading methods are on [`Reader`], writing ones on [`Tx`], which is also a
//! reader, so that code inside a transaction reads its own writes.
//!
//! A [`Database`] is a file of SQLite's or a schema of a PostgreSQL server (ADR 0003). What they
//! say differently (opening, beginning, sorting) is in `sqlite` and `postgres`; all statements are
//! text that both run: `$1` placeholders, no BOOLEAN
//! column (0/1 in a BIGINT), times as BIGINT milliseconds, JSON and binary (hex, base64) as TEXT,
//! `ON CONFLICT` for everything idempotent.

mod access_keys;
mod age;
mod attachments;
mod certificates;
mod client_devices;
mod components;
mod core_devices;
mod database;
mod deployments;
mod dump;
mod effective_deployments;
mod error;
mod executions;
mod iam_policies;
mod iam_roles;
mod idempotency;
mod jobs;
mod memberships;
mod migrations;
mod mqtt;
mod policies;
mod policy_versions;
mod postgres;
mod presence;
mod provisioning;
mod role_aliases;
mod rollouts;
mod sessions;
mod settings;
mod shadows;
mod sqlite;
mod store;
mod tags;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod thing_groups;
mod thing_types;
mod things;

pub use access_keys::AccessKey;
pub use age::AgePosition;
pub use certificates::Certificate;
pub use client_devices::{ClientDeviceRow, ConnectivityRow};
pub use components::{ComponentArtifact, ComponentVersion};
pub use core_devices::{CoreDeviceFilter, CoreDeviceRow, InstalledComponentRow};
pub use database::{Database, ParsePostgresUrl, PostgresUrl};
pub use deployments::{DeploymentFilter, DeploymentRow};
pub use dump::DumpStore;
pub use effective_deployments::EffectiveDeploymentRow;
pub use error::{OpenStore, StoreError};
pub use executions::{ExecutionCount, ExecutionFilter, ExecutionRow};
pub use iam_policies::ManagedPolicy;
pub use iam_roles::IamRole;
pub use idempotency::AnsweredToken;
pub use jobs::{JobFilter, JobRow, ListedJob};
pub use mqtt::{MqttRetainedRow, MqttSessionRow};
pub use policies::Policy;
pub use policy_versions::PolicyVersion;
pub use presence::PresenceRow;
pub use provisioning::{ProvisioningTemplate, TemplateVersion};
pub use role_aliases::RoleAlias;
pub use rollouts::RolloutRow;
pub use sessions::Session;
pub use shadows::ShadowRow;
pub use sqlite::lock_file;
pub use store::{Reader, Store, Tx};
pub use thing_groups::{GroupScope, ThingGroup};
pub use thing_types::ThingType;
pub use things::Thing;

//! Shapes of the service `marram`, which is what AWS has no call for: the access keys of people and
//! programs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::epoch::EpochMs;

/// An operation that needs nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct NoMembers {}

/// `CreateKey`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateKeyRequest {
    /// The name of the user that the key acts as.
    pub name: String,
    /// An IAM policy document that says what it may do.
    pub policy: Option<Value>,
    /// In place of a policy: everything.
    #[serde(default)]
    pub full_access: bool,
}

/// An operation on one key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRequest {
    /// `AKIA…`.
    pub access_key_id: String,
}

/// `RotateKey`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotateKeyRequest {
    /// The key to take the place of.
    pub access_key_id: String,
    /// Whether that one stops working now; else both work until it is disabled or deleted.
    #[serde(default)]
    pub disable_old: bool,
}

/// An access key without its secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// `AKIA…`.
    pub access_key_id: String,
    /// The name of the user that it acts as; `root` is the account.
    pub name: String,
    /// Whether it may be used.
    pub status: KeyStatus,
    /// Whether it may do everything.
    pub full_access: bool,
    /// Else: the IAM policy document that says what it may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Value>,
    /// When it was made.
    pub created_at: EpochMs,
}

/// Whether a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum KeyStatus {
    /// It may.
    Active,
    /// It may not, until it is enabled.
    Disabled,
}

/// `ListKeys`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListKeysResponse {
    /// Oldest first.
    pub keys: Vec<Key>,
}

/// A key that was just made. Its secret is shown this once.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewKey {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// Its secret.
    pub secret_access_key: String,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey").field("key", &self.key).finish_non_exhaustive()
    }
}

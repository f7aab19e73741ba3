//! Operations on access keys of people and programs.
//!
//! A key without a policy may do everything. Invariant: there is always one such key that works,
//! and the setting `root_access_key_id`, from which the ready file is written at each start, names
//! one of them.

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::iot::Empty;
use marram_aws::marram::{
    CreateKeyRequest, Key, KeyRequest, KeyStatus, ListKeysResponse, NewKey, NoMembers,
    RotateKeyRequest,
};
use marram_store::{AccessKey, Tx};

use crate::access_keys::{new_access_key_id, new_secret};
use crate::bootstrap::ROOT_KEY;
use crate::fields;
use crate::managed_policies::check_document;
use crate::registry::Registry;

/// How many keys there may be.
const MAX_KEYS: usize = 1000;
/// How many keys one user may have, as in IAM: the one in use and the one to change to.
const MAX_KEYS_OF_USER: usize = 2;
/// IAM's bound on a user's own policies, in characters.
const MAX_DOCUMENT: usize = 10_240;

impl Registry {
    /// All access keys but the cloud's own, oldest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list_keys(&self, _: NoMembers) -> Result<ListKeysResponse, ApiError> {
        let rows = self.inner.store.read().await?.access_keys().await?;
        let rows = rows.into_iter().filter(|row| !self.is_own(&row.access_key_id));
        Ok(ListKeysResponse { keys: rows.map(shown).collect() })
    }

    /// A key for a new user.
    ///
    /// # Errors
    /// A member is not valid, the policy is malformed, the name is taken, or there are too many.
    pub async fn create_key(&self, request: CreateKeyRequest) -> Result<NewKey, ApiError> {
        fields::iam_name("name", &request.name, 64)?;
        let policy_json = match (request.policy, request.full_access) {
            (Some(policy), false) => Some(policy.to_string()),
            (None, true) => None,
            _ => {
                return Err(ApiError::invalid_request(
                    "give either `policy`, an IAM policy document, or `fullAccess`",
                ));
            }
        };
        if let Some(text) = &policy_json {
            check_document("policy", text, MAX_DOCUMENT)?;
        }
        let principal = self.inner.account.iam(&format!("user/{}", request.name));
        let mut tx = self.inner.store.begin().await?;
        let keys = tx.access_keys().await?;
        if keys.iter().any(|key| key.principal == principal) || request.name == "root" {
            let message =
                format!("the name `{}` is taken: choose another, or rotate", request.name);
            return Err(ApiError::already_exists(&request.name, &principal, message));
        }
        let made = self.insert_key(&mut tx, &keys, principal, policy_json).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// A second key of the same user with the same policy; the old one works until it is disabled
    /// or deleted.
    ///
    /// # Errors
    /// There is no such key, or its user has two already.
    pub async fn rotate_key(&self, request: RotateKeyRequest) -> Result<NewKey, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let old = self.existing_key(&mut tx, &request.access_key_id).await?;
        let keys = tx.access_keys().await?;
        let of_user = keys.iter().filter(|key| key.principal == old.principal).count();
        if of_user >= MAX_KEYS_OF_USER {
            return Err(ApiError::new(
                "LimitExceededException",
                410,
                format!(
                    "`{}` has {of_user} keys already: delete the one that is not used",
                    name_of(&old.principal)
                ),
            ));
        }
        let policy_json = old.policy_json.clone();
        let made = self.insert_key(&mut tx, &keys, old.principal, policy_json).await?;
        if request.disable_old {
            tx.set_access_key_active(&old.access_key_id, false).await?;
        }
        if tx.setting(ROOT_KEY).await?.as_deref() == Some(&*old.access_key_id) {
            tx.put_setting(ROOT_KEY, &made.key.access_key_id).await?;
        }
        tx.commit().await?;
        Ok(made)
    }

    /// Lets a key be used again.
    ///
    /// # Errors
    /// There is no such key.
    pub async fn enable_key(&self, request: KeyRequest) -> Result<Key, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let key = self.existing_key(&mut tx, &request.access_key_id).await?;
        tx.set_access_key_active(&key.access_key_id, true).await?;
        tx.commit().await?;
        Ok(shown(AccessKey { is_active: true, ..key }))
    }

    /// Refuses every call that is signed with the key from now on.
    ///
    /// # Errors
    /// There is no such key, or it is the last one that may do everything.
    pub async fn disable_key(&self, request: KeyRequest) -> Result<Key, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let key = self.existing_key(&mut tx, &request.access_key_id).await?;
        self.do_without(&mut tx, &key, "disabled").await?;
        tx.set_access_key_active(&key.access_key_id, false).await?;
        tx.commit().await?;
        Ok(shown(AccessKey { is_active: false, ..key }))
    }

    /// Removes a key.
    ///
    /// # Errors
    /// There is no such key, or it is the last one that may do everything.
    pub async fn delete_key(&self, request: KeyRequest) -> Result<Empty, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let key = self.existing_key(&mut tx, &request.access_key_id).await?;
        self.do_without(&mut tx, &key, "deleted").await?;
        tx.delete_access_key(&key.access_key_id).await?;
        tx.commit().await?;
        Ok(Empty {})
    }

    /// Makes sure that another key can do everything, and that the next ready file names it.
    async fn do_without(&self, tx: &mut Tx, key: &AccessKey, done: &str) -> Result<(), ApiError> {
        let keys = tx.access_keys().await?;
        let another = keys.iter().find(|other| {
            other.is_active
                && other.policy_json.is_none()
                && other.access_key_id != key.access_key_id
                && !self.is_own(&other.access_key_id)
        });
        let Some(another) = another else {
            return Err(ApiError::new(
                "ConflictException",
                409,
                format!(
                    "the access key `{}` is the last one that works and has full access, so it \
                     cannot be {done}: rotate it, or create another with full access first",
                    key.access_key_id
                ),
            ));
        };
        if tx.setting(ROOT_KEY).await?.as_deref() == Some(&*key.access_key_id) {
            tx.put_setting(ROOT_KEY, &another.access_key_id).await?;
        }
        Ok(())
    }

    async fn insert_key(
        &self,
        tx: &mut Tx,
        keys: &[AccessKey],
        principal: String,
        policy_json: Option<String>,
    ) -> Result<NewKey, ApiError> {
        if keys.len() >= MAX_KEYS {
            let message = format!("there are {MAX_KEYS} access keys, which is the most");
            return Err(ApiError::new("LimitExceededException", 410, message));
        }
        let random = |error: crate::sealing::NoRandom| ApiError::internal(error.to_string());
        let access_key_id = new_access_key_id("AKIA").map_err(random)?;
        let secret_access_key = new_secret().map_err(random)?;
        let sealed_secret =
            self.inner.sealing.seal(&access_key_id, &secret_access_key).map_err(random)?;
        let created_at_ms = self.now_ms();
        let row = AccessKey {
            access_key_id,
            principal,
            sealed_secret,
            policy_json,
            is_active: true,
            created_at_ms,
        };
        tx.insert_access_key(&row).await?;
        Ok(NewKey { key: shown(row), secret_access_key })
    }

    async fn existing_key(&self, tx: &mut Tx, id: &str) -> Result<AccessKey, ApiError> {
        let key = tx.access_key(id).await?.filter(|key| !self.is_own(&key.access_key_id));
        key.ok_or_else(|| ApiError::not_found("AccessKey", id))
    }

    /// Whether it is the cloud's own key, which nobody else may see or end.
    fn is_own(&self, id: &str) -> bool {
        id == self.inner.system_key.access_key_id
    }
}

fn shown(row: AccessKey) -> Key {
    Key {
        name: name_of(&row.principal).to_owned(),
        status: if row.is_active { KeyStatus::Active } else { KeyStatus::Disabled },
        full_access: row.policy_json.is_none(),
        policy: row.policy_json.and_then(|text| serde_json::from_str(&text).ok()),
        created_at: EpochMs(row.created_at_ms),
        access_key_id: row.access_key_id,
    }
}

/// The user's name in `arn:aws:iam::ACCOUNT:user/NAME`; `root` in that of the account.
pub(crate) fn name_of(principal: &str) -> &str {
    principal.rsplit([':', '/']).next().unwrap_or(principal)
}

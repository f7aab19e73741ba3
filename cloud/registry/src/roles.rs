//! IAM roles: what devices' temporary credentials act as, and what these may do.
//!
//! A role that nobody made is made when a role alias names it, with the policy
//! `MarramDeviceAccess`, so that what devices may do is always there to be seen and changed.
//! `CreateRole` takes such a role over, without that policy: then its maker's policies count.

use marram_aws::ApiError;
use marram_aws::iam::Role;
use marram_model::arn::Account;
use marram_store::{IamRole, Reader, Tx};
use serde_json::Value;

use crate::access_keys::new_access_key_id;
use crate::fields;
use crate::managed_policies::DEVICE_ACCESS;
use crate::registry::Registry;

const DEFAULT_SESSION_S: i64 = 3600;
const MOST_SESSION_S: i64 = 43_200;
/// IAM's bound on the document that says who may become a role, in characters.
const MAX_TRUST: usize = 2048;

/// What lets AWS IoT's credentials provider become a role.
const TRUST_IOT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"credentials.iot.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// A role to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRole {
    /// 1 to 64 of `[\w+=,.@-]`.
    pub name: String,
    /// `/`, or folders: `/devices/`.
    pub path: String,
    /// The document that says who may become it.
    pub trust: String,
    /// What people want to remember about it.
    pub description: Option<String>,
    /// The longest session, in seconds: 3600 to 43200.
    pub session_s: Option<i64>,
}

impl Registry {
    /// `CreateRole`.
    ///
    /// # Errors
    /// A member is not valid, or the name is taken.
    pub async fn create_role(&self, new: NewRole) -> Result<Role, ApiError> {
        fields::iam_name("RoleName", &new.name, 64)?;
        check_path(&new.path)?;
        check_trust(&new.trust)?;
        let session_s = new.session_s.unwrap_or(DEFAULT_SESSION_S);
        fields::number("MaxSessionDuration", session_s, DEFAULT_SESSION_S, MOST_SESSION_S)?;
        let row = IamRole {
            name: new.name,
            id: new_role_id()?,
            path: new.path,
            trust_json: new.trust,
            description: new.description,
            session_s,
            is_implied: false,
            created_at_ms: self.now_ms(),
        };
        let mut tx = self.inner.store.begin().await?;
        remove_implied(&mut tx, &row.name).await?;
        if !tx.insert_iam_role(&row).await? {
            let message = format!("Role with name {} already exists.", row.name);
            return Err(ApiError::new("EntityAlreadyExists", 409, message));
        }
        tx.commit().await?;
        Ok(self.shown_role(row))
    }

    /// `GetRole`.
    ///
    /// # Errors
    /// There is no such role.
    pub async fn role(&self, name: &str) -> Result<Role, ApiError> {
        let mut reader = self.inner.store.read().await?;
        Ok(self.shown_role(existing_role(&mut reader, name).await?))
    }

    /// The ARN of the role `name`, whether it exists or not.
    ///
    /// # Errors
    /// The store failed.
    pub async fn role_arn(&self, name: &str) -> Result<String, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let path = reader.iam_role(name).await?.map_or_else(|| "/".to_owned(), |row| row.path);
        Ok(self.inner.account.iam(&format!("role{}{name}", path)))
    }

    /// `ListRoles`: at most `limit` with a name behind `after`, by name.
    ///
    /// # Errors
    /// The store failed.
    pub async fn roles(&self, after: &str, limit: usize) -> Result<Vec<Role>, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = reader.iam_roles_after(after, limit).await?;
        Ok(rows.into_iter().map(|row| self.shown_role(row)).collect())
    }

    /// `DeleteRole`. Sessions that run may do nothing from now on.
    ///
    /// # Errors
    /// There is no such role, or it has policies.
    pub async fn delete_role(&self, name: &str) -> Result<(), ApiError> {
        let mut tx = self.inner.store.begin().await?;
        existing_role(&mut tx, name).await?;
        if let Some(arn) = tx.iam_role_attachments(name).await?.first() {
            return Err(has_policies(&format!("detach {arn} first")));
        }
        if let Some((own, _)) = tx.iam_role_policies(name).await?.first() {
            return Err(has_policies(&format!("delete its policy {own} first")));
        }
        tx.delete_iam_role(name).await?;
        Ok(tx.commit().await?)
    }

    fn shown_role(&self, row: IamRole) -> Role {
        Role {
            arn: self.inner.account.iam(&format!("role{}{}", row.path, row.name)),
            path: row.path,
            name: row.name,
            id: row.id,
            created_at_ms: row.created_at_ms,
            trust: row.trust_json,
            description: row.description,
            max_session_s: row.session_s,
        }
    }
}

/// Makes the role that `role_arn` names, if nobody has.
///
/// # Errors
/// It is no role of this account, or the role of that name has another path: whoever may pass the
/// one may not pass the other.
pub(crate) async fn imply_role(
    tx: &mut Tx,
    account: &Account,
    role_arn: &str,
    now_ms: i64,
) -> Result<(), ApiError> {
    let Some((path, name)) = path_and_name(account, role_arn) else {
        let example = account.role("NAME");
        let message = format!("`roleArn` is `{role_arn}`: use a role of this account, `{example}`");
        return Err(ApiError::invalid_request(message));
    };
    check_path(path)?;
    let row = IamRole {
        name: name.to_owned(),
        id: new_role_id()?,
        path: path.to_owned(),
        trust_json: TRUST_IOT.to_owned(),
        description: Some("Made because a role alias names it".to_owned()),
        session_s: MOST_SESSION_S,
        is_implied: true,
        created_at_ms: now_ms,
    };
    if tx.insert_iam_role(&row).await? {
        tx.attach_iam_policy(name, DEVICE_ACCESS).await?;
        return Ok(());
    }
    let there = existing_role(tx, name).await?.path;
    if there != path {
        let arn = account.iam(&format!("role{there}{name}"));
        let message = format!("`roleArn` is `{role_arn}`, but the role `{name}` is `{arn}`");
        return Err(ApiError::invalid_request(message));
    }
    Ok(())
}

async fn remove_implied(tx: &mut Tx, name: &str) -> Result<(), ApiError> {
    let Some(row) = tx.iam_role(name).await?.filter(|row| row.is_implied) else { return Ok(()) };
    let attached = tx.iam_role_attachments(name).await?;
    let untouched = tx.iam_role_policies(name).await?.is_empty() && attached == [DEVICE_ACCESS];
    if untouched {
        tx.detach_iam_policy(name, DEVICE_ACCESS).await?;
        tx.delete_iam_role(&row.name).await?;
    }
    Ok(())
}

/// The role `name`, or `NoSuchEntity`.
pub(crate) async fn existing_role(reader: &mut Reader, name: &str) -> Result<IamRole, ApiError> {
    reader
        .iam_role(name)
        .await?
        .ok_or_else(|| no_such_entity(&format!("The role with name {name} cannot be found.")))
}

/// Path and name in the ARN of a role of this account: `/` and `A`, or `/field/` and `A`.
fn path_and_name<'a>(account: &Account, role_arn: &'a str) -> Option<(&'a str, &'a str)> {
    let resource = role_arn.strip_prefix(&account.iam("role"))?;
    let (path, name) = resource.split_at(resource.rfind('/')? + 1);
    fields::iam_name("roleArn", name, 64).is_ok().then_some((path, name))
}

/// The role that a session acts as: the one with exactly this ARN, if it is there.
pub(crate) async fn role_of_session(
    reader: &mut Reader,
    account: &Account,
    role_arn: &str,
) -> Result<Option<IamRole>, ApiError> {
    let Some((path, name)) = path_and_name(account, role_arn) else { return Ok(None) };
    Ok(reader.iam_role(name).await?.filter(|role| role.path == path))
}

/// 404 of IAM.
pub(crate) fn no_such_entity(message: &str) -> ApiError {
    ApiError::new("NoSuchEntity", 404, message)
}

/// `/` or `/a/b/`.
pub(crate) fn check_path(path: &str) -> Result<(), ApiError> {
    fields::length("Path", path, 1, 512)?;
    let is_right = path.starts_with('/')
        && path.ends_with('/')
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"*?:\"<>".contains(&byte));
    match is_right {
        true => Ok(()),
        false => {
            Err(ApiError::invalid_request(format!("`Path` is `{path}`: begin and end it with `/`")))
        }
    }
}

/// A trust document is kept and shown: who may become a role is decided by IoT policies.
fn check_trust(text: &str) -> Result<(), ApiError> {
    fields::length("AssumeRolePolicyDocument", text, 1, MAX_TRUST)?;
    let is_document = serde_json::from_str::<Value>(text).is_ok_and(|document| {
        matches!(document.get("Statement"), Some(Value::Array(_) | Value::Object(_)))
    });
    match is_document {
        true => Ok(()),
        false => Err(ApiError::new(
            "MalformedPolicyDocument",
            400,
            "`AssumeRolePolicyDocument` is not a JSON object with a `Statement`",
        )),
    }
}

fn has_policies(remedy: &str) -> ApiError {
    let message = format!("Cannot delete a role that has policies: {remedy}");
    ApiError::new("DeleteConflict", 409, message)
}

fn new_role_id() -> Result<String, ApiError> {
    new_access_key_id("AROA").map_err(|error| ApiError::internal(error.to_string()))
}

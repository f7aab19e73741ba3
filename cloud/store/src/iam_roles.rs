//! IAM roles: their own policies, and the managed ones that are attached to them.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A role that devices' temporary credentials act as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IamRole {
    /// Its name, which is its key.
    pub name: String,
    /// `AROA…`.
    pub id: String,
    /// `/`, or the folders in its ARN.
    pub path: String,
    /// The document that says who may become it.
    pub trust_json: String,
    /// What people wrote about it.
    pub description: Option<String>,
    /// The longest session that it allows, in seconds.
    pub session_s: i64,
    /// Whether it is there only because a role alias named it.
    pub is_implied: bool,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
}

impl IamRole {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.try_get("role_name")?,
            id: row.try_get("role_id")?,
            path: row.try_get("path")?,
            trust_json: row.try_get("trust_json")?,
            description: row.try_get("description")?,
            session_s: row.try_get("session_s")?,
            is_implied: row.try_get::<i64, _>("is_implied")? != 0,
            created_at_ms: row.try_get("created_at")?,
        })
    }
}

impl Reader {
    /// The role `name`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn iam_role(&mut self, name: &str) -> Result<Option<IamRole>, StoreError> {
        let row = sqlx::query(
            "SELECT role_name, role_id, path, trust_json, description, session_s, is_implied, \
             created_at FROM iam_roles WHERE role_name = $1",
        )
        .bind(name)
        .fetch_optional(self.connection())
        .await?;
        row.as_ref().map(IamRole::from_row).transpose()
    }

    /// At most `limit` roles with a name behind `after`, by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn iam_roles_after(
        &mut self,
        after: &str,
        limit: i64,
    ) -> Result<Vec<IamRole>, StoreError> {
        let rows = sqlx::query(
            "SELECT role_name, role_id, path, trust_json, description, session_s, is_implied, \
             created_at FROM iam_roles WHERE role_name > $1 ORDER BY role_name LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(IamRole::from_row).collect()
    }

    /// Name and document of each of the role's own policies, by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn iam_role_policies(
        &mut self,
        role: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query(
            "SELECT policy_name, policy_json FROM iam_role_policies WHERE role_name = $1 \
             ORDER BY policy_name",
        )
        .bind(role)
        .fetch_all(self.connection())
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("policy_name")?, row.try_get("policy_json")?)))
            .collect()
    }

    /// The ARNs of the managed policies attached to the role, in order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn iam_role_attachments(&mut self, role: &str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT policy_arn FROM iam_role_attachments WHERE role_name = $1 ORDER BY policy_arn",
        )
        .bind(role)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("policy_arn")?)).collect()
    }

    /// To how many roles the managed policy is attached.
    ///
    /// # Errors
    /// The database refused.
    pub async fn iam_attachment_count(&mut self, policy_arn: &str) -> Result<i64, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS attachments FROM iam_role_attachments WHERE policy_arn = $1",
        )
        .bind(policy_arn)
        .fetch_one(self.connection())
        .await?;
        Ok(row.try_get("attachments")?)
    }
}

impl Tx {
    /// Adds a role; `false` when the name is taken.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_iam_role(&mut self, role: &IamRole) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO iam_roles (role_name, role_id, path, trust_json, description, \
             session_s, is_implied, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (role_name) DO NOTHING",
        )
        .bind(role.name.as_str())
        .bind(role.id.as_str())
        .bind(role.path.as_str())
        .bind(role.trust_json.as_str())
        .bind(role.description.as_deref())
        .bind(role.session_s)
        .bind(i64::from(role.is_implied))
        .bind(role.created_at_ms)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes a role.
    ///
    /// # Errors
    /// It still has policies, or the database refused.
    pub async fn delete_iam_role(&mut self, name: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM iam_roles WHERE role_name = $1")
            .bind(name)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Writes one of a role's own policies, over one of the same name.
    ///
    /// # Errors
    /// There is no such role, or the database refused.
    pub async fn put_iam_role_policy(
        &mut self,
        role: &str,
        name: &str,
        policy_json: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO iam_role_policies (role_name, policy_name, policy_json) \
             VALUES ($1, $2, $3) ON CONFLICT (role_name, policy_name) \
             DO UPDATE SET policy_json = excluded.policy_json",
        )
        .bind(role)
        .bind(name)
        .bind(policy_json)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Removes one of a role's own policies; `false` when there is none.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_iam_role_policy(
        &mut self,
        role: &str,
        name: &str,
    ) -> Result<bool, StoreError> {
        let done =
            sqlx::query("DELETE FROM iam_role_policies WHERE role_name = $1 AND policy_name = $2")
                .bind(role)
                .bind(name)
                .execute(self.connection())
                .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Attaches a managed policy to a role; nothing happens if it is attached.
    ///
    /// # Errors
    /// There is no such role, or the database refused.
    pub async fn attach_iam_policy(
        &mut self,
        role: &str,
        policy_arn: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO iam_role_attachments (role_name, policy_arn) VALUES ($1, $2) \
             ON CONFLICT (role_name, policy_arn) DO NOTHING",
        )
        .bind(role)
        .bind(policy_arn)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Detaches a managed policy from a role; `false` when it is not attached.
    ///
    /// # Errors
    /// The database refused.
    pub async fn detach_iam_policy(
        &mut self,
        role: &str,
        policy_arn: &str,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "DELETE FROM iam_role_attachments WHERE role_name = $1 AND policy_arn = $2",
        )
        .bind(role)
        .bind(policy_arn)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_both;
    use crate::{Database, ManagedPolicy, Store};

    fn role(name: &str) -> IamRole {
        IamRole {
            name: name.to_owned(),
            id: "AROA".to_owned(),
            path: "/".to_owned(),
            trust_json: "{}".to_owned(),
            description: None,
            session_s: 3600,
            is_implied: true,
            created_at_ms: 1,
        }
    }

    async fn a_role_has_policies_and_goes_only_without_them(database: Database) {
        let store = Store::open(database).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        assert!(tx.insert_iam_role(&role("b")).await.unwrap());
        assert!(tx.insert_iam_role(&role("a")).await.unwrap());
        assert!(!tx.insert_iam_role(&role("a")).await.unwrap(), "twice");
        assert_eq!(tx.iam_role("a").await.unwrap(), Some(role("a")));
        assert_eq!(tx.iam_roles_after("a", 9).await.unwrap(), [role("b")]);
        for text in ["1", "2"] {
            tx.put_iam_role_policy("a", "own", text).await.unwrap();
            tx.attach_iam_policy("a", "arn").await.unwrap();
        }
        let own = [("own".to_owned(), "2".to_owned())];
        assert_eq!(tx.iam_role_policies("a").await.unwrap(), own);
        assert_eq!(tx.iam_role_attachments("a").await.unwrap(), ["arn"]);
        assert_eq!(tx.iam_attachment_count("arn").await.unwrap(), 1);
        tx.commit().await.unwrap();

        let mut tx = store.begin().await.unwrap();
        assert!(tx.delete_iam_role("a").await.is_err());
        drop(tx);
        let mut tx = store.begin().await.unwrap();
        assert!(tx.delete_iam_role_policy("a", "own").await.unwrap());
        assert!(tx.detach_iam_policy("a", "arn").await.unwrap());
        assert!(!tx.detach_iam_policy("a", "arn").await.unwrap());
        tx.delete_iam_role("a").await.unwrap();
        assert_eq!(tx.iam_role("a").await.unwrap(), None);
    }

    async fn managed_policies_are_found_by_name(database: Database) {
        let store = Store::open(database).await.unwrap();
        let policy = |name: &str| ManagedPolicy {
            name: name.to_owned(),
            id: "ANPA".to_owned(),
            path: "/".to_owned(),
            description: Some("d".to_owned()),
            policy_json: "{}".to_owned(),
            created_at_ms: 1,
        };
        let mut tx = store.begin().await.unwrap();
        for name in ["b", "a"] {
            assert!(tx.insert_managed_policy(&policy(name)).await.unwrap());
            assert!(!tx.insert_managed_policy(&policy(name)).await.unwrap(), "twice");
        }
        assert_eq!(tx.managed_policies_after("", 1).await.unwrap(), [policy("a")]);
        assert_eq!(tx.managed_policy("b").await.unwrap(), Some(policy("b")));
        tx.delete_managed_policy("b").await.unwrap();
        assert_eq!(tx.managed_policy("b").await.unwrap(), None);
    }

    on_both! {
        a_role_has_policies_and_goes_only_without_them,
        managed_policies_are_found_by_name,
    }
}

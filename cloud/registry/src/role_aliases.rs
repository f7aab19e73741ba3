//! Operations on role aliases.

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::iot::{
    CreateRoleAliasRequest, DescribeRoleAliasResponse, Empty, ListRoleAliasesResponse,
    OrderedPageRequest, RoleAliasDescription, RoleAliasRequest, RoleAliasResponse,
    UpdateRoleAliasRequest,
};
use marram_store::{Reader, RoleAlias};

use crate::fields;
use crate::page::AgePage;
use crate::registry::Registry;
use crate::roles::imply_role;
use crate::tags::put_tags;

const DEFAULT_DURATION_S: i64 = 3600;
const LEAST_DURATION_S: i64 = 900;
const MOST_DURATION_S: i64 = 43_200;

impl Registry {
    /// `CreateRoleAlias`.
    ///
    /// # Errors
    /// A member is not valid, or the alias exists.
    pub async fn create_role_alias(
        &self,
        request: CreateRoleAliasRequest,
    ) -> Result<RoleAliasResponse, ApiError> {
        fields::role_alias(&request.role_alias)?;
        fields::tags(&request.tags)?;
        let duration_s = request.credential_duration_seconds.unwrap_or(DEFAULT_DURATION_S);
        check(&request.role_arn, duration_s)?;
        let now_ms = self.now_ms();
        let alias = RoleAlias {
            name: request.role_alias,
            role_arn: request.role_arn,
            duration_s,
            created_at_ms: now_ms,
            modified_at_ms: now_ms,
        };
        let role_alias_arn = self.inner.account.role_alias(&alias.name);
        let mut tx = self.inner.store.begin().await?;
        if !tx.insert_role_alias(&alias).await? {
            return Err(ApiError::already_exists(
                &alias.name,
                &role_alias_arn,
                format!("role alias `{}` exists: update it", alias.name),
            ));
        }
        imply_role(&mut tx, &self.inner.account, &alias.role_arn, now_ms).await?;
        put_tags(&mut tx, &role_alias_arn, &request.tags).await?;
        tx.commit().await?;
        Ok(RoleAliasResponse { role_alias: alias.name, role_alias_arn })
    }

    /// `DescribeRoleAlias`.
    ///
    /// # Errors
    /// There is no such alias.
    pub async fn describe_role_alias(
        &self,
        request: RoleAliasRequest,
    ) -> Result<DescribeRoleAliasResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let alias = existing_role_alias(&mut reader, &request.role_alias).await?;
        Ok(DescribeRoleAliasResponse {
            role_alias_description: RoleAliasDescription {
                role_alias_arn: self.inner.account.role_alias(&alias.name),
                role_alias: alias.name,
                role_arn: alias.role_arn,
                owner: self.inner.account.account_id.clone(),
                credential_duration_seconds: alias.duration_s,
                creation_date: EpochMs(alias.created_at_ms),
                last_modified_date: EpochMs(alias.modified_at_ms),
            },
        })
    }

    /// `UpdateRoleAlias`. Credentials that were given stay as they are.
    ///
    /// # Errors
    /// A member is not valid, or there is no such alias.
    pub async fn update_role_alias(
        &self,
        request: UpdateRoleAliasRequest,
    ) -> Result<RoleAliasResponse, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let mut alias = existing_role_alias(&mut tx, &request.role_alias).await?;
        let names_role = request.role_arn.is_some();
        alias.role_arn = request.role_arn.unwrap_or(alias.role_arn);
        alias.duration_s = request.credential_duration_seconds.unwrap_or(alias.duration_s);
        check(&alias.role_arn, alias.duration_s)?;
        alias.modified_at_ms = self.now_ms();
        // Without it, whoever deleted the role wants it gone.
        if names_role {
            let now_ms = alias.modified_at_ms;
            imply_role(&mut tx, &self.inner.account, &alias.role_arn, now_ms).await?;
        }
        tx.update_role_alias(&alias).await?;
        tx.commit().await?;
        let role_alias_arn = self.inner.account.role_alias(&alias.name);
        Ok(RoleAliasResponse { role_alias: alias.name, role_alias_arn })
    }

    /// `DeleteRoleAlias`. Credentials that were given work until they end.
    ///
    /// # Errors
    /// There is no such alias.
    pub async fn delete_role_alias(&self, request: RoleAliasRequest) -> Result<Empty, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let alias = existing_role_alias(&mut tx, &request.role_alias).await?;
        tx.delete_tags(&self.inner.account.role_alias(&alias.name)).await?;
        tx.delete_role_alias(&alias.name).await?;
        tx.commit().await?;
        Ok(Empty {})
    }

    /// `ListRoleAliases`, newest first unless asked otherwise.
    ///
    /// # Errors
    /// A member is not valid.
    pub async fn list_role_aliases(
        &self,
        request: OrderedPageRequest,
    ) -> Result<ListRoleAliasesResponse, ApiError> {
        let page = AgePage::parse("role-aliases", &request)?;
        let mut reader = self.inner.store.read().await?;
        let rows = reader.role_aliases_from(&page.from, page.oldest_first, page.fetch()).await?;
        let (rows, next_marker) = page.cut(rows, |row| (row.created_at_ms, &row.name));
        let role_aliases = rows.into_iter().map(|row| row.name).collect();
        Ok(ListRoleAliasesResponse { role_aliases, next_marker })
    }
}

async fn existing_role_alias(reader: &mut Reader, name: &str) -> Result<RoleAlias, ApiError> {
    fields::role_alias(name)?;
    reader.role_alias(name).await?.ok_or_else(|| ApiError::not_found("RoleAlias", name))
}

fn check(role_arn: &str, duration_s: i64) -> Result<(), ApiError> {
    fields::length("roleArn", role_arn, 20, 2048)?;
    fields::number("credentialDurationSeconds", duration_s, LEAST_DURATION_S, MOST_DURATION_S)
}

//! The account's service role. Nothing here acts as it: it is kept because set-up programs
//! associate one and ask whether there is one.

use marram_aws::ApiError;
use marram_aws::greengrassv2::{
    AssociateServiceRoleRequest, AssociateServiceRoleResponse, DisassociateServiceRoleResponse,
    GetServiceRoleResponse, NoMembers,
};
use marram_aws::timestamp::iso8601;
use serde::{Deserialize, Serialize};

use crate::fleet::Fleet;

/// The setting that holds it.
const SETTING: &str = "service_role";

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    role_arn: String,
    associated_at_ms: i64,
}

impl Fleet {
    /// `AssociateServiceRoleToAccount`, in place of the role that is there.
    ///
    /// # Errors
    /// The text is no role's ARN.
    pub async fn associate_service_role_to_account(
        &self,
        request: AssociateServiceRoleRequest,
    ) -> Result<AssociateServiceRoleResponse, ApiError> {
        let arn = request.role_arn;
        if !(arn.starts_with("arn:") && arn.contains(":iam::") && arn.contains(":role/")) {
            let message = format!("`{arn}` is no role: use arn:aws:iam::ACCOUNT:role/NAME");
            return Err(ApiError::field("RoleArn", message));
        }
        let mut unit = self.unit().await?;
        let kept = Kept { role_arn: arn, associated_at_ms: unit.now_ms };
        let associated_at = iso8601(unit.now_ms);
        let value = serde_json::to_string(&kept)
            .map_err(|error| ApiError::internal(format!("a role has no JSON: {error}")))?;
        unit.tx.put_setting(SETTING, &value).await?;
        unit.commit().await?;
        Ok(AssociateServiceRoleResponse { associated_at })
    }

    /// `GetServiceRoleForAccount`.
    ///
    /// # Errors
    /// No role is associated.
    pub async fn get_service_role_for_account(
        &self,
        _request: NoMembers,
    ) -> Result<GetServiceRoleResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let Some(value) = reader.setting(SETTING).await? else {
            return Err(ApiError::not_found("serviceRole", &self.inner.account.account_id));
        };
        let kept: Kept = serde_json::from_str(&value)
            .map_err(|error| ApiError::internal(format!("the role kept is damaged: {error}")))?;
        Ok(GetServiceRoleResponse {
            associated_at: iso8601(kept.associated_at_ms),
            role_arn: kept.role_arn,
        })
    }

    /// `DisassociateServiceRoleFromAccount`; without a role it changes nothing.
    ///
    /// # Errors
    /// The store refused.
    pub async fn disassociate_service_role_from_account(
        &self,
        _request: NoMembers,
    ) -> Result<DisassociateServiceRoleResponse, ApiError> {
        let mut unit = self.unit().await?;
        let disassociated_at = iso8601(unit.now_ms);
        unit.tx.delete_setting(SETTING).await?;
        unit.commit().await?;
        Ok(DisassociateServiceRoleResponse { disassociated_at })
    }
}

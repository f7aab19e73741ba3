//! Listing deployments.

use marram_aws::ApiError;
use marram_aws::greengrassv2::{HistoryFilter, ListDeploymentsRequest, ListDeploymentsResponse};
use marram_store::DeploymentFilter;

use super::listed;
use crate::fleet::Fleet;
use crate::paging;

impl Fleet {
    /// `ListDeployments`: newest first.
    ///
    /// # Errors
    /// A page size or token that is not valid.
    pub async fn list_deployments(
        &self,
        request: ListDeploymentsRequest,
    ) -> Result<ListDeploymentsResponse, ApiError> {
        let size = paging::size(request.max_results)?;
        let before = paging::before(request.next_token.as_deref())?;
        let filter = DeploymentFilter {
            target_arn: request.target_arn,
            parent_target_arn: request.parent_target_arn,
            latest_only: request.history_filter == HistoryFilter::LatestOnly,
        };
        let before = before.as_ref().map(|(ms, id)| (*ms, id.as_str()));
        let mut reader = self.inner.store.read().await?;
        let rows = reader.deployments_before(&filter, before, paging::limit(size)).await?;
        let (rows, next_token) =
            paging::cut(rows, size, |row| paging::age_key(row.created_at_ms, &row.id));
        let deployments = rows.into_iter().map(listed).collect::<Result<_, _>>()?;
        Ok(ListDeploymentsResponse { deployments, next_token })
    }
}

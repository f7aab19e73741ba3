//! Operations on tags.

use marram_aws::ApiError;
use marram_aws::iot::{
    Empty, ListTagsForResourceRequest, ListTagsForResourceResponse, Tag, TagResourceRequest,
    UntagResourceRequest,
};
use marram_store::{Reader, StoreError, Tx};

use crate::fields;
use crate::registry::Registry;

impl Registry {
    /// `TagResource`.
    ///
    /// # Errors
    /// A tag is not valid, there would be more than 50, or there is no such resource.
    pub async fn tag_resource(&self, request: TagResourceRequest) -> Result<Empty, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        self.check_taggable(&mut tx, &request.resource_arn).await?;
        let mut tags = tx.tags(&request.resource_arn).await?;
        tags.extend(request.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())));
        let all: Vec<Tag> = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
        fields::tags(&all)?;
        put_tags(&mut tx, &request.resource_arn, &request.tags).await?;
        tx.commit().await?;
        Ok(Empty {})
    }

    /// `UntagResource`.
    ///
    /// # Errors
    /// There is no such resource.
    pub async fn untag_resource(&self, request: UntagResourceRequest) -> Result<Empty, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        self.check_taggable(&mut tx, &request.resource_arn).await?;
        for key in &request.tag_keys {
            tx.delete_tag(&request.resource_arn, key).await?;
        }
        tx.commit().await?;
        Ok(Empty {})
    }

    /// `ListTagsForResource`.
    ///
    /// # Errors
    /// There is no such resource.
    pub async fn list_tags_for_resource(
        &self,
        request: ListTagsForResourceRequest,
    ) -> Result<ListTagsForResourceResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        self.check_taggable(&mut reader, &request.resource_arn).await?;
        let tags = reader.tags(&request.resource_arn).await?;
        let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
        Ok(ListTagsForResourceResponse { tags })
    }

    /// Things and certificates have no tags (AWS IoT developer guide, "Tagging your AWS IoT
    /// resources").
    async fn check_taggable(&self, reader: &mut Reader, arn: &str) -> Result<(), ApiError> {
        let account = &self.inner.account;
        let exists = if let Some(name) = arn.strip_prefix(&account.thing_group("")) {
            reader.thing_group(name).await?.is_some()
        } else if let Some(name) = arn.strip_prefix(&account.thing_type("")) {
            reader.thing_type(name).await?.is_some()
        } else if let Some(name) = arn.strip_prefix(&account.provisioning_template("")) {
            reader.provisioning_template(name).await?.is_some()
        } else if let Some(name) = arn.strip_prefix(&account.policy("")) {
            reader.policy(name).await?.is_some()
        } else if let Some(name) = arn.strip_prefix(&account.role_alias("")) {
            reader.role_alias(name).await?.is_some()
        } else if let Some(id) = arn.strip_prefix(&account.job("")) {
            reader.job(id).await?.is_some()
        } else {
            return Err(ApiError::invalid_request(format!(
                "`resourceArn` is `{arn}`: use the ARN of a thing group, a thing type, a policy, a \
                 role alias, a provisioning template or a job"
            )));
        };
        if exists { Ok(()) } else { Err(ApiError::not_found("Resource", arn)) }
    }
}

/// Writes the tags of a new or known resource.
pub(crate) async fn put_tags(tx: &mut Tx, arn: &str, tags: &[Tag]) -> Result<(), StoreError> {
    for tag in tags {
        tx.put_tag(arn, &tag.key, &tag.value).await?;
    }
    Ok(())
}

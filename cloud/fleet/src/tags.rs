//! Tags of component versions, deployments and core devices.

use marram_aws::ApiError;
use marram_aws::greengrassv2::{
    Empty, ListTagsForResourceRequest, ListTagsForResourceResponse, TagResourceRequest, Tags,
    UntagResourceRequest,
};
use marram_store::Reader;

use crate::fleet::Fleet;

const MAX_TAGS: usize = 200;
const MAX_KEY_CHARS: usize = 128;
const MAX_VALUE_CHARS: usize = 256;

impl Fleet {
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
        Ok(ListTagsForResourceResponse { tags: reader.tags(&request.resource_arn).await? })
    }

    /// `TagResource`.
    ///
    /// # Errors
    /// There is no such resource, or a tag is not valid.
    pub async fn tag_resource(&self, request: TagResourceRequest) -> Result<Empty, ApiError> {
        let arn = &request.resource_arn;
        check(&request.tags)?;
        let mut unit = self.unit().await?;
        self.check_taggable(&mut unit.tx, arn).await?;
        for (key, value) in &request.tags {
            unit.tx.put_tag(arn, key, value).await?;
        }
        if unit.tx.tags(arn).await?.len() > MAX_TAGS {
            return Err(ApiError::field("tags", format!("a resource has at most {MAX_TAGS} tags")));
        }
        unit.commit().await?;
        Ok(Empty {})
    }

    /// `UntagResource`.
    ///
    /// # Errors
    /// There is no such resource.
    pub async fn untag_resource(&self, request: UntagResourceRequest) -> Result<Empty, ApiError> {
        let arn = &request.resource_arn;
        let mut unit = self.unit().await?;
        self.check_taggable(&mut unit.tx, arn).await?;
        for key in &request.tag_keys {
            unit.tx.delete_tag(arn, key).await?;
        }
        unit.commit().await?;
        Ok(Empty {})
    }

    async fn check_taggable(&self, reader: &mut Reader, arn: &str) -> Result<(), ApiError> {
        let account = &self.inner.account;
        let after = |prefix: &str| arn.strip_prefix(prefix);
        let exists = if let Some(id) = after(&account.deployment("")) {
            reader.deployment(id).await?.is_some_and(|row| !row.is_deleted)
        } else if let Some(thing) = after(&account.core_device("")) {
            reader.core_device(thing).await?.is_some()
        } else {
            self.find_component(reader, arn).await.is_ok()
        };
        if exists { Ok(()) } else { Err(ApiError::not_found("resource", arn)) }
    }
}

/// Checks tags that a resource is to have.
///
/// # Errors
/// A key or value is too long, or there are too many.
pub(crate) fn check(tags: &Tags) -> Result<(), ApiError> {
    if tags.len() > MAX_TAGS {
        return Err(ApiError::field("tags", format!("a resource has at most {MAX_TAGS} tags")));
    }
    for (key, value) in tags {
        let is_valid = (1..=MAX_KEY_CHARS).contains(&key.chars().count())
            && value.chars().count() <= MAX_VALUE_CHARS;
        if !is_valid {
            let message = format!(
                "tag `{key}`: use keys of 1 to {MAX_KEY_CHARS} and values of at most \
                 {MAX_VALUE_CHARS} characters"
            );
            return Err(ApiError::field("tags", message));
        }
    }
    Ok(())
}

//! Artifacts: copied from their authors' buckets, given to devices by presigned URLs.

use std::collections::BTreeMap;
use std::fmt;

use marram_aws::ApiError;
use marram_aws::greengrassv2::{
    GetComponentVersionArtifactRequest, GetComponentVersionArtifactResponse,
};
use marram_aws::route::percent_decode;
use marram_aws::sigv4::{Credentials, Request, Signer, percent_encode};
use marram_blobs::AccessBlob;
use marram_os::clock::SharedClock;
use marram_recipe::Recipe;
use marram_store::ComponentArtifact;
use uuid::Uuid;

use super::{DEPLOYABLE, PRIVATE};
use crate::fleet::Fleet;

/// The fleet's own bucket. Nobody but the fleet writes it, and devices read it by presigned URLs
/// only, so that an artifact stays what was created.
pub const ARTIFACT_BUCKET: &str = "marram-component-artifacts";

/// How long a URL works; a device asks again when one has expired.
const URL_VALID_S: u32 = 3600;

/// How URLs of artifacts are made.
#[derive(Clone)]
pub struct ArtifactUrls {
    /// The S3 endpoint as devices reach it, for example `https://127.0.0.1:9443`.
    pub endpoint: String,
    /// The key that signs; it may read the service's bucket.
    pub credentials: Credentials,
    /// The time that signatures are judged by.
    pub clock: SharedClock,
}

impl fmt::Debug for ArtifactUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArtifactUrls").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What became of a recipe's artifacts.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// The copies that were made.
    pub(super) artifacts: Vec<ComponentArtifact>,
    /// URI to what is wrong with it.
    pub(super) errors: BTreeMap<String, String>,
}

impl Fleet {
    /// Copies the recipe's artifacts and fills in their digests. On errors the copies stay until
    /// the caller deletes them.
    pub(super) async fn copy_artifacts(&self, recipe: &mut Recipe) -> Result<Copied, ApiError> {
        let mut copied = Copied::default();
        let mut digests: BTreeMap<String, String> = BTreeMap::new();
        let artifacts = recipe.manifests.iter_mut().flat_map(|manifest| &mut manifest.artifacts);
        for artifact in artifacts {
            artifact.digest = None;
            artifact.algorithm = None;
            let uri = artifact.uri.clone();
            if uri.starts_with("docker:") {
                continue;
            }
            if !digests.contains_key(&uri) && !copied.errors.contains_key(&uri) {
                match self.copy_artifact(&uri).await? {
                    Ok((copy, digest)) => {
                        copied.artifacts.push(copy);
                        digests.insert(uri.clone(), digest);
                    }
                    Err(problem) => {
                        copied.errors.insert(uri.clone(), problem);
                    }
                }
            }
            if let Some(digest) = digests.get(&uri) {
                artifact.digest = Some(digest.clone());
                artifact.algorithm = Some("SHA-256".to_owned());
            }
        }
        Ok(copied)
    }

    /// One artifact's copy and its digest, or what its author must put right.
    async fn copy_artifact(
        &self,
        uri: &str,
    ) -> Result<Result<(ComponentArtifact, String), String>, ApiError> {
        let Some((bucket, key)) = s3_parts(uri) else {
            return Ok(Err("use a URI `s3://BUCKET/KEY` or `docker:IMAGE`".to_owned()));
        };
        let artifact = ComponentArtifact {
            artifact_id: Uuid::new_v4().simple().to_string(),
            file_name: file_name(&key).to_owned(),
            uri: uri.to_owned(),
        };
        if bucket == ARTIFACT_BUCKET {
            return Ok(Err(AccessBlob::NoSuchBucket(bucket).to_string()));
        }
        self.prepare_bucket().await?;
        let to = object_key(&artifact);
        match self.inner.blobs.copy((&bucket, &key), (ARTIFACT_BUCKET, &to), None).await {
            Ok(object) => Ok(Ok((artifact, object.sha256.clone()))),
            Err(error @ (AccessBlob::NoSuchBucket(_) | AccessBlob::NoSuchKey { .. })) => {
                Ok(Err(error.to_string()))
            }
            Err(error) => Err(ApiError::internal(format!("cannot copy `{uri}`: {error}"))),
        }
    }

    pub(crate) async fn prepare_bucket(&self) -> Result<(), ApiError> {
        match self.inner.blobs.create_bucket(ARTIFACT_BUCKET).await {
            Ok(()) | Err(AccessBlob::BucketExists(_)) => Ok(()),
            Err(error) => {
                Err(ApiError::internal(format!("cannot create `{ARTIFACT_BUCKET}`: {error}")))
            }
        }
    }

    /// Deletes copies that nothing refers to any more. One that cannot be deleted takes room and
    /// does no other harm.
    pub(super) async fn delete_copies(&self, artifacts: &[ComponentArtifact]) {
        for artifact in artifacts {
            let key = object_key(artifact);
            if let Err(error) = self.inner.blobs.delete(ARTIFACT_BUCKET, &key).await {
                tracing::warn!(key, %error, "a deleted component's artifact is left behind");
            }
        }
    }

    /// `GetComponentVersionArtifact`.
    ///
    /// # Errors
    /// There is no such component version or artifact.
    pub async fn get_component_version_artifact(
        &self,
        request: GetComponentVersionArtifactRequest,
    ) -> Result<GetComponentVersionArtifactResponse, ApiError> {
        let named = self.component_version_named(&request.arn)?;
        let mut reader = self.inner.store.read().await?;
        let row = self.find_component(&mut reader, &request.arn).await?;
        let name = &request.artifact_name;
        let artifacts = match (named.scope, row.state.as_str()) {
            (PRIVATE, DEPLOYABLE) => reader.component_artifacts(&row.name, &row.version).await?,
            _ => Vec::new(),
        };
        let Some(artifact) = artifacts.iter().find(|artifact| is_called(artifact, name)) else {
            return Err(ApiError::not_found("artifact", name));
        };
        Ok(GetComponentVersionArtifactResponse {
            pre_signed_url: self.presign(&object_key(artifact))?,
        })
    }

    /// The URL of an object in the fleet's own bucket, for a while.
    pub(crate) fn presign(&self, key: &str) -> Result<String, ApiError> {
        let Some(urls) = self.inner.urls.get() else {
            return Err(ApiError::new(
                "ServiceUnavailableException",
                503,
                "the cloud is still starting: ask again",
            ));
        };
        let host = urls.endpoint.split_once("://").map_or(urls.endpoint.as_str(), |(_, host)| host);
        let path = format!("/{ARTIFACT_BUCKET}/{}", percent_encode(key.as_bytes(), true));
        let signer = Signer {
            credentials: &urls.credentials,
            region: &self.inner.account.region,
            service: "s3",
            now_ms: urls.clock.now_ms(),
        };
        let request = Request { method: "GET", path: &path, query: "", headers: &[("host", host)] };
        let query = signer.presign(&request, URL_VALID_S);
        Ok(format!("{}{path}?{query}", urls.endpoint))
    }
}

/// Replaces the artifacts' own URIs by those that devices get.
pub(super) fn rewrite_uris(recipe: &mut Recipe, artifacts: &[ComponentArtifact]) {
    for artifact in recipe.manifests.iter_mut().flat_map(|manifest| &mut manifest.artifacts) {
        if let Some(copy) = artifacts.iter().find(|copy| copy.uri == artifact.uri) {
            let file = percent_encode(copy.file_name.as_bytes(), false);
            artifact.uri = format!("greengrass:{}/{file}", copy.artifact_id);
        }
    }
}

/// A device names an artifact by what follows `greengrass:`; whoever knows only the author's URI
/// may use its path within the bucket.
fn is_called(artifact: &ComponentArtifact, name: &str) -> bool {
    let ComponentArtifact { artifact_id, file_name, uri } = artifact;
    let id_and_file = name.split_once('/').is_some_and(|(id, file)| {
        let decoded = percent_decode(file);
        id == artifact_id && decoded.is_ok_and(|file| file == *file_name)
    });
    id_and_file || s3_parts(uri).is_some_and(|(_, key)| key == name)
}

fn object_key(artifact: &ComponentArtifact) -> String {
    format!("{}/{}", artifact.artifact_id, artifact.file_name)
}

/// Bucket and decoded key of `s3://BUCKET/KEY`.
fn s3_parts(uri: &str) -> Option<(String, String)> {
    let (bucket, key) = uri.strip_prefix("s3://")?.split_once('/')?;
    let key = percent_decode(key).ok()?;
    let is_file = !bucket.is_empty() && !file_name(&key).is_empty();
    is_file.then(|| (bucket.to_owned(), key))
}

fn file_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

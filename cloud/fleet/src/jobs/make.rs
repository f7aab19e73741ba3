//! Making a job: checks, its document, and an execution for each thing of its targets.

use marram_aws::ApiError;
use marram_aws::iot::{CreateJobRequest, JobResponse};
use marram_aws::route::percent_decode;
use marram_blobs::AccessBlob;
use marram_model::arn::Target;
use marram_store::JobRow;
use serde_json::Value;

use super::fields;
use super::job::{CONTINUOUS, IN_PROGRESS, Job, SNAPSHOT};
use super::spread::Spread;
use crate::components::ARTIFACT_BUCKET;
use crate::fleet::Fleet;
use crate::membership;
use crate::rollout::Plan;
use crate::unit::Unit;

/// AWS's limit for a document, in bytes.
const MAX_DOCUMENT_BYTES: u64 = 32_768;

/// What stands in a document for a URL that the service is to sign.
const PRESIGNED: &str = "${aws:iot:s3-presigned-url:";

impl Fleet {
    /// `CreateJob`.
    ///
    /// # Errors
    /// A member is not valid or not served, a target or the document does not exist, or the id is
    /// taken.
    pub async fn create_job(&self, mut request: CreateJobRequest) -> Result<JobResponse, ApiError> {
        check(&request)?;
        let targets = fields::targets(&request.targets, &self.inner.account)?;
        let namespace = fields::namespace(request.namespace_id.as_deref())?.to_owned();
        let document_json = self.document_of(&mut request).await?;
        let mut unit = self.unit().await?;
        check_targets(&mut unit, &targets, &request.targets).await?;
        let arn = self.inner.account.job(&request.job_id);
        if Job::find(&mut unit.tx, &request.job_id).await?.is_some() {
            let message = format!("there is a job `{}` already: use another id", request.job_id);
            return Err(ApiError::already_exists(&request.job_id, &arn, message));
        }
        for tag in std::mem::take(&mut request.tags) {
            unit.tx.put_tag(&arn, &tag.key, &tag.value).await?;
        }
        let targets = std::mem::take(&mut request.targets);
        let selection = request.target_selection.clone();
        let row = JobRow {
            id: request.job_id.clone(),
            namespace,
            target_selection: selection.unwrap_or_else(|| SNAPSHOT.to_owned()),
            status: IN_PROGRESS.to_owned(),
            is_force_canceled: false,
            reason_code: None,
            comment: None,
            request_json: request_json(&request)?,
            document_json,
            created_at_ms: unit.now_ms,
            updated_at_ms: unit.now_ms,
            completed_at_ms: None,
        };
        unit.tx.put_job(&row).await?;
        let plan = Plan::of(&request.configuration).unwrap_or_default();
        Spread::begin(&unit, &row.id, plan).save(&mut unit).await?;
        let job = Job::Ordinary(row);
        add_targets(&mut unit, &job, &targets).await?;
        job.settle(&mut unit).await?;
        unit.commit().await?;
        Ok(JobResponse { job_arn: arn, job_id: request.job_id, description: request.description })
    }

    /// The document as it is given, or as it lies in S3 now; it is taken out of the request.
    async fn document_of(&self, request: &mut CreateJobRequest) -> Result<String, ApiError> {
        let (member, text) = match (request.document.take(), &request.document_source) {
            (Some(text), None) => ("document", text),
            (None, Some(source)) => ("documentSource", self.read_document(source).await?),
            _ => {
                let message = "give exactly one of `document` and `documentSource`";
                return Err(ApiError::invalid_request(message));
            }
        };
        if text.len() as u64 > MAX_DOCUMENT_BYTES {
            let message = format!("has {} bytes: at most {MAX_DOCUMENT_BYTES}", text.len());
            return Err(fields::wrong(member, message));
        }
        if text.contains(PRESIGNED) {
            let message = format!(
                "has the placeholder `{PRESIGNED}…}}`, which is not served: put a URL that \
                 devices can reach in its place"
            );
            return Err(fields::wrong(member, message));
        }
        match serde_json::from_str(&text) {
            Ok(Value::Object(_)) => Ok(text),
            Ok(_) => Err(fields::wrong(member, "must be a JSON object")),
            Err(error) => Err(fields::wrong(member, format!("is not JSON: {error}"))),
        }
    }

    async fn read_document(&self, source: &str) -> Result<String, ApiError> {
        let Some((bucket, key)) = s3_object(source) else {
            let message = format!(
                "is `{source}`: use `s3://BUCKET/KEY`, `https://s3.REGION.amazonaws.com/BUCKET/KEY` \
                 or `https://BUCKET.s3.REGION.amazonaws.com/KEY`"
            );
            return Err(fields::wrong("documentSource", message));
        };
        if bucket == ARTIFACT_BUCKET {
            return Err(fields::wrong("documentSource", "lies in a bucket that is not for this"));
        }
        let content = match self.inner.blobs.get(&bucket, &key).await {
            Ok(content) => content,
            Err(error @ (AccessBlob::NoSuchBucket(_) | AccessBlob::NoSuchKey { .. })) => {
                return Err(fields::wrong("documentSource", format!("cannot be read: {error}")));
            }
            Err(error) => return Err(unreadable(source, &error)),
        };
        let read = content.into_bytes(MAX_DOCUMENT_BYTES + 1).await;
        String::from_utf8(read.map_err(|error| unreadable(source, &error))?)
            .map_err(|_| fields::wrong("documentSource", "is not text in UTF-8"))
    }
}

fn unreadable(source: &str, error: &AccessBlob) -> ApiError {
    ApiError::internal(format!("cannot read `{source}`: {error}"))
}

fn check(request: &CreateJobRequest) -> Result<(), ApiError> {
    fields::job_id(&request.job_id)?;
    fields::text("description", request.description.as_deref())?;
    let selection = request.target_selection.as_deref();
    fields::one_of("targetSelection", selection, &[SNAPSHOT, CONTINUOUS])?;
    fields::configuration(&request.configuration)?;
    fields::tags(&request.tags)?;
    let template = request.job_template_arn.is_some();
    fields::unserved("jobTemplateArn", template, "give the document and the configuration")?;
    let parameters = request.document_parameters.is_some();
    fields::unserved("documentParameters", parameters, "put the values into the document")?;
    let schedule = request.scheduling_config.is_some();
    fields::unserved("schedulingConfig", schedule, "make the job when it is to begin")?;
    let packages = request.destination_package_versions.is_some();
    fields::unserved("destinationPackageVersions", packages, "leave it out")
}

/// Each target must exist when it is named.
pub(super) async fn check_targets(
    unit: &mut Unit,
    targets: &[Target],
    arns: &[String],
) -> Result<(), ApiError> {
    for (target, arn) in targets.iter().zip(arns) {
        let (kind, exists) = match target {
            Target::Thing(name) => ("Thing", unit.tx.thing(name).await?.is_some()),
            Target::ThingGroup(name) => ("ThingGroup", unit.tx.thing_group(name).await?.is_some()),
        };
        if !exists {
            return Err(ApiError::not_found(kind, arn));
        }
    }
    Ok(())
}

/// Adds targets to the job, and queues it for their things.
pub(super) async fn add_targets(
    unit: &mut Unit,
    job: &Job,
    arns: &[String],
) -> Result<(), ApiError> {
    for arn in arns {
        unit.tx.put_job_target(job.id(), arn).await?;
    }
    let things = membership::things_of(unit, arns).await?;
    membership::queue_missing(unit, job, &things, false).await
}

pub(super) fn request_json(request: &CreateJobRequest) -> Result<String, ApiError> {
    serde_json::to_string(request)
        .map_err(|error| ApiError::internal(format!("a request has no JSON: {error}")))
}

/// Bucket and decoded key of an object's URI or of one of its URLs.
fn s3_object(source: &str) -> Option<(String, String)> {
    let (bucket, key) = match source.strip_prefix("s3://") {
        Some(rest) => rest.split_once('/')?,
        None => {
            let (host, path) = source.strip_prefix("https://")?.split_once('/')?;
            match host.split_once(".s3").filter(|(_, rest)| rest.starts_with(['.', '-'])) {
                Some((bucket, _)) => (bucket, path),
                None => path.split_once('/')?,
            }
        }
    };
    let key = percent_decode(key).ok()?;
    (!bucket.is_empty() && !key.is_empty()).then(|| (bucket.to_owned(), key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_named_by_uri_or_url() {
        for source in [
            "s3://bkt/a/b%20c.json",
            "https://s3.eu-west-1.amazonaws.com/bkt/a/b%20c.json",
            "https://s3.amazonaws.com/bkt/a/b%20c.json",
            "https://127.0.0.1:9443/bkt/a/b%20c.json",
            "https://bkt.s3.eu-west-1.amazonaws.com/a/b%20c.json",
            "https://bkt.s3-eu-west-1.amazonaws.com/a/b%20c.json",
        ] {
            let expected = ("bkt".to_owned(), "a/b c.json".to_owned());
            assert_eq!(s3_object(source), Some(expected), "{source}");
        }
        for bad in ["", "bkt/key", "http://s3.amazonaws.com/bkt/key", "s3://bkt", "s3:///key"] {
            assert_eq!(s3_object(bad), None, "{bad}");
        }
    }
}

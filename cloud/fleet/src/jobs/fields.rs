//! Checking the members of requests on jobs: lengths and characters are those of the model.

use marram_aws::ApiError;
use marram_aws::iot::{JobConfiguration, Tag};
use marram_model::arn::{Account, Target};
use marram_model::jobs::DEPLOYMENT_NAMESPACE;

use crate::rollout::configuration::{Rules, check};

const MAX_ID: usize = 64;
const MAX_TEXT: usize = 2028;
const MAX_REASON: usize = 128;
const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;
const MAX_PAGE: i64 = 250;
const DEFAULT_PAGE: i64 = 50;

/// AWS's limit for the targets of one job.
pub(super) const MAX_TARGETS: usize = 100;

pub(super) fn job_id(value: &str) -> Result<(), ApiError> {
    if (1..=MAX_ID).contains(&value.len()) && value.chars().all(is_id) {
        return Ok(());
    }
    Err(wrong("jobId", format!("is `{value}`: use 1 to {MAX_ID} letters, digits, `_` and `-`")))
}

fn is_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-".contains(c)
}

/// The namespace of a new job; `""` for none.
pub(super) fn namespace(value: Option<&str>) -> Result<&str, ApiError> {
    match value {
        None => Ok(""),
        Some(DEPLOYMENT_NAMESPACE) => {
            let message = "is the namespace of deployments: use CreateDeployment, or another one";
            Err(wrong("namespaceId", message))
        }
        Some(value) if (1..=MAX_ID).contains(&value.len()) && value.chars().all(is_id) => Ok(value),
        Some(value) => {
            let message = format!("is `{value}`: use 1 to {MAX_ID} letters, digits, `_` and `-`");
            Err(wrong("namespaceId", message))
        }
    }
}

/// A description or a comment.
pub(super) fn text(member: &str, value: Option<&str>) -> Result<(), ApiError> {
    let Some(value) = value else { return Ok(()) };
    if value.chars().count() <= MAX_TEXT && !value.chars().any(char::is_control) {
        return Ok(());
    }
    let message = format!("must have at most {MAX_TEXT} characters, none a control character");
    Err(wrong(member, message))
}

pub(super) fn reason_code(value: Option<&str>) -> Result<(), ApiError> {
    let Some(value) = value else { return Ok(()) };
    let is_allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if value.len() <= MAX_REASON && value.chars().all(is_allowed) {
        return Ok(());
    }
    let message =
        format!("is `{value}`: use at most {MAX_REASON} upper-case letters, digits and `_`");
    Err(wrong("reasonCode", message))
}

/// What a filter or a new job may say of its targets or of a status.
pub(super) fn one_of(member: &str, value: Option<&str>, allowed: &[&str]) -> Result<(), ApiError> {
    match value {
        Some(value) if !allowed.contains(&value) => {
            Err(wrong(member, format!("is `{value}`: use one of {}", allowed.join(", "))))
        }
        _ => Ok(()),
    }
}

/// The targets that the ARNs name, each of this account.
pub(super) fn targets(arns: &[String], account: &Account) -> Result<Vec<Target>, ApiError> {
    if !(1..=MAX_TARGETS).contains(&arns.len()) {
        return Err(wrong("targets", format!("has {} ARNs: use 1 to {MAX_TARGETS}", arns.len())));
    }
    let target = |arn: &String| {
        let target = Target::parse_arn(arn).map_err(|error| wrong("targets", error.to_string()))?;
        let own = match &target {
            Target::Thing(name) => account.thing(name),
            Target::ThingGroup(name) => account.thing_group(name),
        };
        if own == *arn { Ok(target) } else { Err(ApiError::not_found("Target", arn)) }
    };
    arns.iter().map(target).collect()
}

pub(super) fn configuration(configuration: &JobConfiguration) -> Result<(), ApiError> {
    check(configuration, Rules::Iot).map_err(|error| wrong(&error.name, error.message))
}

pub(super) fn tags(tags: &[Tag]) -> Result<(), ApiError> {
    if tags.len() > MAX_TAGS {
        return Err(wrong("tags", format!("has {}: a job has at most {MAX_TAGS}", tags.len())));
    }
    let is_allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    for Tag { key, value } in tags {
        let is_valid = (1..=MAX_KEY).contains(&key.chars().count())
            && value.chars().count() <= MAX_VALUE
            && key.chars().chain(value.chars()).all(is_allowed);
        if !is_valid {
            let message = format!(
                "has `{key}`: use keys of 1 to {MAX_KEY} and values of at most {MAX_VALUE} \
                 letters, digits, spaces and `_.:/=+-@`"
            );
            return Err(wrong("tags", message));
        }
    }
    Ok(())
}

pub(super) fn page_size(max_results: Option<i64>) -> Result<usize, ApiError> {
    let wanted = max_results.unwrap_or(DEFAULT_PAGE);
    usize::try_from(wanted)
        .ok()
        .filter(|_| (1..=MAX_PAGE).contains(&wanted))
        .ok_or_else(|| wrong("maxResults", format!("is {wanted}: use 1 to {MAX_PAGE}")))
}

/// What is not served is refused rather than left undone.
pub(super) fn unserved(member: &str, is_given: bool, instead: &str) -> Result<(), ApiError> {
    if is_given { Err(wrong(member, format!("is not served: {instead}"))) } else { Ok(()) }
}

pub(super) fn wrong(member: &str, message: impl AsRef<str>) -> ApiError {
    ApiError::invalid_request(format!("`{member}` {}", message.as_ref()))
}

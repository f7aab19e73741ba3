//! Checks of single members: names, attributes, certificate ids. Every refusal names the member
//! and its value. Patterns: botocore's iot model, 2015-05-28.

use std::collections::BTreeMap;

use marram_aws::ApiError;
use marram_aws::iot::Tag;

const MAX_TAGS: usize = 50;

/// Names of things and thing groups: 1 to 128 of `[a-zA-Z0-9:_-]`.
pub(crate) fn name(member: &str, value: &str) -> Result<(), ApiError> {
    text(member, value, 1, 128, "letters, digits, `:`, `_` and `-`", |c| {
        c.is_ascii_alphanumeric() || ":_-".contains(c)
    })
}

/// Names of policies: 1 to 128 of `[\w+=,.@-]`.
pub(crate) fn policy_name(value: &str) -> Result<(), ApiError> {
    text("policyName", value, 1, 128, "letters, digits and `_+=,.@-`", |c| {
        c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
    })
}

/// Names of role aliases: 1 to 128 of `[\w=,@-]`.
pub(crate) fn role_alias(value: &str) -> Result<(), ApiError> {
    text("roleAlias", value, 1, 128, "letters, digits and `_=,@-`", |c| {
        c.is_ascii_alphanumeric() || "_=,@-".contains(c)
    })
}

/// Names of IAM's roles, policies and users: 1 to `most` of `[\w+=,.@-]`.
pub(crate) fn iam_name(member: &str, value: &str, most: usize) -> Result<(), ApiError> {
    text(member, value, 1, most, "letters, digits and `_+=,.@-`", |c| {
        c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
    })
}

/// Ids of certificates: 64 hexadecimal digits.
pub(crate) fn certificate_id(value: &str) -> Result<(), ApiError> {
    text("certificateId", value, 64, 64, "hexadecimal digits", |c| c.is_ascii_hexdigit())
}

/// Names of attributes: 1 to 128 of `[a-zA-Z0-9_.,@/:#-]`.
pub(crate) fn attribute_name(member: &str, value: &str) -> Result<(), ApiError> {
    text(member, value, 1, 128, "letters, digits and `_.,@/:#-`", |c| {
        c.is_ascii_alphanumeric() || "_.,@/:#-".contains(c)
    })
}

/// Names of provisioning templates: 1 to 36 of `[0-9A-Za-z_-]`.
pub(crate) fn template_name(value: &str) -> Result<(), ApiError> {
    text("templateName", value, 1, 36, "letters, digits, `_` and `-`", |c| {
        c.is_ascii_alphanumeric() || "_-".contains(c)
    })
}

/// Attributes of things and thing groups.
pub(crate) fn attributes(attributes: &BTreeMap<String, String>) -> Result<(), ApiError> {
    for (key, value) in attributes {
        attribute_name("attributes (name)", key)?;
        text(
            &format!("attributes.{key}"),
            value,
            0,
            800,
            "letters, digits and `_.,@/:#=[]-`",
            |c| c.is_ascii_alphanumeric() || "_.,@/:#=[]-".contains(c),
        )?;
    }
    Ok(())
}

/// Tags: at most 50 on a resource.
pub(crate) fn tags(tags: &[Tag]) -> Result<(), ApiError> {
    if tags.len() > MAX_TAGS {
        return Err(ApiError::invalid_request(format!(
            "`tags` has {} entries: use at most {MAX_TAGS}",
            tags.len()
        )));
    }
    let is_tag_character =
        |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    for tag in tags {
        let allowed = "letters, digits, spaces and `_.:/=+-@`";
        text("tags.Key", &tag.key, 1, 128, allowed, is_tag_character)?;
        text("tags.Value", &tag.value, 0, 256, allowed, is_tag_character)?;
    }
    Ok(())
}

/// A number within bounds.
pub(crate) fn number(member: &str, value: i64, least: i64, most: i64) -> Result<(), ApiError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(ApiError::invalid_request(format!("`{member}` is {value}: use {least} to {most}")))
}

/// A text's length.
pub(crate) fn length(member: &str, value: &str, least: usize, most: usize) -> Result<(), ApiError> {
    let length = value.chars().count();
    if (least..=most).contains(&length) {
        return Ok(());
    }
    Err(ApiError::invalid_request(format!(
        "`{member}` has {length} characters: use {least} to {most}"
    )))
}

fn text(
    member: &str,
    value: &str,
    least: usize,
    most: usize,
    allowed: &str,
    is_allowed: impl Fn(char) -> bool,
) -> Result<(), ApiError> {
    length(member, value, least, most)?;
    match value.chars().find(|c| !is_allowed(*c)) {
        None => Ok(()),
        Some(wrong) => Err(ApiError::invalid_request(format!(
            "`{member}` is `{value}`, which contains `{wrong}`: use {allowed}"
        ))),
    }
}

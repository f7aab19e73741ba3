//! The latest deployment in force of each target.

use anyhow::Result;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::{Kind, Named};
use crate::aws::encoded;
use crate::cloud::access::{BY_TOKEN, CloudClient};
use crate::cloud::cell;

/// What a deployment is made from, beside its targets.
const ASKED: [&str; 4] =
    ["deploymentName", "components", "deploymentPolicies", "iotJobConfiguration"];

/// Deployments to thing groups.
pub(crate) struct ToGroups;
/// Deployments to things.
pub(crate) struct ToThings;

impl Kind for ToGroups {
    fn folder(&self) -> &'static str {
        "deployments/thinggroup"
    }

    fn names(&self, cloud: &CloudClient) -> Result<Vec<String>> {
        names(cloud, "thinggroup/")
    }

    fn fetch(&self, cloud: &CloudClient, name: &str) -> Result<Option<Value>> {
        fetch(cloud, &format!("thinggroup/{name}"))
    }

    fn read(&self, fields: Fields) -> Result<Named> {
        read(fields, "thinggroup/")
    }

    fn create(&self, cloud: &CloudClient, item: &Value) -> Result<()> {
        create(cloud, item)
    }

    fn is_same(&self, found: &Value, wanted: &Value) -> bool {
        is_same(found, wanted)
    }
}

impl Kind for ToThings {
    fn folder(&self) -> &'static str {
        "deployments/thing"
    }

    fn names(&self, cloud: &CloudClient) -> Result<Vec<String>> {
        names(cloud, "thing/")
    }

    fn fetch(&self, cloud: &CloudClient, name: &str) -> Result<Option<Value>> {
        fetch(cloud, &format!("thing/{name}"))
    }

    fn read(&self, fields: Fields) -> Result<Named> {
        read(fields, "thing/")
    }

    fn create(&self, cloud: &CloudClient, item: &Value) -> Result<()> {
        create(cloud, item)
    }

    fn is_same(&self, found: &Value, wanted: &Value) -> bool {
        is_same(found, wanted)
    }
}

/// The latest deployments in force, of all targets or of one.
fn in_force(cloud: &CloudClient, query: &str) -> Result<Vec<Value>> {
    let path = format!("/greengrass/v2/deployments?historyFilter=LATEST_ONLY{query}");
    let mut latest = cloud.all("greengrass", &path, BY_TOKEN, "deployments")?;
    latest.retain(|deployment| {
        matches!(deployment["deploymentStatus"].as_str(), Some("ACTIVE" | "COMPLETED"))
    });
    Ok(latest)
}

fn names(cloud: &CloudClient, prefix: &str) -> Result<Vec<String>> {
    let targets = in_force(cloud, "")?.into_iter().map(|row| cell::target(&row["targetArn"]));
    let mut names: Vec<String> =
        targets.filter_map(|target| target.strip_prefix(prefix).map(str::to_owned)).collect();
    names.sort();
    Ok(names)
}

fn fetch(cloud: &CloudClient, target: &str) -> Result<Option<Value>> {
    let query = format!("&targetArn={}", encoded(&cloud.target_arn(target)?));
    let Some(row) = in_force(cloud, &query)?.into_iter().next() else { return Ok(None) };
    let path =
        format!("/greengrass/v2/deployments/{}", encoded(&super::text(&row, "deploymentId")));
    let mut deployment = cloud.get("greengrass", &path)?;
    let mut item = Map::new();
    item.insert("target".to_owned(), target.into());
    let parent = &deployment["parentTargetArn"];
    if parent.is_string() {
        item.insert("parentTarget".to_owned(), cell::target(parent).into());
    }
    for member in ASKED {
        if let Some(value) = deployment.get_mut(member) {
            item.insert(member.to_owned(), value.take());
        }
    }
    Ok(Some(item.into()))
}

fn read(mut fields: Fields, prefix: &str) -> Result<Named> {
    let target = fields.text("target")?;
    let Some(name) = target.strip_prefix(prefix).filter(|name| !name.is_empty()) else {
        let what = format!("is \"{target}\": use {prefix}NAME in this folder");
        return Err(fields.wrong("target", what));
    };
    let name = name.to_owned();
    let mut item = Map::new();
    item.insert("target".to_owned(), target.into());
    if let Some(parent) = fields.optional_text("parentTarget")? {
        if !parent.starts_with("thinggroup/") {
            let what = format!("is \"{parent}\": use thinggroup/NAME");
            return Err(fields.wrong("parentTarget", what));
        }
        item.insert("parentTarget".to_owned(), parent.into());
    }
    if let Some(name) = fields.optional_text("deploymentName")? {
        item.insert("deploymentName".to_owned(), name.into());
    }
    for member in ["components", "deploymentPolicies", "iotJobConfiguration"] {
        item.insert(member.to_owned(), fields.object(member)?.into());
    }
    fields.end()?;
    Ok(Named { name, item: item.into(), after: None })
}

fn create(cloud: &CloudClient, item: &Value) -> Result<()> {
    let mut body = Map::new();
    for (member, arn) in [("target", "targetArn"), ("parentTarget", "parentTargetArn")] {
        if let Some(target) = item[member].as_str() {
            body.insert(arn.to_owned(), cloud.target_arn(target)?.into());
        }
    }
    for member in ASKED {
        match item.get(member) {
            // A thing's deployment has no job, and an empty configuration is none.
            Some(Value::Object(object)) if object.is_empty() && member != "components" => {}
            Some(value) => {
                body.insert(member.to_owned(), value.clone());
            }
            None => {}
        }
    }
    cloud.call("greengrass", "POST", "/greengrass/v2/deployments", Some(body.into()))?;
    Ok(())
}

/// The cloud writes out defaults that a file may leave out.
fn is_same(found: &Value, wanted: &Value) -> bool {
    let equal = |member| found.get(member) == wanted.get(member);
    ["target", "parentTarget", "deploymentName", "components"].into_iter().all(equal)
        && holds(&found["deploymentPolicies"], &wanted["deploymentPolicies"])
        && holds(&found["iotJobConfiguration"], &wanted["iotJobConfiguration"])
}

/// Whether all that is wanted is there.
fn holds(found: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(wanted) => wanted.iter().all(|(name, value)| holds(&found[name], value)),
        other => found == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_that_the_cloud_wrote_out_are_no_difference() {
        let found = json!({"target": "thinggroup/a", "components": {"C": {"componentVersion": "1"}},
            "deploymentPolicies": {"failureHandlingPolicy": "ROLLBACK", "x": {"y": 1}},
            "iotJobConfiguration": {}});
        let mut wanted = found.clone();
        wanted["deploymentPolicies"] = json!({"x": {"y": 1}});
        assert!(is_same(&found, &wanted));
        wanted["deploymentPolicies"] = json!({"x": {"y": 2}});
        assert!(!is_same(&found, &wanted));
        wanted["deploymentPolicies"] = json!({});
        wanted["components"] = json!({});
        assert!(!is_same(&found, &wanted));
    }
}

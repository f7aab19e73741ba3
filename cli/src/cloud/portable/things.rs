//! Things with their attributes and groups. Certificates stay where their private keys are.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::fields::Fields;
use super::{Kind, Named};
use crate::aws::encoded;
use crate::cloud::access::{BY_TOKEN, CloudClient};

pub(crate) struct Things;

impl Kind for Things {
    fn folder(&self) -> &'static str {
        "things"
    }

    fn names(&self, cloud: &CloudClient) -> Result<Vec<String>> {
        cloud.names("/things", BY_TOKEN, "things", "thingName")
    }

    fn fetch(&self, cloud: &CloudClient, name: &str) -> Result<Option<Value>> {
        let path = format!("/things/{}", encoded(name));
        let Some(thing) = cloud.find("iot", &path)? else { return Ok(None) };
        let path = format!("{path}/thing-groups");
        let groups = cloud.names(&path, BY_TOKEN, "thingGroups", "groupName")?;
        Ok(Some(json!({
            "thingName": name,
            "attributes": super::object(&thing["attributes"]),
            "thingGroups": groups,
        })))
    }

    fn read(&self, mut fields: Fields) -> Result<Named> {
        let name = fields.text("thingName")?;
        let attributes = fields.texts("attributes")?;
        let groups = fields.list("thingGroups")?;
        fields.end()?;
        let item = json!({ "thingName": name, "attributes": attributes, "thingGroups": groups });
        Ok(Named { name, item, after: None })
    }

    fn create(&self, cloud: &CloudClient, item: &Value) -> Result<()> {
        let name = super::text(item, "thingName");
        let body = json!({ "attributePayload": { "attributes": item["attributes"] } });
        cloud.call("iot", "POST", &format!("/things/{}", encoded(&name)), Some(body))?;
        for group in item["thingGroups"].as_array().into_iter().flatten() {
            let body = json!({ "thingName": name, "thingGroupName": group });
            cloud
                .call("iot", "PUT", "/thing-groups/addThingToThingGroup", Some(body))
                .with_context(|| format!("adding it to thing group {group}"))?;
        }
        Ok(())
    }
}

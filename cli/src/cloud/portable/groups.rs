//! Thing groups, with their place among the others.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::{Kind, Named};
use crate::aws::encoded;
use crate::cloud::access::{BY_TOKEN, CloudClient};

pub(crate) struct Groups;

fn item(name: &str, parent: Option<&str>, description: Option<&str>, attributes: Value) -> Value {
    let mut item = Map::new();
    item.insert("thingGroupName".to_owned(), name.into());
    for (member, value) in [("parentGroupName", parent), ("thingGroupDescription", description)] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            item.insert(member.to_owned(), value.into());
        }
    }
    item.insert("attributes".to_owned(), attributes);
    item.into()
}

impl Kind for Groups {
    fn folder(&self) -> &'static str {
        "thing-groups"
    }

    fn names(&self, cloud: &CloudClient) -> Result<Vec<String>> {
        cloud.names("/thing-groups", BY_TOKEN, "thingGroups", "groupName")
    }

    fn fetch(&self, cloud: &CloudClient, name: &str) -> Result<Option<Value>> {
        let found = cloud.find("iot", &format!("/thing-groups/{}", encoded(name)))?;
        Ok(found.map(|group| {
            let properties = &group["thingGroupProperties"];
            item(
                name,
                group["thingGroupMetadata"]["parentGroupName"].as_str(),
                properties["thingGroupDescription"].as_str(),
                super::object(&properties["attributePayload"]["attributes"]),
            )
        }))
    }

    fn read(&self, mut fields: Fields) -> Result<Named> {
        let name = fields.text("thingGroupName")?;
        let parent = fields.optional_text("parentGroupName")?;
        let description = fields.optional_text("thingGroupDescription")?;
        let attributes = fields.texts("attributes")?;
        fields.end()?;
        let item = item(&name, parent.as_deref(), description.as_deref(), attributes.into());
        Ok(Named { name, item, after: parent })
    }

    fn create(&self, cloud: &CloudClient, item: &Value) -> Result<()> {
        let path = format!("/thing-groups/{}", encoded(&super::text(item, "thingGroupName")));
        let mut properties = json!({ "attributePayload": { "attributes": item["attributes"] } });
        if let Some(description) = item.get("thingGroupDescription") {
            properties["thingGroupDescription"] = description.clone();
        }
        let mut body = json!({ "thingGroupProperties": properties });
        if let Some(parent) = item.get("parentGroupName") {
            body["parentGroupName"] = parent.clone();
        }
        cloud.call("iot", "POST", &path, Some(body))?;
        Ok(())
    }
}

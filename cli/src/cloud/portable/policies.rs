//! IoT policies: their default version.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::fields::Fields;
use super::{Kind, Named};
use crate::aws::encoded;
use crate::cloud::access::{BY_MARKER, CloudClient};

pub(crate) struct Policies;

impl Kind for Policies {
    fn folder(&self) -> &'static str {
        "policies"
    }

    fn names(&self, cloud: &CloudClient) -> Result<Vec<String>> {
        cloud.names("/policies", BY_MARKER, "policies", "policyName")
    }

    fn fetch(&self, cloud: &CloudClient, name: &str) -> Result<Option<Value>> {
        let Some(policy) = cloud.find("iot", &format!("/policies/{}", encoded(name)))? else {
            return Ok(None);
        };
        let document = policy["policyDocument"].as_str().unwrap_or_default();
        let document: Value = serde_json::from_str(document)
            .with_context(|| format!("the document of policy `{name}`"))?;
        Ok(Some(json!({ "policyName": name, "policyDocument": document })))
    }

    fn read(&self, mut fields: Fields) -> Result<Named> {
        let name = fields.text("policyName")?;
        let document = fields.object("policyDocument")?;
        if document.is_empty() {
            let what = "is missing or empty: add the policy's document as an object";
            return Err(fields.wrong("policyDocument", what));
        }
        fields.end()?;
        let item = json!({ "policyName": name, "policyDocument": document });
        Ok(Named { name, item, after: None })
    }

    fn create(&self, cloud: &CloudClient, item: &Value) -> Result<()> {
        let path = format!("/policies/{}", encoded(&super::text(item, "policyName")));
        let body = json!({ "policyDocument": item["policyDocument"].to_string() });
        cloud.call("iot", "POST", &path, Some(body))?;
        Ok(())
    }
}

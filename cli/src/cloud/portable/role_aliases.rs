//! Role aliases.

use anyhow::Result;
use serde_json::{Value, json};

use super::fields::Fields;
use super::{Kind, Named};
use crate::aws::encoded;
use crate::cloud::access::{BY_MARKER, CloudClient};

/// What a cloud takes if nothing is said.
const DEFAULT_SECONDS: i64 = 3600;

pub(crate) struct RoleAliases;

impl Kind for RoleAliases {
    fn folder(&self) -> &'static str {
        "role-aliases"
    }

    fn names(&self, cloud: &CloudClient) -> Result<Vec<String>> {
        let aliases = cloud.all("iot", "/role-aliases", BY_MARKER, "roleAliases")?;
        let mut names: Vec<String> =
            aliases.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    fn fetch(&self, cloud: &CloudClient, name: &str) -> Result<Option<Value>> {
        let found = cloud.find("iot", &format!("/role-aliases/{}", encoded(name)))?;
        Ok(found.map(|alias| {
            let alias = &alias["roleAliasDescription"];
            json!({
                "roleAlias": name,
                "roleArn": alias["roleArn"],
                "credentialDurationSeconds": alias["credentialDurationSeconds"],
            })
        }))
    }

    fn read(&self, mut fields: Fields) -> Result<Named> {
        let name = fields.text("roleAlias")?;
        let role = fields.text("roleArn")?;
        let seconds = fields.optional_number("credentialDurationSeconds")?;
        fields.end()?;
        let item = json!({
            "roleAlias": name,
            "roleArn": role,
            "credentialDurationSeconds": seconds.unwrap_or(DEFAULT_SECONDS),
        });
        Ok(Named { name, item, after: None })
    }

    fn create(&self, cloud: &CloudClient, item: &Value) -> Result<()> {
        let path = format!("/role-aliases/{}", encoded(&super::text(item, "roleAlias")));
        let body = json!({
            "roleArn": item["roleArn"],
            "credentialDurationSeconds": item["credentialDurationSeconds"],
        });
        cloud.call("iot", "POST", &path, Some(body))?;
        Ok(())
    }
}

//! A cloud's content as plain files: what `marram cloud export` writes and `import` reads.
//!
//! ```text
//! export.json                                {"format": 1}
//! policies/NAME.json                         IoT policies
//! role-aliases/NAME.json
//! thing-groups/NAME.json                     with parent and attributes
//! things/NAME.json                           with attributes and groups; only if asked for
//! components/NAME/VERSION/recipe.json|yaml
//! components/NAME/VERSION/artifacts/BUCKET/KEY
//! deployments/thinggroup/NAME.json           the latest in force of each target
//! deployments/thing/NAME.json                only if asked for
//! ```
//!
//! The same content makes the same bytes, whichever cloud it is in: nothing in the files is of one
//! cloud's making, and its account and region are written as variables. Names in paths are
//! percent-encoded, so that no name leads out of the folder.

pub(crate) mod artifacts;
pub(crate) mod components;
pub(crate) mod deployments;
pub(crate) mod fields;
pub(crate) mod folder;
pub(crate) mod groups;
pub(crate) mod policies;
pub(crate) mod role_aliases;
pub(crate) mod things;

use anyhow::Result;
use serde_json::{Map, Value};

use super::access::CloudClient;
use fields::Fields;

/// A kind of thing of which each is one JSON file.
pub(crate) trait Kind {
    /// The folder of its files.
    fn folder(&self) -> &'static str;

    /// The names of all that a cloud has, in order.
    fn names(&self, cloud: &CloudClient) -> Result<Vec<String>>;

    /// The one of this name as its file has it; `None` if there is none.
    fn fetch(&self, cloud: &CloudClient, name: &str) -> Result<Option<Value>>;

    /// A file's content, checked, with what it may leave out.
    fn read(&self, fields: Fields) -> Result<Named>;

    /// Makes it.
    fn create(&self, cloud: &CloudClient, item: &Value) -> Result<()>;

    /// Whether what a cloud has is what the file says.
    fn is_same(&self, found: &Value, wanted: &Value) -> bool {
        found == wanted
    }
}

/// One item of a file.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) item: Value,
    /// The name of one of its kind that has to be there first.
    pub(crate) after: Option<String>,
}

/// All kinds, in the order in which they need each other.
pub(crate) fn kinds(with_things: bool) -> Vec<Box<dyn Kind>> {
    let mut kinds: Vec<Box<dyn Kind>> = vec![
        Box::new(policies::Policies),
        Box::new(role_aliases::RoleAliases),
        Box::new(groups::Groups),
    ];
    if with_things {
        kinds.push(Box::new(things::Things));
    }
    kinds
}

/// The kinds that need components.
pub(crate) fn late_kinds(with_things: bool) -> Vec<Box<dyn Kind>> {
    let mut kinds: Vec<Box<dyn Kind>> = vec![Box::new(deployments::ToGroups)];
    if with_things {
        kinds.push(Box::new(deployments::ToThings));
    }
    kinds
}

/// A text member; empty where there is none.
pub(crate) fn text(item: &Value, member: &str) -> String {
    item[member].as_str().unwrap_or_default().to_owned()
}

/// An object; empty where there is none.
pub(crate) fn object(value: &Value) -> Value {
    if value.is_object() { value.clone() } else { Value::Object(Map::new()) }
}

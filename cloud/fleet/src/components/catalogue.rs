//! Public components: those that come with the cloud, because the device's runtime brings them.

use marram_aws::ApiError;
use marram_recipe::{Format, Strictness};
use marram_store::ComponentVersion;

use super::{DEPLOYABLE, PUBLIC};
use crate::fleet::Fleet;

/// The runtime of devices. A deployment may name the version that they run; none is updated by it,
/// because a public nucleus has no artifacts.
pub(super) const NUCLEUS: &str = "aws.greengrass.Nucleus";

/// The recipes, without artifacts: the code of all of them is in the device's executable.
const RECIPES: &[&str] = &[
    include_str!("../../recipes/aws.greengrass.Nucleus.json"),
    include_str!("../../recipes/aws.greengrass.TokenExchangeService.json"),
];

impl Fleet {
    /// Puts the public components of this program's version in place.
    pub(crate) async fn put_builtin_components(&self) -> Result<(), ApiError> {
        let mut unit = self.unit().await?;
        for text in RECIPES {
            let recipe = marram_recipe::parse(text.as_bytes(), Format::Json, Strictness::Cloud)
                .map_err(|error| ApiError::internal(format!("a built-in recipe: {error}")))?;
            let name = recipe.component_name.to_string();
            let version = recipe.component_version.to_string();
            let found = unit.tx.component_version(PUBLIC, &name, &version).await?;
            let created_at_ms = found.map_or(unit.now_ms, |row| row.created_at_ms);
            let row = ComponentVersion {
                scope: PUBLIC.to_owned(),
                name,
                version,
                recipe_json: recipe.to_json_string(),
                uploaded_format: "JSON".to_owned(),
                state: DEPLOYABLE.to_owned(),
                errors_json: "{}".to_owned(),
                created_at_ms,
            };
            unit.tx.put_component_version(&row).await?;
        }
        unit.commit().await
    }
}

//! Making a component version from its recipe.

use marram_aws::epoch::EpochMs;
use marram_aws::greengrassv2::{
    ComponentState, ComponentStatus, CreateComponentVersionRequest, CreateComponentVersionResponse,
    VendorGuidance,
};
use marram_aws::{ApiError, FieldError};
use marram_recipe::{Format, ParseRecipe, Recipe, Strictness};
use marram_store::ComponentVersion;

use super::artifacts::Copied;
use super::{DEPLOYABLE, FAILED, PRIVATE};
use crate::client_token::ClientToken;
use crate::fleet::Fleet;
use crate::tags;
use crate::unit::Unit;

const OPERATION: &str = "CreateComponentVersion";

impl Fleet {
    /// `CreateComponentVersion`. The version is complete when this returns: DEPLOYABLE, or FAILED
    /// if an artifact could not be read.
    ///
    /// # Errors
    /// The recipe is not valid, or the version exists and did not fail.
    pub async fn create_component_version(
        &self,
        mut request: CreateComponentVersionRequest,
    ) -> Result<CreateComponentVersionResponse, ApiError> {
        let token = request.client_token.take();
        let token = ClientToken::new(OPERATION, token.as_deref(), &request)?;
        let recipe = match (&request.inline_recipe, &request.lambda_function) {
            (Some(recipe), None) => recipe.0.as_slice(),
            (None, Some(_)) => {
                let message = "there are no Lambda functions here: send `inlineRecipe`";
                return Err(ApiError::field("lambdaFunction", message));
            }
            _ => {
                let message = "send exactly one of `inlineRecipe` and `lambdaFunction`";
                return Err(ApiError::field("inlineRecipe", message));
            }
        };
        tags::check(&request.tags)?;
        let format = uploaded_format(recipe);
        let recipe = marram_recipe::parse(recipe, Format::Detect, Strictness::Cloud)
            .map_err(|error| refused(&error))?;

        let mut unit = self.unit().await?;
        if let Some(token) = &token
            && let Some(answer) = token.answered(&mut unit).await?
        {
            return Ok(answer);
        }
        self.add(unit, token, recipe, format, &request).await
    }

    async fn add(
        &self,
        mut unit: Unit,
        token: Option<ClientToken>,
        mut recipe: Recipe,
        format: &str,
        request: &CreateComponentVersionRequest,
    ) -> Result<CreateComponentVersionResponse, ApiError> {
        let (name, version) = (recipe.component_name.clone(), recipe.component_version.clone());
        let arn = self.inner.account.component_version(&name, &version);
        let (name, version) = (name.to_string(), version.to_string());
        let found = unit.tx.component_version(PRIVATE, &name, &version).await?;
        if found.as_ref().is_some_and(|row| row.state != FAILED) {
            let message = format!(
                "component `{name}` has a version {version} already: \
                 raise the version, or delete that one first"
            );
            return Err(ApiError::conflict("componentVersion", &arn, message));
        }
        let copied = self.copy_artifacts(&mut recipe).await?;
        let row = ComponentVersion {
            scope: PRIVATE.to_owned(),
            name,
            version,
            recipe_json: recipe.to_json_string(),
            uploaded_format: format.to_owned(),
            state: if copied.errors.is_empty() { DEPLOYABLE } else { FAILED }.to_owned(),
            errors_json: errors_json(&copied),
            created_at_ms: unit.now_ms,
        };
        let kept = keep(&mut unit, &row, &arn, &copied, request).await;
        let answer = answer(&row, arn);
        let committed = match (kept, token) {
            (Ok(()), Some(token)) => match token.answer(&mut unit, &answer).await {
                Ok(()) => unit.commit().await,
                Err(error) => Err(error),
            },
            (Ok(()), None) => unit.commit().await,
            (Err(error), _) => Err(error),
        };
        if committed.is_err() || row.state == FAILED {
            self.delete_copies(&copied.artifacts).await;
        }
        committed.map(|()| answer)
    }
}

async fn keep(
    unit: &mut Unit,
    row: &ComponentVersion,
    arn: &str,
    copied: &Copied,
    request: &CreateComponentVersionRequest,
) -> Result<(), ApiError> {
    unit.tx.put_component_version(row).await?;
    for artifact in copied.artifacts.iter().filter(|_| row.state == DEPLOYABLE) {
        unit.tx.insert_component_artifact(&row.name, &row.version, artifact).await?;
    }
    unit.tx.delete_tags(arn).await?;
    for (key, value) in &request.tags {
        unit.tx.put_tag(arn, key, value).await?;
    }
    Ok(())
}

fn answer(row: &ComponentVersion, arn: String) -> CreateComponentVersionResponse {
    CreateComponentVersionResponse {
        arn,
        component_name: row.name.clone(),
        component_version: row.version.clone(),
        creation_timestamp: EpochMs(row.created_at_ms),
        status: ComponentStatus {
            component_state: ComponentState::Requested,
            message: "NONE".to_owned(),
            errors: Default::default(),
            vendor_guidance: VendorGuidance::Active,
        },
    }
}

fn errors_json(copied: &Copied) -> String {
    let errors = copied.errors.iter().map(|(uri, text)| (uri.clone(), text.clone().into()));
    serde_json::Value::Object(errors.collect()).to_string()
}

fn uploaded_format(recipe: &[u8]) -> &'static str {
    match serde_json::from_slice::<serde::de::IgnoredAny>(recipe) {
        Ok(_) => "JSON",
        Err(_) => "YAML",
    }
}

fn refused(error: &ParseRecipe) -> ApiError {
    match error {
        ParseRecipe::Invalid(problems) => {
            let fields: Vec<FieldError> = problems
                .iter()
                .map(|problem| FieldError {
                    name: problem.field.clone(),
                    message: format!("{}: {}", problem.reason, problem.remedy),
                })
                .collect();
            ApiError::validation("FIELD_VALIDATION_FAILED", error.to_string(), &fields)
        }
        _ => ApiError::validation("CANNOT_PARSE", error.to_string(), &[]),
    }
}

//! Operations on thing types.

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::iot::{
    CreateThingTypeRequest, CreateThingTypeResponse, DeprecateThingTypeRequest,
    DescribeThingTypeResponse, Empty, ListThingTypesRequest, ListThingTypesResponse,
    ThingTypeDefinition, ThingTypeMetadata, ThingTypeProperties, ThingTypeRequest,
};
use marram_store::{Reader, ThingType};

use crate::fields;
use crate::page::Page;
use crate::registry::Registry;
use crate::tags::put_tags;

const MAX_DESCRIPTION: usize = 2028;
/// AWS's quota.
const MAX_SEARCHABLE: usize = 3;
const MAX_PROPERTIES: usize = 16 * 1024;

impl Registry {
    /// `CreateThingType`. The same request again answers with the type that is there.
    ///
    /// # Errors
    /// A member is not valid, or a type of this name with other properties exists.
    pub async fn create_thing_type(
        &self,
        request: CreateThingTypeRequest,
    ) -> Result<CreateThingTypeResponse, ApiError> {
        fields::name("thingTypeName", &request.thing_type_name)?;
        fields::tags(&request.tags)?;
        let thing_type = ThingType {
            name: request.thing_type_name,
            id: uuid::Uuid::new_v4().to_string(),
            properties_json: checked(&request.thing_type_properties)?,
            created_at_ms: self.now_ms(),
            deprecated_at_ms: None,
        };
        let arn = self.inner.account.thing_type(&thing_type.name);
        let mut tx = self.inner.store.begin().await?;
        let thing_type = match tx.thing_type(&thing_type.name).await? {
            None => {
                tx.insert_thing_type(&thing_type).await?;
                put_tags(&mut tx, &arn, &request.tags).await?;
                tx.commit().await?;
                thing_type
            }
            Some(existing) if existing.properties_json == thing_type.properties_json => existing,
            Some(existing) => {
                return Err(ApiError::already_exists(
                    &existing.id,
                    &arn,
                    format!("thing type `{}` exists with other properties", existing.name),
                ));
            }
        };
        Ok(CreateThingTypeResponse {
            thing_type_name: thing_type.name,
            thing_type_arn: arn,
            thing_type_id: thing_type.id,
        })
    }

    /// `DescribeThingType`.
    ///
    /// # Errors
    /// There is no such type.
    pub async fn describe_thing_type(
        &self,
        request: ThingTypeRequest,
    ) -> Result<DescribeThingTypeResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let thing_type = existing_type(&mut reader, &request.thing_type_name).await?;
        Ok(DescribeThingTypeResponse {
            thing_type_id: thing_type.id.clone(),
            definition: self.definition(thing_type)?,
        })
    }

    /// `ListThingTypes`: by name.
    ///
    /// # Errors
    /// A member is not valid.
    pub async fn list_thing_types(
        &self,
        request: ListThingTypesRequest,
    ) -> Result<ListThingTypesResponse, ApiError> {
        let token = request.next_token.as_deref();
        let page = Page::by_token("thing-types", token, request.max_results)?;
        let prefix = request.thing_type_name.as_deref().unwrap_or_default();
        let mut reader = self.inner.store.read().await?;
        let rows = reader.thing_types_after(prefix, &page.after, page.fetch()).await?;
        let (rows, next_token) = page.cut(rows, |row| row.name.clone());
        let thing_types = rows.into_iter().map(|row| self.definition(row));
        Ok(ListThingTypesResponse {
            thing_types: thing_types.collect::<Result<_, _>>()?,
            next_token,
        })
    }

    /// `DeprecateThingType`, and its undoing. Things that have the type keep it.
    ///
    /// # Errors
    /// There is no such type.
    pub async fn deprecate_thing_type(
        &self,
        request: DeprecateThingTypeRequest,
    ) -> Result<Empty, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let thing_type = existing_type(&mut tx, &request.thing_type_name).await?;
        let since_ms = match request.undo_deprecate {
            true => None,
            false => thing_type.deprecated_at_ms.or_else(|| Some(self.now_ms())),
        };
        tx.deprecate_thing_type(&thing_type.name, since_ms).await?;
        tx.commit().await?;
        Ok(Empty {})
    }

    /// `DeleteThingType`. AWS also wants five minutes to pass after the deprecation.
    ///
    /// # Errors
    /// There is no such type, it is not deprecated, or a thing has it.
    pub async fn delete_thing_type(&self, request: ThingTypeRequest) -> Result<Empty, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let thing_type = existing_type(&mut tx, &request.thing_type_name).await?;
        let name = &thing_type.name;
        if thing_type.deprecated_at_ms.is_none() {
            return Err(ApiError::invalid_request(format!(
                "thing type `{name}` is not deprecated: deprecate it first"
            )));
        }
        if let Some(thing) = tx.things_after(Some(name), "", 1).await?.first() {
            return Err(ApiError::invalid_request(format!(
                "things have the type `{name}`, for example `{}`: give them another one first",
                thing.name
            )));
        }
        tx.delete_tags(&self.inner.account.thing_type(name)).await?;
        tx.delete_thing_type(name).await?;
        tx.commit().await?;
        Ok(Empty {})
    }

    fn definition(&self, row: ThingType) -> Result<ThingTypeDefinition, ApiError> {
        let properties = serde_json::from_str(&row.properties_json).map_err(|error| {
            ApiError::internal(format!("thing type `{}` is damaged: {error}", row.name))
        })?;
        Ok(ThingTypeDefinition {
            thing_type_arn: self.inner.account.thing_type(&row.name),
            thing_type_name: row.name,
            thing_type_properties: properties,
            thing_type_metadata: ThingTypeMetadata {
                deprecated: row.deprecated_at_ms.is_some(),
                deprecation_date: row.deprecated_at_ms.map(EpochMs),
                creation_date: EpochMs(row.created_at_ms),
            },
        })
    }
}

/// The thing type `name`, or 404.
pub(crate) async fn existing_type(reader: &mut Reader, name: &str) -> Result<ThingType, ApiError> {
    fields::name("thingTypeName", name)?;
    reader.thing_type(name).await?.ok_or_else(|| ApiError::not_found("ThingType", name))
}

/// Checks that a thing may be given the type: it exists and is not deprecated.
pub(crate) async fn check_assignable(
    reader: &mut Reader,
    name: Option<&str>,
) -> Result<(), ApiError> {
    let Some(name) = name else { return Ok(()) };
    match existing_type(reader, name).await?.deprecated_at_ms {
        None => Ok(()),
        Some(_) => Err(ApiError::invalid_request(format!(
            "`thingTypeName` is `{name}`, which is deprecated: no thing can be given it"
        ))),
    }
}

/// The properties' JSON.
fn checked(properties: &ThingTypeProperties) -> Result<String, ApiError> {
    let description = properties.thing_type_description.as_deref().unwrap_or_default();
    fields::length("thingTypeDescription", description, 0, MAX_DESCRIPTION)?;
    let searchable = &properties.searchable_attributes;
    if searchable.len() > MAX_SEARCHABLE {
        return Err(ApiError::invalid_request(format!(
            "`searchableAttributes` has {} entries: use at most {MAX_SEARCHABLE}",
            searchable.len()
        )));
    }
    for name in searchable {
        fields::attribute_name("searchableAttributes", name)?;
    }
    let json = serde_json::to_string(properties)
        .map_err(|error| ApiError::internal(format!("properties have no JSON: {error}")))?;
    fields::length("thingTypeProperties", &json, 0, MAX_PROPERTIES)?;
    Ok(json)
}

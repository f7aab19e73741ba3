//! Operations on things.

use std::collections::BTreeMap;

use marram_aws::ApiError;
use marram_aws::iot::{
    AttributePayload, CreateThingRequest, CreateThingResponse, DeleteThingRequest,
    DescribeThingRequest, DescribeThingResponse, Empty, ListThingsRequest, ListThingsResponse,
    ThingAttribute, UpdateThingRequest,
};
use marram_store::{Reader, Thing};

use crate::change::Change;
use crate::fields;
use crate::page::Page;
use crate::registry::{Registry, check_version};
use crate::thing_types::check_assignable;

/// How many things one statement fetches while a filter looks for matches.
const SCAN: i64 = 500;

impl Registry {
    /// `CreateThing`. The same request again answers with the thing that is there.
    ///
    /// # Errors
    /// A member is not valid, the type does not exist or is deprecated, a billing group is named
    /// (there are none), or a thing of this name with another type or attributes exists.
    pub async fn create_thing(
        &self,
        request: CreateThingRequest,
    ) -> Result<CreateThingResponse, ApiError> {
        fields::name("thingName", &request.thing_name)?;
        if let Some(group) = &request.billing_group_name {
            return Err(ApiError::not_found("BillingGroup", group));
        }
        let attributes = request.attribute_payload.unwrap_or_default().attributes;
        fields::attributes(&attributes)?;
        let thing = Thing {
            name: request.thing_name,
            id: uuid::Uuid::new_v4().to_string(),
            thing_type: request.thing_type_name,
            attributes,
            version: 1,
            created_at_ms: self.now_ms(),
        };
        let mut tx = self.inner.store.begin().await?;
        if let Some(existing) = tx.thing(&thing.name).await? {
            if existing.attributes == thing.attributes && existing.thing_type == thing.thing_type {
                return Ok(self.created(existing));
            }
            return Err(ApiError::already_exists(
                &existing.id,
                &self.inner.account.thing(&existing.name),
                format!(
                    "thing `{}` exists with another type or other attributes: update it",
                    existing.name
                ),
            ));
        }
        check_assignable(&mut tx, thing.thing_type.as_deref()).await?;
        tx.insert_thing(&thing).await?;
        tx.commit().await?;
        Ok(self.created(thing))
    }

    fn created(&self, thing: Thing) -> CreateThingResponse {
        CreateThingResponse {
            thing_arn: self.inner.account.thing(&thing.name),
            thing_name: thing.name,
            thing_id: thing.id,
        }
    }

    /// `DescribeThing`.
    ///
    /// # Errors
    /// There is no such thing.
    pub async fn describe_thing(
        &self,
        request: DescribeThingRequest,
    ) -> Result<DescribeThingResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let thing = existing_thing(&mut reader, &request.thing_name).await?;
        Ok(DescribeThingResponse {
            default_client_id: thing.name.clone(),
            thing_arn: self.inner.account.thing(&thing.name),
            thing_name: thing.name,
            thing_id: thing.id,
            thing_type_name: thing.thing_type,
            attributes: thing.attributes,
            version: thing.version,
        })
    }

    /// `UpdateThing`.
    ///
    /// # Errors
    /// A member is not valid, there is no such thing, it has another version than expected, or the
    /// type does not exist or is deprecated.
    pub async fn update_thing(&self, request: UpdateThingRequest) -> Result<Empty, ApiError> {
        let new_type = request.thing_type_name;
        if request.remove_thing_type && new_type.is_some() {
            return Err(ApiError::invalid_request(
                "`removeThingType` is true and `thingTypeName` is given: use one of them",
            ));
        }
        let mut tx = self.inner.store.begin().await?;
        let mut thing = existing_thing(&mut tx, &request.thing_name).await?;
        check_version("thing", &thing.name, request.expected_version, thing.version)?;
        if let Some(payload) = request.attribute_payload {
            fields::attributes(&payload.attributes)?;
            thing.attributes = updated(thing.attributes, payload);
        }
        if request.remove_thing_type {
            thing.thing_type = None;
        } else if new_type.is_some() && new_type != thing.thing_type {
            check_assignable(&mut tx, new_type.as_deref()).await?;
            thing.thing_type = new_type;
        }
        thing.version += 1;
        tx.update_thing(&thing).await?;
        let certificates = tx.certificates_of_thing(&thing.name).await?;
        self.settle(tx, certificates, None).await?;
        Ok(Empty {})
    }

    /// `DeleteThing`. One that is not there is deleted already.
    ///
    /// # Errors
    /// A certificate is attached to it, or it has another version than expected.
    pub async fn delete_thing(&self, request: DeleteThingRequest) -> Result<Empty, ApiError> {
        let name = request.thing_name;
        let mut tx = self.inner.store.begin().await?;
        let Some(thing) = tx.thing(&name).await? else { return Ok(Empty {}) };
        check_version("thing", &name, request.expected_version, thing.version)?;
        let certificates = tx.certificates_of_thing(&name).await?;
        if let Some(certificate) = certificates.first() {
            return Err(ApiError::invalid_request(format!(
                "thing `{name}` has {} certificates attached, for example `{certificate}`: \
                 detach them first",
                certificates.len()
            )));
        }
        tx.delete_thing(&name).await?;
        self.settle(tx, Vec::new(), Some(Change::ThingDeleted { thing: name })).await?;
        Ok(Empty {})
    }

    /// `ListThings`.
    ///
    /// # Errors
    /// A member is not valid.
    pub async fn list_things(
        &self,
        request: ListThingsRequest,
    ) -> Result<ListThingsResponse, ApiError> {
        let page = Page::by_token("things", request.next_token.as_deref(), request.max_results)?;
        if request.attribute_value.is_some() && request.attribute_name.is_none() {
            return Err(ApiError::invalid_request(
                "`attributeValue` is given without `attributeName`: name the attribute too",
            ));
        }
        let mut reader = self.inner.store.read().await?;
        let wanted = usize::try_from(page.fetch()).unwrap_or(usize::MAX);
        let of_type = request.thing_type_name.as_deref();
        let batch = if request.attribute_name.is_some() { SCAN } else { page.fetch() };
        let (mut matching, mut after) = (Vec::new(), page.after.clone());
        while matching.len() < wanted {
            let rows = reader.things_after(of_type, &after, batch).await?;
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.name);
            matching.extend(rows.into_iter().filter(|thing| matches_filter(thing, &request)));
        }
        let (things, next_token) = page.cut(matching, |thing| thing.name.clone());
        let things = things.into_iter().map(|thing| ThingAttribute {
            thing_arn: self.inner.account.thing(&thing.name),
            thing_name: thing.name,
            thing_type_name: thing.thing_type,
            attributes: thing.attributes,
            version: thing.version,
        });
        Ok(ListThingsResponse { things: things.collect(), next_token })
    }

    /// Whether there is a thing `name`.
    ///
    /// # Errors
    /// The store failed.
    pub async fn thing_exists(&self, name: &str) -> Result<bool, ApiError> {
        Ok(self.inner.store.read().await?.thing(name).await?.is_some())
    }
}

/// The thing `name`, or 404.
pub(crate) async fn existing_thing(reader: &mut Reader, name: &str) -> Result<Thing, ApiError> {
    fields::name("thingName", name)?;
    reader.thing(name).await?.ok_or_else(|| ApiError::not_found("Thing", name))
}

/// Attributes after an update: replaced, or merged; an empty value removes its name.
pub(crate) fn updated(
    before: BTreeMap<String, String>,
    payload: AttributePayload,
) -> BTreeMap<String, String> {
    let mut attributes = if payload.merge { before } else { BTreeMap::new() };
    attributes.extend(payload.attributes);
    attributes.retain(|_, value| !value.is_empty());
    attributes
}

fn matches_filter(thing: &Thing, request: &ListThingsRequest) -> bool {
    let Some(name) = &request.attribute_name else { return true };
    let Some(actual) = thing.attributes.get(name) else { return false };
    match &request.attribute_value {
        None => true,
        Some(start) if request.use_prefix_attribute_value => actual.starts_with(start.as_str()),
        Some(value) => actual == value,
    }
}

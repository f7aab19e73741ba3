//! Bodies of provisioning templates: read once when they are stored, and resolved with the values
//! of their parameters into a plan of what is to be there. Pure.
//!
//! Source: AWS IoT developer guide, "Provisioning templates".

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::functions::{Scope, names_in};

const THING: &str = "AWS::IoT::Thing";
const CERTIFICATE: &str = "AWS::IoT::Certificate";
const POLICY: &str = "AWS::IoT::Policy";

/// A template that can be stored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Template {
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    #[serde(default)]
    mappings: Map<String, Value>,
    resources: BTreeMap<String, Resource>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    #[serde(rename = "Type")]
    kind: String,
    default: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    properties: Map<String, Value>,
    #[serde(default)]
    override_settings: BTreeMap<String, String>,
}

/// Why a template cannot be stored or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UseTemplate {
    /// It is not JSON of the known form.
    #[error("the template cannot be read: {0}")]
    Read(#[source] serde_json::Error),
    /// Something in it is wrong.
    #[error("`{place}`: {problem}")]
    Wrong {
        /// Where, with dots into nested members.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// What is to be there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) thing: Option<ThingPlan>,
    pub(crate) certificate: Option<CertificatePlan>,
    pub(crate) policies: Vec<PolicyPlan>,
}

/// A thing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ThingPlan {
    /// Its name in the template.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) thing_type: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) attributes: BTreeMap<String, String>,
    /// What happens to a thing that is there and differs, by property.
    pub(crate) overrides: BTreeMap<String, String>,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CertificatePlan {
    /// Its name in the template.
    pub(crate) id: String,
    pub(crate) source: CertificateSource,
    /// `ACTIVE` or `INACTIVE`.
    pub(crate) status: Option<String>,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CertificateSource {
    /// It is registered.
    Id(String),
    /// It is to be signed.
    SigningRequest(String),
    /// It is to be registered, unless it is.
    Pem(String),
}

/// A policy that the certificate is to have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PolicyPlan {
    /// One that is there.
    Named {
        /// Its name in the template.
        id: String,
        /// Its name.
        name: String,
    },
    /// One that is made unless it is there.
    Document {
        /// Its name in the template.
        id: String,
        /// Its document.
        document: String,
    },
}

fn wrong<T>(place: impl Into<String>, problem: impl Into<String>) -> Result<T, UseTemplate> {
    Err(UseTemplate::Wrong { place: place.into(), problem: problem.into() })
}

impl Template {
    /// Reads a body and checks all that does not depend on parameters.
    pub(crate) fn parse(body: &str) -> Result<Self, UseTemplate> {
        let template: Self = serde_json::from_str(body).map_err(UseTemplate::Read)?;
        for (name, parameter) in &template.parameters {
            if parameter.kind != "String" {
                let problem = format!("is `{}`: the only type is String", parameter.kind);
                return wrong(format!("Parameters.{name}.Type"), problem);
            }
        }
        template.check_resources()?;
        Ok(template)
    }

    fn check_resources(&self) -> Result<(), UseTemplate> {
        if self.resources.is_empty() {
            return wrong("Resources", "is empty: name what is to be made");
        }
        for kind in [THING, CERTIFICATE] {
            let count = self.resources.values().filter(|resource| resource.kind == kind).count();
            if count > 1 {
                return wrong("Resources", format!("has {count} of {kind}: one is the most"));
            }
        }
        for (id, resource) in &self.resources {
            let place = format!("Resources.{id}");
            self.check_names(&place, resource)?;
            let has = |name: &str| resource.properties.contains_key(name);
            match resource.kind.as_str() {
                THING if !has("ThingName") => {
                    return wrong(format!("{place}.Properties.ThingName"), "is missing");
                }
                CERTIFICATE => one_of(
                    &place,
                    resource,
                    &["CertificateId", "CertificateSigningRequest", "CertificatePem"],
                )?,
                POLICY => one_of(&place, resource, &["PolicyName", "PolicyDocument"])?,
                THING => {}
                other => {
                    let problem = format!("is `{other}`: use {THING}, {CERTIFICATE} or {POLICY}");
                    return wrong(format!("{place}.Type"), problem);
                }
            }
            check_overrides(&place, resource)?;
        }
        Ok(())
    }

    /// Each parameter that is used is declared, or one of AWS's own.
    fn check_names(&self, place: &str, resource: &Resource) -> Result<(), UseTemplate> {
        let mut names = BTreeSet::new();
        for value in resource.properties.values() {
            names_in(value, &mut names);
        }
        let is_known = |name: &&String| {
            name.starts_with("AWS::IoT::") || self.parameters.contains_key(name.as_str())
        };
        match names.iter().find(|name| !is_known(name)) {
            None => Ok(()),
            Some(name) => {
                wrong(place, format!("refers to `{name}`, which `Parameters` does not declare"))
            }
        }
    }

    /// The plan with these values of parameters; those without one have their default.
    pub(crate) fn resolve(
        &self,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Plan, UseTemplate> {
        let defaults = self
            .parameters
            .iter()
            .filter_map(|(name, parameter)| Some((name.as_str(), parameter.default.as_deref()?)));
        let given = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let scope = Scope { values: defaults.chain(given).collect(), mappings: &self.mappings };
        let mut plan = Plan { thing: None, certificate: None, policies: Vec::new() };
        for (id, resource) in &self.resources {
            let mut properties = Properties { place: format!("Resources.{id}"), map: Map::new() };
            for (name, value) in &resource.properties {
                let place = format!("{}.Properties.{name}", properties.place);
                let value = scope
                    .evaluate(value)
                    .map_err(|problem| UseTemplate::Wrong { place, problem })?;
                properties.map.insert(name.clone(), value);
            }
            match resource.kind.as_str() {
                THING => plan.thing = Some(thing(id, resource, &properties)?),
                CERTIFICATE => plan.certificate = Some(certificate(id, &properties)?),
                _ => plan.policies.push(policy(id, &properties)?),
            }
        }
        Ok(plan)
    }
}

fn one_of(place: &str, resource: &Resource, names: &[&str]) -> Result<(), UseTemplate> {
    let count = names.iter().filter(|name| resource.properties.contains_key(**name)).count();
    if count == 1 {
        return Ok(());
    }
    wrong(format!("{place}.Properties"), format!("give one of {}", names.join(", ")))
}

fn check_overrides(place: &str, resource: &Resource) -> Result<(), UseTemplate> {
    for (name, value) in &resource.override_settings {
        let allowed: &[&str] = match name.as_str() {
            "AttributePayload" => &["MERGE", "REPLACE", "DO_NOTHING", "FAIL"],
            _ => &["REPLACE", "DO_NOTHING", "FAIL"],
        };
        if !allowed.contains(&value.as_str()) {
            let problem = format!("is `{value}`: use {}", allowed.join(", "));
            return wrong(format!("{place}.OverrideSettings.{name}"), problem);
        }
    }
    Ok(())
}

/// The evaluated properties of a resource.
struct Properties {
    place: String,
    map: Map<String, Value>,
}

impl Properties {
    fn text(&self, name: &str) -> Result<Option<String>, UseTemplate> {
        match self.map.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => wrong(format!("{}.Properties.{name}", self.place), "is no text"),
        }
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, UseTemplate> {
        let place = || format!("{}.Properties.{name}", self.place);
        let Some(value) = self.map.get(name) else { return Ok(Vec::new()) };
        let Value::Array(items) = value else { return wrong(place(), "is no list") };
        let text = |item: &Value| item.as_str().map(str::to_owned);
        items
            .iter()
            .map(text)
            .collect::<Option<_>>()
            .map_or_else(|| wrong(place(), "has an entry that is no text"), Ok)
    }

    fn attributes(&self) -> Result<BTreeMap<String, String>, UseTemplate> {
        let place = || format!("{}.Properties.AttributePayload", self.place);
        let Some(value) = self.map.get("AttributePayload") else { return Ok(BTreeMap::new()) };
        let Value::Object(members) = value else { return wrong(place(), "is no object") };
        // The guide's samples have the attributes at the top, or below `attributes`.
        let members = match members.get("attributes") {
            Some(Value::Object(inner)) => inner,
            _ => members,
        };
        let pair =
            |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        members
            .iter()
            .map(pair)
            .collect::<Option<_>>()
            .map_or_else(|| wrong(place(), "has a value that is no text"), Ok)
    }
}

fn thing(id: &str, resource: &Resource, of: &Properties) -> Result<ThingPlan, UseTemplate> {
    if of.map.contains_key("BillingGroup") {
        return wrong(format!("{}.Properties.BillingGroup", of.place), "there are none here");
    }
    Ok(ThingPlan {
        id: id.to_owned(),
        name: of.text("ThingName")?.unwrap_or_default(),
        thing_type: of.text("ThingTypeName")?,
        groups: of.texts("ThingGroups")?,
        attributes: of.attributes()?,
        overrides: resource.override_settings.clone(),
    })
}

fn certificate(id: &str, of: &Properties) -> Result<CertificatePlan, UseTemplate> {
    let source = if let Some(certificate_id) = of.text("CertificateId")? {
        CertificateSource::Id(certificate_id)
    } else if let Some(request) = of.text("CertificateSigningRequest")? {
        CertificateSource::SigningRequest(request)
    } else {
        CertificateSource::Pem(of.text("CertificatePem")?.unwrap_or_default())
    };
    let status = of.text("Status")?.map(|status| status.to_ascii_uppercase());
    if let Some(other) = status.as_deref().filter(|status| !["ACTIVE", "INACTIVE"].contains(status))
    {
        let problem = format!("is `{other}`: use ACTIVE or INACTIVE");
        return wrong(format!("{}.Properties.Status", of.place), problem);
    }
    Ok(CertificatePlan { id: id.to_owned(), source, status })
}

fn policy(id: &str, of: &Properties) -> Result<PolicyPlan, UseTemplate> {
    let id = id.to_owned();
    if let Some(name) = of.text("PolicyName")? {
        return Ok(PolicyPlan::Named { id, name });
    }
    let document = match of.map.get("PolicyDocument") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    Ok(PolicyPlan::Document { id, document })
}

#[cfg(test)]
mod tests;

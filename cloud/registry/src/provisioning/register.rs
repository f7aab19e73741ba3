//! `RegisterThing`: what a template names is made in one transaction, or not at all.

use std::collections::BTreeMap;

use marram_aws::ApiError;
use marram_aws::iot::{RegisterThingRequest, RegisterThingResponse};
use marram_aws::sigv4::sha256_hex;
use marram_store::{Certificate, Policy, Thing, Tx};

use super::template::{CertificatePlan, CertificateSource, Plan, PolicyPlan, ThingPlan};
use super::{check_body, not_usable};
use crate::certificates::{DEFAULT_MODE, SNI_ONLY, existing_certificate, refused};
use crate::change::Change;
use crate::fields;
use crate::groups::existing_group;
use crate::identity::ACTIVE;
use crate::policies::{check_document, existing_policy};
use crate::registry::Registry;
use crate::thing_types::check_assignable;

const MAX_PARAMETER_NAME: usize = 2048;
const MAX_PARAMETER: usize = 4096;

/// What was done so far, for the answer and for those who are told.
#[derive(Default)]
struct Done {
    arns: BTreeMap<String, String>,
    changes: Vec<Change>,
}

impl Registry {
    /// `RegisterThing`.
    ///
    /// # Errors
    /// The template or a parameter is not valid, or something that the template names is not
    /// there or differs where it may not.
    pub async fn register_thing(
        &self,
        request: RegisterThingRequest,
    ) -> Result<RegisterThingResponse, ApiError> {
        let template = check_body(&request.template_body)?;
        for (name, value) in &request.parameters {
            fields::length("parameters (name)", name, 0, MAX_PARAMETER_NAME)?;
            fields::length(&format!("parameters.{name}"), value, 0, MAX_PARAMETER)?;
        }
        let plan = template.resolve(&request.parameters).map_err(not_usable)?;
        let mut tx = self.inner.store.begin().await?;
        let mut done = Done::default();
        let certificate = self.carry_out(&mut tx, &plan, &mut done).await.map_err(failed)?;
        let mut affected = Vec::new();
        if let Some(thing) = &plan.thing {
            affected = tx.certificates_of_thing(&thing.name).await?;
        }
        affected.extend(certificate.as_ref().map(|certificate| certificate.id.clone()));
        self.settle(tx, affected, done.changes).await?;
        Ok(RegisterThingResponse {
            certificate_pem: certificate.map(|certificate| certificate.pem),
            resource_arns: done.arns,
        })
    }

    async fn carry_out(
        &self,
        tx: &mut Tx,
        plan: &Plan,
        done: &mut Done,
    ) -> Result<Option<Certificate>, ApiError> {
        let certificate = match &plan.certificate {
            Some(wanted) => Some(self.put_certificate(tx, wanted, done).await?),
            None => None,
        };
        if let Some(thing) = &plan.thing {
            self.put_thing(tx, thing, done).await?;
            if let Some(certificate) = &certificate {
                tx.attach_certificate(&thing.name, &certificate.id).await?;
            }
        }
        for policy in &plan.policies {
            let name = self.put_policy(tx, policy, done).await?;
            if let Some(certificate) = &certificate {
                let target = self.inner.account.certificate(&certificate.id);
                tx.attach_policy(&name, &target).await?;
            }
        }
        Ok(certificate)
    }

    async fn put_certificate(
        &self,
        tx: &mut Tx,
        wanted: &CertificatePlan,
        done: &mut Done,
    ) -> Result<Certificate, ApiError> {
        let status = wanted.status.as_deref();
        let issued = match &wanted.source {
            CertificateSource::Id(_) => None,
            CertificateSource::SigningRequest(request) => {
                let pem = self.inner.authority.sign_csr(request).map_err(refused)?;
                Some(self.read_certificate(pem, status.unwrap_or(ACTIVE), DEFAULT_MODE)?)
            }
            CertificateSource::Pem(pem) => {
                Some(self.read_given(pem, status.unwrap_or(ACTIVE), SNI_ONLY)?)
            }
        };
        let id = match (&issued, &wanted.source) {
            (Some(issued), _) => issued.certificate.id.clone(),
            (None, CertificateSource::Id(id)) => id.clone(),
            (None, _) => String::new(),
        };
        if let Some(issued) = &issued {
            tx.insert_certificate(&issued.certificate).await?;
        }
        let mut certificate = existing_certificate(tx, &id).await?;
        if let Some(status) = status.filter(|status| *status != certificate.status) {
            tx.set_certificate_status(&id, status, self.now_ms()).await?;
            certificate.status = status.to_owned();
            if status != ACTIVE {
                done.changes.push(Change::CertificateDisabled { certificate_id: id.clone() });
            }
        }
        done.arns.insert(wanted.id.clone(), self.inner.account.certificate(&id));
        Ok(certificate)
    }

    async fn put_thing(
        &self,
        tx: &mut Tx,
        wanted: &ThingPlan,
        done: &mut Done,
    ) -> Result<(), ApiError> {
        fields::name("ThingName", &wanted.name)?;
        fields::attributes(&wanted.attributes)?;
        match tx.thing(&wanted.name).await? {
            None => {
                check_assignable(tx, wanted.thing_type.as_deref()).await?;
                let thing = Thing {
                    name: wanted.name.clone(),
                    id: uuid::Uuid::new_v4().to_string(),
                    thing_type: wanted.thing_type.clone(),
                    attributes: wanted.attributes.clone(),
                    version: 1,
                    created_at_ms: self.now_ms(),
                };
                tx.insert_thing(&thing).await?;
                self.join(tx, wanted, &wanted.groups, done).await?;
            }
            Some(thing) => self.override_thing(tx, thing, wanted, done).await?,
        }
        done.arns.insert(wanted.id.clone(), self.inner.account.thing(&wanted.name));
        Ok(())
    }

    /// A thing that is there changes only where the template's settings say so.
    async fn override_thing(
        &self,
        tx: &mut Tx,
        mut thing: Thing,
        wanted: &ThingPlan,
        done: &mut Done,
    ) -> Result<(), ApiError> {
        let before = thing.clone();
        let setting = |name: &str| wanted.overrides.get(name).map_or("DO_NOTHING", String::as_str);
        let mut attributes = thing.attributes.clone();
        attributes.extend(wanted.attributes.clone());
        match setting("AttributePayload") {
            "MERGE" => thing.attributes = attributes,
            "REPLACE" => thing.attributes = wanted.attributes.clone(),
            "FAIL" if attributes != thing.attributes => {
                return Err(differs("AttributePayload", &thing.name));
            }
            _ => {}
        }
        if wanted.thing_type.is_some() && wanted.thing_type != thing.thing_type {
            match setting("ThingTypeName") {
                "REPLACE" => {
                    check_assignable(tx, wanted.thing_type.as_deref()).await?;
                    thing.thing_type = wanted.thing_type.clone();
                }
                "FAIL" => return Err(differs("ThingTypeName", &thing.name)),
                _ => {}
            }
        }
        if thing != before {
            thing.version += 1;
            tx.update_thing(&thing).await?;
        }
        let current = tx.groups_of_thing(&thing.name).await?;
        let missing: Vec<String> =
            wanted.groups.iter().filter(|group| !current.contains(group)).cloned().collect();
        match setting("ThingGroups") {
            "REPLACE" => {
                for group in current.into_iter().filter(|group| !wanted.groups.contains(group)) {
                    tx.delete_membership(&group, &thing.name).await?;
                    let thing = thing.name.clone();
                    done.changes.push(Change::MemberRemoved { group, thing });
                }
                self.join(tx, wanted, &missing, done).await
            }
            "FAIL" if !missing.is_empty() => Err(differs("ThingGroups", &thing.name)),
            _ => Ok(()),
        }
    }

    async fn join(
        &self,
        tx: &mut Tx,
        thing: &ThingPlan,
        groups: &[String],
        done: &mut Done,
    ) -> Result<(), ApiError> {
        for group in groups {
            existing_group(tx, group).await?;
            if tx.insert_membership(group, &thing.name).await? {
                let (group, thing) = (group.clone(), thing.name.clone());
                done.changes.push(Change::MemberAdded { group, thing });
            }
        }
        Ok(())
    }

    /// A document's policy is named by its digest, so that each device's is the same one.
    async fn put_policy(
        &self,
        tx: &mut Tx,
        wanted: &PolicyPlan,
        done: &mut Done,
    ) -> Result<String, ApiError> {
        let (id, name) = match wanted {
            PolicyPlan::Named { id, name } => (id, existing_policy(tx, name).await?.name),
            PolicyPlan::Document { id, document } => {
                check_document(document)?;
                let now_ms = self.now_ms();
                let policy = Policy {
                    name: sha256_hex(document.as_bytes()),
                    generation_id: uuid::Uuid::new_v4().to_string(),
                    default_version: 1,
                    document: document.clone(),
                    created_at_ms: now_ms,
                    modified_at_ms: now_ms,
                };
                tx.insert_policy(&policy).await?;
                (id, policy.name)
            }
        };
        done.arns.insert(id.clone(), self.inner.account.policy(&name));
        Ok(name)
    }
}

fn differs(setting: &str, thing: &str) -> ApiError {
    let message =
        format!("thing `{thing}` exists and differs, and `OverrideSettings.{setting}` is FAIL");
    ApiError::new("ConflictingResourceUpdateException", 409, message)
}

/// What the model has for a registration that did not work out; nothing of it is left.
fn failed(error: ApiError) -> ApiError {
    if error.status >= 500 || error.code == "ConflictingResourceUpdateException" {
        return error;
    }
    ApiError::new("ResourceRegistrationFailureException", 400, error.message)
}

//! Devices by their certificates, and what their policies let them do.
//!
//! An identity is shared by all connections of a certificate and is *live*: an operation that
//! changes a certificate, an attachment or a membership loads the affected identities anew after
//! its commit and before its answer. A check only takes a read lock, so the broker can ask for
//! each message.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use marram_aws::ApiError;
use marram_model::arn::Account;
use marram_policy::iot::{Decision, PolicyDocument, PolicySet, ThingVariables, Variables};
use marram_store::{Policy, Reader, Store};

use crate::registry::Registry;

pub(crate) const ACTIVE: &str = "ACTIVE";

/// How many identities without a connection are kept for the next request.
const IDLE_IDENTITIES: usize = 4096;

/// A device, known by its certificate.
pub struct DeviceIdentity {
    certificate_id: String,
    common_name: Option<String>,
    /// What was loaded last; without it the device may do nothing.
    state: RwLock<Option<State>>,
    /// Loads follow one another, so that the last one has read the last commit.
    loading: tokio::sync::Mutex<()>,
}

/// What the store says of a registered certificate.
struct State {
    status: String,
    not_after_ms: i64,
    /// Names and attributes of the attached things.
    things: BTreeMap<String, BTreeMap<String, String>>,
    /// Policies of the certificate and of the groups of its things.
    mqtt: PolicySet,
    /// Policies of the certificate alone: those of groups grant MQTT only (device-auth.md).
    http: PolicySet,
}

/// Why a certificate may not be used.
#[derive(Debug, thiserror::Error)]
pub enum RefuseCertificate {
    /// Nobody registered it.
    #[error("the certificate `{0}` is not registered")]
    Unknown(String),
    /// It is registered and not `ACTIVE`.
    #[error("the certificate `{certificate_id}` is {status}: set it to ACTIVE")]
    NotActive {
        /// The certificate.
        certificate_id: String,
        /// Its status.
        status: String,
    },
    /// Its validity is over.
    #[error("the certificate `{0}` has expired: issue a new one")]
    Expired(String),
    /// Its identity could not be loaded.
    #[error("cannot load the identity of the certificate")]
    Load(#[source] ApiError),
}

impl DeviceIdentity {
    /// SHA-256 of the certificate's DER, lower-case hex.
    pub fn certificate_id(&self) -> &str {
        &self.certificate_id
    }

    /// Whether the certificate may still be used.
    pub fn is_active(&self) -> bool {
        self.with_state(|state| state.status == ACTIVE).unwrap_or(false)
    }

    /// The names of the things that the certificate is attached to, in order.
    pub fn things(&self) -> Vec<String> {
        self.with_state(|state| state.things.keys().cloned().collect()).unwrap_or_default()
    }

    /// Whether the certificate is attached to `thing`.
    pub fn is_attached_to(&self, thing: &str) -> bool {
        self.with_state(|state| state.things.contains_key(thing)).unwrap_or(false)
    }

    /// Decides about `action` (`iot:Publish`) on `resource` (an ARN) over the MQTT connection of
    /// `client_id`.
    pub fn decide_mqtt(&self, client_id: &str, action: &str, resource: &str) -> Decision {
        self.decide(|state| {
            let thing = state.things.get_key_value(client_id);
            let variables = Variables {
                client_id: Some(client_id),
                thing: thing.map(|(name, attributes)| ThingVariables { name, attributes }),
                ..self.variables()
            };
            state.mqtt.allows(action, resource, &variables)
        })
    }

    /// Decides about `action` (`greengrass:ResolveComponentCandidates`) on `resource` (an ARN,
    /// or `*` for an action without one) over HTTP. Thing variables have no value there.
    pub fn decide_http(&self, action: &str, resource: &str) -> Decision {
        self.decide(|state| state.http.allows(action, resource, &self.variables()))
    }

    /// A certificate that is not active may do nothing, whatever its connection still tries.
    fn decide(&self, ask: impl FnOnce(&State) -> Decision) -> Decision {
        self.with_state(|state| (state.status == ACTIVE).then(|| ask(state)))
            .flatten()
            .unwrap_or(Decision::NotAllowed)
    }

    fn variables(&self) -> Variables<'_> {
        Variables {
            certificate_id: Some(&self.certificate_id),
            certificate_common_name: self.common_name.as_deref(),
            ..Variables::default()
        }
    }

    fn with_state<T>(&self, read: impl FnOnce(&State) -> T) -> Option<T> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(read)
    }

    fn replace(&self, state: Option<State>) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn check(&self, now_ms: i64) -> Result<(), RefuseCertificate> {
        let id = || self.certificate_id.clone();
        self.with_state(|state| match state.status.as_str() {
            ACTIVE if now_ms > state.not_after_ms => Err(RefuseCertificate::Expired(id())),
            ACTIVE => Ok(()),
            status => Err(RefuseCertificate::NotActive {
                certificate_id: id(),
                status: status.to_owned(),
            }),
        })
        .unwrap_or_else(|| Err(RefuseCertificate::Unknown(id())))
    }
}

impl fmt::Debug for DeviceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceIdentity")
            .field("certificate_id", &self.certificate_id)
            .field("things", &self.things())
            .finish_non_exhaustive()
    }
}

/// The identities in use, and the documents they are compiled from.
#[derive(Default)]
pub(crate) struct Identities {
    known: Mutex<Known>,
    /// By generation and version, which never mean another document: thousands of devices share
    /// the statements of one policy.
    documents: Mutex<HashMap<(String, i64), PolicyDocument>>,
}

#[derive(Default)]
struct Known {
    identities: HashMap<String, Arc<DeviceIdentity>>,
    /// At this many, those that nobody holds are dropped.
    drop_idle_at: usize,
}

impl Identities {
    fn find(&self, certificate_id: &str) -> Option<Arc<DeviceIdentity>> {
        self.known().identities.get(certificate_id).map(Arc::clone)
    }

    /// The identity of the certificate, not loaded if it is new.
    fn find_or_insert(&self, certificate_id: String, der: &[u8]) -> Arc<DeviceIdentity> {
        let mut known = self.known();
        if let Some(identity) = known.identities.get(&certificate_id) {
            return Arc::clone(identity);
        }
        known.drop_idle();
        let info = marram_tls::certificate_info(der);
        let identity = Arc::new(DeviceIdentity {
            certificate_id: certificate_id.clone(),
            common_name: info.ok().and_then(|info| info.common_name),
            state: RwLock::default(),
            loading: tokio::sync::Mutex::default(),
        });
        known.identities.insert(certificate_id, Arc::clone(&identity));
        identity
    }

    /// Forgets an identity that only its caller holds. One that somebody else holds must stay:
    /// it would miss changes.
    fn forget_unused(&self, identity: &Arc<DeviceIdentity>) {
        let mut known = self.known();
        if Arc::strong_count(identity) == 2 {
            known.identities.remove(&identity.certificate_id);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The document of `policy`, parsed once.
    fn document(&self, policy: &Policy) -> Result<PolicyDocument, ApiError> {
        let key = (policy.generation_id.clone(), policy.default_version);
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = documents.get(&key) {
            return Ok(document.clone());
        }
        let document = PolicyDocument::parse(&policy.document).map_err(|error| {
            ApiError::internal(format!("the stored policy `{}` is damaged: {error}", policy.name))
        })?;
        documents.insert(key, document.clone());
        Ok(document)
    }

    pub(crate) fn forget_document(&self, generation_id: &str, version: i64) {
        let key = (generation_id.to_owned(), version);
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    async fn load(
        &self,
        store: &Store,
        account: &Account,
        identity: &DeviceIdentity,
    ) -> Result<(), ApiError> {
        let _turn = identity.loading.lock().await;
        let mut reader = store.read().await.inspect_err(|_| identity.replace(None))?;
        let state = self.read_state(&mut reader, account, &identity.certificate_id).await;
        // A device whose policies cannot be read may do nothing until they can.
        let (state, outcome) = match state {
            Ok(state) => (state, Ok(())),
            Err(error) => (None, Err(error)),
        };
        identity.replace(state);
        outcome
    }

    async fn read_state(
        &self,
        reader: &mut Reader,
        account: &Account,
        certificate_id: &str,
    ) -> Result<Option<State>, ApiError> {
        let Some(certificate) = reader.certificate(certificate_id).await? else {
            return Ok(None);
        };
        let mut things = BTreeMap::new();
        for name in reader.things_of_certificate(certificate_id).await? {
            let attributes = reader.thing(&name).await?.map(|thing| thing.attributes);
            things.insert(name, attributes.unwrap_or_default());
        }
        let own = reader.policies_of_target(&account.certificate(certificate_id)).await?;
        let of_groups = policies_of_groups(reader, account, things.keys()).await?;
        let own = self.documents(reader, own).await?;
        let of_groups = self.documents(reader, of_groups).await?;
        Ok(Some(State {
            status: certificate.status,
            not_after_ms: certificate.not_after_ms,
            things,
            mqtt: PolicySet::compile(own.iter().chain(&of_groups)),
            http: PolicySet::compile(&own),
        }))
    }

    async fn documents(
        &self,
        reader: &mut Reader,
        names: impl IntoIterator<Item = String>,
    ) -> Result<Vec<PolicyDocument>, ApiError> {
        let mut documents = Vec::new();
        for name in names {
            if let Some(policy) = reader.policy(&name).await? {
                documents.push(self.document(&policy)?);
            }
        }
        Ok(documents)
    }
}

impl Known {
    /// Drops the identities that nobody holds, when there are many; twice as many as remain
    /// before the next time, so that a large fleet does not search for idle ones at each connect.
    fn drop_idle(&mut self) {
        if self.identities.len() < self.drop_idle_at.max(IDLE_IDENTITIES) {
            return;
        }
        self.identities.retain(|_, identity| Arc::strong_count(identity) > 1);
        self.drop_idle_at = 2 * self.identities.len();
    }
}

/// The names of the policies of all groups that the things are in, directly or through a group
/// in a group.
async fn policies_of_groups(
    reader: &mut Reader,
    account: &Account,
    things: impl Iterator<Item = &String>,
) -> Result<BTreeSet<String>, ApiError> {
    let mut groups = BTreeSet::new();
    for thing in things {
        for group in reader.groups_of_thing(thing).await? {
            groups.extend(reader.group_ancestors(&group).await?);
            groups.insert(group);
        }
    }
    let mut policies = BTreeSet::new();
    for group in groups {
        policies.extend(reader.policies_of_target(&account.thing_group(&group)).await?);
    }
    Ok(policies)
}

impl Registry {
    /// Who a client is that has proved to own the certificate `der`.
    ///
    /// # Errors
    /// The certificate is not registered, not active or expired, or the store failed.
    pub async fn authenticate_certificate(
        &self,
        der: &[u8],
    ) -> Result<Arc<DeviceIdentity>, RefuseCertificate> {
        let identities = &self.inner.identities;
        // Known before it is read: a change that commits meanwhile finds it and loads it again.
        let identity = identities.find_or_insert(marram_tls::certificate_id(der), der);
        let is_loaded = identity.with_state(|_| ()).is_some();
        if !is_loaded {
            self.load(&identity).await.map_err(RefuseCertificate::Load)?;
        }
        let checked = identity.check(self.now_ms());
        if checked.is_err() {
            identities.forget_unused(&identity);
        }
        checked.map(|()| identity)
    }

    /// Loads the identities of `certificates` anew, those that are in use.
    pub(crate) async fn refresh(&self, certificates: Vec<String>) {
        for certificate_id in certificates {
            let Some(identity) = self.inner.identities.find(&certificate_id) else { continue };
            if let Err(error) = self.load(&identity).await {
                tracing::error!(%error, certificate_id, "cannot load an identity after a change");
            }
        }
    }

    async fn load(&self, identity: &DeviceIdentity) -> Result<(), ApiError> {
        self.inner.identities.load(&self.inner.store, &self.inner.account, identity).await
    }
}

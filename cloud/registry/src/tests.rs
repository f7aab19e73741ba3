//! The registry as its callers see it, by conformance case (cloud API, section 13).

mod certificates;
mod credentials;
mod groups;
mod identities;
mod policies;
mod policy_versions;
mod provisioning;
mod registration;
mod thing_types;
mod things;

use std::path::Path;
use std::sync::Arc;

use marram_aws::ApiError;
use marram_aws::iot::{
    CreateKeysAndCertificateRequest, CreateKeysAndCertificateResponse, CreatePolicyRequest,
    CreateThingGroupRequest, CreateThingRequest, MembershipRequest, PolicyTargetRequest,
    ThingPrincipalRequest,
};
use marram_os::clock::ManualClock;
use marram_store::testing::database_in;
use marram_store::{Database, Store};
use marram_tls::Authority;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{OpenRegistry, Registry, RegistrySettings};

const NOW_MS: i64 = 1_767_323_045_000;

/// A registry in a directory of its own.
struct Fixture {
    registry: Registry,
    store: Store,
    clock: ManualClock,
    directory: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = ManualClock::at_ms(NOW_MS);
        let (registry, store) = open(directory.path(), &clock, Some("eu-west-1")).await;
        Self { registry: registry.unwrap(), store, clock, directory }
    }

    async fn thing(&self, name: &str) {
        self.registry
            .create_thing(request::<CreateThingRequest>(json!({"thingName": name})))
            .await
            .unwrap();
    }

    async fn group(&self, name: &str, parent: Option<&str>) {
        let body = json!({"thingGroupName": name, "parentGroupName": parent});
        self.registry.create_thing_group(request::<CreateThingGroupRequest>(body)).await.unwrap();
    }

    async fn member(&self, group: &str, thing: &str) {
        let body = json!({"thingGroupName": group, "thingName": thing});
        self.registry.add_thing_to_thing_group(request::<MembershipRequest>(body)).await.unwrap();
    }

    async fn certificate(&self, set_as_active: bool) -> CreateKeysAndCertificateResponse {
        let request = CreateKeysAndCertificateRequest { set_as_active };
        self.registry.create_keys_and_certificate(request).await.unwrap()
    }

    /// Creates a policy that allows one action on one resource, given behind the account's prefix.
    async fn policy(&self, name: &str, action: &str, resource: &str) {
        let account = self.registry.account();
        let prefix = format!("arn:aws:iot:{}:{}:", account.region, account.account_id);
        let statement =
            json!({"Effect": "Allow", "Action": action, "Resource": format!("{prefix}{resource}")});
        let document = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let body = json!({"policyName": name, "policyDocument": document});
        self.registry.create_policy(request::<CreatePolicyRequest>(body)).await.unwrap();
    }

    async fn attach_policy(&self, name: &str, target: &str) {
        let body = json!({"policyName": name, "target": target});
        self.registry.attach_policy(request::<PolicyTargetRequest>(body)).await.unwrap();
    }

    async fn attach_certificate(&self, thing: &str, arn: &str) {
        let body = json!({"thingName": thing, "principal": arn});
        let request = request::<ThingPrincipalRequest>(body);
        self.registry.attach_thing_principal(request).await.unwrap();
    }
}

async fn open(
    directory: &Path,
    clock: &ManualClock,
    region: Option<&str>,
) -> (Result<Registry, OpenRegistry>, Store) {
    let store = Store::open(database_in(directory).await).await.unwrap();
    let registry = Registry::open(RegistrySettings {
        store: store.clone(),
        authority: Arc::new(Authority::open(directory).unwrap()),
        clock: clock.shared(),
        directory: directory.to_owned(),
        account_id: None,
        region: region.map(str::to_owned),
    });
    (registry.await, store)
}

/// A request as it comes from the wire.
fn request<T: DeserializeOwned>(members: Value) -> T {
    serde_json::from_value(members).unwrap()
}

#[track_caller]
fn assert_error<T: std::fmt::Debug>(outcome: Result<T, ApiError>, code: &str, status: u16) {
    let error = outcome.unwrap_err();
    assert_eq!((error.code, error.status), (code, status), "{error}");
}

#[tokio::test]
async fn account_and_keys_stay_over_a_restart() {
    let fixture = Fixture::new().await;
    let account = fixture.registry.account().clone();
    let root = fixture.registry.root_key().clone();
    assert_eq!(account.account_id.len(), 12);
    assert!(root.access_key_id.starts_with("AKIA") && root.access_key_id.len() == 20);
    assert_eq!(root.secret_access_key.len(), 40);
    fixture.store.close().await;

    let (again, _store) = open(fixture.directory.path(), &fixture.clock, None).await;
    let again = again.unwrap();
    assert_eq!(again.account(), &account);
    assert_eq!(again.root_key().secret_access_key, root.secret_access_key);
    assert_ne!(again.system_key().access_key_id, root.access_key_id);
    let known = again.principal_for_access_key(&root.access_key_id).await.unwrap().unwrap();
    assert_eq!(known.secret_access_key, root.secret_access_key);
    assert_eq!(known.principal.arn(), format!("arn:aws:iam::{}:root", account.account_id));
    assert_eq!(again.principal_for_access_key("AKIANOBODY").await.unwrap(), None);
}

#[tokio::test]
async fn another_region_is_refused_after_the_first_start() {
    let fixture = Fixture::new().await;
    fixture.store.close().await;
    let (again, _store) = open(fixture.directory.path(), &fixture.clock, Some("us-west-2")).await;
    let error = again.unwrap_err().to_string();
    assert!(error.contains("us-west-2") && error.contains("eu-west-1"), "{error}");
}

#[tokio::test]
async fn a_lost_key_file_is_not_replaced() {
    let fixture = Fixture::new().await;
    fixture.store.close().await;
    std::fs::remove_file(fixture.directory.path().join("secrets.key")).unwrap();
    let (again, _store) = open(fixture.directory.path(), &fixture.clock, None).await;
    assert!(matches!(again, Err(OpenRegistry::SealingKey(_))));
    assert!(!fixture.directory.path().join("secrets.key").exists());
}

#[tokio::test]
async fn no_secret_is_readable_in_the_database() {
    let fixture = Fixture::new().await;
    let key = fixture.registry.root_key().clone();
    fixture.store.close().await;
    // What PostgreSQL keeps is the same text.
    let Database::Sqlite(path) = fixture.store.database() else { return };
    let bytes = std::fs::read(path).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(&key.access_key_id));
    assert!(!holds(&key.secret_access_key));
}

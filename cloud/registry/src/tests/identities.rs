use std::sync::Arc;

use super::*;
use crate::{Change, DeviceIdentity, RefuseCertificate};

async fn authenticate(
    fixture: &Fixture,
    pem: &str,
) -> Result<Arc<DeviceIdentity>, RefuseCertificate> {
    let der = marram_tls::certificate_der(pem).unwrap();
    fixture.registry.authenticate_certificate(&der).await
}

fn may(identity: &DeviceIdentity, client_id: &str, action: &str, resource: &str) -> bool {
    identity.decide_mqtt(client_id, action, resource).is_allowed()
}

#[tokio::test]
async fn only_registered_active_certificates_are_somebody() {
    let fixture = Fixture::new().await;
    let inactive = fixture.certificate(false).await;
    let refused = authenticate(&fixture, &inactive.certificate_pem).await.unwrap_err();
    assert!(matches!(refused, RefuseCertificate::NotActive { .. }), "{refused}");
    let foreign = tempfile::tempdir().unwrap();
    let foreign = Authority::open(foreign.path()).unwrap().issue_client("x").unwrap();
    let refused = authenticate(&fixture, &foreign.certificate_pem).await.unwrap_err();
    assert!(matches!(refused, RefuseCertificate::Unknown(_)), "{refused}");

    let body = json!({"certificateId": inactive.certificate_id, "newStatus": "ACTIVE"});
    fixture.registry.update_certificate(request(body)).await.unwrap();
    let identity = authenticate(&fixture, &inactive.certificate_pem).await.unwrap();
    assert_eq!(identity.certificate_id(), inactive.certificate_id);
    fixture.clock.set_ms(i64::MAX);
    let refused = authenticate(&fixture, &inactive.certificate_pem).await.unwrap_err();
    assert!(matches!(refused, RefuseCertificate::Expired(_)), "{refused}");
}

#[tokio::test]
async fn a26_policies_change_under_a_live_connection() {
    let fixture = Fixture::new().await;
    let certificate = fixture.certificate(true).await;
    fixture.policy("P", "iot:Connect", "client/core*").await;
    let identity = authenticate(&fixture, &certificate.certificate_pem).await.unwrap();
    let account = fixture.registry.account();
    let client = format!("arn:aws:iot:{}:{}:client/core#2", account.region, account.account_id);
    assert!(!may(&identity, "core#2", "iot:Connect", &client));
    fixture.attach_policy("P", &certificate.certificate_arn).await;
    assert!(may(&identity, "core#2", "iot:Connect", &client));
    let body = json!({"policyName": "P", "target": certificate.certificate_arn});
    fixture.registry.detach_policy(request(body)).await.unwrap();
    assert!(!may(&identity, "core#2", "iot:Connect", &client));
}

#[tokio::test]
async fn a_revoked_certificate_may_do_nothing_and_is_announced() {
    let fixture = Fixture::new().await;
    let certificate = fixture.certificate(true).await;
    fixture.policy("P", "iot:*", "*").await;
    fixture.attach_policy("P", &certificate.certificate_arn).await;
    let identity = authenticate(&fixture, &certificate.certificate_pem).await.unwrap();
    let topic = fixture.registry.account().thing("x").replace("thing/x", "topic/x");
    assert!(may(&identity, "c", "iot:Publish", &topic));
    let mut changes = fixture.registry.changes();
    let body = json!({"certificateId": certificate.certificate_id, "newStatus": "REVOKED"});
    fixture.registry.update_certificate(request(body)).await.unwrap();
    assert!(!identity.is_active());
    assert!(!may(&identity, "c", "iot:Publish", &topic));
    let certificate_id = certificate.certificate_id;
    let announced = changes.try_recv().unwrap();
    assert_eq!(announced, Change::CertificateDisabled { certificate_id });
}

#[tokio::test]
async fn policies_of_groups_grant_mqtt_and_not_http() {
    let fixture = Fixture::new().await;
    let certificate = fixture.certificate(true).await;
    fixture.thing("T").await;
    fixture.group("root", None).await;
    fixture.group("leaf", Some("root")).await;
    fixture.attach_certificate("T", &certificate.certificate_arn).await;
    fixture.policy("P", "*", "topic/a").await;
    let root = fixture.registry.account().thing_group("root");
    fixture.attach_policy("P", &root).await;
    let identity = authenticate(&fixture, &certificate.certificate_pem).await.unwrap();
    let topic = fixture.registry.account().thing("x").replace("thing/x", "topic/a");
    assert!(!may(&identity, "T", "iot:Publish", &topic));
    fixture.member("leaf", "T").await;
    assert!(may(&identity, "T", "iot:Publish", &topic));
    assert!(!identity.decide_http("iot:Publish", &topic).is_allowed());
    let leaf = request(json!({"thingGroupName": "leaf"}));
    fixture.registry.delete_thing_group(leaf).await.unwrap();
    assert!(!may(&identity, "T", "iot:Publish", &topic));
}

#[tokio::test]
async fn thing_variables_want_the_things_name_as_client_id_and_its_certificate() {
    let fixture = Fixture::new().await;
    let certificate = fixture.certificate(true).await;
    fixture.thing("T").await;
    let resource = "topic/${iot:Connection.Thing.ThingName}";
    fixture.policy("P", "iot:Publish", resource).await;
    fixture.attach_policy("P", &certificate.certificate_arn).await;
    let identity = authenticate(&fixture, &certificate.certificate_pem).await.unwrap();
    let topic = fixture.registry.account().thing("x").replace("thing/x", "topic/T");
    assert!(!may(&identity, "T", "iot:Publish", &topic));
    fixture.attach_certificate("T", &certificate.certificate_arn).await;
    assert_eq!(identity.things(), ["T"]);
    assert!(may(&identity, "T", "iot:Publish", &topic));
    assert!(!may(&identity, "T#2", "iot:Publish", &topic));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_come_at_once_share_one_loaded_identity() {
    let fixture = Arc::new(Fixture::new().await);
    let pem: Arc<str> = fixture.certificate(true).await.certificate_pem.into();
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (fixture, pem) = (Arc::clone(&fixture), Arc::clone(&pem));
            tokio::spawn(async move { authenticate(&fixture, &pem).await.unwrap() })
        })
        .collect();
    let mut identities = Vec::new();
    for caller in callers {
        identities.push(caller.await.unwrap());
    }
    assert!(identities.iter().all(|other| Arc::ptr_eq(other, &identities[0])));
}

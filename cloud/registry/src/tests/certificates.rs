use super::*;

/// Of a P-256 key, with the subject `CN=press-7`.
pub(super) const CSR: &str = "-----BEGIN CERTIFICATE REQUEST-----\n\
    MIHMMHQCAQAwEjEQMA4GA1UEAwwHcHJlc3MtNzBZMBMGByqGSM49AgEGCCqGSM49\n\
    AwEHA0IABE52lJUb3JicmNLcLuAlXvhH/vkQYV3nqQ8Hq7MQUL4P+JyKGYBOFiY1\n\
    mHKqJf3M22YgS7gz+B0JHdAIC3SVc26gADAKBggqhkjOPQQDAgNIADBFAiEA7PF5\n\
    BZk/7WjxDLhu5J99Jba5wbUYKwnj4vT1l9OEwnUCIFDDXTqyquv4Z0K5K2YUCgNd\n\
    Om8GQtrHRes8MA2pziEt\n\
    -----END CERTIFICATE REQUEST-----\n";

#[tokio::test]
async fn a24_an_active_certificate_or_an_attached_one_is_not_deleted() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let certificate = fixture.certificate(true).await;
    let id = &certificate.certificate_id;
    let delete = |force: bool| {
        let body = json!({"certificateId": id, "forceDelete": force});
        registry.delete_certificate(request(body))
    };
    assert_error(delete(false).await, "CertificateStateException", 406);
    let body = json!({"certificateId": id, "newStatus": "INACTIVE"});
    registry.update_certificate(request(body)).await.unwrap();

    fixture.thing("T").await;
    fixture.attach_certificate("T", &certificate.certificate_arn).await;
    fixture.policy("P", "iot:Connect", "client/T").await;
    fixture.attach_policy("P", &certificate.certificate_arn).await;
    assert_error(delete(true).await, "DeleteConflictException", 409);
    let body = json!({"thingName": "T", "principal": certificate.certificate_arn});
    registry.detach_thing_principal(request(body)).await.unwrap();
    assert_error(delete(false).await, "DeleteConflictException", 409);
    delete(true).await.unwrap();
    assert_error(delete(true).await, "ResourceNotFoundException", 404);
    registry.delete_policy(request(json!({"policyName": "P"}))).await.unwrap();
}

#[tokio::test]
async fn keys_and_certificate_are_inactive_unless_asked_and_named_by_their_digest() {
    let fixture = Fixture::new().await;
    let made = fixture.certificate(false).await;
    let der = marram_tls::certificate_der(&made.certificate_pem).unwrap();
    assert_eq!(made.certificate_id, marram_tls::certificate_id(&der));
    assert!(made.certificate_arn.ends_with(&format!(":cert/{}", made.certificate_id)));
    assert!(made.key_pair.private_key.contains("PRIVATE KEY"));
    assert!(made.key_pair.public_key.contains("BEGIN PUBLIC KEY"));
    assert!(!format!("{made:?}").contains("PRIVATE KEY"));
    let described = request(json!({"certificateId": made.certificate_id}));
    let described = fixture.registry.describe_certificate(described).await.unwrap();
    let description = described.certificate_description;
    assert_eq!(description.status, "INACTIVE");
    assert_eq!(json!(description.creation_date), json!(NOW_MS / 1000));
}

#[tokio::test]
async fn each_signing_request_makes_a_new_certificate_and_a_bad_one_is_400() {
    let fixture = Fixture::new().await;
    let create = |csr: &str| {
        let body = json!({"certificateSigningRequest": csr, "setAsActive": true});
        fixture.registry.create_certificate_from_csr(request(body))
    };
    let first = create(CSR).await.unwrap();
    let second = create(CSR).await.unwrap();
    assert_ne!(first.certificate_id, second.certificate_id);
    assert_error(create("not a request").await, "InvalidRequestException", 400);
    assert_error(create("").await, "InvalidRequestException", 400);
}

#[tokio::test]
async fn only_three_statuses_can_be_set() {
    let fixture = Fixture::new().await;
    let id = fixture.certificate(false).await.certificate_id;
    let update = |status: &str| {
        let body = json!({"certificateId": id, "newStatus": status});
        fixture.registry.update_certificate(request(body))
    };
    for status in ["ACTIVE", "INACTIVE", "REVOKED"] {
        update(status).await.unwrap();
    }
    for status in ["PENDING_TRANSFER", "REGISTER_INACTIVE", "PENDING_ACTIVATION", "active"] {
        assert_error(update(status).await, "InvalidRequestException", 400);
    }
}

#[tokio::test]
async fn list_certificates_is_newest_first_unless_asked() {
    let fixture = Fixture::new().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(fixture.certificate(true).await.certificate_id);
        fixture.clock.advance(std::time::Duration::from_secs(1));
    }
    for ascending in [true, false] {
        let (mut ids, mut marker) = (Vec::new(), None::<String>);
        loop {
            let mut body = json!({"pageSize": 2, "ascendingOrder": ascending});
            if let Some(marker) = marker {
                body["marker"] = marker.into();
            }
            let page = fixture.registry.list_certificates(request(body)).await.unwrap();
            ids.extend(page.certificates.into_iter().map(|row| row.certificate_id));
            marker = page.next_marker;
            if marker.is_none() {
                break;
            }
        }
        if !ascending {
            ids.reverse();
        }
        assert_eq!(ids, made);
    }
}

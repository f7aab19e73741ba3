use marram_aws::iot::ListThingsRequest;

use super::*;
use crate::Endpoints;

#[tokio::test]
async fn a23_describe_endpoint_gives_a_host_only() {
    let fixture = Fixture::new().await;
    let ask =
        |kind: &str| fixture.registry.describe_endpoint(request(json!({"endpointType": kind})));
    assert_error(ask("iot:Data-ATS").await, "ServiceUnavailableException", 503);
    fixture.registry.set_endpoints(Endpoints {
        data: "127.0.0.1".to_owned(),
        credentials: "127.0.0.1:8443".to_owned(),
    });
    assert_eq!(ask("iot:Data-ATS").await.unwrap().endpoint_address, "127.0.0.1");
    assert_eq!(ask("iot:CredentialProvider").await.unwrap().endpoint_address, "127.0.0.1:8443");
    let absent = fixture.registry.describe_endpoint(request(json!({}))).await.unwrap();
    assert_eq!(absent.endpoint_address, "127.0.0.1");
    assert_error(ask("iot:Nothing").await, "InvalidRequestException", 400);
}

#[tokio::test]
async fn a25_update_thing_replaces_or_merges_attributes() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let attributes = json!({"attributes": {"a": "0", "b": "2"}});
    let body = json!({"thingName": "T", "attributePayload": attributes});
    registry.create_thing(request(body)).await.unwrap();
    for (payload, expected, version) in [
        (json!({"merge": false, "attributes": {"a": "1"}}), json!({"a": "1"}), 2),
        (json!({"merge": true, "attributes": {"c": "3"}}), json!({"a": "1", "c": "3"}), 3),
        (json!({"merge": true, "attributes": {"a": ""}}), json!({"c": "3"}), 4),
    ] {
        let body = json!({"thingName": "T", "attributePayload": payload});
        registry.update_thing(request(body)).await.unwrap();
        let thing = registry.describe_thing(request(json!({"thingName": "T"}))).await.unwrap();
        assert_eq!(json!(thing.attributes), expected);
        assert_eq!(thing.version, version);
    }
    let stale = json!({"thingName": "T", "expectedVersion": 1});
    assert_error(registry.update_thing(request(stale)).await, "VersionConflictException", 409);
}

#[tokio::test]
async fn create_thing_again_gives_the_same_thing_or_409() {
    let fixture = Fixture::new().await;
    let create = |members| fixture.registry.create_thing(request(members));
    let first = create(json!({"thingName": "T"})).await.unwrap();
    assert_eq!(create(json!({"thingName": "T"})).await.unwrap(), first);
    let other = json!({"thingName": "T", "attributePayload": {"attributes": {"a": "1"}}});
    let error = create(other).await.unwrap_err();
    assert_eq!((error.code, error.status), ("ResourceAlreadyExistsException", 409));
    assert_eq!(error.members["resourceArn"], first.thing_arn);
    assert_error(create(json!({"thingName": "a b"})).await, "InvalidRequestException", 400);
    let typed = json!({"thingName": "U", "thingTypeName": "Press"});
    assert_error(create(typed).await, "ResourceNotFoundException", 404);
}

#[tokio::test]
async fn delete_thing_wants_its_certificates_detached() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    fixture.thing("T").await;
    let certificate = fixture.certificate(true).await;
    fixture.attach_certificate("T", &certificate.certificate_arn).await;
    let delete = || registry.delete_thing(request(json!({"thingName": "T"})));
    assert_error(delete().await, "InvalidRequestException", 400);
    let body = json!({"thingName": "T", "principal": certificate.certificate_arn});
    registry.detach_thing_principal(request(body)).await.unwrap();
    delete().await.unwrap();
    delete().await.unwrap();
    assert!(!registry.thing_exists("T").await.unwrap());
}

#[tokio::test]
async fn list_things_pages_and_filters() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    for (name, line) in [("a", "l1"), ("b", "l2"), ("c", "l1"), ("d", "l10"), ("e", "l1")] {
        let payload = json!({"attributes": {"line": line}});
        let body = json!({"thingName": name, "attributePayload": payload});
        registry.create_thing(request(body)).await.unwrap();
    }
    let (mut pages, mut token) = (Vec::new(), None);
    loop {
        let request = ListThingsRequest {
            max_results: Some(2),
            next_token: token,
            ..ListThingsRequest::default()
        };
        let page = registry.list_things(request).await.unwrap();
        pages.push(page.things.into_iter().map(|thing| thing.thing_name).collect::<String>());
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(pages, ["ab", "cd", "e"]);
    for (prefix, expected) in [(false, "ace"), (true, "acde")] {
        let filter = json!({
            "attributeName": "line", "attributeValue": "l1", "usePrefixAttributeValue": prefix,
        });
        let page = registry.list_things(request(filter)).await.unwrap();
        let names: String = page.things.into_iter().map(|thing| thing.thing_name).collect();
        assert_eq!(names, expected);
    }
    let forged = json!({"nextToken": "AAAA"});
    assert_error(registry.list_things(request(forged)).await, "InvalidRequestException", 400);
}

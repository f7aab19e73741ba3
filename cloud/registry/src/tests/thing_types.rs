use super::*;

async fn create(fixture: &Fixture, name: &str) {
    let body = json!({"thingTypeName": name});
    fixture.registry.create_thing_type(request(body)).await.unwrap();
}

fn named<T: DeserializeOwned>(name: &str) -> T {
    request(json!({"thingTypeName": name}))
}

#[tokio::test]
async fn a_type_is_described_as_it_was_made_and_made_only_once() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let properties = json!({
        "thingTypeDescription": "a pump", "searchableAttributes": ["serial"],
        "mqtt5Configuration": {"propagatingAttributes": [{"userPropertyKey": "k"}]},
    });
    let body = json!({"thingTypeName": "pump", "thingTypeProperties": properties});
    let made = registry.create_thing_type(request(body.clone())).await.unwrap();
    assert_eq!(made.thing_type_arn, registry.account().thing_type("pump"));
    let again = registry.create_thing_type(request(body)).await.unwrap();
    assert_eq!(again.thing_type_id, made.thing_type_id);
    let other = registry.create_thing_type(named("pump")).await;
    assert_error(other, "ResourceAlreadyExistsException", 409);

    let found = registry.describe_thing_type(named("pump")).await.unwrap();
    let wire = serde_json::to_value(found).unwrap();
    assert_eq!(wire["thingTypeProperties"], properties);
    assert_eq!(wire["thingTypeId"], made.thing_type_id);
    assert_eq!(
        wire["thingTypeMetadata"],
        json!({"deprecated": false, "creationDate": NOW_MS / 1000})
    );
    let unknown = registry.describe_thing_type(named("fan")).await;
    assert_error(unknown, "ResourceNotFoundException", 404);
}

#[tokio::test]
async fn things_have_types_that_exist_and_are_not_deprecated() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    create(&fixture, "pump").await;
    create(&fixture, "fan").await;
    let thing = |of: &str| json!({"thingName": "T", "thingTypeName": of});
    let unknown = registry.create_thing(request(thing("none"))).await;
    assert_error(unknown, "ResourceNotFoundException", 404);
    registry.create_thing(request(thing("pump"))).await.unwrap();
    let other = registry.create_thing(request(thing("fan"))).await;
    assert_error(other, "ResourceAlreadyExistsException", 409);
    let described = |registry: Registry| async move {
        let body = json!({"thingName": "T"});
        registry.describe_thing(request(body)).await.unwrap().thing_type_name
    };
    assert_eq!(described(registry.clone()).await.as_deref(), Some("pump"));
    registry.update_thing(request(thing("fan"))).await.unwrap();
    let page = registry.list_things(request(json!({"thingTypeName": "fan"}))).await.unwrap();
    assert_eq!(page.things[0].thing_type_name.as_deref(), Some("fan"));
    let page = registry.list_things(request(json!({"thingTypeName": "pump"}))).await.unwrap();
    assert_eq!(page.things, []);

    registry.deprecate_thing_type(named("pump")).await.unwrap();
    let deprecated = registry.update_thing(request(thing("pump"))).await;
    assert_error(deprecated, "InvalidRequestException", 400);
    let undo = json!({"thingTypeName": "pump", "undoDeprecate": true});
    registry.deprecate_thing_type(request(undo)).await.unwrap();
    registry.update_thing(request(thing("pump"))).await.unwrap();
    let body = json!({"thingName": "T", "removeThingType": true});
    registry.update_thing(request(body)).await.unwrap();
    assert_eq!(described(registry.clone()).await, None);
}

#[tokio::test]
async fn only_a_deprecated_type_that_no_thing_has_is_deleted() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    create(&fixture, "pump").await;
    let body = json!({"thingName": "T", "thingTypeName": "pump"});
    registry.create_thing(request(body)).await.unwrap();
    let delete = || registry.delete_thing_type(named("pump"));
    assert_error(delete().await, "InvalidRequestException", 400);
    registry.deprecate_thing_type(named("pump")).await.unwrap();
    let used = delete().await.unwrap_err();
    assert!(used.message.contains("`T`"), "{used}");
    registry.delete_thing(request(json!({"thingName": "T"}))).await.unwrap();
    delete().await.unwrap();
    assert_error(delete().await, "ResourceNotFoundException", 404);
}

#[tokio::test]
async fn types_are_listed_by_prefix_and_in_pages() {
    let fixture = Fixture::new().await;
    for name in ["b2", "a1", "b1", "b3"] {
        create(&fixture, name).await;
    }
    let (mut names, mut token) = (Vec::new(), None);
    loop {
        let body = json!({"thingTypeName": "b", "maxResults": 2, "nextToken": token});
        let page = fixture.registry.list_thing_types(request(body)).await.unwrap();
        names.extend(page.thing_types.into_iter().map(|row| row.thing_type_name));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["b1", "b2", "b3"]);
}

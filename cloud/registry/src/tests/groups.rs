use super::*;
use crate::{Change, GroupChain};

async fn nested() -> Fixture {
    let fixture = Fixture::new().await;
    for (name, parent) in [("root", None), ("mid", Some("root")), ("leaf", Some("mid"))] {
        fixture.group(name, parent).await;
    }
    for thing in ["t1", "t2"] {
        fixture.thing(thing).await;
    }
    fixture.member("leaf", "t1").await;
    fixture.member("root", "t2").await;
    fixture
}

#[tokio::test]
async fn a_group_knows_its_way_to_the_root() {
    let fixture = nested().await;
    let leaf = request(json!({"thingGroupName": "leaf"}));
    let leaf = fixture.registry.describe_thing_group(leaf).await.unwrap();
    let metadata = leaf.thing_group_metadata;
    assert_eq!(metadata.parent_group_name.as_deref(), Some("mid"));
    let way: Vec<_> = metadata
        .root_to_parent_thing_groups
        .iter()
        .map(|group| group.group_name.as_str())
        .collect();
    assert_eq!(way, ["root", "mid"]);
    let chains = fixture.registry.groups_of_thing("t1").await.unwrap();
    let ancestors = vec!["root".to_owned(), "mid".to_owned()];
    assert_eq!(chains, [GroupChain { name: "leaf".to_owned(), ancestors }]);
}

#[tokio::test]
async fn members_are_counted_directly_or_through_groups_below() {
    let fixture = nested().await;
    let list = |recursive| {
        let body = json!({"thingGroupName": "root", "recursive": recursive});
        fixture.registry.list_things_in_thing_group(request(body))
    };
    assert_eq!(list(false).await.unwrap().things, ["t2"]);
    assert_eq!(list(true).await.unwrap().things, ["t1", "t2"]);
    assert_eq!(fixture.registry.members_of_group("mid").await.unwrap(), ["t1"]);
}

#[tokio::test]
async fn list_thing_groups_by_parent_depth_and_prefix() {
    let fixture = nested().await;
    for (body, expected) in [
        (json!({}), vec!["leaf", "mid", "root"]),
        (json!({"recursive": false}), vec!["root"]),
        (json!({"parentGroup": "root"}), vec!["leaf", "mid"]),
        (json!({"parentGroup": "root", "recursive": false}), vec!["mid"]),
        (json!({"namePrefixFilter": "l"}), vec!["leaf"]),
    ] {
        let page = fixture.registry.list_thing_groups(request(body.clone())).await.unwrap();
        let names: Vec<_> = page.thing_groups.iter().map(|g| g.group_name.as_str()).collect();
        assert_eq!(names, expected, "{body}");
    }
    let unknown = fixture.registry.list_thing_groups(request(json!({"parentGroup": "none"}))).await;
    assert_error(unknown, "ResourceNotFoundException", 404);
}

#[tokio::test]
async fn a_group_with_groups_in_it_stays() {
    let fixture = nested().await;
    let delete =
        |name: &str| fixture.registry.delete_thing_group(request(json!({"thingGroupName": name})));
    assert_error(delete("mid").await, "InvalidRequestException", 400);
    delete("leaf").await.unwrap();
    delete("mid").await.unwrap();
    delete("never-there").await.unwrap();
    assert_eq!(fixture.registry.groups_of_thing("t1").await.unwrap(), []);
}

#[tokio::test]
async fn create_thing_group_again_gives_the_same_group_or_409() {
    let fixture = nested().await;
    let create = |members| fixture.registry.create_thing_group(request(members));
    let same = json!({"thingGroupName": "mid", "parentGroupName": "root"});
    assert_eq!(create(same).await.unwrap().thing_group_name, "mid");
    let moved = json!({"thingGroupName": "mid"});
    assert_error(create(moved).await, "ResourceAlreadyExistsException", 409);
    let orphan = json!({"thingGroupName": "x", "parentGroupName": "none"});
    assert_error(create(orphan).await, "ResourceNotFoundException", 404);
}

#[tokio::test]
async fn update_thing_group_changes_what_is_given_and_counts() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let properties = json!({
        "thingGroupDescription": "presses", "attributePayload": {"attributes": {"a": "1"}},
    });
    let body = json!({"thingGroupName": "g", "thingGroupProperties": properties});
    registry.create_thing_group(request(body)).await.unwrap();
    let update = |properties: Value, expected: i64| {
        let body = json!({
            "thingGroupName": "g", "thingGroupProperties": properties, "expectedVersion": expected,
        });
        registry.update_thing_group(request(body))
    };
    assert_eq!(update(json!({"thingGroupDescription": "saws"}), 1).await.unwrap().version, 2);
    assert_error(update(json!({}), 1).await, "VersionConflictException", 409);
    let group = registry.describe_thing_group(request(json!({"thingGroupName": "g"}))).await;
    let expected = json!({
        "thingGroupDescription": "saws", "attributePayload": {"attributes": {"a": "1"}},
    });
    assert_eq!(json!(group.unwrap().thing_group_properties), expected);
}

#[tokio::test]
async fn groups_nest_seven_deep_and_no_deeper() {
    let fixture = Fixture::new().await;
    fixture.group("g1", None).await;
    for depth in 2..=7 {
        fixture.group(&format!("g{depth}"), Some(&format!("g{}", depth - 1))).await;
    }
    let eighth = json!({"thingGroupName": "g8", "parentGroupName": "g7"});
    let refused = fixture.registry.create_thing_group(request(eighth)).await;
    assert_error(refused, "InvalidRequestException", 400);
}

#[tokio::test]
async fn membership_is_named_by_name_or_arn_and_announced_once() {
    let fixture = nested().await;
    let registry = &fixture.registry;
    let mut changes = registry.changes();
    let account = registry.account();
    let by_arn = json!({
        "thingGroupArn": account.thing_group("mid"), "thingArn": account.thing("t2"),
        "thingGroupName": "mid",
    });
    for _ in 0..2 {
        registry.add_thing_to_thing_group(request(by_arn.clone())).await.unwrap();
    }
    registry.remove_thing_from_thing_group(request(by_arn.clone())).await.unwrap();
    let (group, thing) = ("mid".to_owned(), "t2".to_owned());
    let added = Change::MemberAdded { group: group.clone(), thing: thing.clone() };
    assert_eq!(changes.try_recv().unwrap(), added);
    assert_eq!(changes.try_recv().unwrap(), Change::MemberRemoved { group, thing });
    assert!(changes.try_recv().is_err());

    let differing = json!({
        "thingGroupName": "leaf", "thingGroupArn": account.thing_group("mid"), "thingName": "t2",
    });
    let refused = registry.add_thing_to_thing_group(request(differing)).await;
    assert_error(refused, "InvalidRequestException", 400);
    let unnamed = registry.add_thing_to_thing_group(request(json!({"thingName": "t2"}))).await;
    assert_error(unnamed, "InvalidRequestException", 400);
}

#[tokio::test]
async fn a20_tags_of_a_group_travel_as_a_list() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let tags = json!([{"Key": "line", "Value": "7"}]);
    let body = json!({"thingGroupName": "g", "tags": tags});
    let arn = registry.create_thing_group(request(body)).await.unwrap().thing_group_arn;
    let body = json!({"resourceArn": arn, "tags": [{"Key": "hall", "Value": "north"}]});
    registry.tag_resource(request(body)).await.unwrap();
    let body = json!({"resourceArn": arn, "tagKeys": ["line"]});
    registry.untag_resource(request(body)).await.unwrap();
    let left = registry.list_tags_for_resource(request(json!({"resourceArn": arn}))).await.unwrap();
    assert_eq!(json!(left), json!({"tags": [{"Key": "hall", "Value": "north"}]}));
    let thing = registry.account().thing("T");
    let refused = registry.list_tags_for_resource(request(json!({"resourceArn": thing}))).await;
    assert_error(refused, "InvalidRequestException", 400);
}

#[tokio::test]
async fn a_thing_changes_several_groups_at_once_or_none() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    fixture.thing("T").await;
    for group in ["old", "new"] {
        fixture.group(group, None).await;
    }
    fixture.member("old", "T").await;
    let change = |add: &str| {
        let body = json!({
            "thingName": "T", "thingGroupsToAdd": [add], "thingGroupsToRemove": ["old"],
        });
        registry.update_thing_groups_for_thing(request(body))
    };
    let groups = || async {
        let groups = registry.groups_of_thing("T").await.unwrap();
        groups.into_iter().map(|group| group.name).collect::<Vec<_>>()
    };
    assert_error(change("missing").await, "ResourceNotFoundException", 404);
    assert_error(change("old").await, "InvalidRequestException", 400);
    assert_eq!(groups().await, ["old"]);
    change("new").await.unwrap();
    assert_eq!(groups().await, ["new"]);
    change("new").await.unwrap();
}

use proptest::prelude::*;

use super::*;

/// Whether a filter selects a topic, by way of the tree.
fn selects(filter: &str, topic: &str) -> bool {
    let pubsub = PubSub::default();
    let request = SubscribeToTopicRequest {
        topic: Some(filter.to_owned()),
        receive_mode: Some(ReceiveMode::ReceiveAllMessages),
    };
    let outbox = Arc::new(Outbox::new(Arc::default()));
    let key = StreamKey { connection: 1, stream: 1 };
    let component: ComponentName = "a".parse().unwrap();
    let filter = pubsub.subscribe(key, &component, &outbox, &request).unwrap();
    let (event, _) = pubsub.push_to_all(&component, topic, MessageBody::Json("{}"));
    pubsub.unsubscribe(key, &filter);
    assert!(pubsub.is_empty());
    !event.is_empty()
}

#[test]
fn p21_filters_select_topics_as_javas_do() {
    for (filter, topic) in [
        ("foo/#", "foo/bar"),
        ("foo/#", "foo/bar/baz"),
        ("foo/+/baz/#", "foo//baz/bar"),
        ("+", "$x"),
        ("#", "$x/y"),
        ("#", "a"),
        ("foo/+bar", "foo/+bar"),
        ("foo/bar+/#x", "foo/bar+/#x"),
        ("/", "/"),
        ("+/", "a/"),
    ] {
        assert!(selects(filter, topic), "{filter} {topic}");
    }
    for (filter, topic) in [
        ("foo/#", "foo"),
        ("foo/+bar", "foo/xbar"),
        ("#/foo", "a/foo"),
        ("#/foo", "#/foo"),
        ("a/#/b/#", "a/x/b/c"),
        ("foo/", "foo"),
        ("a/+", "a/b/c"),
    ] {
        assert!(!selects(filter, topic), "{filter} {topic}");
    }
}

#[test]
fn p21_only_whole_levels_make_a_wildcard_filter() {
    for filter in ["foo/+/bar", "+", "#", "foo/#", "foo/ba+/#"] {
        assert!(LocalFilter::parse(filter).unwrap().is_wildcard, "{filter}");
    }
    for filter in ["foo/bar", "foo/+bar", "foo/bar+/#x", "#/foo"] {
        assert!(!LocalFilter::parse(filter).unwrap().is_wildcard, "{filter}");
    }
}

#[test]
fn a_filter_of_very_many_levels_is_refused() {
    assert!(LocalFilter::parse(&"/".repeat(MAX_LEVELS - 1)).is_ok());
    assert!(LocalFilter::parse(&"/".repeat(MAX_LEVELS)).is_err());
}

/// The rules of the module's description, level by level.
fn selects_by_definition(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], [_, ..]) => true,
        (["#", ..], _) => false,
        ([level, filter @ ..], [other, topic @ ..]) => {
            (*level == "+" || level == other) && selects_by_definition(filter, topic)
        }
        ([], []) => true,
        _ => false,
    }
}

proptest! {
    #[test]
    fn the_tree_agrees_with_the_definition(
        filter in "(a|b|\\+|#|)(/(a|b|\\+|#|)){0,3}",
        topic in "(a|b|\\$a|)(/(a|b|)){0,3}",
    ) {
        prop_assume!(!filter.is_empty());
        let levels: Vec<&str> = filter.split('/').collect();
        let topic_levels: Vec<&str> = topic.split('/').collect();
        prop_assert_eq!(selects(&filter, &topic), selects_by_definition(&levels, &topic_levels));
    }
}

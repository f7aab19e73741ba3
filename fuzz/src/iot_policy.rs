//! `action \n resource \n client id \n document`.

use std::collections::BTreeMap;

use marram_policy::iot::{Decision, PolicyDocument, PolicySet, ThingVariables, Variables};

const DENY_ALL: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Deny","Action":"*","Resource":"*"}]}"#;

pub(crate) fn run(data: &[u8]) {
    let Some(([action, resource, client_id], document)) = crate::lines::split(data) else {
        return;
    };
    let Ok(document) = PolicyDocument::parse(document) else { return };
    let attributes = BTreeMap::from([("site".to_owned(), "north".to_owned())]);
    let variables = Variables {
        client_id: Some(client_id),
        certificate_id: Some("abc"),
        certificate_common_name: Some("AWS IoT Certificate"),
        thing: Some(ThingVariables { name: client_id, attributes: &attributes }),
    };
    let alone = PolicySet::compile([&document]).allows(action, resource, &variables);
    let twice = PolicySet::compile([&document, &document]).allows(action, resource, &variables);
    assert_eq!(alone, twice, "a document that holds twice");
    let deny = PolicyDocument::parse(DENY_ALL).expect("a valid document");
    let denied = PolicySet::compile([&document, &deny]).allows(action, resource, &variables);
    assert_eq!(denied, Decision::DeniedExplicitly, "an explicit denial wins");
}

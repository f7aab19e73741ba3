use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: i64 = 1_767_323_045;

fn send(current: Option<&Stored>, request: &Value) -> Result<Update, Rejected> {
    update(current, request.to_string().as_bytes(), NOW)
}

fn after(requests: &[Value]) -> Update {
    let mut last: Option<Update> = None;
    for request in requests {
        last = Some(send(last.as_ref().map(|u| &u.stored), request).unwrap());
    }
    last.unwrap()
}

#[test]
fn d30_the_first_update_makes_version_1_and_a_delta_until_reported_agrees() {
    let first = after(&[json!({"state": {"desired": {"a": 1}}, "clientToken": "t"})]);
    let stamps = json!({"desired": {"a": {"timestamp": NOW}}});
    assert_eq!(
        first.accepted,
        json!({"state": {"desired": {"a": 1}}, "metadata": stamps, "version": 1,
               "timestamp": NOW, "clientToken": "t"})
    );
    let delta = first.delta.unwrap();
    assert_eq!(delta["state"], json!({"a": 1}));
    assert_eq!(delta["metadata"], json!({"a": {"timestamp": NOW}}));
    assert!(first.documents.get("previous").is_none());
    assert_eq!(first.documents["current"]["version"], 1);

    let second = send(Some(&first.stored), &json!({"state": {"reported": {"a": 1}}})).unwrap();
    assert_eq!(second.delta, None);
    assert_eq!(second.documents["previous"]["version"], 1);
    assert!(second.accepted.get("clientToken").is_none());
}

#[test]
fn d31_another_version_is_a_conflict_with_the_token_echoed() {
    let first = after(&[json!({"state": {"desired": {"a": 1}}})]);
    let request = json!({"state": {"desired": {"a": 2}}, "version": 7, "clientToken": "t2"});
    let rejected = send(Some(&first.stored), &request).unwrap_err();
    assert_eq!(
        rejected.document(NOW),
        json!({"code": 409, "message": "Version conflict", "timestamp": NOW, "clientToken": "t2"})
    );
    assert_eq!(send(None, &request).unwrap_err().code, 409);
    for version in [0, 1] {
        assert!(send(None, &json!({"state": {}, "version": version})).is_ok());
    }
}

#[test]
fn d32_a_deletion_reports_its_version_and_the_next_update_is_two_further() {
    let second = after(&[json!({"state": {"desired": {"a": 1}}}), json!({"state": {}})]);
    let gone = delete(Some(&second.stored), b"", "core1", NOW).unwrap();
    assert_eq!(gone.accepted, json!({"version": 2, "timestamp": NOW}));
    let missing = get(Some(&gone.stored), b"{\"clientToken\":\"g\"}", "core1", NOW).unwrap_err();
    assert_eq!((missing.code, missing.client_token.as_deref()), (404, Some("g")));
    assert_eq!(delete(Some(&gone.stored), b"", "core1", NOW).unwrap_err().code, 404);

    let state = json!({"desired": {"b": 2}});
    let again = send(Some(&gone.stored), &json!({"state": state})).unwrap();
    assert_eq!(again.accepted["version"], 4);
    assert_eq!(again.documents["current"]["state"], state);
    assert!(again.documents.get("previous").is_none());
    let knowing = send(Some(&gone.stored), &json!({"state": state, "version": 3})).unwrap();
    assert_eq!(knowing.accepted["version"], 4);
}

#[test]
fn d32b_numbers_compare_by_value_and_arrays_whole() {
    let both = json!({"state": {"desired": {"n": 1}, "reported": {"n": 1.0}}});
    assert_eq!(after(std::slice::from_ref(&both)).delta, None);
    let list = after(&[both, json!({"state": {"desired": {"n": [1]}}})]);
    assert_eq!(list.delta.unwrap()["state"], json!({"n": [1]}));
}

#[test]
fn d32c_six_levels_are_accepted_and_seven_are_not() {
    let deep = json!({"state": {"desired": {"a": {"b": {"c": {"d": {"e": 1}}}}}}});
    assert!(send(None, &deep).is_ok());
    let deeper = json!({"state": {"desired": {"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}}}});
    assert_eq!(send(None, &deeper).unwrap_err().code, 400);
    let edge = json!({"state": {"desired": {"a": {"b": {"c": {"d": {"e": {"f": {}}}}}}}}});
    assert!(send(None, &edge).is_ok());
}

#[test]
fn null_removes_and_is_never_kept() {
    let update = after(&[
        json!({"state": {"desired": {"a": {"b": 1, "c": null}, "d": 2}, "reported": {"x": 1}}}),
        json!({"state": {"desired": {"a": {"b": null}, "d": null}, "reported": null}}),
    ]);
    let current = &update.documents["current"];
    assert_eq!(current["state"], json!({"desired": {"a": {}}}));
    assert_eq!(current["metadata"], json!({"desired": {"a": {}}}));
    assert_eq!(update.accepted["state"]["reported"], Value::Null);
    let cleared = send(Some(&update.stored), &json!({"state": null})).unwrap();
    assert_eq!(cleared.documents["current"]["state"], json!({}));
    assert_eq!(get(Some(&cleared.stored), b"", "t", NOW).unwrap()["version"], 3);
}

#[test]
fn values_and_objects_replace_each_other_and_arrays_have_stamps() {
    let update = after(&[
        json!({"state": {"desired": {"a": {"b": 1}, "l": [1, {"k": 2}]}}}),
        json!({"state": {"desired": {"a": 5}}}),
        json!({"state": {"desired": {"a": {"c": 1}}}}),
    ]);
    let stamp = json!({"timestamp": NOW});
    assert_eq!(
        update.documents["current"]["metadata"]["desired"],
        json!({"a": {"c": stamp}, "l": [stamp, {"k": stamp}]})
    );
}

#[test]
fn malformed_requests_are_refused_with_their_code() {
    let cases: &[(&[u8], u16)] = &[
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b"{}", 400),
        (b"{\"state\":1}", 400),
        (b"{\"state\":{\"desired\":1}}", 400),
        (b"{\"state\":{\"other\":{}}}", 400),
        (b"{\"state\":{},\"version\":-1}", 400),
        (b"{\"state\":{},\"version\":\"1\"}", 400),
        (b"{\"state\":{},\"clientToken\":5}", 400),
        (b"{\"state\":{\"desired\":{\"a\":\"\xff\"}}}", 415),
    ];
    for (payload, code) in cases {
        let rejected = update(None, payload, NOW).unwrap_err();
        assert_eq!(rejected.code, *code, "{}", String::from_utf8_lossy(payload));
    }
    assert!(send(None, &json!({"state": {"delta": {"a": 1}}})).is_ok());
}

#[test]
fn the_size_after_the_merge_counts() {
    let half = "x".repeat(MAX_STATE_BYTES / 2 - 8);
    let first = after(&[json!({"state": {"desired": {"a": half}}})]);
    assert!(send(Some(&first.stored), &json!({"state": {"reported": {"a": half}}})).is_ok());
    let too_much = json!({"state": {"desired": {"b": "x".repeat(MAX_STATE_BYTES / 2)}}});
    assert_eq!(send(Some(&first.stored), &too_much).unwrap_err().code, 413);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        Just(json!(1.0)),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(
        "[a-c]",
        prop_oneof![4 => json_value(), 1 => Just(Value::Null)],
        0..3,
    )
    .prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    #[test]
    fn reporting_the_delta_leaves_none(desired in object(), reported in object()) {
        let first = send(None, &json!({"state": {"desired": desired, "reported": reported}})).unwrap();
        if let Some(delta) = first.delta {
            let request = json!({"state": {"reported": delta["state"]}});
            let second = send(Some(&first.stored), &request).unwrap();
            prop_assert_eq!(second.delta, None);
        }
    }

    #[test]
    fn an_update_is_idempotent_but_for_its_version(a in object(), b in object()) {
        let request = json!({"state": {"desired": b}});
        let first = after(&[json!({"state": {"desired": a}}), request.clone()]);
        let again = send(Some(&first.stored), &request).unwrap();
        prop_assert_eq!(again.stored.version, first.stored.version + 1);
        prop_assert_eq!(again.stored.document, first.stored.document);
    }

    #[test]
    fn metadata_has_the_shape_of_the_state(a in object(), b in object()) {
        let update = after(&[json!({"state": {"desired": a}}), json!({"state": {"desired": b}})]);
        if let Some(section) = update.stored.document.unwrap().desired {
            prop_assert!(!section.state.is_empty());
            let (state, stamps) = (Value::Object(section.state), Value::Object(section.metadata));
            prop_assert!(same_shape(&state, &stamps));
        }
    }

    #[test]
    fn any_bytes_are_answered(payload in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = update(None, &payload, NOW);
        let _ = get(None, &payload, "t", NOW);
        let _ = delete(None, &payload, "t", NOW);
    }
}

fn same_shape(state: &Value, stamps: &Value) -> bool {
    match (state, stamps) {
        (Value::Null, _) => false,
        (Value::Object(state), Value::Object(stamps)) => {
            state.len() == stamps.len()
                && state.iter().all(|(k, v)| stamps.get(k).is_some_and(|s| same_shape(v, s)))
        }
        (Value::Array(state), Value::Array(stamps)) => {
            state.len() == stamps.len() && state.iter().zip(stamps).all(|(v, s)| same_shape(v, s))
        }
        (_, stamps) => stamps == &json!({"timestamp": NOW}),
    }
}

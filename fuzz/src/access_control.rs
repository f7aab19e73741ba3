//! `service \n operation \n resource \n accessControl as JSON`.

use marram_policy::access_control::{AccessControl, policy_that_allows};
use serde_json::Value;

pub(crate) fn run(data: &[u8]) {
    let Some(([service, operation, resource], document)) = crate::lines::split(data) else {
        return;
    };
    if let Ok(value) = serde_json::from_str::<Value>(document) {
        let (rules, warnings) = AccessControl::parse(&value);
        let as_text = AccessControl::parse(&Value::String(value.to_string())).0;
        assert_eq!(rules, as_text, "the JSON text of the same rules");
        let allowed = rules.allows(service, operation, resource);
        assert!(!(allowed && resource.is_empty()), "the empty resource was allowed");
        for warning in warnings {
            assert!(!warning.to_string().is_empty());
        }
    }
    let narrow = policy_that_allows("com.example.C", service, operation, resource);
    let (rules, warnings) = AccessControl::parse(&narrow);
    let is_known = warnings.is_empty() && rules != AccessControl::default();
    if is_known && !resource.is_empty() {
        assert!(rules.allows(service, operation, resource), "{narrow} does not allow what it says");
    }
}

//! The route tables against the service models of the botocore that is installed here.
//!
//! Without Python or botocore the tests pass with a printed reason: the models are Amazon's and
//! no copy of them is kept in the repository.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::process::Command;

use serde_json::Value;

use crate::route::Route;
use crate::{greengrassv2, iot};

/// Prints the model's operations with where their members travel.
const DUMP: &str = r#"
import json, sys
import botocore.loaders
model = botocore.loaders.Loader().load_service_model(sys.argv[1], "service-2", sys.argv[2])
def members(operation, location):
    shape = model["shapes"][operation["input"]["shape"]] if "input" in operation else {"members": {}}
    return [[m["locationName"], name] for name, m in shape["members"].items()
            if m.get("location") == location]
print(json.dumps({name: {
    "method": o["http"]["method"], "path": o["http"]["requestUri"],
    "status": o["http"].get("responseCode", 200),
    "query": members(o, "querystring"), "headers": members(o, "header"),
} for name, o in model["operations"].items()}))
"#;

fn model(service: &str, version: &str) -> Option<Value> {
    let output = Command::new("python3").args(["-c", DUMP, service, version]).output();
    match output {
        Ok(output) if output.status.success() => serde_json::from_slice(&output.stdout).ok(),
        Ok(output) => {
            println!("skipped: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => {
            println!("skipped: python3 cannot be run: {error}");
            None
        }
    }
}

fn pairs(value: &Value) -> BTreeSet<(String, String)> {
    serde_json::from_value::<Vec<(String, String)>>(value.clone()).unwrap().into_iter().collect()
}

/// Each route must be as in the model; query members that mean nothing here may be left out.
fn check<O: Debug>(service: &str, version: &str, routes: &[Route<O>]) {
    let Some(model) = model(service, version) else { return };
    for route in routes {
        let name = format!("{:?}", route.operation);
        let expected = &model[&name];
        assert_eq!(expected["method"], route.method, "{name}");
        assert_eq!(expected["path"], route.template, "{name}");
        assert_eq!(expected["status"], route.status, "{name}");
        for (wire, member, _) in route.query {
            let pair = ((*wire).to_owned(), (*member).to_owned());
            assert!(pairs(&expected["query"]).contains(&pair), "{name}: {wire}");
        }
        let headers = route.headers.iter().map(|(w, m)| ((*w).to_owned(), (*m).to_owned()));
        assert_eq!(pairs(&expected["headers"]), headers.collect(), "{name}");
    }
}

#[test]
fn iot_routes_are_the_models() {
    check("iot", "2015-05-28", iot::ROUTES);
}

#[test]
fn greengrassv2_routes_are_the_models() {
    check("greengrassv2", "2020-11-30", greengrassv2::ROUTES);
}

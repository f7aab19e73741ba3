//! Our route tables as JSON, for the interop test that holds them against botocore's models.

use marram_aws::route::Route;
use marram_aws::{greengrassv2, iot, iot_data, iot_jobs_data};
use serde_json::{Value, json};

/// Service → its routes with everything that the model states too.
pub(crate) fn tables() -> Value {
    json!({
        "greengrassv2": table(greengrassv2::ROUTES),
        "iot": table(iot::ROUTES),
        "iot-data": table(iot_data::ROUTES),
        "iot-jobs-data": table(iot_jobs_data::ROUTES),
    })
}

fn table<O: std::fmt::Debug>(routes: &[Route<O>]) -> Vec<Value> {
    routes
        .iter()
        .map(|route| {
            json!({
                "operation": format!("{:?}", route.operation),
                "method": route.method,
                "template": route.template,
                "status": route.status,
                "query": route.query.iter().map(|(wire, _, _)| wire).collect::<Vec<_>>(),
                "headers": route.headers.iter().map(|(wire, _)| wire).collect::<Vec<_>>(),
            })
        })
        .collect()
}

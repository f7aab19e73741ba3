//! The `iotdata` service (2015-05-28): where its operations lie. Shadows and messages travel as
//! bodies, so that there are no shapes.

use crate::route::{Kind, Route};

/// The operations that are served, by their names in the model.
#[allow(missing_docs, reason = "the names are the model's")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    DeleteThingShadow,
    GetConnection,
    GetRetainedMessage,
    GetThingShadow,
    ListNamedShadowsForThing,
    ListRetainedMessages,
    Publish,
    UpdateThingShadow,
}

type Query = &'static [(&'static str, &'static str, Kind)];

const SHADOW: &str = "/things/{thingName}/shadow";
const SHADOW_NAME: Query = &[("name", "shadowName", Kind::Text)];
const NEXT_TOKEN: (&str, &str, Kind) = ("nextToken", "nextToken", Kind::Text);

const fn route(
    operation: Operation,
    method: &'static str,
    template: &'static str,
    query: Query,
) -> Route<Operation> {
    Route { operation, method, template, query, headers: &[], status: 200 }
}

/// Where the operations lie.
pub const ROUTES: &[Route<Operation>] = &[
    route(Operation::DeleteThingShadow, "DELETE", SHADOW, SHADOW_NAME),
    route(Operation::GetThingShadow, "GET", SHADOW, SHADOW_NAME),
    route(Operation::UpdateThingShadow, "POST", SHADOW, SHADOW_NAME),
    route(
        Operation::ListNamedShadowsForThing,
        "GET",
        "/api/things/shadow/ListNamedShadowsForThing/{thingName}",
        &[NEXT_TOKEN, ("pageSize", "pageSize", Kind::Int)],
    ),
    Route {
        headers: &[
            ("x-amz-mqtt5-user-properties", "userProperties"),
            ("x-amz-mqtt5-payload-format-indicator", "payloadFormatIndicator"),
            ("x-amz-mqtt5-correlation-data", "correlationData"),
        ],
        ..route(
            Operation::Publish,
            "POST",
            "/topics/{topic}",
            &[
                ("qos", "qos", Kind::Int),
                ("retain", "retain", Kind::Bool),
                ("contentType", "contentType", Kind::Text),
                ("responseTopic", "responseTopic", Kind::Text),
                ("messageExpiry", "messageExpiry", Kind::Int),
            ],
        )
    },
    route(Operation::GetRetainedMessage, "GET", "/retainedMessage/{topic}", &[]),
    route(
        Operation::ListRetainedMessages,
        "GET",
        "/retainedMessage",
        &[NEXT_TOKEN, ("maxResults", "maxResults", Kind::Int)],
    ),
    route(
        Operation::GetConnection,
        "GET",
        "/connections/{clientId}",
        &[("includeSocketInformation", "includeSocketInformation", Kind::Bool)],
    ),
];

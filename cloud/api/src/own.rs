//! The service `marram`: what AWS has no call for. Signed and audited like any other.
//!
//! | operation | who may |
//! |---|---|
//! | `POST /backup` | the root key |
//! | `GET /deployments/{deploymentId}/explanation` | who may call `greengrass` |
//! | `GET /clock` | who may call `greengrass` |
//! | `POST /clock/advance` | the root key |

use std::net::SocketAddr;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use marram_aws::ApiError;
use marram_aws::route::{Kind, Route};
use marram_aws::sigv4::Claim;
use marram_http::server::{Reply, read_body};

use crate::api::Services;
use crate::bind::{Bound, Dialect, bind};
use crate::call::{BODY_DEADLINE, MAX_BODY, record, unread};
use crate::caller::{Caller, Claimed};
use crate::envelope::{About, refuse};
use crate::iot::run;
use crate::{backup, clock};

/// The signing name.
pub(crate) const SERVICE: &str = "marram";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Backup,
    ExplainDeployment,
    GetClock,
    AdvanceClock,
}

const ROUTES: &[Route<Operation>] = &[
    route(Operation::Backup, "POST", "/backup"),
    Route {
        query: &[("device", "device", Kind::Text), ("maxDevices", "maxDevices", Kind::Int)],
        ..route(Operation::ExplainDeployment, "GET", "/deployments/{deploymentId}/explanation")
    },
    route(Operation::GetClock, "GET", "/clock"),
    route(Operation::AdvanceClock, "POST", "/clock/advance"),
];

const fn route(
    operation: Operation,
    method: &'static str,
    template: &'static str,
) -> Route<Operation> {
    Route { operation, method, template, query: &[], headers: &[], status: 200 }
}

/// Answers one call.
pub(crate) async fn answer(
    services: &Services,
    parts: &Parts,
    body: Incoming,
    claim: Claim,
    about: About<'_>,
    source: SocketAddr,
) -> Result<Reply, ApiError> {
    let claimed = Claimed::look_up(services, parts, claim).await?;
    let body = read_body(body, MAX_BODY, BODY_DEADLINE).await.map_err(|error| unread(&error))?;
    let caller = claimed.verify(Some(&body), services.clock.now_ms())?;
    let reply = match dispatch(services, parts, body, &caller, about).await {
        Ok(reply) => reply,
        Err(error) => refuse(&error, about),
    };
    record(&caller.principal, about, source).write(reply.status().as_u16());
    Ok(reply)
}

async fn dispatch(
    services: &Services,
    parts: &Parts,
    body: Bytes,
    caller: &Caller,
    about: About<'_>,
) -> Result<Reply, ApiError> {
    let Bound { operation, status, members } = bind(ROUTES, Dialect::Greengrass, parts, &body)?;
    let answer = match operation {
        Operation::Backup => {
            only_root(caller, "Backup", "a back-up holds every secret")?;
            return backup::answer(services).await;
        }
        Operation::ExplainDeployment => {
            caller.authorize("greengrass")?;
            run(members, status, |q| services.fleet.explain_deployment(q)).await?
        }
        Operation::GetClock => {
            caller.authorize("greengrass")?;
            run(members, status, |q| clock::get(services, q)).await?
        }
        Operation::AdvanceClock => {
            only_root(caller, "AdvanceClock", "all of the cloud goes by it")?;
            run(members, status, |q| clock::advance(services, q)).await?
        }
    };
    Ok(answer.into_reply(about.request_id))
}

/// Whatever policies say.
fn only_root(caller: &Caller, operation: &str, why: &str) -> Result<(), ApiError> {
    let who = &caller.principal;
    if who.is_root() {
        return Ok(());
    }
    Err(ApiError::access_denied(format!(
        "User: {} is not authorized to perform: {SERVICE}:{operation}: {why}, so only the root \
         key may",
        who.arn()
    )))
}

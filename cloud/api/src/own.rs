//! The service `marram`: what AWS has no call for. Signed and audited like any other.
//!
//! | operation | who may |
//! |---|---|
//! | `POST /backup`, `POST /clock/advance` | keys with full access |
//! | `GET /deployments/{deploymentId}/explanation` | `marram:ExplainDeployment` on the deployment |
//! | `GET /clock` | `marram:GetClock` |
//! | `GET /keys`, `POST /keys` | `marram:ListKeys`, `marram:CreateKey` |
//! | `DELETE /keys/{accessKeyId}`, `POST /keys/{accessKeyId}/disable`, `…/enable`, `…/rotate` | `marram:DeleteKey`, … on the key |

use hyper::http::request::Parts;
use marram_aws::ApiError;
use marram_aws::route::{Kind, Route};
use marram_http::server::Reply;
use marram_model::arn::Account;

use crate::api::Services;
use crate::audit::Deed;
use crate::authority::Authority;
use crate::bind::{Bound, Dialect, Members, bind};
use crate::envelope::About;
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
    CreateKey,
    DeleteKey,
    DisableKey,
    EnableKey,
    ListKeys,
    RotateKey,
}

const ROUTES: &[Route<Operation>] = &[
    route(Operation::Backup, "POST", "/backup"),
    Route {
        query: &[("device", "device", Kind::Text), ("maxDevices", "maxDevices", Kind::Int)],
        ..route(Operation::ExplainDeployment, "GET", "/deployments/{deploymentId}/explanation")
    },
    route(Operation::GetClock, "GET", "/clock"),
    route(Operation::AdvanceClock, "POST", "/clock/advance"),
    route(Operation::ListKeys, "GET", "/keys"),
    Route { status: 201, ..route(Operation::CreateKey, "POST", "/keys") },
    route(Operation::DeleteKey, "DELETE", "/keys/{accessKeyId}"),
    route(Operation::DisableKey, "POST", "/keys/{accessKeyId}/disable"),
    route(Operation::EnableKey, "POST", "/keys/{accessKeyId}/enable"),
    Route { status: 201, ..route(Operation::RotateKey, "POST", "/keys/{accessKeyId}/rotate") },
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
    body: &[u8],
    authority: &Authority,
    about: About<'_>,
    deed: &mut Deed,
) -> Result<Reply, ApiError> {
    let Bound { operation, status, members: m } = bind(ROUTES, Dialect::Greengrass, parts, body)?;
    permit(operation, &m, services.registry.account(), authority, deed)?;
    let (r, fleet) = (&services.registry, &services.fleet);
    let running = match operation {
        Operation::Backup => return backup::answer(services).await,
        Operation::ExplainDeployment => run(m, status, |q| fleet.explain_deployment(q)),
        Operation::GetClock => run(m, status, |q| clock::get(services, q)),
        Operation::AdvanceClock => run(m, status, |q| clock::advance(services, q)),
        Operation::CreateKey => run(m, status, |q| r.create_key(q)),
        Operation::DeleteKey => run(m, status, |q| r.delete_key(q)),
        Operation::DisableKey => run(m, status, |q| r.disable_key(q)),
        Operation::EnableKey => run(m, status, |q| r.enable_key(q)),
        Operation::ListKeys => run(m, status, |q| r.list_keys(q)),
        Operation::RotateKey => run(m, status, |q| r.rotate_key(q)),
    };
    Ok(running.await?.into_reply(about.request_id))
}

/// Asks whether the caller may. What no policy can give is asked for first of all.
fn permit(
    operation: Operation,
    members: &Members,
    account: &Account,
    authority: &Authority,
    deed: &mut Deed,
) -> Result<(), ApiError> {
    let action = format!("{SERVICE}:{operation:?}");
    let resource = match operation {
        Operation::ExplainDeployment => {
            members.text("deploymentId").map(|id| account.deployment(id))
        }
        Operation::DeleteKey
        | Operation::DisableKey
        | Operation::EnableKey
        | Operation::RotateKey => members.text("accessKeyId").map(|id| account.access_key(id)),
        Operation::Backup
        | Operation::GetClock
        | Operation::AdvanceClock
        | Operation::CreateKey
        | Operation::ListKeys => None,
    };
    let resource = resource.unwrap_or_else(|| "*".to_owned());
    deed.operation = Some(action.clone());
    deed.resource.clone_from(&resource);
    match operation {
        Operation::Backup => authority.require_full_access(&action, "a back-up holds every secret"),
        Operation::AdvanceClock => {
            authority.require_full_access(&action, "all of the cloud goes by it")
        }
        _ => authority.permit(&action, &resource),
    }
}

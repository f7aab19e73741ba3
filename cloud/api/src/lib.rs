//! The control plane: every AWS service that Marram speaks to people and programs, on one HTTPS
//! listener.
//!
//! A request is answered in fixed steps: read its signature, look up the key, verify, decide
//! whether that principal may call that service, dispatch on the *service name of the credential
//! scope* and only then on the raw path (paths alone are ambiguous between services, cloud API
//! section 1), bind path, query, headers and body to the operation's request, call the fleet or
//! the registry, and put the result or the error into the protocol's envelope.
//!
//! Invariant: nothing is dispatched that was not verified and authorised, and every call that
//! may change something leaves one line on the tracing target `audit`.

mod api;
mod audit;
mod authority;
mod backup;
mod bind;
mod call;
mod caller;
mod clock;
mod envelope;
mod greengrass;
mod iam;
mod iot;
mod iot_data;
mod iot_jobs_data;
mod own;
mod resources;
mod sts;

pub use api::{Api, Parts};
pub use backup::{BackingUp, Backups};
pub use iot_data::{Looking, MessageProperties, Publication, Topics};

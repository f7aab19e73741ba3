//! One line for each call that may have changed something or was denied, on the tracing target
//! `audit`.

use std::net::SocketAddr;

use hyper::Method;
use marram_registry::Principal;
use tracing::info;

use crate::authority::Authority;
use crate::resources::Need;
use marram_aws::ApiError;

/// What a call asked for, as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Deed {
    /// `iot:CreateThing`; none for a request that is no operation.
    pub(crate) operation: Option<String>,
    /// ARNs, or `*`.
    pub(crate) resource: String,
}

impl Deed {
    /// Notes what is asked for, and then asks whether the caller may.
    pub(crate) fn begin(&mut self, authority: &Authority, needs: &[Need]) -> Result<(), ApiError> {
        self.operation = needs.first().map(|(action, _)| action.clone());
        let resources: Vec<&str> = needs.iter().map(|(_, resource)| resource.as_str()).collect();
        self.resource = resources.join(" ");
        needs.iter().try_for_each(|(action, resource)| authority.permit(action, resource))
    }
}

/// A verified call. It writes its line when it is dropped, so that one whose caller went away, and
/// which is then dropped wherever it was, leaves one too.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) principal: &'a Principal,
    pub(crate) source: SocketAddr,
    pub(crate) service: &'a str,
    pub(crate) method: &'a Method,
    /// Without the query, which may hold a presigned URL's signature.
    pub(crate) path: &'a str,
    pub(crate) deed: Deed,
    /// The HTTP status of its answer, once there is one.
    pub(crate) status: Option<u16>,
}

impl Drop for Record<'_> {
    /// Writes the line, unless the call only read and was let in.
    fn drop(&mut self) {
        let outcome = match self.status {
            Some(403) => "denied",
            Some(0..400) => "done",
            Some(_) => "failed",
            // It may have been done all the same.
            None => "interrupted",
        };
        if self.only_reads() && outcome != "denied" {
            return;
        }
        info!(
            target: "audit",
            request_id = self.request_id,
            principal = self.principal.arn(),
            source = %self.source.ip(),
            service = self.service,
            method = %self.method,
            path = self.path,
            status = self.status,
            operation = self.deed.operation.as_deref(),
            resource = self.deed.resource,
            outcome,
        );
    }
}

impl Record<'_> {
    fn only_reads(&self) -> bool {
        const READING: &[&str] = &["Describe", "Explain", "Get", "Head", "List", "Resolve"];
        match self.deed.operation.as_deref().and_then(|operation| operation.split_once(':')) {
            Some((_, name)) => READING.iter().any(|verb| name.starts_with(verb)),
            None => *self.method == Method::GET || *self.method == Method::HEAD,
        }
    }
}

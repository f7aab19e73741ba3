//! One line for each call that may have changed something, on the tracing target `audit`.

use std::net::SocketAddr;

use hyper::Method;
use marram_registry::Principal;
use tracing::info;

/// A verified call.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) principal: &'a Principal,
    pub(crate) source: SocketAddr,
    pub(crate) service: &'a str,
    pub(crate) method: &'a Method,
    /// Without the query, which may hold a presigned URL's signature.
    pub(crate) path: &'a str,
}

impl Record<'_> {
    /// Writes the line, unless the call only read.
    pub(crate) fn write(&self, status: u16) {
        let reads = *self.method == Method::GET || *self.method == Method::HEAD;
        if reads || self.service == "sts" {
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
            status,
        );
    }
}

//! What a component may ask, and the statuses of the answers (those of the Java nucleus, which
//! SDKs were tested against).

use std::sync::Arc;

use marram_http::server::{Reply, Request, reply};
use marram_http::{Method, StatusCode, header};
use marram_nucleus::supervisor::tokens::Tokens;

use crate::provider::Provider;

/// The endpoint's only path.
pub(crate) const PATH: &str = "/2016-11-01/credentialprovider/";

#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) tokens: Tokens,
    pub(crate) provider: Provider,
}

pub(crate) async fn answer(endpoint: Arc<Endpoint>, request: Request) -> Reply {
    if let Some(refusal) = endpoint.refusal(&request) {
        return empty(refusal);
    }
    let answer = endpoint.provider.credentials().await;
    let content_type = if answer.status == StatusCode::OK { "application/json" } else { "" };
    reply(answer.status, content_type, answer.body)
}

impl Endpoint {
    fn refusal(&self, request: &Request) -> Option<StatusCode> {
        let path = request.uri().path();
        if !path.starts_with(PATH) {
            return Some(StatusCode::NOT_FOUND);
        }
        if request.method() != Method::GET {
            return Some(StatusCode::METHOD_NOT_ALLOWED);
        }
        if path != PATH {
            return Some(StatusCode::BAD_REQUEST);
        }
        let token = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        // Every component may have credentials (the service's default accessControl).
        let is_component = token.is_some_and(|token| self.tokens.owner(token).is_some());
        (!is_component).then_some(StatusCode::FORBIDDEN)
    }
}

fn empty(status: StatusCode) -> Reply {
    reply(status, "", "")
}

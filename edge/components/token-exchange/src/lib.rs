//! aws.greengrass.TokenExchangeService: the local credentials endpoint.
//!
//! Components ask it as AWS SDKs ask a container credentials provider; it asks the cloud's
//! credentials provider with the device's certificate, and keeps what it gets until five minutes
//! before its end (components, section 3). It answers on 127.0.0.1 and on [::1], because programs
//! resolve `localhost` to either.

mod component;
mod endpoint;
mod provider;

pub use component::TokenExchange;

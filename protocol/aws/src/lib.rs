//! The AWS wire as Marram speaks it: routes and shapes, SigV4, error envelopes.
//!
//! Everything here is pure: no sockets, no clock, no files. The shapes are written by us and
//! checked in the interop tests against the service models that botocore carries.

pub mod epoch;
pub mod error;
pub mod greengrassv2;
pub mod iam;
pub mod iot;
pub mod iot_data;
pub mod iot_jobs_data;
pub mod marram;
pub mod query;
pub mod route;
pub mod s3;
pub mod sigv4;
pub mod timestamp;
pub mod xml;

pub use error::{ApiError, FieldError};

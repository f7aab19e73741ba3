//! The device plane over real TLS, with the clients that devices have.

mod ending;
mod https;
mod jobs;
mod mqtt;
mod plane;
mod shadows;
mod status;

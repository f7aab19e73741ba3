//! The device plane over real TLS, with the clients that devices have.

mod https;
mod mqtt;
mod plane;

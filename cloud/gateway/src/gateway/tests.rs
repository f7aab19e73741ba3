//! The device plane over real TLS, with the clients that devices have.

mod ending;
mod https;
mod jobs;
mod kept;
mod mqtt;
mod plane;
mod presence;
mod retained;
mod shadows;
mod status;
mod websocket;

//! The IPC server: what components on this device may ask of the nucleus.

pub mod iot_core;

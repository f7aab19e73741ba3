//! Evaluation of IoT policies and of components' accessControl.

pub mod access_control;
pub mod iot;

//! Evaluation of IoT policies and of components' accessControl.

pub mod iot;

//! Evaluation of IoT policies, of IAM policies and of components' accessControl.

pub mod access_control;
mod document;
pub mod iam;
pub mod iot;
mod pattern;

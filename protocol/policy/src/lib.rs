//! Evaluation of IoT policies and of components' accessControl.

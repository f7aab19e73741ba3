//! The control plane over SigV4.

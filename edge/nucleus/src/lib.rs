//! The nucleus: configuration, lifecycles, deployments, packages, IPC, cloud link.

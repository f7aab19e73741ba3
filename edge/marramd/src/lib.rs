//! The core device's runtime: arguments and composition only.

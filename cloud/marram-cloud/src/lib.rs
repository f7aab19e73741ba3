//! The fleet service: arguments and composition only.

//! The fleet service: arguments and composition only.
fn main() {}

//! The workspace's own commands: test, layers, size.
fn main() {}

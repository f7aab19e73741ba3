//! One executable for people: quickstart, cloud, core, env.
fn main() {}

# Short names for the workspace's commands; each works without just as `cargo …`.

# From nothing to a running component
quickstart *ARGS:
    cargo run --release -- quickstart {{ARGS}}

# Everything that CI checks
test *ARGS:
    cargo xtask test {{ARGS}}

# Format, clippy, layers
lint:
    cargo xtask test --only lint

# The Rust tests
rust:
    cargo xtask test --only rust

# The AWS CLI, boto3 and the Device SDK against the built programs
interop:
    cargo xtask test --only interop

# Executable sizes, idle memory, start times
size *ARGS:
    cargo xtask size {{ARGS}}

# Format everything
format:
    cargo fmt --all

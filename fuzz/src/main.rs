//! The engine around the targets: libFuzzer. Run it by `cargo xtask fuzz`, which gives the code
//! its coverage counters.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use marram_fuzz::Target;

/// The target that the environment names: libFuzzer owns the arguments.
static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("MARRAM_FUZZ_TARGET").unwrap_or_default();
    marram_fuzz::find(&name).unwrap_or_else(|| {
        eprintln!("MARRAM_FUZZ_TARGET={name:?} names no target: run `cargo xtask fuzz --list`");
        std::process::exit(64)
    })
});

fuzz_target!(|data: &[u8]| (TARGET.run)(data));

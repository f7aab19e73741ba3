//! What this device is, for the choice of manifests (recipes and deployments, A2.1).

use marram_recipe::platform::Attributes;
use serde_json::Value;

use crate::config::ConfigStore;
use crate::resolve::NUCLEUS;

/// The kernel's name for the machine, for example `armv7l`.
const KERNEL_ARCHITECTURE: &str = "/proc/sys/kernel/arch";

/// The 32-bit ARM kinds that Greengrass tells apart.
const ARM_KINDS: [&str; 6] = ["armv6l", "armv7l", "armv8l", "armv6b", "armv7b", "armv8b"];

/// The device's attributes, with the texts of the nucleus's `platformOverride` over them.
pub fn device_attributes(config: &ConfigStore) -> Attributes {
    let mut attributes = own_attributes();
    let path = ["services", NUCLEUS, "configuration", "platformOverride"];
    if let Some(Value::Object(overrides)) = config.get(&path) {
        for (name, value) in overrides {
            if let Value::String(text) = value {
                attributes.insert(name, text);
            }
        }
    }
    attributes
}

fn own_attributes() -> Attributes {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        os @ ("linux" | "windows") => os,
        _ => "unknown",
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        architecture @ ("x86" | "aarch64" | "arm" | "riscv64") => architecture,
        _ => "unknown",
    };
    let mut attributes: Attributes =
        [("os", os), ("architecture", architecture)].map(|(k, v)| (k.into(), v.into())).into();
    if matches!(architecture, "arm" | "aarch64")
        && let Ok(machine) = std::fs::read_to_string(KERNEL_ARCHITECTURE)
        && let Some(kind) = ARM_KINDS.iter().find(|kind| **kind == machine.trim())
    {
        attributes.insert("architecture.detail".to_owned(), (*kind).to_owned());
    }
    attributes
}

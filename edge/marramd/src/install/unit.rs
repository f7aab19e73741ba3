//! The systemd unit of a device.

use std::path::Path;

/// The unit's text. It starts `alts/current`, so that it need not change when the nucleus does.
pub(super) fn text(root: &Path, reboot_command: &str) -> String {
    let program = root.join("alts/current/distro/bin/marramd");
    format!(
        "[Unit]
Description=Marram core device
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart={program} --root {root} --reboot-command {reboot}
Restart=on-failure
RestartSec=10
# A new version of the nucleus may need several attempts before the old one is back.
TimeoutStartSec=600
TimeoutStopSec=30
# The nucleus stops its components itself, in order; what is left after that is killed.
KillMode=mixed
WatchdogSec=60

[Install]
WantedBy=multi-user.target
",
        program = quoted(&program.to_string_lossy()),
        root = quoted(&root.to_string_lossy()),
        reboot = quoted(reboot_command),
    )
}

/// One word of a unit's command line (`systemd.service(5)`, "Command lines").
fn quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{}\"", escaped.replace('$', "$$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_as_a_service_manager_needs_it() {
        let expected = r#"[Unit]
Description=Marram core device
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart="/greengrass/v2/alts/current/distro/bin/marramd" --root "/greengrass/v2" --reboot-command "systemctl reboot"
Restart=on-failure
RestartSec=10
# A new version of the nucleus may need several attempts before the old one is back.
TimeoutStartSec=600
TimeoutStopSec=30
# The nucleus stops its components itself, in order; what is left after that is killed.
KillMode=mixed
WatchdogSec=60

[Install]
WantedBy=multi-user.target
"#;
        assert_eq!(text(Path::new("/greengrass/v2"), "systemctl reboot"), expected);
    }

    #[test]
    fn words_survive_systemds_quoting() {
        assert_eq!(quoted(r#"/a b/100%/$x"\"#), r#""/a b/100%%/$$x\"\\""#);
    }
}

"""A short soak of the IPC: clients publish, listen and are killed at random, and nothing of the
nucleus grows by it. `cargo xtask soak ipc` is the long one."""

import json

from harness.fleet import merged, allow, recipe
from harness.programs import BIN
from harness.waiting import until

NAME = "com.example.Soak"
SECONDS = 10


def test_killed_clients_leave_nothing_behind(fleet, core):
    out = core.root / "soak.json"
    program = BIN / "marram-ipc-load"
    options = f"--plan soak --soak-seconds {SECONDS} --server {core.process.child.pid}"
    access = merged(
        allow(NAME, "pubsub", "PublishToTopic", "load/*"),
        allow(NAME, "pubsub", "SubscribeToTopic", "load/*"),
    )
    lifecycle = {"run": f"exec {program} {options} --out {out}"}
    fleet.create(recipe(NAME, "1.0.0", lifecycle, configuration={"accessControl": access}))
    fleet.until_succeeded(core, fleet.deploy(core.group_arn(), {NAME: "1.0.0"}))

    def written():
        return out.exists() and json.loads(out.read_text())

    report = until(written, "the soak has ended", timeout_s=60)
    assert not report.get("error"), report
    figures = {row["name"]: row["value"] for row in report["rows"]}
    assert figures["soak, clients killed"] > 0 < figures["soak, of those in the middle of a frame"]
    assert figures["soak, messages published and answered"] > 0

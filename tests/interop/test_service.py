"""The runtime as a service: told to a manager, as PID 1, read-only, as an ordinary user, installed."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess

import pytest
import yaml

from harness.programs import BIN, Process, clean_environment, remove_folder, temporary_folder
from harness.waiting import until

NAME = "com.example.InteropService"
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can make namespaces and switch users")


class Device:
    """A device without a cloud; what runs on it is deployed locally."""

    def __init__(self):
        self.folder = temporary_folder()
        self.root = self.folder / "root"
        self.ready = self.folder / "ready" / "file"
        self.ready.parent.mkdir()
        self.config = self.folder / "config.yaml"
        self.configure(f"{os.geteuid()}:{os.getegid()}")
        self.process = None

    def configure(self, user):
        nucleus = {"configuration": {"runWithDefault": {"posixUser": user}}}
        self.config.write_text(yaml.safe_dump({"services": {"aws.greengrass.Nucleus": nucleus}}))

    def words(self, program=BIN / "marramd"):
        return [program, "--root", self.root, "--init-config", self.config, "--ready-file", self.ready]

    def start(self, words=None, environment=None):
        self.process = Process(words or self.words(), self.folder / "out", environment).start()
        self.until_ready()

    def until_ready(self):
        def is_ready():
            self.process.assert_runs()
            return self.ready.exists()

        until(is_ready, "the device runtime is ready")

    def deploy(self, run):
        recipes = self.folder / "recipes"
        recipes.mkdir(exist_ok=True)
        manifest = {"Platform": {"os": "linux"}, "Lifecycle": {"run": run}}
        recipe = {"RecipeFormatVersion": "2020-01-25", "ComponentName": NAME}
        recipe |= {"ComponentVersion": "1.0.0", "Manifests": [manifest]}
        (recipes / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        command = [BIN / "marram", "core", "--ggcRootPath", self.root, "deployment", "create"]
        command += ["--recipeDir", recipes, "--merge", f"{NAME}=1.0.0"]
        subprocess.run(command, env=clean_environment(), check=True, capture_output=True)

    def log(self, name=NAME):
        path = self.root / "logs" / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def end(self):
        if self.process is not None and self.process.child is not None:
            assert self.process.stop() == 0
        remove_folder(self.folder)


@pytest.fixture
def device():
    device = Device()
    yield device
    device.end()


def test_the_manager_hears_that_it_is_up_alive_and_stopping(device):
    path = device.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20)
        environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"}
        device.start(environment=environment)
        assert manager.recv(4096) == b"READY=1"
        for _ in range(3):
            assert manager.recv(4096) == b"WATCHDOG=1"
        device.deploy("echo told=[$NOTIFY_SOCKET$WATCHDOG_USEC]; exec sleep 1000")
        until(lambda: "told=[]" in device.log(), "components are told nothing of the manager")
        assert device.process.stop() == 0
        said = b""
        while b"STOPPING=1" not in said:
            said = manager.recv(4096)


def test_install_lays_the_root_out_and_the_unit_starts_it(device):
    units = device.folder / "units"
    if os.path.isdir("/run/systemd/system"):
        pytest.skip("this machine's own systemd would be told of the unit")
    command = [BIN / "marramd", "install", "--root", device.root, "--init-config", device.config]
    command += ["--setup-system-service", "true", "--unit-folder", units]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    program = device.root / "alts" / "current" / "distro" / "bin" / "marramd"
    unit = (units / "marramd.service").read_text()
    (line,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    words = shlex.split(line.removeprefix("ExecStart="))
    assert words[0] == str(program)
    device.start([*words, "--ready-file", device.ready])
    running = os.readlink(f"/proc/{device.process.child.pid}/exe")
    assert running == str(program.resolve())
    device.deploy("echo installed; exec sleep 1000")
    until(lambda: "installed" in device.log(), "a component runs")
    again = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    assert again.returncode == 64 and "has a configuration already" in again.stderr


def test_install_starts_in_its_own_place(device):
    words = [BIN / "marramd", "install", "--root", device.root, "--init-config", device.config]
    device.process = Process(words, device.folder / "out").start()
    log = device.root / "logs" / "greengrass.log"
    until(lambda: log.exists() and "nucleus started" in log.read_text(), "the nucleus starts")
    device.process.assert_runs()


@needs_root
def test_as_the_first_process_of_a_container_it_reaps_orphans_and_stops(device):
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    device.start([*unshare, *device.words()])
    (inner,) = open(f"/proc/{device.process.child.pid}/task/{device.process.child.pid}/children").read().split()
    assert json.loads(device.ready.read_text())["pid"] == 1
    device.deploy("for i in 1 2 3; do (setsid sh -c 'sleep 0.1' &) ; done; echo orphans; exec sleep 1000")
    until(lambda: "orphans" in device.log(), "the component leaves orphans")

    def names():
        children = open(f"/proc/{inner}/task/{inner}/children").read().split()
        states = []
        for child in children:
            try:
                states.append(open(f"/proc/{child}/stat").read().rsplit(")", 1)[1].split()[0])
            except OSError:
                states.append("gone")
        return states

    until(lambda: len(names()) == 1 and "Z" not in names(), "only the component is left")
    os.kill(int(inner), signal.SIGTERM)
    assert device.process.child.wait(10) == 0
    device.process.child = None


@needs_root
def test_on_a_read_only_system_it_needs_only_its_own_folder(device):
    device.root.mkdir()
    quoted = " ".join(shlex.quote(str(word)) for word in device.words())
    writable = [device.root, device.ready.parent]
    binds = "; ".join(f"mount --bind {path} {path}" for path in writable)
    script = f"set -e; mount --make-rprivate /; {binds}; mount -o remount,ro,bind /; "
    probe = f"if touch {device.folder}/probe 2>/dev/null; then echo writable >&2; exit 3; fi; "
    words = ["unshare", "--mount", "sh", "-c", f"{script}{probe}exec {quoted}"]
    device.start(words)
    device.deploy("echo read-only; touch here && exec sleep 1000")
    until(lambda: "read-only" in device.log(), "a component runs")
    until(lambda: (device.root / "work" / NAME / "here").exists(), "it writes in its own folder")


@needs_root
def test_as_an_ordinary_user_it_runs_components_as_itself(device):
    program = device.folder / "marramd"
    shutil.copy(BIN / "marramd", program)
    program.chmod(0o755)
    device.config.write_text("services: {}\n")
    device.config.chmod(0o644)
    device.root.mkdir()
    for path in (device.root, device.ready.parent):
        shutil.chown(path, "nobody")
    device.start(["setpriv", "--reuid=nobody", "--clear-groups", *device.words(program)])
    device.deploy("echo I am $(id -un); exec sleep 1000")
    until(lambda: "I am nobody" in device.log(), "a component runs")

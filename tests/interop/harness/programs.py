"""The programs as processes: `marram-cloud`, `marramd` and `marram`."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import boto3
import yaml

from .waiting import until

BIN = Path(os.environ["MARRAM_BIN"])
AWS_CLI = Path(sys.executable).parent / "aws"
STOP_TIMEOUT_S = 10


def clean_environment():
    """Our environment without anything that would point an AWS client elsewhere."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("AWS_") and "PROXY" not in name.upper()
    }


def marram(*arguments, check=True, timeout_s=30):
    """Runs the tool for people to its end."""
    return subprocess.run(
        [BIN / "marram", *map(str, arguments)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=check,
        timeout=timeout_s,
    )


class Process:
    """A program that runs until it is stopped, with its output in a file."""

    def __init__(self, arguments, output, environment=None):
        self.arguments = [str(argument) for argument in arguments]
        self.output = Path(output)
        self.environment = clean_environment() | (environment or {})
        self.child = None

    def start(self):
        assert self.child is None, "it runs already"
        with self.output.open("ab") as file:
            self.child = subprocess.Popen(
                self.arguments,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        return self

    def stop(self):
        """SIGTERM; gives the exit code. Fails if it takes longer than it may."""
        if self.child is None:
            return None
        self.child.send_signal(signal.SIGTERM)
        try:
            code = self.child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"{self.arguments[0]} did not stop within {STOP_TIMEOUT_S} s of SIGTERM"
            ) from None
        self.child = None
        return code

    def kill(self):
        """kill -9, at whatever it is doing."""
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            self.child = None

    def text(self):
        return self.output.read_text(errors="replace")

    def assert_runs(self):
        code = self.child.poll()
        assert code is None, f"{self.arguments[0]} ended with {code}:\n{self.text()}"


class Cloud:
    """A cloud on its own data directory, restartable on the same ports."""

    def __init__(self, folder, options=()):
        self.folder = Path(folder)
        self.options = list(options)
        self.ready_file = self.folder / "cloud.json"
        self.process = None
        self.ready = None

    def start(self):
        arguments = [BIN / "marram-cloud", "--data", self.folder / "cloud"]
        arguments += ["--ready-file", self.ready_file, *self.options]
        if self.ready is not None:
            ports = {
                "--http-port": self.ready["endpoint_url"],
                "--mqtt-port": self.ready["mqtt_endpoint"],
                "--device-port": self.ready["device_endpoint"],
            }
            for option, endpoint in ports.items():
                arguments += [option, endpoint.rsplit(":", 1)[1].strip("/")]
        self.ready_file.unlink(missing_ok=True)
        self.process = Process(arguments, self.folder / "cloud.out").start()

        def is_ready():
            self.process.assert_runs()
            return self.ready_file.exists()

        until(is_ready, "the cloud is ready")
        self.ready = json.loads(self.ready_file.read_text())
        return self

    def client(self, service, config=None, **keys):
        """A boto3 client of one service."""
        session = boto3.session.Session(
            aws_access_key_id=keys.get("access_key", self.ready["access_key_id"]),
            aws_secret_access_key=keys.get("secret_key", self.ready["secret_access_key"]),
            aws_session_token=keys.get("session_token"),
            region_name=self.ready["region"],
        )
        return session.client(
            service,
            endpoint_url=self.ready["endpoint_url"],
            verify=self.ready["ca_file"],
            config=config,
        )

    def environment(self):
        """What `marram env` gives a shell."""
        exports = marram("env", "--ready-file", self.ready_file).stdout
        shell = subprocess.run(
            ["sh", "-c", exports + "env -0"],
            env=clean_environment(),
            capture_output=True,
            check=True,
        )
        pairs = shell.stdout.decode().split("\0")
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)

    def aws(self, *arguments, check=True):
        """The unmodified AWS CLI; its JSON, or the finished process if `check` is off."""
        done = subprocess.run(
            [sys.executable, AWS_CLI, *map(str, arguments), "--output", "json"],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        if not check:
            return done
        assert done.returncode == 0, f"aws {' '.join(map(str, arguments))}\n{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip().startswith("{") else done.stdout

    def arn(self, service, resource):
        return f"arn:aws:{service}:{self.ready['region']}:{self.ready['account_id']}:{resource}"

    def stop(self):
        return self.process.stop() if self.process else None

    def kill(self):
        self.process.kill()


class Core:
    """A core device on its own root folder."""

    def __init__(self, cloud, folder, thing="core1", groups=("line1",), options=()):
        self.cloud = cloud
        self.folder = Path(folder)
        self.thing = thing
        self.groups = list(groups)
        self.root = self.folder / thing
        self.ready_file = self.folder / f"{thing}.ready"
        self.process = None
        self.program = BIN / "marramd"
        self.options = []
        arguments = ["core", "provision", "--ready-file", cloud.ready_file]
        arguments += ["--thing", thing, "--root", self.root]
        for group in self.groups:
            arguments += ["--group", group]
        marram(*arguments, *options)

    def configure(self, section, **settings):
        """Settings of the nucleus in config.yaml, which is read at the first start."""
        path = self.root / "config" / "config.yaml"
        config = yaml.safe_load(path.read_text())
        nucleus = config["services"]["aws.greengrass.Nucleus"]["configuration"]
        nucleus.setdefault(section, {}).update(settings)
        path.write_text(yaml.safe_dump(config))

    def start(self, **environment):
        self.ready_file.unlink(missing_ok=True)
        self.process = Process(
            [self.program, "--root", self.root, "--ready-file", self.ready_file, *self.options],
            self.folder / f"{self.thing}.out",
            environment,
        ).start()

        def is_ready():
            self.process.assert_runs()
            return self.ready_file.exists()

        until(is_ready, "the device runtime is ready")
        return self

    def stop(self):
        return self.process.stop() if self.process else None

    def kill(self):
        self.process.kill()

    def starts(self):
        """How often the nucleus has started on this root."""
        return self.log("greengrass").count("nucleus started")

    def log(self, component):
        """A component's log so far."""
        path = self.root / "logs" / f"{component}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def nucleus_log(self):
        """The nucleus's own log so far."""
        return self.log("greengrass")

    def until_log(self, component, text, timeout_s=30):
        until(lambda: text in self.log(component), f"{component} logs {text!r}", timeout_s)

    def processes(self, text):
        """The command lines with the text of processes started from this core's root."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.root) in command and text in command:
                found.append(command)
        return found

    def credentials(self):
        """What the device gets for its certificate, as `Cloud.client` takes it."""
        trust = ssl.create_default_context(cafile=self.cloud.ready["ca_file"])
        trust.load_cert_chain(self.root / "thingCert.crt", self.root / "privKey.key")
        alias = "GreengrassV2TokenExchangeRoleAlias"
        endpoint = self.cloud.ready["credentials_endpoint"]
        url = f"https://{endpoint}/role-aliases/{alias}/credentials"
        with urllib.request.urlopen(url, context=trust, timeout=10) as reply:
            given = json.load(reply)["credentials"]
        return {
            "access_key": given["accessKeyId"],
            "secret_key": given["secretAccessKey"],
            "session_token": given["sessionToken"],
        }

    def group_arn(self, group=None):
        return self.cloud.arn("iot", f"thinggroup/{group or self.groups[0]}")

    def thing_arn(self):
        return self.cloud.arn("iot", f"thing/{self.thing}")


def temporary_folder():
    """A short path that any user may pass through: sockets and component users need that."""
    path = Path(tempfile.mkdtemp(prefix="marram-"))
    path.chmod(0o755)
    return path


def remove_folder(path):
    shutil.rmtree(path, ignore_errors=True)

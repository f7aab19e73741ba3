"""The cloud on PostgreSQL: how it is chosen, what is said when it cannot be used, and that a
kill -9 under load loses nothing that was acknowledged, there and on SQLite."""

import json
import random
import subprocess
import threading

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from harness import stores
from harness.fleet import recipe
from harness.programs import (
    BIN,
    Cloud,
    Process,
    clean_environment,
    remove_folder,
    temporary_folder,
)
from harness.waiting import until

# After how many acknowledged calls the cloud is killed, in each round; the seed makes a failing
# run's moments known.
SEED = 20261126
ROUNDS = [random.Random(SEED + number).randint(40, 90) for number in range(3)]
THREADS = 4
ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)


@pytest.fixture
def place():
    path = temporary_folder()
    yield path
    remove_folder(path)


class Load:
    """Clients that create things, components and deployments, and record what was acknowledged."""

    def __init__(self, cloud, number):
        self.cloud = cloud
        self.number = number
        self.lock = threading.Lock()
        self.things, self.components, self.deployments = [], [], {}
        self.unexpected = []
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(THREADS)]
        for thread in self.threads:
            thread.start()

    def _run(self, thread):
        iot = self.cloud.client("iot", config=ONCE)
        greengrass = self.cloud.client("greengrassv2", config=ONCE)
        for count in range(10_000):
            if self.is_over.is_set():
                return
            name = f"r{self.number}-t{thread}-{count}"
            try:
                arn = iot.create_thing(thingName=name)["thingArn"]
                with self.lock:
                    self.things.append(name)
                blob = json.dumps(recipe(f"com.example.{name}", "1.0.0", {"run": "true"}))
                component = greengrass.create_component_version(inlineRecipe=blob)["arn"]
                with self.lock:
                    self.components.append(component)
                made = greengrass.create_deployment(targetArn=arn, deploymentName=name)
                with self.lock:
                    self.deployments[made["deploymentId"]] = name
            except ClientError as error:
                self.unexpected.append(error)
                return
            except BotoCoreError:
                # The cloud was killed: this call was not acknowledged.
                return

    def acknowledged(self):
        with self.lock:
            return len(self.things) + len(self.components) + len(self.deployments)

    def end(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()
        assert self.unexpected == []


def assert_all_there(cloud, load):
    iot, greengrass = cloud.client("iot"), cloud.client("greengrassv2")
    pages = iot.get_paginator("list_things").paginate(maxResults=250)
    things = {thing["thingName"] for page in pages for thing in page["things"]}
    assert set(load.things) <= things
    for arn in load.components:
        assert greengrass.describe_component(arn=arn)["arn"] == arn
    for deployment, name in load.deployments.items():
        assert greengrass.get_deployment(deploymentId=deployment)["deploymentName"] == name


@pytest.mark.parametrize("kind", stores.STORES)
def test_kill_9_under_load_loses_nothing_acknowledged(place, kind):
    cloud = Cloud(place, stores.options(kind, place)).start()
    loads = []
    try:
        for number, acknowledged in enumerate(ROUNDS):
            load = Load(cloud, number)
            loads.append(load)
            until(lambda: load.acknowledged() >= acknowledged, "enough was acknowledged", 60)
            cloud.kill()
            load.end()
            cloud.start()
        for load in loads:
            assert min(len(load.things), len(load.components), len(load.deployments)) > 0
            assert_all_there(cloud, load)
    finally:
        cloud.kill()
        for load in loads:
            load.is_over.set()


def run_cloud(place, *options, **environment):
    """A start that is to fail: its exit code and what it said."""
    done = subprocess.run(
        [BIN / "marram-cloud", "--data", place / "data", *map(str, options)],
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stderr


def with_password(url, password):
    head, tail = url.split("@", 1)
    return f"{head.rsplit(':', 1)[0]}:{password}@{tail}"


def test_a_database_that_cannot_be_used_is_explained(place):
    url = stores.fresh_url()
    code, text = run_cloud(place, "--store", with_password(url, "wr0ng"))
    assert code == 64 and "refuses the user or password" in text and "wr0ng" not in text
    code, text = run_cloud(place, "--store", url.replace("/postgres?", "/nobody?"))
    assert code == 64 and "createdb" in text
    code, text = run_cloud(place, "--store", url.replace("search_path]=", "search_path]=no"))
    assert code == 64 and "CREATE SCHEMA" in text
    code, text = run_cloud(place, "--store", "postgres://u:s3cret@127.0.0.1:1/db")
    assert code == 69 and "127.0.0.1:1" in text and "s3cret" not in text
    code, text = run_cloud(place, MARRAM_STORE="mysql://u:s3cret@h/db")
    assert code == 64 and "MARRAM_STORE" in text and "s3cret" not in text
    code, text = run_cloud(place, "--store-file", place / "missing")
    assert code == 64 and "--store-file" in text and "missing" in text


def test_the_password_is_seen_nowhere_and_one_cloud_has_the_database(place):
    url = stores.fresh_url()
    password = url.split("@")[0].rsplit(":", 1)[1]
    ready = place / "ready.json"
    arguments = [BIN / "marram-cloud", "--data", place / "cloud", "--ready-file", ready]
    arguments += ["--log-level", "trace"]
    cloud = Process(arguments, place / "out", {"MARRAM_STORE": url}).start()
    try:
        until(ready.exists, "the cloud is ready")
        assert not (place / "cloud" / "cloud.db").exists()
        command = subprocess.run(
            ["ps", "-o", "args=", "-p", str(cloud.child.pid)], capture_output=True, text=True
        ).stdout
        assert "marram-cloud" in command and password not in command
        code, text = run_cloud(place, MARRAM_STORE=url)
        assert code == 69 and "another process uses the database" in text, text
        assert password not in text
    finally:
        cloud.stop()
    assert password not in cloud.text() + ready.read_text()


def test_a_server_that_was_restarted_is_connected_to_again(place):
    """As after a restart of the server: every session is cut, the next calls work."""
    cloud = Cloud(place, stores.options("postgres", place)).start()
    try:
        iot = cloud.client("iot", config=ONCE)
        iot.create_thing(thingName="before")
        schema = (place / "store.url").read_text().strip().rsplit("=", 1)[1]
        cut = stores.sql(
            "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a JOIN pg_locks l "
            "ON l.pid = a.pid AND l.locktype = 'advisory' "
            f"AND l.objid::bigint = (hashtext('{schema}')::bigint & 4294967295)"
        )
        assert cut == "1", "the writer's session is known by its lock"
        until(lambda: iot.create_thing(thingName="after"), "writing works again")
        names = {thing["thingName"] for thing in iot.list_things()["things"]}
        assert names == {"before", "after"}
    finally:
        cloud.stop()

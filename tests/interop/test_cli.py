"""The tool for people: recipes, logs, how `greengrass-cli` ends, and what a nucleus answers it."""

import json
import os
import subprocess
import time

import pytest

from harness.programs import BIN, clean_environment, marram
from harness.waiting import until

RECIPE = """\
RecipeFormatVersion: '2020-01-25'
ComponentName: com.example.Pump
ComponentVersion: 1.0.0
Manifests:
  - Platform: {os: linux}
    Lifecycle: {run: ./pump}
"""


@pytest.fixture
def official(tmp_path):
    """The tool under its official name, as the nucleus installs it."""
    program = tmp_path / "greengrass-cli"
    program.symlink_to(BIN / "marram")

    def run(*arguments, **environment):
        return subprocess.run(
            [program, *map(str, arguments)],
            env=clean_environment() | environment,
            capture_output=True,
            text=True,
            timeout=30,
        )

    run.program = program
    return run


def entry(level, message, timestamp, **more):
    return json.dumps({"level": level, "message": message, "timestamp": timestamp, **more}) + "\n"


def test_recipe_check_names_line_and_remedy(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(RECIPE)
    bad.write_text(RECIPE + "    Artifacts: [{Uri: 's3://a/b', Unarchive: TAR}]\n")
    checked = marram("recipe", "check", good, bad, check=False)
    assert checked.returncode == 1
    assert f"{good}: OK\n" in checked.stdout
    assert f"{bad}:7:" in checked.stdout and "use one of NONE, ZIP" in checked.stdout
    as_json = marram("recipe", "check", "--output", "json", bad, check=False)
    (problem,) = json.loads(as_json.stdout)["problems"]
    assert problem["field"] == "Manifests[0].Artifacts[0].Unarchive" and problem["line"] == 7


def test_recipe_show_chooses_the_platform(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    shown = marram("recipe", "show", "--platform", "os=linux", "--output", "json", path)
    assert json.loads(shown.stdout)["lifecycle"] == {"run": "./pump"}
    other = marram("recipe", "show", "--platform", "os=windows", path, check=False)
    assert other.returncode == 1 and "os=linux" in other.stderr


def test_c4_no_root_is_told_with_both_ways(official):
    result = official("component", "list")
    assert result.returncode == 1
    assert result.stderr.count("GGC root path not configured") == 1
    assert "--ggcRootPath" in result.stderr and "GGC_ROOT_PATH" in result.stderr


def test_a_user_without_a_token_is_told_where_it_should_be(official, tmp_path):
    result = official("--ggcRootPath", tmp_path, "component", "list")
    assert result.returncode == 1
    assert f"auth information in directory: {tmp_path}/cli_ipc_info" in result.stderr
    assert official("component", "list", GGC_ROOT_PATH=str(tmp_path)).stderr == result.stderr


def test_arguments_end_as_in_the_official_tool(official):
    nothing = official()
    assert nothing.returncode == 2 and "A command is required." in nothing.stderr
    half = official("component")
    assert half.returncode == 0 and "A subcommand is required." in half.stderr
    assert official("component", "details").returncode == 2
    assert official("--version").stdout.startswith("Greengrass CLI Version: ")
    assert official("logs", "get", "--help").returncode == 0


def test_an_option_without_effect_is_refused(tmp_path):
    result = marram("core", "--output", "json", "run", "--root", tmp_path, check=False)
    assert result.returncode == 64 and "--output" in result.stderr


def test_c15_logs_are_filtered_and_merged_in_the_order_of_time(official, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_text(entry("INFO", "one", 1000) + entry("ERROR", "three", 3000))
    (logs / "b.log").write_text(entry("WARN", "two", 2000))
    result = official("logs", "get", "-ld", logs, "--filter", "level=WARN")
    lines = result.stdout.splitlines()
    assert len(lines) == 2 and "two" in lines[0] and "three" in lines[1]
    core = marram("core", "--ggcRootPath", tmp_path, "logs", "get", "-f", "level=WARN")
    assert core.stdout == result.stdout
    listed = official("logs", "list-log-files", "-ld", logs)
    assert listed.stdout.splitlines()[-1] == "Total 2 files found."


def test_logs_are_followed(official, tmp_path):
    path = tmp_path / "a.log"
    path.write_text(entry("INFO", "old", 1000))
    output = tmp_path / "output"
    with output.open("wb") as file:
        child = subprocess.Popen(
            [official.program, "logs", "get", "-lf", path, "-fol"], stdout=file
        )
    try:
        until(lambda: "old" in output.read_text(), "what there is")
        with path.open("a") as log:
            log.write(entry("INFO", "new", int(time.time() * 1000)))
        until(lambda: "new" in output.read_text(), "what is written later")
    finally:
        child.kill()
        child.wait()


def test_the_running_nucleus_answers(official, core):
    def ask(*arguments):
        result = official("--ggcRootPath", core.root, *arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    components = ask("component", "list")
    assert components.startswith("Components currently running in Greengrass:\n")
    assert "Component Name: aws.greengrass.Nucleus\n    Version: " in components
    details = ask("component", "details", "-n", "aws.greengrass.Nucleus")
    assert "    State: RUNNING\n    Configuration: {" in details
    submitted = ask("deployment", "create", "--merge", "com.example.None=1.0.0")
    assert submitted.startswith("Local deployment submitted! Deployment Id: ")
    deployment = submitted.split()[-1]
    until(
        lambda: f"{deployment}: FAILED\n" in ask("deployment", "status", "-i", deployment),
        "a component that is nowhere fails its deployment",
    )
    assert f"Deployment ID: {deployment}\n" in ask("deployment", "list")
    assert ask("get-debug-password").startswith("Username: debug\nPassword: ")
    assert ask("pubsub", "pub", "-t", "a", "-m", "hello") == ""
    unknown = official("--ggcRootPath", core.root, "component", "details", "-n", "com.none")
    assert unknown.returncode == 1 and "com.none" in unknown.stderr


def test_the_nucleus_puts_the_tool_where_the_official_one_is(core):
    program = core.root / "bin/greengrass-cli"
    assert program.resolve() == (BIN / "marram").resolve()

    def lists_components(command, **options):
        environment = clean_environment() | options.pop("environment", {})
        done = subprocess.run(
            [*command, "component", "list"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            **options,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Components currently running in Greengrass:\n")

    lists_components([program])
    lists_components(["./greengrass-cli"], cwd=program.parent)
    lists_components(["bin/greengrass-cli"], cwd=core.root)
    path = f"{program.parent}:{os.environ['PATH']}"
    lists_components(["sh", "-c", 'exec greengrass-cli "$@"', "-"], environment={"PATH": path})


def test_messages_of_the_running_nucleus_are_printed(official, core, tmp_path):
    output = tmp_path / "output"
    command = [official.program, "--ggcRootPath", core.root, "pubsub", "sub", "-t", "greeting"]
    with output.open("wb") as file:
        child = subprocess.Popen(command, stdout=file)
    try:
        until(lambda: "Successfully subscribed" in output.read_text(), "the subscription")
        official("--ggcRootPath", core.root, "pubsub", "pub", "-t", "greeting", "-m", "hello")
        until(lambda: "hello" in output.read_text().splitlines(), "the message")
    finally:
        child.kill()
        child.wait()

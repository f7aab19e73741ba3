"""Components and deployments as a user makes them, through boto3."""

import json
import textwrap

from .waiting import until

BUCKET = "artifacts"
ENDED = {"SUCCEEDED", "COMPLETED", "FAILED", "REJECTED", "CANCELED", "TIMED_OUT"}


def recipe(name, version, lifecycle, **extra):
    """A recipe for Linux with one manifest."""
    manifest = {"Platform": {"os": "linux", "runtime": "*"}, "Lifecycle": lifecycle}
    if "artifacts" in extra:
        manifest["Artifacts"] = extra.pop("artifacts")
    document = {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentVersion": version,
        "Manifests": [manifest],
    }
    if "configuration" in extra:
        document["ComponentConfiguration"] = {"DefaultConfiguration": extra.pop("configuration")}
    if "dependencies" in extra:
        document["ComponentDependencies"] = extra.pop("dependencies")
    assert not extra, extra
    return document


def allow(component, service, operation, *resources):
    """One accessControl policy."""
    return {
        f"aws.greengrass.ipc.{service}": {
            f"{component}:{service}:{operation}": {
                "operations": [f"aws.greengrass#{operation}"],
                "resources": list(resources),
            }
        }
    }


def merged(*documents):
    """Deep union of objects."""
    result = {}
    for document in documents:
        for key, value in document.items():
            if isinstance(value, dict) and isinstance(result.get(key), dict):
                result[key] = merged(result[key], value)
            else:
                result[key] = value
    return result


class Fleet:
    """What a user does with one cloud."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.greengrass = cloud.client("greengrassv2")
        self.iot = cloud.client("iot")
        self.s3 = cloud.client("s3")

    def artifact(self, key, text):
        """Uploads a file; gives the recipe's artifact entry."""
        try:
            self.s3.head_bucket(Bucket=BUCKET)
        except self.s3.exceptions.ClientError:
            self.s3.create_bucket(Bucket=BUCKET)
        body = textwrap.dedent(text) if isinstance(text, str) else text
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return {"URI": f"s3://{BUCKET}/{key}", "Permission": {"Read": "ALL"}}

    def create(self, document, state="DEPLOYABLE"):
        """Creates a component version and waits for its state; gives its ARN and status."""
        blob = document if isinstance(document, (bytes, str)) else json.dumps(document)
        arn = self.greengrass.create_component_version(inlineRecipe=blob)["arn"]

        def status():
            found = self.greengrass.describe_component(arn=arn)["status"]
            ended = found["componentState"] in {"DEPLOYABLE", "FAILED"}
            return found if ended else None

        status = until(status, f"{arn} is created")
        assert status["componentState"] == state, status
        return arn, status

    def deploy(self, target, components, **options):
        """Creates a deployment; a component is a version or a whole specification."""
        specification = {
            name: {"componentVersion": value} if isinstance(value, str) else value
            for name, value in components.items()
        }
        reply = self.greengrass.create_deployment(
            targetArn=target, components=specification, **options
        )
        return reply["deploymentId"]

    def effective(self, core, deployment):
        """The row of one deployment on one core, if the cloud has it."""
        rows = self.greengrass.list_effective_deployments(coreDeviceThingName=core.thing)
        found = [r for r in rows["effectiveDeployments"] if r["deploymentId"] == deployment]
        return found[0] if found else None

    def until_ended(self, core, deployment, timeout_s=60):
        def ended():
            core.process.assert_runs()
            row = self.effective(core, deployment)
            return row if row and row["coreDeviceExecutionStatus"] in ENDED else None

        return until(ended, f"deployment {deployment} has ended on {core.thing}", timeout_s)

    def until_succeeded(self, core, deployment, timeout_s=60):
        row = self.until_ended(core, deployment, timeout_s)
        assert row["coreDeviceExecutionStatus"] in {"SUCCEEDED", "COMPLETED"}, row
        return row

    def until_failed(self, core, deployment, timeout_s=60):
        row = self.until_ended(core, deployment, timeout_s)
        assert row["coreDeviceExecutionStatus"] == "FAILED", row
        return row

    def installed(self, core):
        """Name → (version, state) of all components of a core."""
        rows = self.greengrass.list_installed_components(
            coreDeviceThingName=core.thing, topologyFilter="ALL"
        )["installedComponents"]
        return {r["componentName"]: (r["componentVersion"], r["lifecycleState"]) for r in rows}

    def until_installed(self, core, name, version, state="RUNNING", timeout_s=30):
        until(
            lambda: self.installed(core).get(name) == (version, state),
            f"{name} {version} is {state}: {self.installed(core)}",
            timeout_s,
        )

    def until_healthy(self, core, timeout_s=30):
        until(
            lambda: self.greengrass.get_core_device(coreDeviceThingName=core.thing)["status"]
            == "HEALTHY",
            f"{core.thing} is HEALTHY",
            timeout_s,
        )

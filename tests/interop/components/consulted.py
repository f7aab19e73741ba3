"""Is asked before deployments, and answers as its arguments say.

`consulted.py <deferrals> <verdict>`: deferrals are milliseconds joined by commas, one for each time
that it is asked (the last one goes on for ever), or `silent`; the verdict on a new configuration is
ACCEPTED, REJECTED or `silent`.
"""

import json
import sys
import threading

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import ConfigurationValidityReport

deferrals, verdict = sys.argv[1:]
waits = [int(wait) for wait in deferrals.split(",")] if deferrals != "silent" else []
client = GreengrassCoreIPCClientV2()
asked = 0


def on_update(event):
    global asked
    if event.post_update_event is not None:
        print(f"post {event.post_update_event.deployment_id}", flush=True)
        return
    before = event.pre_update_event
    print(f"pre {before.deployment_id} restarting={before.is_ggc_restarting}", flush=True)
    if waits:
        wait = waits[min(asked, len(waits) - 1)]
        asked += 1
        client.defer_component_update(
            deployment_id=before.deployment_id, recheck_after_ms=wait, message="busy"
        )


def on_configuration(event):
    asked_for = event.validate_configuration_update_event
    shown = json.dumps(asked_for.configuration, sort_keys=True)
    print(f"validate {asked_for.deployment_id} {shown}", flush=True)
    if verdict != "silent":
        client.send_configuration_validity_report(
            configuration_validity_report=ConfigurationValidityReport(
                status=verdict, deployment_id=asked_for.deployment_id, message="too fast"
            )
        )


client.subscribe_to_component_updates(on_stream_event=on_update)
client.subscribe_to_validate_configuration_updates(on_stream_event=on_configuration)
print("subscribed", flush=True)
threading.Event().wait()

"""Component B: forwards what it hears locally to IoT Core, and listens to IoT Core."""

import json
import os
import threading

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import QOS

thing = os.environ["AWS_IOT_THING_NAME"]
client = GreengrassCoreIPCClientV2()


def on_local(event):
    message = event.json_message.message
    client.publish_to_iot_core(
        topic_name=f"fleet/{thing}/greetings",
        qos=QOS.AT_LEAST_ONCE,
        payload=json.dumps(message).encode(),
    )


def on_cloud(event):
    print(f"command {event.message.payload.decode()}", flush=True)


client.subscribe_to_iot_core(
    topic_name=f"fleet/{thing}/commands", qos=QOS.AT_LEAST_ONCE, on_stream_event=on_cloud
)
client.subscribe_to_topic(topic="greetings/#", on_stream_event=on_local)
print("forwarding", flush=True)
threading.Event().wait()

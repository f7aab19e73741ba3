"""Component A: publishes a greeting, whose text it reads from its configuration."""

import itertools
import json
import sys
import time

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import JsonMessage, PublishMessage

TOPIC = "greetings/hourly"

client = GreengrassCoreIPCClientV2()


def read_greeting():
    return client.get_configuration(key_path=["greeting"]).value["greeting"]


greeting = read_greeting()


def on_update(event):
    global greeting
    greeting = read_greeting()
    print(f"updated {event.configuration_update_event.key_path} to {greeting}", flush=True)


client.subscribe_to_configuration_update(key_path=["greeting"], on_stream_event=on_update)
print(f"started {sys.argv[1]} greeting={greeting}", flush=True)
for number in itertools.count():
    message = {"greeting": greeting, "version": sys.argv[1], "number": number}
    client.publish_to_topic(
        topic=TOPIC, publish_message=PublishMessage(json_message=JsonMessage(message=message))
    )
    time.sleep(0.2)

"""Subscribes to IoT Core, and then stands still without reading anything."""

import os
import signal
import sys

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import QOS

client = GreengrassCoreIPCClientV2()
client.subscribe_to_iot_core(
    topic_name=sys.argv[1], qos=QOS.AT_LEAST_ONCE, on_stream_event=lambda event: None
)
print("subscribed", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)

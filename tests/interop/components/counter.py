"""Publishes numbers to IoT Core once a file is there, and says when all are accepted."""

import sys
import time
from pathlib import Path

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import QOS

topic, count, go = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
client = GreengrassCoreIPCClientV2()
print("ready", flush=True)
while not go.exists():
    time.sleep(0.05)
for number in range(1, count + 1):
    client.publish_to_iot_core(
        topic_name=topic, qos=QOS.AT_LEAST_ONCE, payload=str(number).encode()
    )
print(f"spooled {count}", flush=True)
while True:
    time.sleep(1)

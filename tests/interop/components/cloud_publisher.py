"""Tries to publish to IoT Core and says how that ended."""

import sys

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import QOS, UnauthorizedError

client = GreengrassCoreIPCClientV2()
try:
    client.publish_to_iot_core(topic_name=sys.argv[1], qos=QOS.AT_LEAST_ONCE, payload=b"secret")
    print("published", flush=True)
except UnauthorizedError as error:
    print(f"refused: {error.message}", flush=True)

"""Counts its starts in its own configuration, which only it and deployments write."""

from datetime import datetime, timezone

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

client = GreengrassCoreIPCClientV2()
starts = client.get_configuration(key_path=["starts"]).value["starts"]
print(f"found {starts:.0f}", flush=True)
now = datetime.now(timezone.utc)
client.update_configuration(key_path=[], timestamp=now, value_to_merge={"starts": starts + 1})
kept = client.get_configuration(key_path=["starts"]).value["starts"]
print(f"kept {kept:.0f}", flush=True)

"""Component C: uploads a file with the credentials that the device serves."""

import os
import sys

import boto3

endpoint, bucket = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, verify=os.environ["GG_ROOT_CA_PATH"])
s3.put_object(Bucket=bucket, Key="from-the-device.txt", Body=b"hello from the device")
print("uploaded", flush=True)

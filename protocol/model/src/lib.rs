//! Names, ARNs, versions and ranges, deployment documents, statuses and error codes of AWS IoT Greengrass V2.

//! Artifacts: buckets and objects in a directory, and the S3-compatible endpoint.

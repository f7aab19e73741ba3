//! A checksummed append-only log with snapshots.

//! The Greengrass IPC: event-stream frames, connection rules, operations and errors.

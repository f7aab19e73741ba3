//! Tracing set-up and size-bounded log files.

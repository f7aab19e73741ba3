//! Processes and their groups, users, disk space, durable files, the clock.

//! The gateway's limits: how many devices, how large, how long.

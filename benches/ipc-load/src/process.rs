//! What the kernel knows of the server.

use std::fs;

use anyhow::{Context, Result};

/// Resident set size in kB.
pub(crate) fn rss_kb(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.with_context(|| format!("{path} has no VmRSS"))?.parse()?)
}

/// Open descriptors.
pub(crate) fn descriptors(process: u32) -> Result<usize> {
    let path = format!("/proc/{process}/fd");
    Ok(fs::read_dir(&path).with_context(|| path.clone())?.count())
}

/// Threads.
pub(crate) fn threads(process: u32) -> Result<usize> {
    let path = format!("/proc/{process}/task");
    Ok(fs::read_dir(&path).with_context(|| path.clone())?.count())
}

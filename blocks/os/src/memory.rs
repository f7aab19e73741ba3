//! How much memory a process really takes, and giving unused memory back.

use std::io;

/// The proportional set size of a process in KiB: its own pages, and its share of those it shares
/// (`/proc/<pid>/smaps_rollup`).
pub fn pss_kb(pid: u32) -> io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    parse_pss(&text).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "smaps_rollup has no `Pss:` line")
    })
}

/// Returns free heap pages to the system, for after a burst such as start-up or a deployment: an
/// allocator keeps them otherwise. Does nothing where the C library is not glibc.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: malloc_trim takes no pointer, is thread-safe (malloc_trim(3)) and only releases
        // pages that hold no allocation.
        unsafe { nix::libc::malloc_trim(0) };
    }
}

fn parse_pss(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory_is_counted_and_trimmed() {
        trim();
        assert!(pss_kb(std::process::id()).unwrap() > 0);
        assert!(pss_kb(u32::MAX).is_err());
    }

    #[test]
    fn pss_is_taken_from_its_own_line() {
        let text = "Rss:    900 kB\nPss:    321 kB\nPss_Anon:  5 kB\n";
        assert_eq!(parse_pss(text), Some(321));
        assert_eq!(parse_pss("Pss_Anon:  5 kB\n"), None);
    }
}

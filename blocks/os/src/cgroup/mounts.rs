//! Where the kernel's control groups are mounted.

use std::path::PathBuf;

/// The mount points; with v1 several controllers may share one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mounts {
    pub(super) memory: Option<PathBuf>,
    pub(super) cpu: Option<PathBuf>,
    pub(super) freezer: Option<PathBuf>,
    pub(super) unified: Option<PathBuf>,
}

impl Mounts {
    /// Reads `/proc/self/mountinfo`: the fifth field is the mount point; the type, the source and
    /// the options with the controllers follow after ` - `.
    pub(super) fn parse(mountinfo: &str) -> Self {
        let mut mounts = Self::default();
        for line in mountinfo.lines() {
            let Some((mount, kind)) = line.split_once(" - ") else { continue };
            let Some(point) = mount.split(' ').nth(4) else { continue };
            let mut kind = kind.split(' ');
            let (file_system, options) = (kind.next(), kind.nth(1).unwrap_or_default());
            match file_system {
                Some("cgroup2") => mounts.unified = Some(point.into()),
                Some("cgroup") => {
                    for controller in options.split(',') {
                        match controller {
                            "memory" => mounts.memory = Some(point.into()),
                            "cpu" => mounts.cpu = Some(point.into()),
                            "freezer" => mounts.freezer = Some(point.into()),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        mounts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a7_8_v1_finds_each_controller_also_in_a_shared_folder() {
        let mounts = Mounts::parse(
            "30 25 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n\
             31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
             32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             33 30 0:29 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n",
        );
        assert_eq!(mounts.cpu, Some("/sys/fs/cgroup/cpu,cpuacct".into()));
        assert_eq!(mounts.memory, Some("/sys/fs/cgroup/memory".into()));
        assert_eq!(mounts.freezer, Some("/sys/fs/cgroup/freezer".into()));
        assert_eq!(mounts.unified, None);
    }

    #[test]
    fn a7_8_v2_is_one_mount() {
        let mounts = Mounts::parse(
            "30 25 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
        );
        let unified = Some("/sys/fs/cgroup".into());
        assert_eq!(mounts, Mounts { unified, ..Mounts::default() });
        assert_eq!(Mounts::parse(""), Mounts::default());
    }
}

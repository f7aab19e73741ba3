//! `<root>/bin/greengrass-cli`: the tool for people, where the official one is (components, 2.2),
//! so that scripts find it there and it finds its own root folder.
//!
//! A link, renewed at each start: an updated runtime brings an updated tool. It is a service to
//! people and never in the way of the device: without a tool beside the runtime there is none.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use marram_os::file::{WriteFile, create_dir_all_mode};

/// The tool's own name; it behaves as the official one when called by [`LINK`].
const TOOL: &str = "marram";
const LINK: &str = "greengrass-cli";

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
enum InstallTool {
    #[error("the folder of the link could not be made")]
    Folder(#[from] WriteFile),
    #[error("{} is no link: move it away, and the next start makes one", path.display())]
    Occupied { path: PathBuf },
    #[error("{} could not be linked", path.display())]
    Link {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Makes the link in the device's root folder; what goes wrong is logged.
pub(crate) fn install(root: &Path) {
    let Some(tool) = std::env::current_exe().ok().and_then(|program| find(&program)) else {
        tracing::debug!("no `{TOOL}` beside this program: no {LINK} in the root folder");
        return;
    };
    if let Err(error) = link(root, &tool) {
        let error = &error as &(dyn std::error::Error + 'static);
        tracing::warn!(error, "{LINK} is not in the root folder's bin");
    }
}

/// The tool: this program itself as `marram core run`, or its neighbour.
fn find(program: &Path) -> Option<PathBuf> {
    let tool = program.with_file_name(TOOL);
    tool.is_file().then_some(tool)
}

fn link(root: &Path, tool: &Path) -> Result<(), InstallTool> {
    let bin = root.join("bin");
    let path = bin.join(LINK);
    if fs::read_link(&path).is_ok_and(|to| to == tool) {
        return Ok(());
    }
    create_dir_all_mode(&bin, 0o755)?;
    let failed = |source| InstallTool::Link { path: path.clone(), source };
    match fs::symlink_metadata(&path) {
        Ok(metadata) if !metadata.is_symlink() => return Err(InstallTool::Occupied { path }),
        Ok(_) => fs::remove_file(&path).map_err(failed)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    symlink(tool, &path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_is_this_program_or_its_neighbour() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = folder.path().join("marramd");
        assert_eq!(find(&runtime), None);
        let tool = folder.path().join("marram");
        fs::write(&tool, "").unwrap();
        assert_eq!(find(&runtime), Some(tool.clone()));
        assert_eq!(find(&tool), Some(tool));
    }

    #[test]
    fn the_link_follows_the_tool_and_replaces_nothing_but_links() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("bin/greengrass-cli");
        for tool in ["/opt/old/marram", "/opt/new/marram", "/opt/new/marram"] {
            link(root.path(), Path::new(tool)).unwrap();
            assert_eq!(fs::read_link(&path).unwrap(), Path::new(tool));
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, "somebody's own").unwrap();
        let error = link(root.path(), Path::new("/opt/new/marram")).unwrap_err();
        assert!(matches!(error, InstallTool::Occupied { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's own");
    }
}

//! Brings recipes and artifacts from folders of a developer into the store
//! (recipes and deployments, B1.2 "Local", B5.1).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use marram_model::error_code::ErrorCode;
use marram_model::{ComponentName, Version};
use marram_os::file::{WriteFile, create_dir_all_mode, set_mode, sync_dir};
use marram_recipe::{Format, ParseRecipe, Strictness};
use uuid::Uuid;

use super::blocking::Cancelled;
use super::{LoadRecipe, OPEN_FOLDER, PackageStore, StoreRecipe, UNFINISHED};

/// A folder deeper than this is a loop of links or a mistake.
const MAX_DEPTH: usize = 32;
/// A longer recipe file is none: AWS accepts 16 kB.
const MAX_RECIPE_BYTES: u64 = 1024 * 1024;
/// Until the deployment gives the artifact the permission that its recipe asks for.
const ARTIFACT_MODE: u32 = 0o600;

/// Why a developer's folder could not be brought into the store.
#[derive(Debug, thiserror::Error)]
pub enum ImportFolder {
    /// It cannot be read.
    #[error("`{}` of the local deployment cannot be read; it must stay until the deployment has \
             begun, and the nucleus's user must be able to read it", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// It goes on and on.
    #[error("`{}` is more than {MAX_DEPTH} folders deep; name a smaller folder", path.display())]
    TooDeep {
        /// The folder.
        path: PathBuf,
    },
    /// It is too long for a recipe.
    #[error("`{}` is longer than {MAX_RECIPE_BYTES} bytes, so it is no recipe; move it away",
            path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// It is no recipe.
    #[error("Unable to parse {} as a recipe", path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ParseRecipe,
    },
    /// What the store knows of the version already is damaged.
    #[error("the metadata of a recipe in the store cannot be read")]
    Metadata(#[source] LoadRecipe),
    /// The recipe cannot be kept.
    #[error("a recipe of the local deployment cannot be kept")]
    Store(#[source] StoreRecipe),
    /// The artifact cannot be kept.
    #[error("an artifact of the local deployment cannot be kept")]
    Write(#[source] WriteFile),
    /// The artifact cannot be kept.
    #[error("`{}` cannot be copied to `{}`", from.display(), to.display())]
    Copy {
        /// The artifact.
        from: PathBuf,
        /// Its place in the store.
        to: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl ImportFolder {
    /// The codes that a deployment reports for it, after `DEPLOYMENT_FAILURE`.
    pub fn error_codes(&self) -> Vec<ErrorCode> {
        match self {
            Self::Read { .. } | Self::TooDeep { .. } => {
                vec![ErrorCode::IoError, ErrorCode::IoReadError]
            }
            Self::Recipe { .. } | Self::TooLong { .. } => vec![ErrorCode::RecipeParseError],
            Self::Metadata(error) => error.error_codes(),
            Self::Store(error) => error.error_codes(),
            Self::Write(_) | Self::Copy { .. } => {
                vec![ErrorCode::IoError, ErrorCode::IoWriteError]
            }
        }
    }
}

impl PackageStore {
    /// Keeps every `.json`, `.yaml` and `.yml` file below `folder` as a recipe; other and empty
    /// files are passed over. A version that came from the cloud before keeps its ARN. Blocks on
    /// the disk.
    pub(crate) fn import_recipes(
        &self,
        folder: &Path,
        cancelled: &Cancelled,
    ) -> Result<(), ImportFolder> {
        visit(folder, 0, cancelled, &mut |file| self.import_recipe(file))
    }

    fn import_recipe(&self, file: &Path) -> Result<(), ImportFolder> {
        let extension = file.extension().and_then(|extension| extension.to_str());
        let format = match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("json") => Format::Json,
            Some("yaml" | "yml") => Format::Yaml,
            _ => return Ok(()),
        };
        let read = |source| ImportFolder::Read { path: file.to_owned(), source };
        if fs::metadata(file).map_err(read)?.len() > MAX_RECIPE_BYTES {
            return Err(ImportFolder::TooLong { path: file.to_owned() });
        }
        let bytes = fs::read(file).map_err(read)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let recipe = marram_recipe::parse(&bytes, format, Strictness::Device)
            .map_err(|source| ImportFolder::Recipe { path: file.to_owned(), source })?;
        let (name, version) = (&recipe.component_name, &recipe.component_version);
        let metadata = self.load_metadata(name, version).map_err(ImportFolder::Metadata)?;
        tracing::info!(component = %name, %version, "recipe taken from {}", file.display());
        self.save_recipe(&recipe, &metadata).map_err(ImportFolder::Store)
    }

    /// Keeps `<folder>/<component>/<version>/<file>` as artifacts; what is not named so is passed
    /// over. Blocks on the disk.
    pub(crate) fn import_artifacts(
        &self,
        folder: &Path,
        cancelled: &Cancelled,
    ) -> Result<(), ImportFolder> {
        for component in children(folder)? {
            let Some(name) = parsed_name::<ComponentName>(&component) else { continue };
            for version_folder in children(&component)? {
                let Some(version) = parsed_name::<Version>(&version_folder) else { continue };
                let target = self.paths.artifacts(&name, &version);
                visit(&version_folder, 0, cancelled, &mut |file| {
                    let below = file.strip_prefix(&version_folder).unwrap_or(file);
                    copy(file, &target.join(below))
                })?;
            }
        }
        Ok(())
    }
}

/// The last part of a folder's path, if it is a folder and that part means something.
fn parsed_name<T: std::str::FromStr>(path: &Path) -> Option<T> {
    let name = path.is_dir().then(|| path.file_name()?.to_str()).flatten()?;
    let parsed = name.parse().ok();
    if parsed.is_none() {
        tracing::warn!("{} is passed over: it is named like no component version", path.display());
    }
    parsed
}

/// Calls `each` for every file below `folder`; links are followed.
fn visit(
    folder: &Path,
    depth: usize,
    cancelled: &Cancelled,
    each: &mut dyn FnMut(&Path) -> Result<(), ImportFolder>,
) -> Result<(), ImportFolder> {
    if depth > MAX_DEPTH {
        return Err(ImportFolder::TooDeep { path: folder.to_owned() });
    }
    for child in children(folder)? {
        let read = |source| ImportFolder::Read { path: child.clone(), source };
        cancelled.check().map_err(read)?;
        let metadata = fs::metadata(&child).map_err(read)?;
        if metadata.is_dir() {
            visit(&child, depth + 1, cancelled, each)?;
        } else if metadata.is_file() {
            each(&child)?;
        }
    }
    Ok(())
}

fn children(folder: &Path) -> Result<Vec<PathBuf>, ImportFolder> {
    let read = |source| ImportFolder::Read { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(read)?;
    let mut paths =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().map_err(read)?;
    paths.sort();
    Ok(paths)
}

/// Copies beside the place and renames: what runs never sees half a file.
fn copy(from: &Path, to: &Path) -> Result<(), ImportFolder> {
    let Some(folder) = to.parent() else { return Ok(()) };
    if let Some(component) = folder.parent() {
        create_dir_all_mode(component, OPEN_FOLDER).map_err(ImportFolder::Write)?;
    }
    create_dir_all_mode(folder, OPEN_FOLDER).map_err(ImportFolder::Write)?;
    let unfinished = folder.join(format!("{UNFINISHED}{}", Uuid::new_v4().simple()));
    let copied = copy_to(from, &unfinished).and_then(|()| fs::rename(&unfinished, to));
    if let Err(source) = copied {
        // The error is told; what is left of the copy goes with the next clean-up.
        let _ = fs::remove_file(&unfinished);
        return Err(ImportFolder::Copy { from: from.to_owned(), to: to.to_owned(), source });
    }
    set_mode(to, ARTIFACT_MODE).map_err(ImportFolder::Write)?;
    sync_dir(folder).map_err(ImportFolder::Write)
}

fn copy_to(from: &Path, to: &Path) -> io::Result<()> {
    let mut target = File::create(to)?;
    io::copy(&mut File::open(from)?, &mut target)?;
    target.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::NucleusPaths;

    const RECIPE: &str = "RecipeFormatVersion: '2020-01-25'\nComponentName: com.example.A\n\
                          ComponentVersion: 1.0.0\nManifests:\n- Lifecycle:\n    run: echo hi\n";

    struct Folders {
        root: tempfile::TempDir,
        source: tempfile::TempDir,
        store: PackageStore,
    }

    fn folders() -> Folders {
        let root = tempfile::tempdir().unwrap();
        let store = PackageStore::open(&NucleusPaths::new(root.path())).unwrap();
        Folders { root, source: tempfile::tempdir().unwrap(), store }
    }

    impl Folders {
        fn put(&self, path: &str, content: &str) {
            let path = self.source.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn recipes(&self) -> Result<(), ImportFolder> {
            self.store.import_recipes(self.source.path(), &Cancelled::default())
        }

        fn artifacts(&self) -> Result<(), ImportFolder> {
            self.store.import_artifacts(self.source.path(), &Cancelled::default())
        }
    }

    #[test]
    fn recipes_at_any_depth_are_kept_and_other_files_passed_over() {
        let folders = folders();
        folders.put("deep/er/a.yml", RECIPE);
        folders.put("README.md", "not a recipe");
        folders.put("empty.json", "");
        folders.recipes().unwrap();
        let (name, version) = ("com.example.A".parse().unwrap(), Version::new(1, 0, 0));
        assert!(folders.store.load_recipe(&name, &version).is_ok());
    }

    #[test]
    fn a_malformed_recipe_is_named() {
        let folders = folders();
        folders.put("bad.json", "{");
        let error = folders.recipes().unwrap_err();
        assert!(error.to_string().contains("bad.json"), "{error}");
        assert_eq!(error.error_codes(), [ErrorCode::RecipeParseError]);
    }

    #[test]
    fn artifacts_replace_those_of_the_same_version() {
        let folders = folders();
        let kept = folders.root.path().join("packages/artifacts/com.example.A/1.0.0/run.sh");
        for content in ["one", "two"] {
            folders.put("com.example.A/1.0.0/run.sh", content);
            folders.put("com.example.A/not-a-version/x", "passed over");
            folders.artifacts().unwrap();
            assert_eq!(fs::read_to_string(&kept).unwrap(), content);
        }
        assert!(
            !folders.root.path().join("packages/artifacts/com.example.A/not-a-version").exists()
        );
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named() {
        let folders = folders();
        let missing = folders.source.path().join("missing");
        let error = folders.store.import_recipes(&missing, &Cancelled::default()).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }
}

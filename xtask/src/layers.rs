//! `cargo xtask layers`: the design's rules that a compiler does not check.
//!
//! Dependencies point one way: `protocol → blocks → {edge, cloud} → cli`; `edge` and `cloud` meet
//! only on the wire; `marramd` carries no crate that would make it large; no file grows past the
//! limit; every crate inherits the workspace's lints; the conformance pages name tests that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{conformance, run};

/// Lines of code in one file, tests not counted.
const MAX_FILE_LINES: usize = 600;

/// Crates that must never reach the device's executable, and why.
const FORBIDDEN_ON_THE_EDGE: &[(&str, &str)] = &[
    ("aws-lc-sys", "a second TLS provider, 0.7 MB"),
    ("openssl-sys", "a second TLS stack and a system library"),
    ("sqlx-core", "the device's state is one journal"),
    ("axum", "the device's endpoints need no framework"),
    ("reqwest", "a second HTTP client"),
];

/// Crates that would bring I/O into the pure layer.
const FORBIDDEN_IN_PROTOCOL: &[&str] = &["tokio", "hyper", "rustls", "sqlx", "marram-os"];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
    workspace_members: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<NodeDependency>,
}

#[derive(Debug, Deserialize)]
struct NodeDependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

/// Prints every broken rule; true if there is none.
pub(crate) fn run() -> Result<bool> {
    let problems = problems()?;
    for problem in &problems {
        println!("layers: {problem}");
    }
    if problems.is_empty() {
        println!("layers: every rule holds");
    }
    Ok(problems.is_empty())
}

fn problems() -> Result<Vec<String>> {
    let metadata = metadata()?;
    let root = run::root();
    let mut problems = Vec::new();
    for package in metadata.packages.iter().filter(|p| metadata.workspace_members.contains(&p.id)) {
        check_directions(package, &root, &mut problems);
        check_lints(package, &mut problems)?;
        let folder = package.manifest_path.parent().context("a manifest has a folder")?;
        check_file_sizes(&folder.join("src"), &root, &mut problems)?;
    }
    check_edge_executable(&metadata, &mut problems)?;
    problems.extend(conformance::problems(&root)?);
    Ok(problems)
}

fn metadata() -> Result<Metadata> {
    let output = run::output(run::cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("reading cargo metadata")
}

/// The layer that a folder is in: its rank and its name.
fn layer(path: &Path, root: &Path) -> Option<(u8, String)> {
    let first = path.strip_prefix(root).ok()?.components().next()?;
    let name = first.as_os_str().to_string_lossy().into_owned();
    let rank = match name.as_str() {
        "protocol" => 0,
        "blocks" => 1,
        "edge" | "cloud" => 2,
        _ => 3,
    };
    Some((rank, name))
}

fn check_directions(package: &Package, root: &Path, problems: &mut Vec<String>) {
    let Some((rank, name)) = layer(&package.manifest_path, root) else { return };
    for dependency in &package.dependencies {
        if name == "protocol"
            && dependency.kind.is_none()
            && FORBIDDEN_IN_PROTOCOL.contains(&dependency.name.as_str())
        {
            problems.push(format!("{} is pure but depends on {}", package.name, dependency.name));
        }
        let Some((to, to_name)) = dependency.path.as_deref().and_then(|p| layer(p, root)) else {
            continue;
        };
        let sideways = rank == 2 && to == 2 && name != to_name;
        if to > rank || sideways {
            problems.push(format!(
                "{} ({name}) depends on {} ({to_name}): dependencies point protocol → blocks → \
                 edge | cloud → cli",
                package.name, dependency.name
            ));
        }
    }
}

fn check_lints(package: &Package, problems: &mut Vec<String>) -> Result<()> {
    let manifest = fs::read_to_string(&package.manifest_path)?;
    let inherits = manifest.contains("[lints]\nworkspace = true");
    // marram-os is the one crate with unsafe code: it spells its lints out.
    if !inherits && package.name != "marram-os" {
        problems.push(format!(
            "{} does not inherit the workspace's lints: add `[lints]` with `workspace = true`",
            package.name
        ));
    }
    Ok(())
}

fn check_file_sizes(folder: &Path, root: &Path, problems: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            check_file_sizes(&path, root, problems)?;
            continue;
        }
        let is_code = path.extension().is_some_and(|e| e == "rs")
            && path.file_name().is_none_or(|name| name != "tests.rs")
            && !path.components().any(|part| part.as_os_str() == "tests");
        if !is_code {
            continue;
        }
        let lines = code_lines(&fs::read_to_string(&path)?);
        if lines > MAX_FILE_LINES {
            let path = path.strip_prefix(root).unwrap_or(&path);
            problems.push(format!(
                "{} has {lines} lines of code: split it, the limit is {MAX_FILE_LINES}",
                path.display()
            ));
        }
    }
    Ok(())
}

/// Lines before the inline test module.
fn code_lines(text: &str) -> usize {
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

fn check_edge_executable(metadata: &Metadata, problems: &mut Vec<String>) -> Result<()> {
    let names: BTreeMap<&str, &str> =
        metadata.packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
    let nodes: BTreeMap<&str, &Node> =
        metadata.resolve.nodes.iter().map(|n| (n.id.as_str(), n)).collect();
    let start = metadata
        .packages
        .iter()
        .find(|p| p.name == "marramd")
        .context("the workspace has no marramd")?;
    let mut seen = BTreeSet::new();
    let mut open = vec![start.id.as_str()];
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let Some(node) = nodes.get(id) else { continue };
        open.extend(
            node.deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind.is_none()))
                .map(|dep| dep.pkg.as_str()),
        );
    }
    for id in seen {
        let Some(name) = names.get(id) else { continue };
        if let Some((_, why)) = FORBIDDEN_ON_THE_EDGE.iter().find(|(banned, _)| banned == name) {
            problems.push(format!("marramd links {name}: {why}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            manifest_path: Path::new("/r").join(folder).join("Cargo.toml"),
            dependencies: dependencies
                .iter()
                .map(|(name, path)| Dependency {
                    name: (*name).to_owned(),
                    kind: None,
                    path: path.map(|p| Path::new("/r").join(p)),
                })
                .collect(),
        }
    }

    fn found(package: &Package) -> usize {
        let mut problems = Vec::new();
        check_directions(package, Path::new("/r"), &mut problems);
        problems.len()
    }

    #[test]
    fn arrows_point_down_only() {
        assert_eq!(found(&package("a", "edge/a", &[("b", Some("blocks/b"))])), 0);
        assert_eq!(found(&package("a", "blocks/a", &[("b", Some("edge/b"))])), 1);
        assert_eq!(found(&package("a", "edge/a", &[("b", Some("cloud/b"))])), 1);
        assert_eq!(found(&package("a", "cloud/a", &[("b", Some("cloud/b"))])), 0);
    }

    #[test]
    fn protocol_stays_pure() {
        assert_eq!(found(&package("a", "protocol/a", &[("tokio", None)])), 1);
        assert_eq!(found(&package("a", "protocol/a", &[("serde", None)])), 0);
    }

    #[test]
    fn tests_do_not_count_as_code() {
        assert_eq!(code_lines("a\nb\n#[cfg(test)]\nmod tests {}\n"), 2);
    }
}

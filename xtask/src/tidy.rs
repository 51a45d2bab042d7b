//! The rules of the house: floors, fences, file sizes, file headers, banned names, key ordinals, and
//! tests for every operation.
//!
//! Everything here reads the files of the repository and knows nothing of Rust beyond its lines;
//! what needs a parser is clippy's. A rule worth repeating in review becomes a check here.

mod coverage;
mod house;
mod sources;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A broken rule: where, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, relative to the root.
    pub file: String,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// A text file of the repository.
#[derive(Debug)]
pub struct Text {
    /// The path relative to the root, with forward slashes.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// Every broken rule under `root`, in order of file and line.
pub fn check(root: &Path) -> anyhow::Result<Vec<Violation>> {
    let files = read_tree(root)?;
    let mut found = Vec::new();
    for file in &files {
        if file.path.ends_with("/Cargo.toml") {
            house::check_manifest(file, &mut found)?;
        }
        if file.path.ends_with(".rs") {
            sources::check_source(file, &mut found);
        }
        sources::check_portable(file, &mut found);
    }
    sources::check_ordinals(&files, &mut found);
    coverage::check(&files, &mut found);
    found.sort();
    Ok(found)
}

const FOLDERS: [&str; 8] = ["crates", "xtask", "bench", "fuzz", "sim", "tests", "docs", "examples"];
const ROOT_FILES: [&str; 4] = ["README.md", "ARCHITECTURE.md", "Makefile", "Cargo.toml"];
const ENDINGS: [&str; 8] = ["rs", "toml", "md", "py", "sh", "txt", "sql", "http"];

fn read_tree(root: &Path) -> anyhow::Result<Vec<Text>> {
    let mut paths: Vec<PathBuf> =
        ROOT_FILES.iter().map(|name| root.join(name)).filter(|p| p.is_file()).collect();
    for folder in FOLDERS {
        if root.join(folder).is_dir() {
            walk(&root.join(folder), &mut paths)?;
        }
    }
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let relative = path.strip_prefix(root).context("a walked path lies under the root")?;
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        files.push(Text { path: relative.to_string_lossy().replace('\\', "/"), text });
    }
    Ok(files)
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') || name == "target" || name == "__pycache__" {
            continue;
        }
        if path.is_dir() {
            walk(&path, into)?;
        } else if path.extension().is_some_and(|e| ENDINGS.iter().any(|known| e == *known))
            || name == "Makefile"
        {
            into.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let found: Vec<String> = check(root).unwrap().iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

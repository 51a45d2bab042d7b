//! The folders under a target, with what was found in them.

use std::collections::BTreeMap;

use headwater_tables::compress::Codec;
use headwater_tables::infer::Inferred;

/// How many files of a folder are looked into.
const SAMPLED_FILES: usize = 2;

/// A folder.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    pub(crate) folders: BTreeMap<String, Folder>,
    /// Files to look into: key and size.
    pub(crate) samples: Vec<(String, u64)>,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// What its files hold.
    pub(crate) found: Option<Found>,
}

/// What files hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) inferred: Inferred,
    pub(crate) codec: Codec,
}

impl Folder {
    /// Adds a file: its path below this folder, its key, its size. Names that begin with `_` or
    /// `.` are no data.
    pub(crate) fn add(&mut self, below: &str, key: &str, size: u64) {
        let (folders, file) = below.rsplit_once('/').unwrap_or(("", below));
        let hidden = |name: &str| name.starts_with('_') || name.starts_with('.');
        if hidden(file) || below.ends_with('/') || folders.split('/').any(hidden) {
            return;
        }
        let mut folder = self;
        for name in folders.split('/').filter(|name| !name.is_empty()) {
            folder = folder.folders.entry(name.to_owned()).or_default();
        }
        folder.files += 1;
        folder.bytes += size;
        if folder.samples.len() < SAMPLED_FILES {
            folder.samples.push((key.to_owned(), size));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_put_into_their_folders() {
        let mut root = Folder::default();
        for below in
            ["a.json", "x=1/b.json", "x=1/c.json", "x=1/d.json", "_SUCCESS", ".hidden/e", "_tmp/f", "x=2/"]
        {
            root.add(below, below, 10);
        }
        assert_eq!(root.files, 1);
        assert_eq!(root.folders.keys().collect::<Vec<_>>(), ["x=1"]);
        assert_eq!((root.folders["x=1"].files, root.folders["x=1"].bytes), (3, 30));
        assert_eq!(root.folders["x=1"].samples.len(), SAMPLED_FILES);
    }
}

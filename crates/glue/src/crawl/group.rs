//! From folders to tables.
//!
//! A folder whose subfolders all hold alike data is one table, and the subfolders are its
//! partitions: always when they are named `key=value`, else when there are at least two of them.
//! Otherwise each subfolder is looked at by itself. Files beside subfolders are a table of their
//! own.

use headwater_tables::infer::{FileFormat, merge_columns};
use headwater_tables::path::parse_folder;

use super::folder::{Folder, Found};

/// Two schemas are alike when this many of ten column names of the smaller are in the larger.
const SIMILAR_TENTHS: usize = 7;

/// A table that was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundTable {
    /// The key prefix of its files; ends with `/` unless it is the bucket.
    pub(crate) prefix: String,
    pub(crate) found: Found,
    /// Names of its partition keys.
    pub(crate) keys: Vec<String>,
    pub(crate) partitions: Vec<FoundPartition>,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// A partition that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundPartition {
    pub(crate) values: Vec<String>,
    /// The key prefix of its files.
    pub(crate) prefix: String,
}

/// A subtree that could be one table.
struct Candidate {
    found: Found,
    /// The folders that hold its files, as names below the candidate.
    leaves: Vec<Vec<String>>,
    files: u64,
    bytes: u64,
}

/// Whether two files can be of one table.
pub(crate) fn similar(a: &Found, b: &Found) -> bool {
    let (few, many) = if a.inferred.columns.len() <= b.inferred.columns.len() { (a, b) } else { (b, a) };
    let known = |name: &str| many.inferred.columns.iter().any(|(other, _)| other == name);
    let shared = few.inferred.columns.iter().filter(|(name, _)| known(name)).count();
    of_one_form(a, b) && shared * 10 >= few.inferred.columns.len() * SIMILAR_TENTHS
}

/// Whether two files are of one format.
fn of_one_form(a: &Found, b: &Found) -> bool {
    let form = |found: &Found| match found.inferred.format {
        FileFormat::Json => (0, 0),
        FileFormat::Csv { delimiter, .. } => (1, delimiter),
        FileFormat::Parquet => (2, 0),
    };
    form(a) == form(b)
}

/// The tables under `root`, whose files' keys begin with `prefix`.
pub(crate) fn tables(root: &Folder, prefix: &str) -> Vec<FoundTable> {
    let mut found = Vec::new();
    if let Some(candidate) = visit(root, prefix, &mut found) {
        found.push(table(prefix, candidate));
    }
    found
}

/// The subtree as one candidate, or `None` after its tables were added to `out`.
fn visit(folder: &Folder, prefix: &str, out: &mut Vec<FoundTable>) -> Option<Candidate> {
    let own = folder.found.clone().map(|found| Candidate {
        found,
        leaves: vec![Vec::new()],
        files: folder.files,
        bytes: folder.bytes,
    });
    if folder.folders.is_empty() {
        return own;
    }
    let before = out.len();
    let mut children = Vec::new();
    for (name, child) in &folder.folders {
        if let Some(candidate) = visit(child, &format!("{prefix}{name}/"), out) {
            children.push((name.as_str(), candidate));
        }
    }
    let undivided = out.len() == before;
    if own.is_none() && undivided && are_partitions(&children) {
        return merge(children);
    }
    out.extend(children.into_iter().map(|(name, child)| table(&format!("{prefix}{name}/"), child)));
    out.extend(own.map(|own| table(prefix, own)));
    None
}

fn are_partitions(children: &[(&str, Candidate)]) -> bool {
    let Some((_, first)) = children.first() else { return false };
    let named = children.iter().all(|(name, _)| parse_folder(name).is_some());
    let depth = |candidate: &Candidate| candidate.leaves.first().map_or(0, Vec::len);
    (named || children.len() >= 2)
        && children.iter().all(|(_, child)| {
            let alike = if named { of_one_form } else { similar };
            alike(&first.found, &child.found) && child.leaves.iter().all(|leaf| leaf.len() == depth(first))
        })
}

fn merge(children: Vec<(&str, Candidate)>) -> Option<Candidate> {
    let mut merged: Option<Candidate> = None;
    for (name, child) in children {
        let leaves = child.leaves.into_iter().map(|mut leaf| {
            leaf.insert(0, name.to_owned());
            leaf
        });
        match &mut merged {
            None => merged = Some(Candidate { leaves: leaves.collect(), ..child }),
            Some(merged) => {
                merge_columns(&mut merged.found.inferred.columns, &child.found.inferred.columns);
                merged.leaves.extend(leaves);
                merged.files += child.files;
                merged.bytes += child.bytes;
            }
        }
    }
    merged
}

fn table(prefix: &str, candidate: Candidate) -> FoundTable {
    let depth = candidate.leaves.first().map_or(0, Vec::len);
    let keys: Vec<String> = (0..depth).map(|level| key_name(&candidate.leaves, level)).collect();
    let partition = |leaf: &Vec<String>| FoundPartition {
        values: leaf
            .iter()
            .map(|name| parse_folder(name).map_or_else(|| name.clone(), |(_, value)| value))
            .collect(),
        prefix: format!("{prefix}{}/", leaf.join("/")),
    };
    let partitions = if depth == 0 { Vec::new() } else { candidate.leaves.iter().map(partition).collect() };
    let mut found = candidate.found;
    // A column that is also a partition key is read from the path.
    found.inferred.columns.retain(|(name, _)| !keys.contains(name));
    FoundTable {
        prefix: prefix.to_owned(),
        found,
        keys,
        partitions,
        files: candidate.files,
        bytes: candidate.bytes,
    }
}

/// The name that all folders of a level share, or `partition_N`.
fn key_name(leaves: &[Vec<String>], level: usize) -> String {
    let mut names = leaves.iter().map(|leaf| parse_folder(&leaf[level]).map(|(key, _)| key.to_lowercase()));
    match names.next() {
        Some(Some(first)) if names.all(|name| name.as_deref() == Some(&first)) => first,
        _ => format!("partition_{level}"),
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::DataType;
    use headwater_tables::compress::Codec;
    use headwater_tables::infer::Inferred;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> Folder {
        let mut root = Folder::default();
        for (path, columns) in files {
            root.add(path, path, 1);
            let mut at = &mut root;
            for name in
                path.rsplit_once('/').map_or("", |(folders, _)| folders).split('/').filter(|n| !n.is_empty())
            {
                at = at.folders.get_mut(name).unwrap();
            }
            let columns = columns.split(',').map(|name| (name.to_owned(), DataType::Int64)).collect();
            at.found =
                Some(Found { inferred: Inferred { format: FileFormat::Json, columns }, codec: Codec::None });
        }
        root
    }

    fn said(files: &[(&str, &str)]) -> Vec<String> {
        let describe = |t: FoundTable| {
            let columns: Vec<String> = t.found.inferred.columns.into_iter().map(|(name, _)| name).collect();
            let values: Vec<String> = t.partitions.iter().map(|p| p.values.join("/")).collect();
            format!("{}({}) by ({}): {}", t.prefix, columns.join(","), t.keys.join(","), values.join(" "))
        };
        tables(&folder(files), "data/").into_iter().map(describe).collect()
    }

    #[test]
    fn named_folders_are_partitions() {
        let files = [
            ("Year=2026/month=01/a", "id"),
            ("Year=2026/month=02/a", "id,x"),
            ("Year=2027/month=01/a", "id,month"),
        ];
        assert_eq!(said(&files), ["data/(id,x) by (year,month): 2026/01 2026/02 2027/01"]);
        assert_eq!(said(&[("d=1/a", "id")]), ["data/(id) by (d): 1"]);
    }

    #[test]
    fn folders_with_alike_data_are_partitions_and_others_are_tables() {
        assert_eq!(said(&[("a/1", "id,x"), ("b/1", "id,x")]), ["data/(id,x) by (partition_0): a b"]);
        assert_eq!(said(&[("a/1", "id"), ("b/1", "name")]), ["data/a/(id) by (): ", "data/b/(name) by (): "]);
        assert_eq!(said(&[("only/1", "id")]), ["data/only/(id) by (): "]);
        assert_eq!(said(&[("1", "id")]), ["data/(id) by (): "]);
    }

    #[test]
    fn uneven_trees_are_divided() {
        let files = [("a/d=1/x", "id"), ("a/d=2/x", "id"), ("b/x", "id")];
        assert_eq!(said(&files), ["data/a/(id) by (d): 1 2", "data/b/(id) by (): "]);
        assert_eq!(said(&[("x", "id"), ("d=1/y", "id")]), ["data/d=1/(id) by (): ", "data/(id) by (): "]);
    }
}

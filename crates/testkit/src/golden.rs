//! Golden files: one folder per operation, in each any number of files that hold requests and the
//! answers they got. What a file says is the face's business; this walks the folder and compares.
//!
//! With `HEADWATER_BLESS=1` the answers are written to the files instead of compared: read the
//! difference before keeping it.

use std::path::{Path, PathBuf};

use headwater_wire::OperationRow;

/// Plays every file under `folder`: `play` is given the file's text and returns it as it would be
/// written today. Panics with all that differ.
pub async fn play_all(folder: &str, play: impl AsyncFn(&str) -> String) {
    let bless = std::env::var_os("HEADWATER_BLESS").is_some();
    let mut played = 0;
    let mut differing = Vec::new();
    for operation in sorted(Path::new(folder)) {
        for file in sorted(&operation) {
            let text = std::fs::read_to_string(&file).expect("a golden file is text");
            let answered = play(&text).await;
            if bless {
                std::fs::write(&file, answered).expect("a golden file can be written");
            } else if answered != text {
                differing.push(format!("{}:\n{}", file.display(), first_difference(&text, &answered)));
            }
            played += 1;
        }
    }
    assert!(played > 0, "no golden file under {folder}");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// Every operation that works has a folder, and every folder is such an operation.
pub fn assert_complete(folder: &str, operations: &[OperationRow]) {
    let folders: Vec<String> = sorted(Path::new(folder))
        .iter()
        .filter_map(|path| path.file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let mut working: Vec<String> =
        operations.iter().filter(|row| row.works).map(|row| snake(row.name)).collect();
    working.sort();
    assert_eq!(folders, working);
}

/// The number of operations a face knows, each counted once.
pub fn known(operations: &[OperationRow]) -> usize {
    let mut names: Vec<&str> = operations.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

fn first_difference(expected: &str, got: &str) -> String {
    let mut pairs = expected.lines().zip(got.lines());
    match pairs.find(|(expected, got)| expected != got) {
        Some((expected, got)) => format!("  was {expected}\n  is  {got}"),
        None => format!("  was {} lines\n  is  {} lines", expected.lines().count(), got.lines().count()),
    }
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of golden files");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.sort();
    paths
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_folders() {
        assert_eq!(snake("ListObjectsV2"), "list_objects_v2");
        assert_eq!(snake("PutRecord"), "put_record");
    }

    #[test]
    fn a_difference_is_shown() {
        assert_eq!(first_difference("> A\n< 200\n", "> A\n< 400\n"), "  was < 200\n  is  < 400");
        assert_eq!(first_difference("> A\n", "> A\n< 400\n"), "  was 1 lines\n  is  2 lines");
    }
}

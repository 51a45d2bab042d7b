//! The face over the in-memory store, without a front door: golden conversations, and many writers.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

mod conversation;
mod tables;

use std::path::Path;

use conversation::Conversation;

/// Plays every conversation under `tests/golden/`. With `HEADWATER_BLESS=1` the answers are written
/// to the files instead of compared: read the difference before keeping it.
#[tokio::test]
async fn every_golden_conversation_goes_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let bless = std::env::var_os("HEADWATER_BLESS").is_some();
    let mut played = 0;
    for operation in sorted(&folder) {
        for file in sorted(&operation) {
            let text = std::fs::read_to_string(&file).unwrap();
            let answered = Conversation::new().play(&text).await;
            if bless {
                std::fs::write(&file, answered).unwrap();
            } else {
                assert_eq!(answered, text, "{}", file.display());
            }
            played += 1;
        }
    }
    assert!(played > 0);
}

/// Every operation that works has a golden, and every golden's folder is such an operation.
#[test]
fn every_operation_has_a_golden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let golden: Vec<String> =
        sorted(&folder).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    let mut working: Vec<String> =
        Conversation::operations().into_iter().filter(|row| row.works).map(|row| snake(row.name)).collect();
    working.sort();
    assert_eq!(golden, working);
}

/// The service has 62 operations; each is either done or refused by name.
#[test]
fn every_operation_of_the_service_is_known() {
    let mut names: Vec<&str> = Conversation::operations().iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 62);
}

fn sorted(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

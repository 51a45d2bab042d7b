//! What every file must look like: a header, a bounded size, no banned names, nothing unfinished,
//! nothing that only works on one machine, and ordinals of keys that are never used twice.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{Text, Violation};

/// The longest a file may be, its tests not counted.
const FILE_LINES_MAX: usize = 600;

const BANNED_MODULES: [&str; 6] = ["utils", "util", "common", "types", "helpers", "misc"];

/// What must not stand in a source file, and what to do instead. Spelled in pieces so that this
/// file does not find itself.
static BANNED_WORDS: LazyLock<Vec<(String, &'static str)>> = LazyLock::new(|| {
    vec![
        (["to", "do!("].concat(), "finish it"),
        (["unimple", "mented!("].concat(), "finish it"),
        (["db", "g!("].concat(), "use tracing, or remove it"),
        (["#[ig", "nore"].concat(), "a test that does not run proves nothing: fix or delete it"),
    ]
});

static SPAWN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\btokio::(task::)?spawn(_blocking)?\(").expect("a valid pattern"));

/// The crates that `work` stands on or beside: they cannot ask it.
const BELOW_WORK: &[&str] = &["crates/store/src/", "crates/blob/src/"];

static ORDINAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"const\s+(\w+)\s*:\s*(?:\w+::)*Kind\s*=\s*(?:\w+::)*Kind\((0x[0-9a-fA-F_]+|\d+)\)")
        .expect("a valid pattern")
});

static MACHINE_PATH: LazyLock<Regex> = LazyLock::new(|| {
    let homes = ["ho", "me"].concat();
    let users = ["Us", "ers"].concat();
    let work = ["wo", "rk"].concat();
    Regex::new(&format!(r#"(^|[\s"'`(=])/({homes}|{users}|root|{work}|tmp/hw)/\w"#)).expect("a valid pattern")
});

/// The part of a source file before its `mod tests`.
fn without_tests(text: &str) -> &str {
    let end = text.find("\n#[cfg(test)]\nmod tests").unwrap_or(text.len());
    &text[..end]
}

fn is_test_file(path: &str) -> bool {
    let parts = ["/tests/", "/testkit/", "/examples/"];
    parts.iter().any(|part| path.contains(part)) || path.ends_with("/tests.rs")
}

/// Checks one Rust file.
pub fn check_source(file: &Text, found: &mut Vec<Violation>) {
    check_header(file, found);
    check_size(file, found);
    check_name(file, found);
    check_words(file, found);
    check_spawn(file, found);
}

fn check_header(file: &Text, found: &mut Vec<Violation>) {
    if !file.text.starts_with("//!") {
        let message = "begin with `//!`: one line saying what this file is, then why".into();
        found.push(Violation { file: file.path.clone(), line: 1, message });
    }
}

fn check_size(file: &Text, found: &mut Vec<Violation>) {
    let lines = without_tests(&file.text).lines().count();
    if lines > FILE_LINES_MAX && !is_test_file(&file.path) {
        let message =
            format!("{lines} lines without tests, at most {FILE_LINES_MAX}: split it by what it does");
        found.push(Violation { file: file.path.clone(), line: 0, message });
    }
}

fn check_name(file: &Text, found: &mut Vec<Violation>) {
    let mut parts = file.path.trim_end_matches(".rs").split('/');
    if let Some(name) = parts.find(|part| BANNED_MODULES.contains(part)) {
        let message = format!("no module is called {name}: name the domain thing");
        found.push(Violation { file: file.path.clone(), line: 0, message });
    }
}

fn check_words(file: &Text, found: &mut Vec<Violation>) {
    for (index, line) in file.text.lines().enumerate() {
        for (word, advice) in BANNED_WORDS.iter() {
            if line.contains(word.as_str()) {
                let message = format!("`{word}`: {advice}");
                found.push(Violation { file: file.path.clone(), line: index + 1, message });
            }
        }
    }
}

/// Tasks run through `work`, so that each has a name, a status and an end. The floors below it may
/// hand a step to the blocking pool and wait for it, which is no task of its own.
fn check_spawn(file: &Text, found: &mut Vec<Violation>) {
    if file.path.starts_with("crates/work/") || is_test_file(&file.path) {
        return;
    }
    for (index, line) in without_tests(&file.text).lines().enumerate() {
        let is_code = !line.trim_start().starts_with("//");
        let is_below = BELOW_WORK.iter().any(|home| file.path.starts_with(home));
        if is_below && line.contains("spawn_blocking(") {
            continue;
        }
        if is_code && SPAWN.is_match(line) {
            let message = "tasks run through `work`, which names, shows and stops them".into();
            found.push(Violation { file: file.path.clone(), line: index + 1, message });
        }
    }
}

/// Nothing in the repository may hold a path of one machine.
pub fn check_portable(file: &Text, found: &mut Vec<Violation>) {
    for (index, line) in file.text.lines().enumerate() {
        if let Some(path) = MACHINE_PATH.find(line) {
            let message = format!("`{}…` exists on one machine only", path.as_str().trim());
            found.push(Violation { file: file.path.clone(), line: index + 1, message });
        }
    }
}

/// The block of ordinals each crate owns: the high byte of its kinds.
const BLOCKS: &[(u16, &str)] = &[
    (0x00, "crates/store/"),
    (0x01, "crates/streams/"),
    (0x02, "crates/objects/"),
    (0x03, "crates/catalog/"),
    (0x04, "crates/delivery/"),
    (0x05, "crates/identity/"),
    (0x06, "crates/glue/"),
    (0x07, "crates/athena/"),
    (0x08, "crates/blob/"),
    (0x08, "crates/objects/"),
    (0x09, "crates/query/"),
    (0x0a, "crates/leases/"),
    (0x0b, "crates/events/"),
    (0x0f, "sim/"),
];

/// No two kinds of key share an ordinal, and each lies in its crate's block.
pub fn check_ordinals(files: &[Text], found: &mut Vec<Violation>) {
    let mut owners: BTreeMap<u16, String> = BTreeMap::new();
    for file in files.iter().filter(|f| f.path.ends_with(".rs") && !is_test_file(&f.path)) {
        for (index, line) in without_tests(&file.text).lines().enumerate() {
            let Some(caught) = ORDINAL.captures(line) else { continue };
            let Some(ordinal) = number(&caught[2]) else { continue };
            let mut say = |message: String| {
                found.push(Violation { file: file.path.clone(), line: index + 1, message });
            };
            let is_home =
                BLOCKS.iter().any(|(block, home)| *block == ordinal >> 8 && file.path.starts_with(home));
            if !is_home {
                say(format!(
                    "ordinal {ordinal:#06x} lies outside this crate's block (store::key::Kind lists them)"
                ));
            }
            let here = format!("{}:{} ({})", file.path, index + 1, &caught[1]);
            if let Some(other) = owners.insert(ordinal, here) {
                say(format!("ordinal {ordinal:#06x} is taken by {other}"));
            }
        }
    }
}

fn number(text: &str) -> Option<u16> {
    let text = text.replace('_', "");
    match text.strip_prefix("0x") {
        Some(hex) => u16::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, text: impl Into<String>) -> Text {
        Text { path: path.into(), text: text.into() }
    }

    fn source(file: &Text) -> Vec<String> {
        let mut found = Vec::new();
        check_source(file, &mut found);
        found.into_iter().map(|v| v.message).collect()
    }

    #[test]
    fn a_good_file_passes() {
        assert!(source(&text("crates/store/src/log.rs", "//! Logs.\n")).is_empty());
    }

    #[test]
    fn a_file_needs_a_header() {
        assert_eq!(source(&text("crates/store/src/log.rs", "use x;\n")).len(), 1);
    }

    #[test]
    fn only_code_counts_towards_the_size() {
        let long = format!("//! x\n{}", "a\n".repeat(FILE_LINES_MAX));
        assert_eq!(source(&text("crates/store/src/log.rs", long.clone())).len(), 1);
        let tests = format!("//! x\n\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert!(source(&text("crates/store/src/log.rs", tests)).is_empty());
    }

    #[test]
    fn unfinished_work_and_ignored_tests_are_found() {
        for (word, _) in BANNED_WORDS.iter() {
            assert_eq!(
                source(&text("crates/store/src/log.rs", format!("//! x\n{word}\n"))).len(),
                1,
                "{word}"
            );
        }
    }

    #[test]
    fn catch_all_names_are_found() {
        assert_eq!(source(&text("crates/store/src/helpers.rs", "//! x\n")).len(), 1);
        assert_eq!(source(&text("crates/store/src/helpers/log.rs", "//! x\n")).len(), 1);
    }

    #[test]
    fn spawning_is_for_work_and_tests() {
        let spawns = "//! x\nfn f() { tokio::spawn(async {}); }\n";
        assert_eq!(source(&text("crates/store/src/log.rs", spawns)).len(), 1);
        assert!(source(&text("crates/work/src/log.rs", spawns)).is_empty());
        assert!(source(&text("crates/server/tests/api/main.rs", spawns)).is_empty());
    }

    #[test]
    fn machine_paths_are_found() {
        let mut found = Vec::new();
        let path = ["let p = \"/ho", "me/somebody/x\";"].concat();
        check_portable(&text("crates/store/src/log.rs", path), &mut found);
        assert_eq!(found.len(), 1);
        found.clear();
        check_portable(&text("docs/guide.md", "see docs/work/now"), &mut found);
        assert!(found.is_empty());
    }

    #[test]
    fn an_ordinal_has_one_owner() {
        let files = [
            text("crates/store/src/a.rs", "pub const A: Kind = Kind(0x0001);"),
            text("crates/store/src/b.rs", "const B: key::Kind = key::Kind(1);"),
            text("crates/streams/src/c.rs", "const C: Kind = Kind(0x0301);"),
        ];
        let mut found = Vec::new();
        check_ordinals(&files, &mut found);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}

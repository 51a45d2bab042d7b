//! Every operation that works has a golden conversation and is called by a real client.
//!
//! What works is read from the generated lists in `docs/services`. What is not covered must stand in
//! `xtask/src/tidy/uncovered.txt`, and what stands there must not be covered: so the list only
//! shrinks, and a new operation cannot come without its tests.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::{Text, Violation};

/// A service's page and the face that has its golden conversations.
const PAGES: &[(&str, &str)] = &[
    ("docs/services/athena.md", "athena"),
    ("docs/services/dynamodb.md", "leases"),
    ("docs/services/firehose.md", "firehose"),
    ("docs/services/glue.md", "glue"),
    ("docs/services/kinesis.md", "kinesis"),
    ("docs/services/s3.md", "s3"),
];

const UNCOVERED: &str = "xtask/src/tidy/uncovered.txt";
const CLIENTS: &str = "tests/clients/";

static WORKS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^\| (\w+) \| yes \|$").expect("a valid pattern"));

/// A call of a boto3 client (`s3.put_object(`), or an operation named in text: of a paginator, of
/// a table of cases.
static CALLED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"\.(\w+)\(|"([a-z0-9_]+)""#).expect("a valid pattern"));

/// Holds the tests against what is said to work.
pub fn check(files: &[Text], found: &mut Vec<Violation>) {
    let called: BTreeSet<&str> = files
        .iter()
        .filter(|file| file.path.starts_with(CLIENTS) && file.path.ends_with(".py"))
        .flat_map(|file| CALLED.captures_iter(&file.text))
        .filter_map(|call| call.get(1).or(call.get(2)))
        .map(|name| name.as_str())
        .collect();
    let golden: BTreeSet<(&str, &str)> = files.iter().filter_map(|file| golden_folder(&file.path)).collect();
    let listed: BTreeSet<&str> =
        files.iter().filter(|file| file.path == UNCOVERED).flat_map(|file| file.text.lines()).collect();
    let mut missing = BTreeSet::new();
    for (page, face) in PAGES {
        let Some(page) = files.iter().find(|file| file.path == *page) else { continue };
        for operation in WORKS.captures_iter(&page.text).map(|row| row[1].to_owned()) {
            let snake = snake_case(&operation);
            if !golden.contains(&(*face, snake.as_str())) {
                missing.insert(format!("{face} {operation} golden"));
            }
            if !called.contains(client_call(&snake)) {
                missing.insert(format!("{face} {operation} client"));
            }
        }
    }
    let mut say = |message: String| found.push(Violation { file: UNCOVERED.to_owned(), line: 0, message });
    for row in missing.iter().filter(|row| !listed.contains(row.as_str())) {
        say(format!("`{row}` is missing: give the operation its test"));
    }
    for row in listed.iter().filter(|row| !row.is_empty() && !missing.contains(**row)) {
        say(format!("`{row}` is covered, or no longer works: take it off the list"));
    }
}

/// The face and operation of a file in a face's golden conversations.
fn golden_folder(path: &str) -> Option<(&str, &str)> {
    let (face, rest) = path.strip_prefix("crates/")?.split_once("/tests/golden/")?;
    Some((face, rest.split_once('/')?.0))
}

/// What the clients call an operation where it is not its own name.
fn client_call(snake: &str) -> &str {
    match snake {
        "post_object" => "generate_presigned_post",
        other => other,
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 8);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(list: &str, golden: bool, client: &str) -> Vec<String> {
        let text = |path: &str, text: &str| Text { path: path.to_owned(), text: text.to_owned() };
        let mut files = vec![
            text("docs/services/s3.md", "| ListObjectsV2 | yes |\n| PutBucketWebsite | refused |\n"),
            text(UNCOVERED, list),
            text("tests/clients/test_s3.py", client),
        ];
        if golden {
            files.push(text("crates/s3/tests/golden/list_objects_v2/pages.txt", ""));
        }
        let mut found = Vec::new();
        check(&files, &mut found);
        found.into_iter().map(|violation| violation.message).collect()
    }

    #[test]
    fn what_works_needs_a_golden_and_a_client() {
        let called = "s3.list_objects_v2(Bucket=b)";
        assert_eq!(said("", true, called), Vec::<String>::new());
        assert_eq!(said("", true, "s3.get_paginator(\"list_objects_v2\")"), Vec::<String>::new());
        assert_eq!(said("", true, "s3.list_objects(Bucket=b)").len(), 1);
        assert_eq!(said("", false, "").len(), 2);
    }

    #[test]
    fn the_list_only_shrinks() {
        let list = "s3 ListObjectsV2 client\n";
        assert_eq!(said(list, true, ""), Vec::<String>::new());
        assert_eq!(said(list, true, "s3.list_objects_v2()").len(), 1);
        assert_eq!(said("s3 PutBucketWebsite golden\n", true, "s3.list_objects_v2()").len(), 1);
    }
}

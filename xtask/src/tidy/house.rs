//! The floors and the fences: which crate may name which, and who may name a third party.
//!
//! The table is `ARCHITECTURE.md`'s, in a form that can be checked. Arrows only go down; an edge
//! that is not listed is a decision, so adding one means editing this table in the same commit.

use anyhow::Context;

use super::{Text, Violation};

/// A crate and the crates of the house it may use.
struct Room {
    name: &'static str,
    floor: u8,
    uses: &'static [&'static str],
}

const fn room(name: &'static str, floor: u8, uses: &'static [&'static str]) -> Room {
    Room { name, floor, uses }
}

const ROOMS: &[Room] = &[
    room("base", 0, &[]),
    room("store", 1, &["base"]),
    room("blob", 1, &["base"]),
    room("wire", 1, &["base"]),
    room("work", 2, &["base"]),
    room("tables", 2, &["base"]),
    room("testkit", 2, &["base", "wire"]),
    room("streams", 3, &["base", "store", "work"]),
    room("objects", 3, &["base", "store", "blob", "work"]),
    room("events", 3, &["base", "store", "wire", "work", "objects"]),
    room("catalog", 3, &["base", "store"]),
    room("delivery", 3, &["base", "store", "blob", "work", "tables", "streams", "objects", "catalog"]),
    room("query", 3, &["base", "store", "work", "tables", "objects", "catalog", "delivery"]),
    room("kinesis", 4, &["base", "wire", "streams", "work"]),
    room("s3", 4, &["base", "wire", "objects", "events", "work"]),
    room("firehose", 4, &["base", "wire", "streams", "objects", "catalog", "delivery", "work"]),
    room("glue", 4, &["base", "wire", "store", "work", "objects", "catalog", "tables", "delivery"]),
    room("athena", 4, &["base", "wire", "store", "work", "objects", "catalog"]),
    room("leases", 4, &["base", "wire", "store", "work"]),
    room("monitoring", 4, &["base", "wire"]),
    room("identity", 4, &["base", "wire", "store"]),
    room(
        "server",
        5,
        &[
            "base",
            "store",
            "blob",
            "wire",
            "work",
            "tables",
            "streams",
            "objects",
            "events",
            "catalog",
            "delivery",
            "query",
            "kinesis",
            "s3",
            "firehose",
            "glue",
            "athena",
            "identity",
            "leases",
            "monitoring",
        ],
    ),
    room("cli", 6, &["base", "store", "blob", "wire", "work", "server", "delivery", "bench"]),
    room("bench", 4, &["base", "wire", "work"]),
    room("xtask", 6, &[]),
];

/// A third party and the only crates that may name it.
const FENCES: &[(&str, &[&str])] = &[
    ("datafusion", &["query"]),
    ("fjall", &["store"]),
    ("redb", &["store"]),
    ("object_store", &["blob", "query"]),
    ("parquet", &["tables", "query"]),
    ("s3s", &["s3"]),
    ("hyper", &["wire", "server", "s3", "testkit"]),
    ("hyper-util", &["wire", "server", "testkit"]),
    // Who listens, and who calls out.
    ("rustls", &["wire", "server"]),
    ("tokio-rustls", &["server"]),
    ("hyper-rustls", &["wire"]),
    ("http", &["wire", "server", "s3", "testkit"]),
    ("http-body", &["wire", "server", "s3", "testkit"]),
    ("http-body-util", &["wire", "server", "s3", "testkit"]),
    ("clap", &["cli"]),
    ("anyhow", &["work", "server", "cli", "bench", "testkit", "xtask"]),
    ("indicatif", &["cli"]),
    ("metrics-exporter-prometheus", &["server"]),
];

/// Checks one `Cargo.toml`: known room, edges downward and listed, fences kept, third parties
/// taken from the workspace without features of their own.
pub fn check_manifest(file: &Text, found: &mut Vec<Violation>) -> anyhow::Result<()> {
    let manifest: toml::Table = file.text.parse().with_context(|| format!("parsing {}", file.path))?;
    let Some(name) = crate_name(&file.path) else { return Ok(()) };
    let mut say = |message: String| found.push(Violation { file: file.path.clone(), line: 0, message });
    let Some(room) = ROOMS.iter().find(|r| r.name == name) else {
        say(format!(
            "crate {name} stands on no floor: add it to xtask/src/tidy/house.rs and ARCHITECTURE.md"
        ));
        return Ok(());
    };
    for dependency in section(&manifest, "dependencies") {
        check_edge(room, dependency.0, &mut say);
        check_fence(name, dependency.0, &mut say);
        check_origin(dependency, &mut say);
    }
    for dependency in section(&manifest, "dev-dependencies") {
        check_test_edge(room, dependency.0, &mut say);
        check_origin(dependency, &mut say);
    }
    Ok(())
}

fn crate_name(path: &str) -> Option<&str> {
    let folder = path.strip_suffix("/Cargo.toml")?;
    match folder.strip_prefix("crates/") {
        Some(name) => Some(name),
        None => ["bench", "xtask"].into_iter().find(|own| *own == folder),
    }
}

fn section<'a>(manifest: &'a toml::Table, name: &str) -> Vec<(&'a str, &'a toml::Value)> {
    let table = manifest.get(name).and_then(toml::Value::as_table);
    table.map(|t| t.iter().map(|(k, v)| (k.as_str(), v)).collect()).unwrap_or_default()
}

fn check_edge(room: &Room, dependency: &str, say: &mut impl FnMut(String)) {
    let Some(other) = dependency.strip_prefix("headwater-") else { return };
    if !room.uses.contains(&other) {
        let name = room.name;
        say(format!("{name} may not use {other}: arrows go down along the edges of xtask/src/tidy/house.rs"));
    }
}

/// Tests may reach any lower or equal floor, but a face never another face.
fn check_test_edge(room: &Room, dependency: &str, say: &mut impl FnMut(String)) {
    const FACES: u8 = 4;
    let Some(other) = dependency.strip_prefix("headwater-") else { return };
    let floor = ROOMS.iter().find(|r| r.name == other).map_or(u8::MAX, |r| r.floor);
    let is_upward = floor > room.floor;
    let is_sideways = floor == FACES && room.floor == FACES;
    if is_upward || is_sideways {
        say(format!("the tests of {} may not use {other}: it stands above or beside it", room.name));
    }
}

fn check_fence(name: &str, dependency: &str, say: &mut impl FnMut(String)) {
    let Some((_, owners)) = FENCES.iter().find(|(third, _)| *third == dependency) else { return };
    if !owners.contains(&name) {
        say(format!("only {} may name {dependency}", owners.join(", ")));
    }
}

fn check_origin((dependency, value): (&str, &toml::Value), say: &mut impl FnMut(String)) {
    let table = value.as_table();
    let from_workspace = table.and_then(|t| t.get("workspace")).and_then(toml::Value::as_bool) == Some(true);
    if !from_workspace {
        say(format!("{dependency} must come from [workspace.dependencies]"));
    }
    if table.is_some_and(|t| t.contains_key("features")) {
        say(format!("the features of {dependency} are set once, in the workspace"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        check_manifest(&Text { path: path.into(), text: text.into() }, &mut found).unwrap();
        found.into_iter().map(|v| v.message).collect()
    }

    #[test]
    fn listed_edges_pass() {
        let text = "[dependencies]\nheadwater-base.workspace = true\nbytes.workspace = true\n";
        assert_eq!(check("crates/store/Cargo.toml", text), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_up_or_aside_is_found() {
        let text = "[dependencies]\nheadwater-kinesis.workspace = true\n";
        assert_eq!(check("crates/store/Cargo.toml", text).len(), 1);
        assert_eq!(check("crates/s3/Cargo.toml", text).len(), 1);
        assert_eq!(check("crates/s3/Cargo.toml", &text.replace("[dep", "[dev-dep")).len(), 1);
    }

    #[test]
    fn a_fence_is_kept() {
        let text = "[dependencies]\ndatafusion.workspace = true\n";
        assert_eq!(check("crates/athena/Cargo.toml", text), ["only query may name datafusion"]);
        assert!(check("crates/query/Cargo.toml", text).is_empty());
    }

    #[test]
    fn a_version_or_a_feature_of_ones_own_is_found() {
        assert_eq!(check("crates/store/Cargo.toml", "[dependencies]\nbytes = \"1\"\n").len(), 1);
        let featured = "[dependencies]\nbytes = { workspace = true, features = [\"serde\"] }\n";
        assert_eq!(check("crates/store/Cargo.toml", featured).len(), 1);
    }

    #[test]
    fn a_new_crate_needs_a_floor() {
        assert_eq!(check("crates/helpers/Cargo.toml", "").len(), 1);
    }

    #[test]
    fn every_edge_goes_down_or_between_engines() {
        for room in ROOMS {
            for other in room.uses {
                let below = ROOMS.iter().find(|r| r.name == *other).unwrap();
                assert!(
                    below.floor < room.floor || (room.floor == 3 && below.floor == 3),
                    "{} -> {other}",
                    room.name
                );
            }
        }
    }
}

//! Hive-style paths: `year=2026/month=01/`, with the escaping Hive uses.

/// `key=value/key=value/` for these columns and values, escaped as Hive does.
pub fn partition_path(columns: &[&str], values: &[&str]) -> String {
    let _ = (columns, values);
    todo!("tables owner")
}

/// The `(key, value)` pairs of the folders in `path` that have the form `key=value`, unescaped.
pub fn parse_partition_path(path: &str) -> Vec<(String, String)> {
    let _ = path;
    todo!("tables owner")
}

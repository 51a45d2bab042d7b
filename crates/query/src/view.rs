//! Views: a query kept in the catalog, in the form Athena and Presto keep it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwater_catalog::{QueryError, Table};
use serde_json::{Value, json};

const PREFIX: &str = "/* Presto View: ";
const SUFFIX: &str = " */";

/// The table type of views.
pub const TABLE_TYPE: &str = "VIRTUAL_VIEW";

/// The query of a view; `None` if the table is none.
pub fn definition(table: &Table) -> Result<Option<String>, QueryError> {
    if table.table_type.as_deref() != Some(TABLE_TYPE) {
        return Ok(None);
    }
    let name = &table.key.table;
    let refuse = || QueryError::User(format!("INVALID_VIEW: the definition of view {name} can't be read"));
    let extra: Value =
        serde_json::from_str(table.extra_json.as_deref().unwrap_or("{}")).map_err(|_| refuse())?;
    let text = extra.get("ViewOriginalText").and_then(Value::as_str).ok_or_else(refuse)?;
    let encoded = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX)).ok_or_else(refuse)?;
    let bytes = STANDARD.decode(encoded.trim()).map_err(|_| refuse())?;
    let view: Value = serde_json::from_slice(&bytes).map_err(|_| refuse())?;
    let sql = view.get("originalSql").and_then(Value::as_str).ok_or_else(refuse)?;
    Ok(Some(sql.to_owned()))
}

/// What the catalog keeps of a view, beyond its columns.
pub fn extra_json(sql: &str, database: &str, columns: &[(String, String)]) -> String {
    let columns: Vec<Value> =
        columns.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
    let view = json!({
        "originalSql": sql,
        "catalog": crate::names::CATALOG,
        "schema": database,
        "columns": columns,
    });
    let text = format!("{PREFIX}{}{SUFFIX}", STANDARD.encode(view.to_string()));
    json!({"ViewOriginalText": text, "ViewExpandedText": "/* Presto View */"}).to_string()
}

/// The parameters that mark a view as Presto's.
pub fn parameters() -> BTreeMap<String, String> {
    BTreeMap::from([
        ("presto_view".to_owned(), "true".to_owned()),
        ("comment".to_owned(), "Presto View".to_owned()),
    ])
}

//! Names of databases, tables and partition values.

use crate::CatalogError;

/// The longest name of a database or table, in characters (Glue's bound).
const NAME_CHARS_MAX: usize = 255;
/// The longest partition value, in characters (Glue's bound).
const VALUE_CHARS_MAX: usize = 1024;

/// The name in lower case, as Glue keeps it.
pub(crate) fn normal(kind: &str, name: &str) -> Result<String, CatalogError> {
    let chars = name.chars().count();
    if chars == 0 || chars > NAME_CHARS_MAX {
        return Err(CatalogError::Invalid(format!("a {kind} name has 1 to {NAME_CHARS_MAX} characters")));
    }
    if name.chars().any(|c| c.is_control() || c == '/') {
        return Err(CatalogError::Invalid(format!("a {kind} name holds no control characters and no '/'")));
    }
    Ok(name.to_lowercase())
}

/// Refuses values that can't be those of a partition of a table with so many keys.
pub(crate) fn check_values(values: &[String], keys: usize) -> Result<(), CatalogError> {
    if values.len() != keys {
        return Err(CatalogError::Invalid(
            "The number of partition keys do not match the number of partition values".to_owned(),
        ));
    }
    if values.iter().any(|value| value.is_empty() || value.chars().count() > VALUE_CHARS_MAX) {
        return Err(CatalogError::Invalid(format!(
            "a partition value has 1 to {VALUE_CHARS_MAX} characters"
        )));
    }
    Ok(())
}

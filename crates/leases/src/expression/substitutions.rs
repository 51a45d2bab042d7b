//! What stands for the `#names` and `:values` of a request's expressions.

use std::collections::{BTreeMap, BTreeSet};

use super::ExpressionError;
use crate::item::Value;

/// The request's ExpressionAttributeNames and …Values, and which of them were used.
#[derive(Debug, Default)]
pub(crate) struct Substitutions {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
    used: BTreeSet<String>,
    /// For fuzzing: every name stands for itself, every value for text.
    permissive: bool,
}

impl Substitutions {
    /// These, none used so far. Keys begin with `#` and `:`.
    pub(crate) fn new(names: BTreeMap<String, String>, values: BTreeMap<String, Value>) -> Self {
        Self { names, values, ..Self::default() }
    }

    /// One that knows everything.
    pub(crate) fn permissive() -> Self {
        Self { permissive: true, ..Self::default() }
    }

    /// What `#name` stands for.
    pub(crate) fn name(&mut self, placeholder: &str) -> Result<String, ExpressionError> {
        if self.permissive {
            return Ok(placeholder.trim_start_matches('#').to_owned());
        }
        let found = self.names.get(placeholder).cloned();
        self.used.insert(placeholder.to_owned());
        found.ok_or_else(|| ExpressionError::NoSuchName(placeholder.to_owned()))
    }

    /// What `:value` stands for.
    pub(crate) fn value(&mut self, placeholder: &str) -> Result<Value, ExpressionError> {
        if self.permissive {
            return Ok(Value::Text(placeholder.to_owned()));
        }
        let found = self.values.get(placeholder).cloned();
        self.used.insert(placeholder.to_owned());
        found.ok_or_else(|| ExpressionError::NoSuchValue(placeholder.to_owned()))
    }

    /// The complaint about what no expression used, if there is any.
    pub(crate) fn unused(&self) -> Option<String> {
        let values = self.values.keys().filter(|key| !self.used.contains(*key));
        let names = self.names.keys().filter(|key| !self.used.contains(*key));
        complaint("ExpressionAttributeNames", names)
            .or_else(|| complaint("ExpressionAttributeValues", values))
    }
}

fn complaint<'k>(parameter: &str, unused: impl Iterator<Item = &'k String>) -> Option<String> {
    let unused: Vec<&str> = unused.map(String::as_str).collect();
    let keys = unused.join(", ");
    (!unused.is_empty())
        .then(|| format!("Value provided in {parameter} unused in expressions: keys: {{{keys}}}"))
}

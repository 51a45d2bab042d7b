//! What every part of a pipeline can do: be compared, created, updated.

use async_trait::async_trait;
use serde_json::Value;

use crate::aws::Aws;

/// What is to be done to a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is not there.
    Create,
    /// It is there and these things about it differ.
    Update(Vec<String>),
    /// It differs in something that cannot be changed in place.
    Impossible(Vec<String>),
    /// It is as it should be.
    Nothing,
}

impl Change {
    /// A word for the table.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update(_) => "update",
            Self::Impossible(_) => "refuse",
            Self::Nothing => "keep",
        }
    }

    /// What differs.
    pub fn detail(&self) -> String {
        match self {
            Self::Update(what) | Self::Impossible(what) => what.join(", "),
            Self::Create | Self::Nothing => String::new(),
        }
    }

    /// An update if anything differs.
    pub fn of_differences(what: Vec<String>) -> Self {
        if what.is_empty() { Self::Nothing } else { Self::Update(what) }
    }
}

/// A part of a pipeline.
#[async_trait]
pub trait Resource: Send + Sync {
    /// Such as `stream`.
    fn kind(&self) -> &'static str;
    /// What it is called.
    fn name(&self) -> String;
    /// What is to be done to make it so.
    async fn compare(&self, aws: &Aws) -> anyhow::Result<Change>;
    /// Makes it, and waits until it can be used.
    async fn create(&self, aws: &Aws) -> anyhow::Result<()>;
    /// Changes it in place.
    async fn update(&self, aws: &Aws) -> anyhow::Result<()>;
}

/// The members of `wanted` that `present` has otherwise, as dotted paths. Members that only
/// `present` has (defaults, timestamps) do not matter.
pub fn differences(wanted: &Value, present: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare_at("", wanted, present, &mut found);
    found
}

fn compare_at(path: &str, wanted: &Value, present: &Value, found: &mut Vec<String>) {
    match (wanted, present) {
        (Value::Object(wanted), _) => {
            for (name, value) in wanted {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare_at(&inner, value, present.get(name).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(wanted), Value::Array(present)) if wanted.len() == present.len() => {
            for (index, (one, other)) in wanted.iter().zip(present).enumerate() {
                compare_at(&format!("{path}[{index}]"), one, other, found);
            }
        }
        (Value::Array(wanted), Value::Null) if wanted.is_empty() => {}
        _ if wanted == present => {}
        _ => found.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_wanted_is_compared() {
        let present = json!({"a": 1, "b": {"c": [1, 2], "d": "x"}, "when": 17});
        assert_eq!(differences(&json!({"a": 1, "b": {"c": [1, 2]}}), &present), Vec::<String>::new());
        assert_eq!(differences(&json!({"a": 2, "b": {"c": [1, 3]}, "e": 1}), &present), ["a", "b.c[1]", "e"]);
        assert_eq!(differences(&json!({"tags": []}), &present), Vec::<String>::new());
    }
}

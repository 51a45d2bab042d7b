//! `headwater env`: the exports that point every AWS tool in a shell at the node.

use anyhow::Context;
use headwater_wire::client::Trust;
use serde_json::json;

use crate::output::Output;
use crate::target::Target;

/// Prints them. Profile and session token are unset: either would win over the keys.
pub fn run(target: &Target, output: Output) -> anyhow::Result<()> {
    let bundle = match &target.trust {
        Trust::Bundle(path) => {
            let path = std::path::absolute(path).with_context(|| format!("naming {}", path.display()))?;
            Some(path.display().to_string())
        }
        Trust::Machine => None,
    };
    let names = [
        ("AWS_ENDPOINT_URL", target.endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", target.access_key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", target.secret.as_str()),
        ("AWS_REGION", target.region.as_str()),
        ("AWS_DEFAULT_REGION", target.region.as_str()),
    ];
    let mut text = String::new();
    let mut object = serde_json::Map::new();
    let trusted = bundle.as_deref().map(|path| ("AWS_CA_BUNDLE", path));
    for (name, value) in names.into_iter().chain(trusted) {
        text.push_str(&format!("export {name}={}\n", quoted(value)));
        object.insert(name.to_owned(), json!(value));
    }
    text.push_str("unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN");
    output.result(text, &object.into());
    Ok(())
}

/// A word that a POSIX shell takes literally.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:+=@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_every_value_literally() {
        assert_eq!(quoted("http://127.0.0.1:4566"), "http://127.0.0.1:4566");
        assert_eq!(quoted("a b$(c)"), "'a b$(c)'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}

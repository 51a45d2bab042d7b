//! Constraints on what clients send, refused in the words of the service.

use std::fmt::Display;

use headwater_wire::Fault;

/// Violations found so far.
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<String>);

/// How many violations are listed.
const VIOLATIONS_MAX: usize = 10;

impl Checks {
    /// The refusal, if anything was found.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        let Self(found) = self;
        if found.is_empty() {
            return Ok(());
        }
        let plural = if found.len() == 1 { "" } else { "s" };
        let message = format!("{} validation error{plural} detected: {}", found.len(), found.join("; "));
        Err(Fault::client("ValidationException", message))
    }

    /// The member must be there.
    pub(crate) fn present<T>(&mut self, path: impl Display, value: Option<&T>) {
        if value.is_none() {
            self.add(format!("Value null at '{path}' failed to satisfy constraint: Member must not be null"));
        }
    }

    /// A delivery stream's name.
    pub(crate) fn name(&mut self, value: Option<&str>) {
        let path = "deliveryStreamName";
        self.present(path, value.as_ref());
        self.length(path, value, 1, 64);
        let legal = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if let Some(name) = value.filter(|name| !name.chars().all(legal)) {
            self.fail(path, name, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+");
        }
    }

    /// Text of `min` to `max` characters, if it is there.
    pub(crate) fn length(&mut self, path: impl Display, value: Option<&str>, min: usize, max: usize) {
        let Some(value) = value else { return };
        let count = value.chars().count();
        if count < min {
            self.fail(&path, value, &format!("Member must have length greater than or equal to {min}"));
        }
        if count > max {
            self.fail(&path, value, &format!("Member must have length less than or equal to {max}"));
        }
    }

    /// Text that `matches` says has the form of `pattern`, if it is there.
    pub(crate) fn pattern(
        &mut self,
        path: impl Display,
        value: Option<&str>,
        pattern: &str,
        matches: fn(&str) -> bool,
    ) {
        if let Some(value) = value.filter(|value| !matches(value)) {
            self.fail(&path, value, &format!("Member must satisfy regular expression pattern: {pattern}"));
        }
    }

    /// A number of `min` to `max`, if it is there.
    pub(crate) fn range(&mut self, path: impl Display, value: Option<i64>, min: i64, max: i64) {
        let Some(value) = value else { return };
        if value < min {
            self.fail(
                &path,
                &value.to_string(),
                &format!("Member must have value greater than or equal to {min}"),
            );
        }
        if value > max {
            self.fail(
                &path,
                &value.to_string(),
                &format!("Member must have value less than or equal to {max}"),
            );
        }
    }

    /// One of the allowed words, if it is there.
    pub(crate) fn one_of(&mut self, path: impl Display, value: Option<&str>, allowed: &[&str]) {
        if let Some(value) = value.filter(|value| !allowed.contains(value)) {
            self.fail(path, value, &format!("Member must satisfy enum value set: [{}]", allowed.join(", ")));
        }
    }

    /// A list of `min` to `max` members, if it is there.
    pub(crate) fn count(&mut self, path: impl Display, count: Option<usize>, min: usize, max: usize) {
        let Some(count) = count else { return };
        if count < min {
            self.fail(&path, "[]", &format!("Member must have length greater than or equal to {min}"));
        }
        if count > max {
            let value = format!("[{count} members]");
            self.fail(&path, &value, &format!("Member must have length less than or equal to {max}"));
        }
    }

    /// Data of at most `max` bytes.
    pub(crate) fn blob(&mut self, path: impl Display, bytes: usize, max: usize) {
        if bytes > max {
            self.add(format!(
                "Value at '{path}' failed to satisfy constraint: Member must have length less than or equal to {max}"
            ));
        }
    }

    fn fail(&mut self, path: impl Display, value: &str, rule: &str) {
        let value: String = value.chars().take(256).collect();
        self.add(format!("Value '{value}' at '{path}' failed to satisfy constraint: {rule}"));
    }

    fn add(&mut self, violation: String) {
        if self.0.len() < VIOLATIONS_MAX {
            self.0.push(violation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_read_as_the_service_writes_them() {
        let mut checks = Checks::default();
        checks.name(Some("a b"));
        checks.range("limit", Some(0), 1, 50);
        let fault = checks.finish().unwrap_err();
        assert_eq!(fault.code, "ValidationException");
        assert_eq!(
            fault.message,
            "2 validation errors detected: Value 'a b' at 'deliveryStreamName' failed to satisfy constraint: Member \
             must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value '0' at 'limit' failed to satisfy \
             constraint: Member must have value greater than or equal to 1"
        );
        let mut checks = Checks::default();
        checks.name(None);
        assert!(checks.finish().unwrap_err().message.contains("Value null at 'deliveryStreamName'"));
        assert!(Checks::default().finish().is_ok());
    }
}

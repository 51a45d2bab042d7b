//! Constraints on what clients send, refused in the words of the service:
//! `1 validation error detected: Value '…' at '…' failed to satisfy constraint: …`.

use std::fmt::Display;

use headwater_wire::Fault;

/// Violations found so far.
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<String>);

/// How many violations are listed; one request can break hundreds of thousands.
const VIOLATIONS_MAX: usize = 10;

impl Checks {
    pub(crate) fn new() -> Self {
        Self::default()
    }

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

    /// Text of `min` to `max` characters, if it is there.
    pub(crate) fn length(&mut self, path: impl Display, value: Option<&str>, min: usize, max: usize) {
        let Some(value) = value else { return };
        // Characters are at most bytes: what is short in bytes needs no counting.
        let count = if value.len() <= max { value.len() } else { value.chars().count() };
        if count < min {
            self.fail(&path, value, format_args!("Member must have length greater than or equal to {min}"));
        }
        if count > max {
            self.fail(&path, value, format_args!("Member must have length less than or equal to {max}"));
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
            self.fail(
                &path,
                value,
                format_args!("Member must satisfy regular expression pattern: {pattern}"),
            );
        }
    }

    /// A number of `min` to `max`, if it is there.
    pub(crate) fn range(&mut self, path: impl Display, value: Option<i64>, min: i64, max: i64) {
        let Some(value) = value else { return };
        if value < min {
            self.fail(&path, value, format_args!("Member must have value greater than or equal to {min}"));
        }
        if value > max {
            self.fail(&path, value, format_args!("Member must have value less than or equal to {max}"));
        }
    }

    /// One of the allowed words, if it is there.
    pub(crate) fn one_of(&mut self, path: impl Display, value: Option<&str>, allowed: &[&str]) {
        if let Some(value) = value.filter(|value| !allowed.contains(value)) {
            let allowed = allowed.join(", ");
            self.fail(&path, value, format_args!("Member must satisfy enum value set: [{allowed}]"));
        }
    }

    /// A list or map of `min` to `max` members, if it is there.
    pub(crate) fn count(&mut self, path: impl Display, count: Option<usize>, min: usize, max: usize) {
        let Some(count) = count else { return };
        if count < min {
            self.fail(&path, "[]", format_args!("Member must have length greater than or equal to {min}"));
        }
        if count > max {
            let value = format!("[{count} members]");
            self.fail(&path, value, format_args!("Member must have length less than or equal to {max}"));
        }
    }

    /// Data of at most `max` bytes, if it is there.
    pub(crate) fn blob(&mut self, path: impl Display, bytes: Option<usize>, max: usize) {
        if let Some(bytes) = bytes.filter(|bytes| *bytes > max) {
            let value = format!("java.nio.HeapByteBuffer[pos=0 lim={bytes} cap={bytes}]");
            self.fail(&path, value, format_args!("Member must have length less than or equal to {max}"));
        }
    }

    /// A stream's name, if it is there.
    pub(crate) fn stream_name(&mut self, path: impl Display, value: Option<&str>) {
        self.length(&path, value, 1, 128);
        self.pattern(&path, value, "[a-zA-Z0-9_.-]+", is_name);
    }

    /// A shard's id, if it is there.
    pub(crate) fn shard_id(&mut self, path: impl Display, value: Option<&str>) {
        self.stream_name(path, value);
    }

    /// A stream's ARN, if it is there.
    pub(crate) fn stream_arn(&mut self, path: impl Display, value: Option<&str>) {
        self.length(&path, value, 1, 2048);
        self.pattern(&path, value, r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+", is_stream_arn);
    }

    /// A consumer's ARN, if it is there.
    pub(crate) fn consumer_arn(&mut self, path: impl Display, value: Option<&str>) {
        const PATTERN: &str =
            r"^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+";
        self.length(&path, value, 1, 2048);
        self.pattern(&path, value, PATTERN, is_consumer_arn);
    }

    /// The ARN of a stream or of what belongs to one, if it is there.
    pub(crate) fn resource_arn(&mut self, path: impl Display, value: Option<&str>) {
        self.length(&path, value, 1, 2048);
        self.pattern(
            &path,
            value,
            r"arn:aws.*:kinesis:.*:\d{12}:.*(stream|channel|queue)/\S+",
            is_stream_arn,
        );
    }

    /// A stream's id, if it is there. Reserved by the service: it names nothing.
    pub(crate) fn stream_id(&mut self, value: Option<&str>) {
        self.length("streamId", value, 1, 24);
        self.pattern("streamId", value, "[a-z0-9]{20}-[a-z0-9]{3}", is_stream_id);
    }

    /// A sequence number, if it is there.
    pub(crate) fn sequence_number(&mut self, path: impl Display, value: Option<&str>) {
        self.pattern(&path, value, r"^(0|([1-9]\d{0,128}))$", |text| is_decimal(text, 129));
    }

    /// A hash key, if it is there.
    pub(crate) fn hash_key(&mut self, path: impl Display, value: Option<&str>) {
        self.pattern(&path, value, r"^(0|([1-9]\d{0,38}))$", |text| is_decimal(text, 39));
    }

    /// Tags with legal keys and values, if they are there.
    pub(crate) fn tags<'a>(
        &mut self,
        path: &str,
        tags: impl Iterator<Item = (&'a String, &'a Option<String>)>,
    ) {
        for (key, value) in tags {
            self.length(format_args!("{path}.key"), Some(key), 1, 128);
            self.present(format_args!("{path}.{key}"), value.as_ref());
            self.length(format_args!("{path}.{key}"), value.as_deref(), 0, 256);
        }
    }

    fn fail(&mut self, path: &dyn Display, value: impl Display, rule: impl Display) {
        self.add(format!("Value '{value}' at '{path}' failed to satisfy constraint: {rule}"));
    }

    fn add(&mut self, violation: String) {
        if self.0.len() < VIOLATIONS_MAX {
            self.0.push(violation);
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

fn is_stream_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, _, account, resource] = parts[..] else { return false };
    let name = resource.strip_prefix("stream/");
    arn == "arn"
        && partition.starts_with("aws")
        && service == "kinesis"
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && name.is_some_and(|name| !name.is_empty() && !name.contains(char::is_whitespace))
}

fn is_consumer_arn(text: &str) -> bool {
    let resource = text.split_once(":stream/").map_or("", |(_, resource)| resource);
    let (stream, consumer) = resource.split_once("/consumer/").unwrap_or_default();
    let (name, epoch) = consumer.split_once(':').unwrap_or_default();
    let is_number = !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit());
    is_stream_arn(text) && is_name(stream) && is_name(name) && is_number
}

fn is_stream_id(text: &str) -> bool {
    let legal = |part: &str| part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.split_once('-').is_some_and(|(a, b)| a.len() == 20 && b.len() == 3 && legal(a) && legal(b))
}

fn is_decimal(text: &str, digits_max: usize) -> bool {
    let canonical = text == "0" || !text.starts_with('0');
    canonical && (1..=digits_max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(check: impl FnOnce(&mut Checks)) -> String {
        let mut checks = Checks::new();
        check(&mut checks);
        checks.finish().map_or_else(|fault| fault.message, |()| String::new())
    }

    #[test]
    fn violations_are_told_as_the_service_tells_them() {
        assert_eq!(
            message(|c| c.stream_name("streamName", Some("a b"))),
            "1 validation error detected: Value 'a b' at 'streamName' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        );
        assert_eq!(
            message(|c| {
                c.present("shardId", None::<&String>);
                c.range("limit", Some(0), 1, 10);
            }),
            "2 validation errors detected: Value null at 'shardId' failed to satisfy constraint: \
             Member must not be null; Value '0' at 'limit' failed to satisfy constraint: \
             Member must have value greater than or equal to 1"
        );
    }

    #[test]
    fn lengths_count_characters() {
        assert_eq!(message(|c| c.length("k", Some(&"ä".repeat(256)), 1, 256)), "");
        assert!(
            message(|c| c.length("k", Some(&"ä".repeat(257)), 1, 256)).contains("less than or equal to 256")
        );
        assert!(message(|c| c.length("k", Some(""), 1, 256)).contains("greater than or equal to 1"));
    }

    #[test]
    fn numbers_and_arns_have_their_forms() {
        for good in ["0", "1", "123"] {
            assert_eq!(message(|c| c.hash_key("k", Some(good))), "", "{good}");
        }
        for bad in ["", "00", "01", "-1", "1.5", &"9".repeat(40)] {
            assert!(!message(|c| c.hash_key("k", Some(bad))).is_empty(), "{bad}");
        }
        assert_eq!(message(|c| c.stream_arn("a", Some("arn:aws:kinesis:r:000000000001:stream/x"))), "");
        let consumer = "arn:aws:kinesis:r:000000000001:stream/x/consumer/c:1700000000";
        assert_eq!(message(|c| c.consumer_arn("a", Some(consumer))), "");
        for bad in [
            &consumer[..consumer.len() - 11],
            &consumer.replace("/consumer", ""),
            "x",
            &format!("{consumer}x"),
        ] {
            assert!(!message(|c| c.consumer_arn("a", Some(bad))).is_empty(), "{bad}");
        }
        for bad in ["arn:aws:s3:r:000000000001:stream/x", "arn:aws:kinesis:r:1:stream/x", "stream/x"] {
            assert!(!message(|c| c.stream_arn("a", Some(bad))).is_empty(), "{bad}");
        }
    }

    #[test]
    fn the_list_of_violations_is_bounded() {
        let message = message(|c| (0..500).for_each(|i| c.range("n", Some(i), 1000, 2000)));
        assert!(message.starts_with("10 validation errors"), "{message}");
    }
}

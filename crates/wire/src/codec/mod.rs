//! The bodies of the JSON protocols and their CBOR twin: one serde model, three spellings.
//!
//! **Failure.** Bytes from outside never panic; nesting is bounded in both encodings.

mod cbor_read;
mod cbor_write;
mod depth;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Fault;

/// The newtype name under which a number travels as tag 1 + epoch milliseconds in CBOR.
pub(crate) const CBOR_EPOCH_MS: &str = "$headwater::cbor::epoch_ms";

/// The major types of a CBOR map and of a tag before one.
const CBOR_MAP_OR_TAG: std::ops::RangeInclusive<u8> = 5..=6;

/// The buffer that an answer is written into at first.
const ANSWER_BYTES_MIN: usize = 256;

/// How much of a decoder's complaint a client sees.
const DETAIL_CHARS_MAX: usize = 200;

/// How the members of a request and its answer are spelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    /// `application/x-amz-json-1.0`.
    Json10,
    /// `application/x-amz-json-1.1`.
    Json11,
    /// `application/x-amz-cbor-1.1` (Kinesis from the Java and JavaScript SDKs).
    Cbor,
}

impl Codec {
    /// The codec of a content type; JSON 1.1 when it says nothing known, as AWS takes it.
    pub fn of_content_type(content_type: Option<&str>) -> Self {
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case(Self::Cbor.content_type()) {
            Self::Cbor
        } else if essence.eq_ignore_ascii_case(Self::Json10.content_type()) {
            Self::Json10
        } else {
            Self::Json11
        }
    }

    /// The content type of answers.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json10 => "application/x-amz-json-1.0",
            Self::Json11 => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
        }
    }

    /// The content type of a message's payload in an event stream.
    pub(crate) fn event_content_type(self) -> &'static str {
        match self {
            Self::Json10 | Self::Json11 => "application/json",
            Self::Cbor => "application/cbor",
        }
    }

    /// Reads a request's members. No body at all means no members.
    ///
    /// # Errors
    /// `SerializationException` for what cannot be read, `ValidationException` for a required
    /// member that is not there.
    pub fn decode<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, Fault> {
        match self {
            Self::Json10 | Self::Json11 => {
                let body = if body.is_empty() { b"{}" } else { body };
                if depth::is_too_deep(body) {
                    return Err(Fault::client("SerializationException", "the body is nested too deeply"));
                }
                sonic_rs::from_slice(body).map_err(|error| {
                    let at = format!("line {}, column {}", error.line(), error.column());
                    refuse(&error.to_string(), error.is_unmatched_type(), &at)
                })
            }
            Self::Cbor => {
                let body = if body.is_empty() { &[0xA0][..] } else { body };
                cbor_read::from_slice(body)
                    .map_err(|error| refuse(&error.text, error.is_data, &format!("byte {}", error.position)))
            }
        }
    }

    /// Whether the body is an object (or nothing at all): a list would be read as members by
    /// position.
    pub(crate) fn is_object(self, body: &[u8]) -> bool {
        match self {
            Self::Json10 | Self::Json11 => body.is_empty() || body.trim_ascii_start().starts_with(b"{"),
            Self::Cbor => body.first().is_none_or(|byte| CBOR_MAP_OR_TAG.contains(&(byte >> 5))),
        }
    }

    /// Writes an answer's members.
    ///
    /// # Errors
    /// When the value has no spelling (a float that is not a number): a bug of the face.
    pub fn encode<T: Serialize>(self, value: &T) -> Result<Bytes, Fault> {
        self.encode_within(value, 0)
    }

    /// The same for a value that takes about `bytes` in CBOR, into a buffer that need not grow; base64 in JSON
    /// takes a third more.
    ///
    /// # Errors
    /// As of [`Codec::encode`].
    pub fn encode_within<T: Serialize>(self, value: &T, bytes: usize) -> Result<Bytes, Fault> {
        let room = match self {
            Self::Cbor => bytes,
            Self::Json10 | Self::Json11 => bytes + bytes / 3,
        };
        let mut out = Vec::with_capacity(room.max(ANSWER_BYTES_MIN));
        let written = match self {
            Self::Json10 | Self::Json11 => {
                sonic_rs::to_writer(&mut out, value).map_err(|error| error.to_string())
            }
            Self::Cbor => cbor_write::write(&mut out, value).map_err(|error| error.to_string()),
        };
        written.map(|()| Bytes::from(out)).map_err(|error| {
            tracing::error!(error, "an answer could not be encoded");
            Fault::server("InternalFailure", "the answer could not be encoded")
        })
    }

    /// The body of an error answer.
    pub fn encode_fault(self, fault: &Fault) -> Bytes {
        let mut members = std::collections::BTreeMap::from([
            ("__type", Value::from(fault.code.as_ref())),
            ("message", Value::from(fault.message.as_str())),
        ]);
        members.extend(fault.members.iter().map(|(name, value)| (*name, Value::from(value.as_str()))));
        members.extend(fault.structures.iter().cloned());
        self.encode(&members).unwrap_or_default()
    }
}

/// The fault for a body that a decoder refused with `text`; `is_data` says that the syntax was fine.
fn refuse(text: &str, is_data: bool, at: &str) -> Fault {
    if let Some(member) = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        let mut name = member.to_owned();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        let message = format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        );
        return Fault::client("ValidationException", message);
    }
    if !is_data {
        return Fault::client("SerializationException", format!("the body is not well-formed ({at})"));
    }
    // What follows quotes the body at length.
    let reason = text.lines().next().unwrap_or_default().split(" at line ").next().unwrap_or_default();
    let reason: String = reason.chars().take(DETAIL_CHARS_MAX).collect();
    Fault::client("SerializationException", format!("{reason} ({at})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Debug)]
    #[serde(rename_all = "PascalCase")]
    #[expect(dead_code, reason = "only its reading is of interest")]
    struct Input {
        stream_name: String,
        limit: Option<i32>,
    }

    fn code(codec: Codec, body: &[u8]) -> (String, String) {
        let fault = codec.decode::<Input>(body).unwrap_err();
        assert_eq!(fault.status, 400);
        (fault.code.into_owned(), fault.message)
    }

    #[test]
    fn a_list_is_not_an_object() {
        for (codec, good, bad) in [
            (Codec::Json11, &b" {}"[..], &b" [\"orders\"]"[..]),
            (Codec::Cbor, &[0xA0][..], &[0x81, 0x61, b'a'][..]),
        ] {
            assert!(codec.is_object(good) && codec.is_object(b""));
            assert!(!codec.is_object(bad));
        }
    }

    #[test]
    fn content_types_choose_the_codec() {
        for codec in [Codec::Json10, Codec::Json11, Codec::Cbor] {
            assert_eq!(Codec::of_content_type(Some(codec.content_type())), codec);
        }
        assert_eq!(Codec::of_content_type(Some("Application/X-Amz-JSON-1.0; charset=utf-8")), Codec::Json10);
        assert_eq!(Codec::of_content_type(None), Codec::Json11);
    }

    #[test]
    fn malformed_bodies_are_serialization_exceptions() {
        for body in [&b"{"[..], b"[", b"nonsense", b"{\"StreamName\":\"a\"} x", b"\xff\xfe"] {
            assert_eq!(code(Codec::Json11, body).0, "SerializationException", "{body:?}");
        }
        for body in [&b"\xa1"[..], b"\xff", b"\x81", b"\xa1\x61\x41", b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            assert_eq!(code(Codec::Cbor, body).0, "SerializationException", "{body:?}");
        }
        let (wrong, message) = code(Codec::Json11, br#"{"StreamName":"a","Limit":"many"}"#);
        assert_eq!(wrong, "SerializationException");
        assert!(message.starts_with("invalid type: string \"many\", expected i32"), "{message}");
    }

    #[test]
    fn a_missing_member_is_named_as_the_service_names_it() {
        let (missing, message) = code(Codec::Json11, b"");
        assert_eq!(missing, "ValidationException");
        assert!(message.contains("Value null at 'streamName'"), "{message}");
        assert_eq!(code(Codec::Cbor, b"").0, "ValidationException");
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = [b"{\"Other\":".to_vec(), b"[".repeat(1_000_000)].concat();
        assert_eq!(code(Codec::Json11, &deep).0, "SerializationException");
        let deep = [b"\xa1\x65Other".to_vec(), vec![0x81; 1_000_000]].concat();
        assert_eq!(code(Codec::Cbor, &deep).0, "SerializationException");
    }

    #[test]
    fn faults_carry_type_message_and_members() {
        let mut fault = Fault::client("ResourceNotFoundException", "no such stream");
        fault.members.push(("resource", "orders".into()));
        let json = Codec::Json11.encode_fault(&fault);
        assert_eq!(
            json,
            r#"{"__type":"ResourceNotFoundException","message":"no such stream","resource":"orders"}"#
        );
        let read: std::collections::BTreeMap<String, String> =
            Codec::Cbor.decode(&Codec::Cbor.encode_fault(&fault)).unwrap();
        assert_eq!(read["__type"], "ResourceNotFoundException");
    }
}

//! Tags as S3 writes them: a query string in a header, a list in XML; with S3's limits.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use s3s::dto::{Tag, Tagging};
use s3s::xml::Deserialize;

use crate::fault::Refusal;

/// How many tags an object may have.
pub(crate) const OBJECT_TAGS_MAX: usize = 10;

/// How many tags a bucket may have.
pub(crate) const BUCKET_TAGS_MAX: usize = 50;

/// Reads `x-amz-tagging`: `key=value&key=value`, form-encoded.
pub(crate) fn from_header(header: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let malformed = || {
        Refusal::invalid_argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag \
             name duplicates.",
        )
    };
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8().map(|text| text.into_owned()).map_err(|_| malformed())
    };
    let mut pairs = Vec::new();
    for pair in header.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decode(key)?;
        if pairs.iter().any(|(seen, _)| *seen == key) {
            return Err(malformed());
        }
        pairs.push((key, decode(value)?));
    }
    checked(pairs, OBJECT_TAGS_MAX)
}

/// Reads a tag set.
pub(crate) fn from_xml(tagging: Tagging, limit: usize) -> Result<BTreeMap<String, String>, Refusal> {
    let pairs =
        tagging.tag_set.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
    checked(pairs.collect(), limit)
}

/// Reads a tag set as a form has it: the whole document.
pub(crate) fn from_document(xml: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let malformed = |_| {
        Refusal::new(
            400,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        )
    };
    let mut document = s3s::xml::Deserializer::new(xml.as_bytes());
    let tagging = Tagging::deserialize(&mut document).map_err(malformed)?;
    document.expect_eof().map_err(malformed)?;
    from_xml(tagging, OBJECT_TAGS_MAX)
}

/// Writes a tag set.
pub(crate) fn to_xml(tags: BTreeMap<String, String>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect()
}

fn checked(pairs: Vec<(String, String)>, limit: usize) -> Result<BTreeMap<String, String>, Refusal> {
    let invalid = |message: &str| Refusal::new(400, "InvalidTag", message);
    if pairs.len() > limit {
        return Err(Refusal::new(400, "BadRequest", format!("Tags cannot be greater than {limit}")));
    }
    let mut tags = BTreeMap::new();
    for (key, value) in pairs {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(invalid("The TagKey you have provided is invalid"));
        }
        if value.chars().count() > 256 {
            return Err(invalid("The TagValue you have provided is invalid"));
        }
        if key.starts_with("aws:") {
            return Err(invalid("System tags cannot be added/updated by requester"));
        }
        if tags.insert(key, value).is_some() {
            return Err(invalid("Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_decoded_and_checked() {
        let tags = from_header("a=1&b+c=%C3%A9&empty").unwrap();
        assert_eq!(tags["b c"], "é");
        assert_eq!(tags["empty"], "");
        let code = |header: &str| from_header(header).unwrap_err().code.into_owned();
        assert_eq!(code("a=1&a=2"), "InvalidArgument");
        assert_eq!(code("aws:x=1"), "InvalidTag");
        assert_eq!(code("a=%FF"), "InvalidArgument");
        assert_eq!(code(&(0..11).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join("&")), "BadRequest");
    }

    #[test]
    fn tag_sets_read_back() {
        let tags = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
        let again = from_xml(Tagging { tag_set: to_xml(tags.clone()) }, OBJECT_TAGS_MAX).unwrap();
        assert_eq!(again, tags);
    }
}

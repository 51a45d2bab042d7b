//! The canonical form of a request: what both sides sign.
//!
//! Everything is rebuilt from its meaning: names and values are decoded and encoded again with
//! upper-case hex and only `A-Z a-z 0-9 - . _ ~` left as they are. So a client that encodes more or
//! less than it must still agrees with us. The one exception is `%2F` in a path, which is not `/`.

use http::HeaderMap;
use http::request::Parts;

/// How a service's paths are canonicalised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PathStyle {
    /// S3: the path encoded once; dots and double slashes mean themselves.
    AsIs,
    /// Every other service: normalised, and the encoded path encoded once more.
    EncodedTwice,
}

impl PathStyle {
    /// The style of a service by its signing name.
    pub(crate) fn of(service: &str) -> Self {
        if service == "s3" { Self::AsIs } else { Self::EncodedTwice }
    }
}

/// The canonical request as bytes (header values need not be UTF-8).
pub(crate) fn request(head: &Parts, style: PathStyle, signed_headers: &[String], payload: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b'\n');
    out.extend_from_slice(path(head.uri.path(), style).as_bytes());
    out.push(b'\n');
    out.extend_from_slice(query(head.uri.query().unwrap_or_default()).as_bytes());
    out.push(b'\n');
    for name in signed_headers {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        header_value(&mut out, head, name);
        out.push(b'\n');
    }
    out.push(b'\n');
    for (i, name) in signed_headers.iter().enumerate() {
        if i > 0 {
            out.push(b';');
        }
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b'\n');
    out.extend_from_slice(payload.as_bytes());
    out
}

/// What HTTP/2 calls the host.
pub(super) const AUTHORITY: &str = ":authority";

/// All values of a header, trimmed, inner runs of spaces made one, joined by commas.
fn header_value(out: &mut Vec<u8>, head: &Parts, name: &str) {
    if name == AUTHORITY || (name == "host" && !head.headers.contains_key("host")) {
        // HTTP/2 has :authority instead.
        out.extend_from_slice(head.uri.authority().map_or("", |a| a.as_str()).as_bytes());
        return;
    }
    for (i, value) in head.headers.get_all(name).iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let words = value.as_bytes().split(|b| b.is_ascii_whitespace()).filter(|word| !word.is_empty());
        for (j, word) in words.enumerate() {
            if j > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(word);
        }
    }
}

/// The canonical path.
pub(crate) fn path(path: &str, style: PathStyle) -> String {
    let path = if path.is_empty() { "/" } else { path };
    match style {
        PathStyle::AsIs => reencode_path(path),
        PathStyle::EncodedTwice => encode(normalize(&reencode_path(path)).as_bytes(), true),
    }
}

/// The canonical query: every pair but the signature itself, sorted.
pub(crate) fn query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = raw_pairs(query)
        .map(|(name, value)| (encode(&decode(name, true), false), encode(&decode(value, true), false)))
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    pairs.sort();
    let mut out = String::with_capacity(query.len() + 16);
    for (i, (name, value)) in pairs.iter().enumerate() {
        if i > 0 {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
    out
}

/// The undecoded pairs of a query.
pub(crate) fn raw_pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// A query part as text; bytes that are no UTF-8 become replacement characters.
pub(crate) fn decode_text(part: &str) -> String {
    String::from_utf8_lossy(&decode(part, true)).into_owned()
}

/// The names of headers that must be signed and are not, joined by `, `.
pub(crate) fn unsigned_headers(headers: &HeaderMap, signed: &[String]) -> String {
    let must = |name: &str| name.starts_with("x-amz-") && !HARMLESS.contains(&name);
    let mut names: Vec<&str> = headers.keys().map(|name| name.as_str()).filter(|name| must(name)).collect();
    names.retain(|name| !signed.iter().any(|have| have == name));
    names.sort_unstable();
    names.join(", ")
}

/// `x-amz-*` headers that change nothing here and that some SDKs or proxies add after signing.
const HARMLESS: [&str; 2] = ["x-amz-user-agent", "x-amz-id-2"];

/// Percent-encodes all but the unreserved characters (and `/`, if told).
pub(crate) fn encode(bytes: &[u8], keep_slash: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 16);
    for &byte in bytes {
        if is_unreserved(byte) || (keep_slash && byte == b'/') {
            out.push(byte as char);
        } else {
            push_hex(&mut out, byte);
        }
    }
    out
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push_hex(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(DIGITS[usize::from(byte >> 4)] as char);
    out.push(DIGITS[usize::from(byte & 15)] as char);
}

/// Undoes percent-encoding. A `%` without two hex digits means itself.
fn decode(text: &str, plus_is_space: bool) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if let Some(decoded) = escaped(bytes, at) {
            out.push(decoded);
            at += 3;
            continue;
        }
        out.push(if byte == b'+' && plus_is_space { b' ' } else { byte });
        at += 1;
    }
    out
}

/// The byte that `%XX` at this place stands for.
fn escaped(bytes: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = bytes.get(at..at + 3)? else {
        return None;
    };
    let digit = |b: u8| (b as char).to_digit(16);
    Some((digit(*high)? * 16 + digit(*low)?) as u8)
}

/// Encodes each byte of a path once, whatever was encoded before; `%2F` stays `%2F`.
fn reencode_path(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = String::with_capacity(bytes.len() + 16);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let (meant, step, was_escaped) = escaped(bytes, at).map_or((byte, 1, false), |b| (b, 3, true));
        if is_unreserved(meant) || (meant == b'/' && !was_escaped) {
            out.push(meant as char);
        } else {
            push_hex(&mut out, meant);
        }
        at += step;
    }
    out
}

/// Resolves dots and drops empty segments (RFC 3986, 5.2.4).
fn normalize(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut out = format!("/{}", segments.join("/"));
    if out.len() > 1 && (path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..")) {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn s3_paths_are_encoded_once_and_keep_their_dots() {
        for (sent, canonical) in [
            ("/", "/"),
            ("", "/"),
            ("/b/a%20b", "/b/a%20b"),
            ("/b/a+b", "/b/a%2Bb"),
            ("/b/%e2%82%ac", "/b/%E2%82%AC"),
            ("/b//x/../y/", "/b//x/../y/"),
            ("/b/x%2Fy", "/b/x%2Fy"),
            ("/b/100%", "/b/100%25"),
            ("/b/%7Etilde", "/b/~tilde"),
        ] {
            assert_eq!(path(sent, PathStyle::AsIs), canonical, "{sent}");
        }
    }

    #[test]
    fn other_paths_are_normalised_and_encoded_twice() {
        for (sent, canonical) in [
            ("/", "/"),
            ("/./example/../", "/"),
            ("//foo//bar/", "/foo/bar/"),
            ("/a%20b", "/a%2520b"),
            ("/a:b", "/a%253Ab"),
        ] {
            assert_eq!(path(sent, PathStyle::EncodedTwice), canonical, "{sent}");
        }
    }

    #[test]
    fn queries_are_sorted_and_lose_the_signature() {
        assert_eq!(query("b=2&a=1&a=0&X-Amz-Signature=ff&c"), "a=0&a=1&b=2&c=");
        assert_eq!(query("prefix=a/b c+d&x=%7e"), "prefix=a%2Fb%20c%20d&x=~");
        assert_eq!(query(""), "");
    }

    proptest! {
        #[test]
        fn canonical_forms_do_not_depend_on_how_much_was_encoded(bytes: Vec<u8>, seed: u64) {
            let careful = encode(&bytes, false);
            // Encodes the unreserved characters, too, in lower case, wherever the seed says so.
            let eager: String = bytes.iter().enumerate().map(|(i, &b)| {
                if is_unreserved(b) && (seed >> (i % 64)) & 1 == 0 { (b as char).to_string() } else { format!("%{b:02x}") }
            }).collect();
            prop_assert_eq!(query(&format!("k={careful}")), query(&format!("k={eager}")));
            prop_assert_eq!(path(&format!("/{careful}"), PathStyle::AsIs), path(&format!("/{eager}"), PathStyle::AsIs));
            prop_assert_eq!(decode(&careful, true), bytes);
        }

        #[test]
        fn canonical_is_a_fixed_point(text in "[ -~]{0,60}") {
            let once = query(&text);
            prop_assert_eq!(query(&once), once.clone());
            let once = path(&text, PathStyle::AsIs);
            prop_assert_eq!(path(&once, PathStyle::AsIs), once.clone());
        }
    }
}

//! HTML forms (`multipart/form-data`) whose file comes last, decoded without I/O:
//!
//! ```text
//! --boundary CRLF Content-Disposition: form-data; name="key" CRLF CRLF value CRLF
//! … --boundary CRLF Content-Disposition: form-data; name="file"; filename="a.txt" CRLF CRLF
//! <the file's bytes, passed on as they arrive> CRLF --boundary-- CRLF
//! ```
//!
//! What follows the file is ignored, as S3 ignores it.
//!
//! **Invariants.** All that precedes the file is at most `FIELDS_BYTES_MAX`, what follows it at
//! most `REST_BYTES_MAX`; of the file no more is held back than a boundary is long. The file has
//! ended only when a boundary says so: a form that breaks off has no file.

use bytes::{Bytes, BytesMut};
use memchr::memmem;

/// The most bytes before the file: S3's limit.
const FIELDS_BYTES_MAX: usize = 20 * 1024;
/// The most bytes after the file.
const REST_BYTES_MAX: usize = 20 * 1024;
/// The longest boundary (RFC 2046).
const BOUNDARY_BYTES_MAX: usize = 70;
/// The field that holds the file.
const FILE: &str = "file";

/// The fields of a form, in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Names as they were sent, and values.
    pub fields: Vec<(String, String)>,
    /// The file's name, without the folders some browsers send.
    pub file_name: String,
}

impl Form {
    /// The first value of a field, whatever the case of its name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(have, _)| have.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// What is wrong with a form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// It is no well-formed `multipart/form-data`.
    #[error("the form is malformed: {0}")]
    Malformed(&'static str),
    /// There is too much before the file.
    #[error("the fields before the file are larger than {FIELDS_BYTES_MAX} bytes")]
    TooLarge,
    /// There is no field of the name `file`.
    #[error("the form has no file")]
    NoFile,
    /// It broke off.
    #[error("the form broke off")]
    Incomplete,
}

/// What a decoder found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormPiece {
    /// Nothing before more bytes are pushed.
    More,
    /// The fields are complete, and the file begins.
    Fields(Form),
    /// Bytes of the file.
    Data(Bytes),
    /// The file is complete.
    FileEnd,
}

/// Decodes one form, piece by piece.
#[derive(Debug)]
pub struct FormDecoder {
    /// CR LF, two hyphens, the boundary.
    delimiter: Vec<u8>,
    buffer: BytesMut,
    state: State,
    form: Form,
    /// Bytes before, or after, the file.
    spent: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Start,
    /// Behind a boundary: another part, or the end.
    Boundary,
    /// The headers of a part.
    Headers,
    /// The value of a field.
    Field(String),
    File,
    /// Behind the file.
    Rest,
}

impl FormDecoder {
    /// A decoder of a body of this content type.
    ///
    /// # Errors
    /// When it is no form, or names no boundary.
    pub fn new(content_type: &str) -> Result<Self, FormError> {
        let boundary =
            boundary(content_type).ok_or(FormError::Malformed("the content type names no boundary"))?;
        // The first boundary has no line end before it.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        Ok(Self { delimiter, buffer, state: State::Start, form: Form::default(), spent: 0 })
    }

    /// Takes in bytes as they arrive.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next piece of what was pushed.
    ///
    /// # Errors
    /// When this is no form that S3 takes; nothing of it may then be kept.
    pub fn piece(&mut self) -> Result<FormPiece, FormError> {
        loop {
            let state = self.state.clone();
            let went_on = match state {
                State::Start => self.skip_to_boundary()?,
                State::Boundary => self.after_boundary()?,
                State::Headers => match self.headers()? {
                    Some(Part::File) => return Ok(FormPiece::Fields(std::mem::take(&mut self.form))),
                    part => part.is_some(),
                },
                State::Field(name) => self.field(name)?,
                State::File => return Ok(self.file()),
                State::Rest => self.rest()?,
            };
            if !went_on {
                return Ok(FormPiece::More);
            }
        }
    }

    /// Checks that the body may end here.
    ///
    /// # Errors
    /// When the file, or what precedes it, is not complete.
    pub fn finish(&self) -> Result<(), FormError> {
        if self.state == State::Rest { Ok(()) } else { Err(FormError::Incomplete) }
    }

    fn delimiter_at(&self) -> Option<usize> {
        memmem::find(&self.buffer, &self.delimiter)
    }

    /// Gives up bytes that belong to the fields.
    fn spend(&mut self, len: usize) -> Result<Bytes, FormError> {
        self.spent += len;
        if self.spent > FIELDS_BYTES_MAX {
            return Err(FormError::TooLarge);
        }
        Ok(self.buffer.split_to(len).freeze())
    }

    /// More bytes are needed: refuses if there are too many already.
    fn wait(&self) -> Result<bool, FormError> {
        if self.spent + self.buffer.len() > FIELDS_BYTES_MAX { Err(FormError::TooLarge) } else { Ok(false) }
    }

    fn skip_to_boundary(&mut self) -> Result<bool, FormError> {
        let Some(at) = self.delimiter_at() else { return self.wait() };
        self.spend(at + self.delimiter.len())?;
        self.state = State::Boundary;
        Ok(true)
    }

    fn after_boundary(&mut self) -> Result<bool, FormError> {
        if self.buffer.starts_with(b"--") {
            return Err(FormError::NoFile);
        }
        let Some(end) = memmem::find(&self.buffer, b"\r\n") else { return self.wait() };
        let padding = self.spend(end + 2)?;
        if !padding[..end].iter().all(|b| matches!(b, b' ' | b'\t')) {
            return Err(FormError::Malformed("a boundary goes on behind its end"));
        }
        self.state = State::Headers;
        Ok(true)
    }

    fn headers(&mut self) -> Result<Option<Part>, FormError> {
        let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") else {
            self.wait()?;
            return Ok(None);
        };
        let text = self.spend(end + 4)?;
        let text = std::str::from_utf8(&text[..end])
            .map_err(|_| FormError::Malformed("a part's header is no text"))?;
        let disposition = disposition(text).ok_or(FormError::Malformed("a part has no name"))?;
        if disposition.name.eq_ignore_ascii_case(FILE) {
            self.form.file_name = base_name(&disposition.file_name).to_owned();
            self.state = State::File;
            return Ok(Some(Part::File));
        }
        self.state = State::Field(disposition.name);
        Ok(Some(Part::Field))
    }

    fn field(&mut self, name: String) -> Result<bool, FormError> {
        let Some(at) = self.delimiter_at() else { return self.wait() };
        let value = self.spend(at + self.delimiter.len())?;
        let value =
            std::str::from_utf8(&value[..at]).map_err(|_| FormError::Malformed("a field is no text"))?;
        self.form.fields.push((name, value.to_owned()));
        self.state = State::Boundary;
        Ok(true)
    }

    fn file(&mut self) -> FormPiece {
        match self.delimiter_at() {
            Some(0) => {
                let _ = self.buffer.split_to(self.delimiter.len());
                (self.state, self.spent) = (State::Rest, 0);
                FormPiece::FileEnd
            }
            Some(at) => FormPiece::Data(self.buffer.split_to(at).freeze()),
            None => match self.buffer.len().saturating_sub(self.delimiter.len() - 1) {
                0 => FormPiece::More,
                sure => FormPiece::Data(self.buffer.split_to(sure).freeze()),
            },
        }
    }

    fn rest(&mut self) -> Result<bool, FormError> {
        self.spent += self.buffer.len();
        self.buffer.clear();
        if self.spent > REST_BYTES_MAX {
            return Err(FormError::Malformed("too much follows the file"));
        }
        Ok(false)
    }
}

enum Part {
    Field,
    File,
}

/// The boundary in a content type.
fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    let is_legal = |b: u8| b.is_ascii_graphic() || b == b' ';
    let fits = (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) && boundary.bytes().all(is_legal);
    (fits && !boundary.ends_with(' ')).then_some(boundary)
}

struct Disposition {
    name: String,
    file_name: String,
}

/// What the headers of a part say that it is.
fn disposition(headers: &str) -> Option<Disposition> {
    let mut found = headers.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, value) = found.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))?;
    let (kind, parameters) = value.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let name = parameter(parameters, "name")?;
    Some(Disposition { name, file_name: parameter(parameters, "filename").unwrap_or_default() })
}

/// The value of a parameter: a token, or quoted (with `\"` for a quote, as in `%22`-less browsers).
fn parameter(text: &str, wanted: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, next) = value(after.trim_start())?;
        if name.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = next;
    }
}

/// A value, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return Some((text[..end].trim_end().to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &quoted[at + 1..])),
            // A backslash before anything else is one: browsers on Windows send whole paths.
            '\\' if letters.peek().is_some_and(|(_, next)| *next == '"') => {
                value.extend(letters.next().map(|(_, quote)| quote));
            }
            other => value.push(other),
        }
    }
    None
}

/// A file's name without its folders.
fn base_name(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TYPE: &str = "multipart/form-data; boundary=xyz";

    /// Decodes a body pushed in pieces of `step` bytes.
    fn decode(content_type: &str, body: &[u8], step: usize) -> Result<(Form, Vec<u8>), FormError> {
        let mut decoder = FormDecoder::new(content_type)?;
        let (mut form, mut file) = (Form::default(), Vec::new());
        for piece in body.chunks(step.max(1)) {
            decoder.push(piece);
            loop {
                match decoder.piece()? {
                    FormPiece::More => break,
                    FormPiece::Fields(fields) => form = fields,
                    FormPiece::Data(data) => file.extend_from_slice(&data),
                    FormPiece::FileEnd => {}
                }
            }
        }
        decoder.finish()?;
        Ok((form, file))
    }

    fn body(fields: &[(&str, &str)], file_name: &str, file: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend_from_slice(
                format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .as_bytes(),
            );
        }
        let head = format!(
            "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\nContent-Type: text/plain\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--xyz--\r\n");
        body
    }

    #[test]
    fn fields_come_before_the_file_and_what_follows_is_ignored() {
        let mut sent = body(&[("key", "a/${filename}"), ("empty", "")], "C:\\dir\\a b.txt", b"hello\r\n--xy");
        sent.truncate(sent.len() - 4);
        sent.extend_from_slice(b"\r\nContent-Disposition: form-data; name=\"late\"\r\n\r\nx\r\n--xyz--\r\n");
        for step in [1, 2, 7, 10_000] {
            let (form, file) = decode(TYPE, &sent, step).unwrap();
            assert_eq!(form.field("KEY"), Some("a/${filename}"));
            assert_eq!((form.field("empty"), form.field("late")), (Some(""), None));
            assert_eq!((form.file_name.as_str(), file.as_slice()), ("a b.txt", &b"hello\r\n--xy"[..]));
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let sent = body(&[("key", "k")], "a", b"data");
        for (content_type, sent, wanted) in [
            (
                "text/plain; boundary=xyz",
                &sent[..],
                FormError::Malformed("the content type names no boundary"),
            ),
            ("multipart/form-data", &sent[..], FormError::Malformed("the content type names no boundary")),
            (TYPE, &sent[..sent.len() - 12], FormError::Incomplete),
            (TYPE, &sent[..20], FormError::Incomplete),
            (TYPE, &b"--xyz--\r\n"[..], FormError::NoFile),
            (TYPE, &b"--xyzz\r\n\r\n"[..], FormError::Malformed("a boundary goes on behind its end")),
            (TYPE, &b"--xyz\r\nContent-Type: a\r\n\r\n"[..], FormError::Malformed("a part has no name")),
            (TYPE, &b""[..], FormError::Incomplete),
        ] {
            assert_eq!(decode(content_type, sent, 3).unwrap_err(), wanted, "{content_type}");
        }
    }

    #[test]
    fn what_precedes_the_file_is_bounded() {
        let long = "x".repeat(FIELDS_BYTES_MAX);
        assert_eq!(decode(TYPE, &body(&[("key", &long)], "a", b""), 100).unwrap_err(), FormError::TooLarge);
        assert_eq!(decode(TYPE, long.repeat(2).as_bytes(), 100).unwrap_err(), FormError::TooLarge);
        let mut sent = body(&[("key", "k")], "a", b"data");
        sent.extend_from_slice(&vec![b' '; REST_BYTES_MAX + 1]);
        assert!(matches!(decode(TYPE, &sent, 100).unwrap_err(), FormError::Malformed(_)));
    }

    #[test]
    fn boundaries_and_names_are_read_as_browsers_write_them() {
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; boundary=\"a b\"").as_deref(), Some("a b"));
        assert_eq!(
            boundary("multipart/form-data; boundary=----WebKitFormBoundaryA1").as_deref(),
            Some("----WebKitFormBoundaryA1")
        );
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "a".repeat(71))), None);
        let read =
            disposition("content-disposition: form-data; filename=\"a\\\"b;name=c\"; name=key").unwrap();
        assert_eq!((read.name.as_str(), read.file_name.as_str()), ("key", "a\"b;name=c"));
    }

    proptest! {
        #[test]
        fn any_file_comes_out_as_it_went_in(file in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'x'), Just(b'y'), any::<u8>()], 0..200), step in 1usize..60) {
            // A file that holds the boundary would not have been sent with it.
            prop_assume!(memmem::find(&[b"\r\n", &file[..], b"\r\n"].concat(), b"\r\n--xyz").is_none());
            let (_, got) = decode(TYPE, &body(&[("key", "k")], "a", &file), step).unwrap();
            prop_assert_eq!(got, file);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>, text in "[ -~]{0,60}", step in 1usize..20) {
            let _ = decode(TYPE, &bytes, step);
            let _ = decode(TYPE, &[b"--xyz\r\n", text.as_bytes(), b"\r\n\r\n"].concat(), step);
            let _ = boundary(&text);
        }
    }
}

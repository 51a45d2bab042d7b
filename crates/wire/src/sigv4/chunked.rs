//! The aws-chunked encoding, decoded without I/O:
//!
//! ```text
//! 400;chunk-signature=…\r\n <0x400 bytes> \r\n … 0;chunk-signature=…\r\n
//! x-amz-checksum-crc32:…\r\n x-amz-trailer-signature:…\r\n \r\n
//! ```
//!
//! Data is passed on as it arrives, before its chunk's signature is known to be right; an error
//! afterwards means that none of it may be kept.
//!
//! **Invariants.** No line is longer than [`LINE_BYTES_MAX`], no more than [`TRAILERS_MAX`] trailers
//! are kept, nothing else is buffered.

use bytes::{Buf, Bytes};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::EMPTY_SHA256;
use super::keys::SigningKey;

/// The longest chunk header or trailer.
const LINE_BYTES_MAX: usize = 8 * 1024;
/// How many trailers a body may have.
const TRAILERS_MAX: usize = 20;
/// The largest chunk that carries a signature: what may have to be thrown away for one bad bit.
const SIGNED_CHUNK_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The largest chunk without a signature: the largest part S3 takes. Some SDKs send one chunk.
const UNSIGNED_CHUNK_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// The trailer that signs the other trailers.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// What is wrong with an aws-chunked body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The framing is broken.
    #[error("the aws-chunked body is malformed: {0}")]
    Malformed(&'static str),
    /// A chunk is larger than allowed.
    #[error("a chunk of {0} bytes is too large")]
    TooLarge(u64),
    /// A chunk's or the trailers' signature is wrong or missing.
    #[error("a chunk signature does not match")]
    Signature,
    /// It ended too soon, or is not as long as it said.
    #[error("the body has {actual} bytes, not the {stated} stated")]
    Length {
        /// What `x-amz-decoded-content-length` said.
        stated: u64,
        /// What came.
        actual: u64,
    },
    /// The trailers are not those that `x-amz-trailer` announced.
    #[error("the trailers are not those announced")]
    Trailers,
}

/// The chain of chunk signatures.
#[derive(Debug)]
pub struct ChunkSigning {
    key: SigningKey,
    /// `date\nscope`.
    prefix: String,
    previous: String,
}

impl ChunkSigning {
    /// The chain that begins with a request's own signature.
    pub(crate) fn new(key: SigningKey, prefix: String, seed: &[u8; 32]) -> Self {
        Self { key, prefix, previous: hex::encode(seed) }
    }

    /// The signature of the next chunk, in hex.
    pub(crate) fn sign_chunk(&mut self, data: &[u8]) -> String {
        hex::encode(self.chunk(Sha256::new_with_prefix(data)))
    }

    /// The signature of the trailers, in hex.
    pub(crate) fn sign_trailers(&mut self, trailers: &[(&str, &str)]) -> String {
        let canonical: String = trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        hex::encode(self.trailers(&canonical))
    }

    fn chunk(&mut self, data: Sha256) -> [u8; 32] {
        let digest = hex::encode(data.finalize());
        let text =
            format!("AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{EMPTY_SHA256}\n{digest}", self.prefix, self.previous);
        self.advance(&text)
    }

    fn trailers(&mut self, canonical: &str) -> [u8; 32] {
        let digest = hex::encode(Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{digest}", self.prefix, self.previous);
        self.advance(&text)
    }

    fn advance(&mut self, text: &str) -> [u8; 32] {
        let signature = self.key.sign(text.as_bytes());
        self.previous = hex::encode(signature);
        signature
    }
}

/// Decodes one body, piece by piece.
#[derive(Debug)]
pub struct ChunkDecoder {
    state: State,
    /// An incomplete line.
    line: Vec<u8>,
    signing: Option<ChunkSigning>,
    hasher: Sha256,
    /// The signature the current chunk claims.
    claimed: [u8; 32],
    announced: Vec<String>,
    trailers: Vec<(String, String)>,
    trailers_proven: bool,
    stated: u64,
    decoded: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Data {
        left: u64,
    },
    /// The line end after a chunk's data.
    DataEnd,
    Trailers,
    Done,
}

impl ChunkDecoder {
    /// A decoder for a body that says to hold `stated` bytes and to end with the trailers
    /// `announced` (lower-case names); with `signing`, every chunk must be signed.
    pub fn new(signing: Option<ChunkSigning>, stated: u64, announced: Vec<String>) -> Self {
        Self {
            state: State::Header,
            line: Vec::new(),
            signing,
            hasher: Sha256::new(),
            claimed: [0; 32],
            announced,
            trailers: Vec::new(),
            trailers_proven: false,
            stated,
            decoded: 0,
        }
    }

    /// Takes bytes from the front of `input` and gives the next piece of data; `None` when `input`
    /// is used up.
    ///
    /// # Errors
    /// When the body is not what it says; nothing decoded before may then be kept.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, ChunkError> {
        while !input.is_empty() {
            match self.state {
                State::Header => {
                    if let Some(line) = self.take_line(input)? {
                        self.begin_chunk(&line)?;
                    }
                }
                State::Data { left } => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    return Ok(Some(self.take_data(input, here, left)));
                }
                State::DataEnd => {
                    if let Some(line) = self.take_line(input)? {
                        if !line.is_empty() {
                            return Err(ChunkError::Malformed("a chunk is longer than its size"));
                        }
                        self.check_chunk()?;
                        self.state = State::Header;
                    }
                }
                State::Trailers => {
                    if let Some(line) = self.take_line(input)? {
                        self.take_trailer(&line)?;
                    }
                }
                State::Done => return Err(ChunkError::Malformed("bytes after the end")),
            }
        }
        Ok(None)
    }

    /// Checks that the body is complete, and gives the trailers.
    ///
    /// # Errors
    /// When anything that was promised is missing.
    pub fn finish(self) -> Result<Vec<(String, String)>, ChunkError> {
        // Some SDKs leave out the empty line after a last chunk without trailers.
        let complete = self.state == State::Done || (self.state == State::Trailers && self.line.is_empty());
        if !complete || self.decoded != self.stated {
            return Err(ChunkError::Length { stated: self.stated, actual: self.decoded });
        }
        if self.signing.is_some() && !self.trailers.is_empty() && !self.trailers_proven {
            return Err(ChunkError::Signature);
        }
        let mut got: Vec<&str> = self.trailers.iter().map(|(name, _)| name.as_str()).collect();
        let mut announced: Vec<&str> = self.announced.iter().map(String::as_str).collect();
        got.sort_unstable();
        announced.sort_unstable();
        if got != announced {
            return Err(ChunkError::Trailers);
        }
        Ok(self.trailers)
    }

    /// A whole line without its end, once it is there.
    fn take_line(&mut self, input: &mut Bytes) -> Result<Option<Vec<u8>>, ChunkError> {
        let end = input.iter().position(|b| *b == b'\n');
        let take = end.map_or(input.len(), |at| at + 1);
        if self.line.len() + take > LINE_BYTES_MAX {
            return Err(ChunkError::Malformed("a line is too long"));
        }
        self.line.extend_from_slice(&input[..take]);
        input.advance(take);
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        line.pop();
        if line.pop().is_some_and(|b| b != b'\r') {
            return Err(ChunkError::Malformed("a line does not end with CR LF"));
        }
        Ok(Some(line))
    }

    fn begin_chunk(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        let text =
            std::str::from_utf8(line).map_err(|_| ChunkError::Malformed("a chunk header is not text"))?;
        let (size, extension) = text.split_once(';').unwrap_or((text, ""));
        let digits = !size.is_empty() && size.len() <= 16 && size.bytes().all(|b| b.is_ascii_hexdigit());
        let size = digits.then(|| u64::from_str_radix(size, 16).ok()).flatten();
        let size = size.ok_or(ChunkError::Malformed("a chunk's size is not a hexadecimal number"))?;
        let limit = if self.signing.is_some() { SIGNED_CHUNK_BYTES_MAX } else { UNSIGNED_CHUNK_BYTES_MAX };
        if size > limit {
            return Err(ChunkError::TooLarge(size));
        }
        if size > self.stated - self.decoded {
            return Err(ChunkError::Length {
                stated: self.stated,
                actual: self.decoded.saturating_add(size),
            });
        }
        if self.signing.is_some() {
            let signature = extension.strip_prefix("chunk-signature=").ok_or(ChunkError::Signature)?;
            hex::decode_to_slice(signature, &mut self.claimed).map_err(|_| ChunkError::Signature)?;
        }
        if size == 0 {
            self.check_chunk()?;
            self.state = State::Trailers;
        } else {
            self.state = State::Data { left: size };
        }
        Ok(())
    }

    fn take_data(&mut self, input: &mut Bytes, here: usize, left: u64) -> Bytes {
        let piece = input.split_to(here);
        if self.signing.is_some() {
            self.hasher.update(&piece);
        }
        self.decoded += here as u64;
        let left = left - here as u64;
        self.state = if left == 0 { State::DataEnd } else { State::Data { left } };
        piece
    }

    fn check_chunk(&mut self) -> Result<(), ChunkError> {
        if let Some(signing) = &mut self.signing {
            let wanted = signing.chunk(std::mem::take(&mut self.hasher));
            if !bool::from(wanted.ct_eq(&self.claimed)) {
                return Err(ChunkError::Signature);
            }
        }
        Ok(())
    }

    fn take_trailer(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        if line.is_empty() {
            self.state = State::Done;
            return Ok(());
        }
        let text = std::str::from_utf8(line).map_err(|_| ChunkError::Malformed("a trailer is not text"))?;
        let (name, value) = text.split_once(':').ok_or(ChunkError::Malformed("a trailer has no ':'"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if name == TRAILER_SIGNATURE {
            return self.check_trailers(&value);
        }
        if self.trailers.len() == TRAILERS_MAX || self.trailers_proven {
            return Err(ChunkError::Malformed("too many trailers"));
        }
        self.trailers.push((name, value));
        Ok(())
    }

    fn check_trailers(&mut self, signature: &str) -> Result<(), ChunkError> {
        if let Some(signing) = &mut self.signing {
            let canonical: String =
                self.trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
            let wanted = signing.trailers(&canonical);
            let mut claimed = [0; 32];
            hex::decode_to_slice(signature, &mut claimed).map_err(|_| ChunkError::Signature)?;
            if !bool::from(wanted.ct_eq(&claimed)) {
                return Err(ChunkError::Signature);
            }
        }
        self.trailers_proven = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Data and trailers.
    type Decoded = (Vec<u8>, Vec<(String, String)>);

    /// Decodes `body` cut at `cuts`.
    fn decode(mut decoder: ChunkDecoder, body: &[u8], cuts: &[usize]) -> Result<Decoded, ChunkError> {
        let mut at: Vec<usize> =
            cuts.iter().map(|cut| cut % (body.len() + 1)).chain([0, body.len()]).collect();
        at.sort_unstable();
        let mut data = Vec::new();
        for pair in at.windows(2) {
            let mut piece = Bytes::copy_from_slice(&body[pair[0]..pair[1]]);
            while let Some(bytes) = decoder.decode(&mut piece)? {
                data.extend_from_slice(&bytes);
            }
        }
        Ok((data, decoder.finish()?))
    }

    fn unsigned(stated: u64, announced: &[&str]) -> ChunkDecoder {
        ChunkDecoder::new(None, stated, announced.iter().map(|&name| name.to_owned()).collect())
    }

    /// The worked example of the S3 documentation: 65 KiB of `a` in chunks of 64 KiB and 1 KiB.
    fn published() -> (ChunkDecoder, Vec<u8>) {
        let key =
            SigningKey::derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3");
        let prefix = "20130524T000000Z\n20130524/us-east-1/s3/aws4_request".to_owned();
        let mut seed = [0; 32];
        hex::decode_to_slice("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9", &mut seed)
            .unwrap();
        let body = [
            b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"
                .to_vec(),
            vec![b'a'; 65536],
            b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"
                .to_vec(),
            vec![b'a'; 1024],
            b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
                .to_vec(),
        ];
        (ChunkDecoder::new(Some(ChunkSigning::new(key, prefix, &seed)), 66560, vec![]), body.concat())
    }

    #[test]
    fn the_published_example_verifies() {
        let (decoder, body) = published();
        assert_eq!(decode(decoder, &body, &[]).unwrap().0, vec![b'a'; 66560]);
    }

    #[test]
    fn a_changed_byte_anywhere_in_the_published_example_is_noticed() {
        let (_, body) = published();
        for at in [0, 3, 30, 100, 65000, 65630, 65700, 66700, body.len() - 10] {
            let mut changed = body.clone();
            changed[at] ^= 1;
            let (decoder, _) = published();
            assert!(decode(decoder, &changed, &[]).is_err(), "byte {at}");
        }
    }

    #[test]
    fn unsigned_chunks_with_a_trailer() {
        let body = b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        let (data, trailers) = decode(unsigned(5, &["x-amz-checksum-crc32"]), body, &[]).unwrap();
        assert_eq!(data, b"abcde");
        assert_eq!(trailers, [("x-amz-checksum-crc32".to_owned(), "AAAA".to_owned())]);
    }

    #[test]
    fn broken_promises_are_noticed() {
        let check = |body: &[u8], stated, announced: &[&str]| {
            decode(unsigned(stated, announced), body, &[]).unwrap_err()
        };
        assert!(matches!(check(b"3\r\nabc\r\n0\r\n\r\n", 4, &[]), ChunkError::Length { .. }));
        assert!(matches!(check(b"3\r\nabc\r\n0\r\n\r\n", 2, &[]), ChunkError::Length { .. }));
        assert!(matches!(check(b"3\r\nabc\r\n", 3, &[]), ChunkError::Length { .. }));
        assert!(matches!(
            check(b"3\r\nabc\r\n0\r\n\r\n", 3, &["x-amz-checksum-crc32"]),
            ChunkError::Trailers
        ));
        assert!(matches!(check(b"3\r\nabc\r\n0\r\na:b\r\n\r\n", 3, &[]), ChunkError::Trailers));
        assert!(matches!(check(b"3\r\nabcd\r\n0\r\n\r\n", 4, &[]), ChunkError::Malformed(_)));
        assert!(matches!(check(b"3\r\nabc\r\n0\r\n\r\nmore", 3, &[]), ChunkError::Malformed(_)));
        assert!(matches!(check(b"+3\r\nabc\r\n0\r\n\r\n", 3, &[]), ChunkError::Malformed(_)));
        assert!(matches!(check(b"fffffffffffffffff\r\n", u64::MAX, &[]), ChunkError::Malformed(_)));
        assert!(matches!(check(b"ffffffffffffffff\r\n", u64::MAX, &[]), ChunkError::TooLarge(_)));
        assert!(matches!(check(&[b'0'; 10_000], 3, &[]), ChunkError::Malformed(_)));
    }

    proptest! {
        #[test]
        fn decoding_does_not_depend_on_how_the_bytes_arrive(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..8),
            cuts in proptest::collection::vec(any::<usize>(), 0..20),
        ) {
            let data = chunks.concat();
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\nt:v\r\n\r\n");
            let (decoded, trailers) = decode(unsigned(data.len() as u64, &["t"]), &body, &cuts).unwrap();
            prop_assert_eq!(decoded, data);
            prop_assert_eq!(trailers, vec![("t".to_owned(), "v".to_owned())]);
        }

        #[test]
        fn the_published_example_verifies_however_it_arrives(cuts in proptest::collection::vec(any::<usize>(), 0..20)) {
            let (decoder, body) = published();
            prop_assert!(decode(decoder, &body, &cuts).is_ok());
        }

        #[test]
        fn foreign_bytes_never_panic(body: Vec<u8>, cuts in proptest::collection::vec(any::<usize>(), 0..5)) {
            let _ = decode(unsigned(10, &[]), &body, &cuts);
            let (decoder, _) = published();
            let _ = decode(decoder, &body, &cuts);
        }
    }
}

//! Compression of whole files: gzip, zstd, snappy, told by extension or by the first bytes.
//!
//! Writing is deterministic: no times and no names go into the headers, so the same bytes in give
//! the same bytes out.

use std::io::{self, Read, Write};

/// How a whole file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not at all.
    None,
    /// gzip (`.gz`); reading takes several members one after another.
    Gzip,
    /// Zstandard (`.zst`).
    Zstd,
    /// Snappy's framing format (`.sz`, `.snappy`).
    Snappy,
}

impl Codec {
    /// The codec that a file's name or, failing that, its first bytes tell.
    pub fn detect(name: &str, head: &[u8]) -> Self {
        match name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
            Some("gz" | "gzip") => Self::Gzip,
            Some("zst" | "zstd") => Self::Zstd,
            Some("sz" | "snappy") => Self::Snappy,
            _ => Self::of_magic(head),
        }
    }

    fn of_magic(head: &[u8]) -> Self {
        if head.starts_with(&[0x1F, 0x8B]) {
            Self::Gzip
        } else if head.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
            Self::Zstd
        } else if head.starts_with(b"\xFF\x06\x00\x00sNaPpY") {
            Self::Snappy
        } else {
            Self::None
        }
    }

    /// The usual extension with its dot; empty for none.
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::Snappy => ".snappy",
        }
    }

    /// A reader of the plain bytes. CPU-bound; reads as it is read.
    pub fn reader<'a>(self, compressed: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Self::None => Box::new(compressed),
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(compressed)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::new(compressed)?),
            Self::Snappy => Box::new(snap::read::FrameDecoder::new(compressed)),
        })
    }

    /// At most `limit` plain bytes from the beginning of `compressed`, which may be cut short.
    pub fn sample(self, compressed: &[u8], limit: usize) -> Vec<u8> {
        let mut plain = Vec::new();
        if let Ok(reader) = self.reader(compressed) {
            // What could be read before the cut is the sample.
            let _ = reader.take(limit as u64).read_to_end(&mut plain);
        }
        plain
    }

    /// The compressed form of `plain`. CPU-bound.
    pub fn compress(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(plain.to_vec()),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), GZIP_LEVEL);
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::Zstd => zstd::stream::encode_all(plain, ZSTD_LEVEL),
            Self::Snappy => {
                let mut encoder = snap::write::FrameEncoder::new(Vec::new());
                encoder.write_all(plain)?;
                encoder.into_inner().map_err(|e| io::Error::other(e.to_string()))
            }
        }
    }
}

/// Fast gzip: on JSON lines about a tenth larger than level 6 at a third of its time.
const GZIP_LEVEL: flate2::Compression = flate2::Compression::new(2);
const ZSTD_LEVEL: i32 = 1;

/// Compresses a stream of pieces into one gzip member, so that a large file never lies in memory
/// whole.
#[derive(Debug)]
pub struct GzipStream(flate2::write::GzEncoder<Vec<u8>>);

impl GzipStream {
    /// Begins a member.
    pub fn new() -> Self {
        Self(flate2::write::GzEncoder::new(Vec::new(), GZIP_LEVEL))
    }

    /// Adds plain bytes. CPU-bound.
    pub fn write(&mut self, plain: &[u8]) {
        self.0.write_all(plain).expect("writing into memory does not fail");
    }

    /// Compressed bytes that are ready.
    pub fn take_ready(&mut self) -> Vec<u8> {
        std::mem::take(self.0.get_mut())
    }

    /// Ends the member and gives the bytes not taken yet.
    pub fn finish(self) -> Vec<u8> {
        self.0.finish().expect("writing into memory does not fail")
    }
}

impl Default for GzipStream {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_first_bytes_tell_the_codec() {
        assert_eq!(Codec::detect("a/b.json.GZ", b""), Codec::Gzip);
        assert_eq!(Codec::detect("a/b.zst", b""), Codec::Zstd);
        assert_eq!(Codec::detect("a/b.json", b"{}"), Codec::None);
        for codec in [Codec::Gzip, Codec::Zstd, Codec::Snappy] {
            assert_eq!(Codec::detect("x", &codec.compress(b"abc").unwrap()), codec);
        }
    }

    #[test]
    fn a_sample_of_a_cut_file_is_what_could_be_read() {
        let text = "line\n".repeat(10_000);
        let packed = Codec::Gzip.compress(text.as_bytes()).unwrap();
        let sample = Codec::Gzip.sample(&packed[..packed.len() - 4], 100);
        assert_eq!(sample, text.as_bytes()[..100]);
        assert!(Codec::Zstd.sample(b"not zstd", 100).is_empty());
    }

    proptest! {
        #[test]
        fn bytes_survive_a_round_trip(plain: Vec<u8>) {
            for codec in [Codec::None, Codec::Gzip, Codec::Zstd, Codec::Snappy] {
                let packed = codec.compress(&plain).unwrap();
                prop_assert_eq!(&packed, &codec.compress(&plain).unwrap());
                let mut back = Vec::new();
                codec.reader(&packed[..]).unwrap().read_to_end(&mut back).unwrap();
                prop_assert_eq!(&back, &plain);
            }
        }

        #[test]
        fn pieces_make_one_file(pieces in proptest::collection::vec(any::<Vec<u8>>(), 0..5)) {
            let mut stream = GzipStream::new();
            let mut packed = Vec::new();
            for piece in &pieces {
                stream.write(piece);
                packed.extend(stream.take_ready());
            }
            packed.extend(stream.finish());
            prop_assert_eq!(Codec::Gzip.sample(&packed, usize::MAX), pieces.concat());
        }
    }
}

//! Sealed bodies: AES-256-GCM over pieces of 64 KiB, each with its tag, so that a range costs the
//! pieces it touches.
//!
//! ```text
//! plaintext   │ 64 KiB       │ 64 KiB       │ rest │
//! sealed      │ piece 0 │tag │ piece 1 │tag │ 2│tag│      nonce = prefix(4) ‖ number · 2 + last (8)
//! data key    32 random bytes a body, wrapped by a key of the keyring or the customer's
//! ```
//! **Invariants.** A data key seals one body and is never used again, and no two pieces of a body
//! have one nonce. The last piece says in its nonce that it is; so a body that was cut, lengthened,
//! or put together from pieces in another order or of another body does not open.
//!
//! **Failure.** A piece that does not open is an error; none of its bytes leave this module.
//!
//! **Layout.** `docs/formats/sealed.md`.

mod master;
mod opener;
mod sealer;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};

pub(crate) use master::{Master, digest_of, has_digest};
pub(crate) use opener::Opener;
pub(crate) use sealer::Sealer;

/// Plaintext bytes in one piece; the last may have fewer.
pub(crate) const PIECE_BYTES: usize = 64 << 10;

/// Bytes of a piece's tag.
pub(crate) const TAG_BYTES: usize = 16;

/// What every piece is bound to: this format.
const LABEL: &[u8] = b"headwater sealed body 1";

/// A piece did not open: it is damaged, of another body, or under another key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Broken(pub(crate) u64);

/// How many bytes a body of `size` bytes takes when it is sealed. An empty one is an empty piece.
pub(crate) fn sealed_len(size: u64) -> u64 {
    size + pieces(size) * TAG_BYTES as u64
}

/// How many pieces a body of `size` bytes has.
fn pieces(size: u64) -> u64 {
    size.div_ceil(PIECE_BYTES as u64).max(1)
}

/// The cipher of one body.
#[derive(Clone)]
pub(crate) struct BodyCipher {
    cipher: Aes256Gcm,
    prefix: [u8; 4],
}

impl std::fmt::Debug for BodyCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyCipher").finish_non_exhaustive()
    }
}

impl BodyCipher {
    pub(crate) fn new(data_key: &[u8; 32], prefix: [u8; 4]) -> Self {
        Self { cipher: Aes256Gcm::new(&(*data_key).into()), prefix }
    }

    /// Seals `piece` where it lies and gives its tag.
    fn seal(&self, number: u64, is_last: bool, piece: &mut [u8]) -> [u8; TAG_BYTES] {
        let nonce = self.nonce(number, is_last).into();
        let tag = self.cipher.encrypt_inout_detached(&nonce, LABEL, InOutBuf::from(piece));
        tag.expect("a piece is far shorter than what the cipher takes").into()
    }

    /// Opens `piece` where it lies.
    fn open(&self, number: u64, is_last: bool, piece: &mut [u8], tag: &[u8]) -> Result<(), Broken> {
        let nonce = self.nonce(number, is_last).into();
        let tag: [u8; TAG_BYTES] = tag.try_into().map_err(|_| Broken(number))?;
        let opened = self.cipher.decrypt_inout_detached(&nonce, LABEL, InOutBuf::from(piece), &tag.into());
        opened.map_err(|_| Broken(number))
    }

    fn nonce(&self, number: u64, is_last: bool) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.prefix);
        nonce[4..].copy_from_slice(&(number << 1 | u64::from(is_last)).to_be_bytes());
        nonce
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cipher() -> BodyCipher {
        BodyCipher::new(&[7; 32], [1, 2, 3, 4])
    }

    fn body(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n.wrapping_mul(31) ^ (n >> 8)) as u8).collect()
    }

    /// Seals a body that comes in pieces of `step`.
    fn sealed(body: &[u8], step: usize) -> Vec<u8> {
        let (mut sealer, mut out) = (Sealer::new(cipher()), Vec::new());
        for piece in body.chunks(step) {
            sealer.update(piece, &mut out);
        }
        sealer.finish(&mut out);
        out
    }

    #[test]
    fn golden_bytes_of_version_1() {
        assert_eq!(
            hex::encode(sealed(b"123456789", 9)),
            "f918d8fd85302e8f73b9b78a1bc1dfc5ccbbec84873b0c3888"
        );
        assert_eq!(hex::encode(sealed(b"", 1)), "382796eacaadd8b8885232ef44e889e9");
        use sha2::{Digest, Sha256};
        let long = sealed(&body(150_000), 1000);
        assert_eq!(
            hex::encode(Sha256::digest(&long)),
            "78793cfdd59b8da1dc68079d717b230964cffcc1a9fff1d9e37c6c2919d7058d"
        );
    }

    #[test]
    fn pieces_can_not_be_cut_swapped_or_lengthened() {
        let size = 3 * PIECE_BYTES;
        let whole = sealed(&body(size), size);
        let piece = PIECE_BYTES + TAG_BYTES;
        let opener = |size: usize| Opener::new(cipher(), size as u64);
        assert_eq!(opener(size).open(0, &whole).unwrap(), body(size));
        // Cut at a piece's end, with a size that fits.
        assert_eq!(opener(2 * PIECE_BYTES).open(0, &whole[..2 * piece]), Err(Broken(1)));
        // Lengthened by a piece of its own.
        let longer = [&whole[..], &whole[..piece]].concat();
        assert_eq!(opener(4 * PIECE_BYTES).open(0, &longer), Err(Broken(2)));
        let swapped = [&whole[piece..2 * piece], &whole[..piece], &whole[2 * piece..]].concat();
        assert_eq!(opener(size).open(0, &swapped), Err(Broken(0)));
        // Another body under another key.
        let other = BodyCipher::new(&[8; 32], [1, 2, 3, 4]);
        assert_eq!(Opener::new(other, size as u64).open(0, &whole), Err(Broken(0)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn bodies_of_any_size_open_to_themselves(
            size in prop_oneof![0usize..100, 65_500usize..65_600, 0usize..300_000],
            step in 1usize..100_000,
            a in 0usize..300_000,
            b in 0usize..300_000,
        ) {
            let body = body(size);
            let sealed = sealed(&body, step.max(size / 50 + 1));
            prop_assert_eq!(sealed.len() as u64, sealed_len(size as u64));
            let (a, b) = (a.min(size), b.min(size));
            let range = a.min(b) as u64..a.max(b) as u64;
            let opener = Opener::new(cipher(), size as u64);
            let span = opener.span(&range);
            let touched = (span.sealed.end - span.sealed.start) as usize;
            let opened = opener.open_range(&range, &sealed.into()).unwrap();
            prop_assert_eq!(&opened[..], &body[range.start as usize..range.end as usize]);
            // Only touched pieces are read, and none for nothing.
            let plain = touched - touched.div_ceil(PIECE_BYTES + TAG_BYTES) * TAG_BYTES;
            prop_assert!(plain < opened.len() + 2 * PIECE_BYTES);
            prop_assert_eq!(plain == 0, opened.is_empty());
        }

        #[test]
        fn a_flipped_bit_is_never_served(size in 1usize..200_000, at: prop::sample::Index, bit in 0u8..8) {
            let mut sealed = sealed(&body(size), size);
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            let broken = Opener::new(cipher(), size as u64).open(0, &sealed);
            prop_assert_eq!(broken, Err(Broken((at / (PIECE_BYTES + TAG_BYTES)) as u64)));
        }
    }
}

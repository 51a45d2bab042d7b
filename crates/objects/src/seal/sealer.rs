//! Seals a body as it comes.

use super::{BodyCipher, PIECE_BYTES};

/// Turns plaintext of any pieces into sealed ones. Up to one piece is held back: only the end of the
/// body tells which one is the last.
#[derive(Debug)]
pub(crate) struct Sealer {
    cipher: BodyCipher,
    next: u64,
    held: Vec<u8>,
}

impl Sealer {
    pub(crate) fn new(cipher: BodyCipher) -> Self {
        Self { cipher, next: 0, held: Vec::new() }
    }

    /// Takes more of the body; what can be sealed by now goes to `out`.
    pub(crate) fn update(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while self.held.len() + plain.len() > PIECE_BYTES {
            let (now, later) = plain.split_at(PIECE_BYTES - self.held.len());
            let start = out.len();
            out.append(&mut self.held);
            out.extend_from_slice(now);
            self.seal(start, false, out);
            plain = later;
        }
        self.held.extend_from_slice(plain);
    }

    /// Seals the rest.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) {
        let start = out.len();
        out.append(&mut self.held);
        self.seal(start, true, out);
    }

    fn seal(&mut self, start: usize, is_last: bool, out: &mut Vec<u8>) {
        let tag = self.cipher.seal(self.next, is_last, &mut out[start..]);
        out.extend_from_slice(&tag);
        self.next += 1;
    }
}

//! Opens a sealed body, or the pieces of it that a range touches.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use headwater_work::Work;

use super::{BodyCipher, Broken, PIECE_BYTES, TAG_BYTES, pieces, sealed_len};
use crate::ObjectError;

/// How many pieces are opened at a time: 1 MiB.
const BATCH_PIECES: usize = 16;

/// How many batches are opened or wait at a time, ahead of who reads them.
const BATCHES_AHEAD: usize = 2;

const SEALED_PIECE_BYTES: usize = PIECE_BYTES + TAG_BYTES;

/// The pieces that a range touches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    /// The number of the first.
    pub(crate) first: u64,
    /// Where they lie in the sealed body.
    pub(crate) sealed: Range<u64>,
}

/// Opens pieces of one body, whose size is known from elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Opener {
    cipher: BodyCipher,
    size: u64,
}

impl Opener {
    pub(crate) fn new(cipher: BodyCipher, size: u64) -> Self {
        Self { cipher, size }
    }

    /// The pieces that `range` of the plaintext touches; none for an empty range.
    pub(crate) fn span(&self, range: &Range<u64>) -> Span {
        let first = range.start / PIECE_BYTES as u64;
        if range.is_empty() {
            let start = first * SEALED_PIECE_BYTES as u64;
            return Span { first, sealed: start..start };
        }
        let end = range.end.div_ceil(PIECE_BYTES as u64) * SEALED_PIECE_BYTES as u64;
        Span { first, sealed: first * SEALED_PIECE_BYTES as u64..end.min(sealed_len(self.size)) }
    }

    /// The plaintext of the whole pieces in `sealed`, of which the first has the number `first`.
    pub(crate) fn open(&self, first: u64, sealed: &[u8]) -> Result<Vec<u8>, Broken> {
        let last = pieces(self.size) - 1;
        let mut plain = Vec::with_capacity(sealed.len());
        for (piece, number) in sealed.chunks(SEALED_PIECE_BYTES).zip(first..) {
            let is_last = number == last;
            let whole = sealed_len(self.size) - number * SEALED_PIECE_BYTES as u64;
            if number > last || piece.len() as u64 != whole.min(SEALED_PIECE_BYTES as u64) {
                return Err(Broken(number));
            }
            let (piece, tag) = piece.split_at(piece.len() - TAG_BYTES);
            let start = plain.len();
            plain.extend_from_slice(piece);
            self.cipher.open(number, is_last, &mut plain[start..], tag)?;
        }
        Ok(plain)
    }

    /// The plaintext of `range` of a sealed body that is in memory.
    pub(crate) fn open_range(&self, range: &Range<u64>, sealed: &Bytes) -> Result<Bytes, Broken> {
        let span = self.span(range);
        let touched = sealed.get(span.sealed.start as usize..span.sealed.end as usize);
        let plain = self.open(span.first, touched.ok_or(Broken(span.first))?)?;
        Ok(part(Bytes::from(plain), span.first, range))
    }

    /// The plaintext of `range`, in pieces of at most 1 MiB. `sealed` yields the bytes of
    /// [`Opener::span`], however cut. Opening goes to the blocking pool, ahead of who reads.
    pub(crate) fn stream(
        self,
        range: Range<u64>,
        sealed: BoxStream<'static, Result<Bytes, ObjectError>>,
    ) -> BoxStream<'static, Result<Bytes, ObjectError>> {
        let span = self.span(&range);
        batches(sealed, span)
            .map(move |batch| {
                let (opener, range) = (self.clone(), range.clone());
                async move {
                    let (first, batch) = batch?;
                    let plain = Work::blocking(move || opener.open(first, &batch)).await?;
                    Ok(part(Bytes::from(plain), first, &range))
                }
            })
            // In order, errors too: what comes before one is good and is served.
            .buffered(BATCHES_AHEAD)
            .boxed()
    }
}

/// What of the plaintext of pieces from `first` on lies in `range`.
fn part(plain: Bytes, first: u64, range: &Range<u64>) -> Bytes {
    let begins = first * PIECE_BYTES as u64;
    let end = range.end.saturating_sub(begins).min(plain.len() as u64);
    let start = range.start.saturating_sub(begins).min(end);
    plain.slice(start as usize..end as usize)
}

/// Cuts sealed bytes into batches of whole pieces, each with the number of its first.
fn batches(
    sealed: BoxStream<'static, Result<Bytes, ObjectError>>,
    span: Span,
) -> BoxStream<'static, Result<(u64, BytesMut), ObjectError>> {
    const BATCH_BYTES: usize = BATCH_PIECES * SEALED_PIECE_BYTES;
    let left = span.sealed.end - span.sealed.start;
    let state = (sealed, BytesMut::new(), span.first, left);
    stream::try_unfold(state, |(mut sealed, mut gathered, first, left)| async move {
        let wanted = left.min(BATCH_BYTES as u64) as usize;
        if wanted == 0 {
            return Ok(None);
        }
        while gathered.len() < wanted {
            let more = sealed.try_next().await?.ok_or(ObjectError::from(Broken(first)))?;
            gathered.extend_from_slice(&more);
        }
        let batch = gathered.split_to(wanted);
        let next = first + BATCH_PIECES as u64;
        Ok(Some(((first, batch), (sealed, gathered, next, left - wanted as u64))))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::super::Sealer;
    use super::*;

    fn sealed(body: &[u8]) -> (Opener, Bytes) {
        let cipher = BodyCipher::new(&[7; 32], [1, 2, 3, 4]);
        let (mut sealer, mut out) = (Sealer::new(cipher.clone()), Vec::new());
        sealer.update(body, &mut out);
        sealer.finish(&mut out);
        (Opener::new(cipher, body.len() as u64), out.into())
    }

    async fn streamed(
        opener: &Opener,
        sealed: &Bytes,
        range: Range<u64>,
        step: usize,
    ) -> Result<Vec<u8>, ObjectError> {
        let span = opener.span(&range);
        let touched = sealed.slice(span.sealed.start as usize..span.sealed.end as usize);
        let cut: Vec<_> = touched.chunks(step).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut pieces = opener.clone().stream(range, stream::iter(cut).boxed());
        let mut all = Vec::new();
        while let Some(piece) = pieces.try_next().await? {
            assert!(piece.len() <= 1 << 20);
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn streams_open_ranges_however_the_sealed_bytes_are_cut() {
        let body: Vec<u8> = (0..3_500_000usize).map(|n| (n.wrapping_mul(31) ^ (n >> 8)) as u8).collect();
        let (opener, sealed) = sealed(&body);
        let size = body.len() as u64;
        for range in [0..size, 65_535..65_537, 1_048_570..2_100_000, size - 1..size, 7..7, size..size] {
            for step in [1 << 20, 70_001] {
                let got = streamed(&opener, &sealed, range.clone(), step).await.unwrap();
                assert!(got == body[range.start as usize..range.end as usize], "{range:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_stream_ends_with_an_error_where_a_piece_does_not_open() {
        let (opener, sealed) = sealed(&vec![1; 2_500_000]);
        let mut damaged = sealed.to_vec();
        damaged[2_000_000] ^= 1;
        let got = streamed(&opener, &damaged.into(), 0..2_500_000, 1 << 20).await;
        assert!(matches!(got, Err(ObjectError::SealBroken(30))), "{got:?}");
        let cut = sealed.slice(..1_500_000);
        let mut pieces = opener.stream(0..2_500_000, stream::iter([Ok(cut)]).boxed());
        assert_eq!(pieces.try_next().await.unwrap().unwrap().len(), 1 << 20);
        assert!(pieces.try_next().await.is_err());
    }
}

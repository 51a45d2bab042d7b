//! MD5, of one body or of several side by side.
//!
//! A step of MD5 waits for the one before it, so one body keeps a processor's arithmetic mostly idle, and
//! MD5 is the largest part of what an upload costs. Four bodies in the four lanes of a vector take little
//! longer than one; uploads come in parts, and those together.
//!
//! **Layout.** The state, then at most 63 bytes that do not fill a block yet, as RFC 1321 has it.

use bytes::Bytes;
use wide::u32x4;

/// How many bodies are hashed at once.
pub(crate) const LANES: usize = 8;
/// Lanes of one vector.
const WIDTH: usize = 4;
const BLOCK: usize = 64;

const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The binary digits of sines, as RFC 1321 has them.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// The MD5 of what was given so far.
#[derive(Clone, Debug)]
pub(crate) struct Md5 {
    state: [u32; 4],
    bytes: u64,
    /// The last `bytes % 64` bytes.
    rest: [u8; BLOCK],
}

impl Md5 {
    /// Of nothing.
    pub(crate) fn new() -> Self {
        Self { state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476], bytes: 0, rest: [0; BLOCK] }
    }

    /// Takes `bytes`.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let bytes = self.fill(bytes);
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        ::md5::block_api::compress(&mut self.state, blocks);
        self.bytes += (blocks.len() * BLOCK) as u64;
        self.keep(rest);
    }

    /// The digest.
    pub(crate) fn finish(mut self) -> [u8; 16] {
        let bits = self.bytes.wrapping_mul(8);
        self.update(&[0x80]);
        while self.held() != BLOCK - 8 {
            self.update(&[0]);
        }
        self.update(&bits.to_le_bytes());
        let mut digest = [0; 16];
        for (place, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *place = word.to_le_bytes();
        }
        digest
    }

    fn held(&self) -> usize {
        (self.bytes % BLOCK as u64) as usize
    }

    /// Completes the block that was begun; gives what is left.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let held = self.held();
        if held == 0 {
            return bytes;
        }
        let (now, later) = bytes.split_at(bytes.len().min(BLOCK - held));
        self.keep(now);
        if self.held() == 0 && !now.is_empty() {
            ::md5::block_api::compress(&mut self.state, &[self.rest]);
        }
        later
    }

    /// Keeps bytes that fill no block.
    fn keep(&mut self, bytes: &[u8]) {
        let held = self.held();
        self.rest[held..held + bytes.len()].copy_from_slice(bytes);
        self.bytes += bytes.len() as u64;
    }
}

/// A body's MD5 and the bytes it is to take next.
pub(crate) struct Lane<'a> {
    md5: &'a mut Md5,
    pieces: std::slice::Iter<'a, Bytes>,
    piece: &'a [u8],
}

impl<'a> Lane<'a> {
    pub(crate) fn new(md5: &'a mut Md5, pieces: &'a [Bytes]) -> Self {
        Self { md5, pieces: pieces.iter(), piece: &[] }
    }

    /// Takes what does not lie in whole blocks, and says how many whole blocks follow; none at the end.
    fn whole_blocks(&mut self) -> usize {
        loop {
            self.piece = self.md5.fill(self.piece);
            let blocks = self.piece.len() / BLOCK;
            if blocks > 0 {
                return blocks;
            }
            self.md5.keep(self.piece);
            match self.pieces.next() {
                Some(piece) => self.piece = piece,
                None => {
                    self.piece = &[];
                    return 0;
                }
            }
        }
    }

    /// The next `blocks` blocks.
    fn take(&mut self, blocks: usize) -> &'a [[u8; BLOCK]] {
        let (now, later) = self.piece.split_at(blocks * BLOCK);
        self.piece = later;
        self.md5.bytes += now.len() as u64;
        now.as_chunks().0
    }
}

/// Gives every lane its bytes, up to [`LANES`] of them at a time.
pub(crate) fn update_all(lanes: &mut [Lane<'_>]) {
    loop {
        let mut active: Vec<(usize, &mut Lane<'_>)> = lanes
            .iter_mut()
            .map(|lane| (lane.whole_blocks(), lane))
            .filter(|(blocks, _)| *blocks > 0)
            .take(LANES)
            .collect();
        let Some(blocks) = active.iter().map(|(blocks, _)| *blocks).min() else { return };
        match &mut active[..] {
            [(blocks, lane)] => {
                let bytes = lane.take(*blocks);
                ::md5::block_api::compress(&mut lane.md5.state, bytes);
            }
            some if some.len() <= WIDTH => side_by_side::<1>(some, blocks),
            all => side_by_side::<2>(all, blocks),
        }
    }
}

/// Takes `blocks` blocks of each lane, in `N` vectors. Lanes that are not there repeat the first one.
fn side_by_side<const N: usize>(active: &mut [(usize, &mut Lane<'_>)], blocks: usize) {
    let inputs: Vec<&[[u8; BLOCK]]> = active.iter_mut().map(|(_, lane)| lane.take(blocks)).collect();
    let lane_at =
        |vector: usize, lane: usize| Some(vector * WIDTH + lane).filter(|n| *n < active.len()).unwrap_or(0);
    let mut state: State<N> = std::array::from_fn(|word| {
        std::array::from_fn(|vector| {
            u32x4::new(std::array::from_fn(|lane| active[lane_at(vector, lane)].1.md5.state[word]))
        })
    });
    let inputs: [[&[[u8; BLOCK]]; WIDTH]; N] =
        std::array::from_fn(|vector| std::array::from_fn(|lane| inputs[lane_at(vector, lane)]));
    for block in 0..blocks {
        let words: [Vectors<N>; 16] = std::array::from_fn(|word| {
            inputs.map(|lanes| u32x4::new(lanes.map(|lane| word_of(&lane[block], word))))
        });
        compress(&mut state, &words);
    }
    for (n, (_, lane)) in active.iter_mut().enumerate() {
        lane.md5.state = state.map(|word| word[n / WIDTH].to_array()[n % WIDTH]);
    }
}

type Vectors<const N: usize> = [u32x4; N];
type State<const N: usize> = [Vectors<N>; 4];

fn word_of(block: &[u8; BLOCK], word: usize) -> u32 {
    u32::from_le_bytes(block.as_chunks::<4>().0[word])
}

/// The four rounds. Written out by macros, so that every shift is a constant.
#[inline(never)]
fn compress<const N: usize>(state: &mut State<N>, words: &[Vectors<N>; 16]) {
    let [mut a, mut b, mut c, mut d] = *state;
    macro_rules! step {
        ($round:expr, $n:expr, $word:expr, $mix:expr) => {{
            const SHIFT: u32 = SHIFTS[$round][$n % 4];
            let sine = u32x4::splat(SINES[$round * 16 + $n]);
            let next = std::array::from_fn(|v| {
                let mixed: u32x4 = $mix(b[v], c[v], d[v]);
                let sum = a[v] + mixed + (words[($word) % 16][v] + sine);
                ((sum << SHIFT) | (sum >> (32 - SHIFT))) + b[v]
            });
            (a, d, c, b) = (d, c, b, next);
        }};
    }
    macro_rules! round {
        ($round:expr, $times:expr, $plus:expr, $mix:expr; $($n:expr)*) => {
            $(step!($round, $n, $times * $n + $plus, $mix);)*
        };
    }
    round!(0, 1, 0, |b: u32x4, c: u32x4, d: u32x4| d ^ (b & (c ^ d)); 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    round!(1, 5, 1, |b: u32x4, c: u32x4, d: u32x4| c ^ (d & (b ^ c)); 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    round!(2, 3, 5, |b: u32x4, c: u32x4, d: u32x4| b ^ c ^ d; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    round!(3, 7, 0, |b: u32x4, c: u32x4, d: u32x4| c ^ (b | !d); 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    for (sum, word) in state.iter_mut().zip([a, b, c, d]) {
        for (sum, word) in sum.iter_mut().zip(word) {
            *sum += word;
        }
    }
}

#[cfg(test)]
mod tests {
    use ::md5::Digest;
    use proptest::prelude::*;

    use super::*;

    fn expected(pieces: &[Vec<u8>]) -> [u8; 16] {
        ::md5::Md5::digest(pieces.concat()).into()
    }

    #[test]
    fn known_answers() {
        let digest = |text: &[u8]| {
            let mut md5 = Md5::new();
            md5.update(text);
            hex::encode(md5.finish())
        };
        assert_eq!(digest(b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(digest(b"123456789"), "25f9e794323b453885f5181f1b624d0b");
    }

    proptest! {
        #[test]
        fn lanes_do_not_mix(
            bodies in proptest::collection::vec(
                proptest::collection::vec((0usize..700, any::<u8>()), 0..5), 0..20)
        ) {
            let piece = |(len, seed): &(usize, u8)| (0..*len).map(|n| (n as u8).wrapping_mul(31) ^ *seed).collect();
            let bodies: Vec<Vec<Vec<u8>>> = bodies.iter().map(|body| body.iter().map(piece).collect()).collect();
            let given: Vec<Vec<Bytes>> =
                bodies.iter().map(|body| body.iter().map(|piece| Bytes::copy_from_slice(piece)).collect()).collect();
            let mut digests = vec![Md5::new(); bodies.len()];
            // In two goes, so that the second begins in the middle of a block.
            for half in [0, 1] {
                let mut lanes: Vec<Lane<'_>> = digests
                    .iter_mut()
                    .zip(&given)
                    .map(|(md5, pieces)| {
                        let (first, second) = pieces.split_at(pieces.len() / 2);
                        Lane::new(md5, if half == 0 { first } else { second })
                    })
                    .collect();
                update_all(&mut lanes);
            }
            for (digest, body) in digests.into_iter().zip(&bodies) {
                prop_assert_eq!(digest.clone().finish(), expected(body));
                let mut one = Md5::new();
                body.iter().for_each(|piece| one.update(piece));
                prop_assert_eq!(one.finish(), expected(body));
            }
        }
    }
}

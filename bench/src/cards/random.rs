//! Draws for one record: a small, fast generator whose state is the seed and the record's id.

/// SplitMix64: a counter passed through a mixer, so every record's draws are independent of all
/// others and any thread can make any record.
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    /// The draws of record `id` under `seed`.
    pub fn new(seed: u64, id: u64) -> Self {
        let mut seeded = Self(seed ^ id.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let start = seeded.u64();
        Self(start)
    }

    /// 64 random bits.
    pub fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number with mean 0 and variance 1, nearly normal: four uniform draws added.
    pub fn normal(&mut self) -> f64 {
        let word = self.u64();
        let sum: u64 = (0..4).map(|part| (word >> (part * 16)) & 0xFFFF).sum();
        (sum as f64 / 65_536.0 - 2.0) * 3f64.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_look_as_they_should() {
        let (mut mean, mut square, mut unit) = (0.0, 0.0, 0.0);
        for id in 0..10_000 {
            let mut draws = Draws::new(1, id);
            let normal = draws.normal();
            mean += normal / 10_000.0;
            square += normal * normal / 10_000.0;
            unit += draws.unit() / 10_000.0;
            assert!(draws.below(10) < 10);
        }
        assert!(mean.abs() < 0.05, "{mean}");
        assert!((square - 1.0).abs() < 0.05, "{square}");
        assert!((unit - 0.5).abs() < 0.02, "{unit}");
    }
}

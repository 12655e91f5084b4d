//! A small random generator whose numbers never change.
//!
//! In: a seed. Out: the same numbers on every machine and in every release, which library generators do not promise. Not
//! for secrets.

/// SplitMix64: a counter, stirred.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator of its own for each stream of a seed.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self(seed ^ stream.wrapping_mul(0xA076_1D64_78BD_642F));
        rng.0 = rng.bits() ^ stream;
        rng
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A whole number in `low..=high`.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        let span = high.abs_diff(low).saturating_add(1);
        // The high half of a 128-bit product: even enough for a simulation, and without a division.
        low.saturating_add(((u128::from(self.bits()) * u128::from(span)) >> 64) as i64)
    }

    /// An index below `len`, which must not be 0.
    pub fn index(&mut self, len: usize) -> usize {
        ((u128::from(self.bits()) * len as u128) >> 64) as usize
    }

    /// True with a probability of `share`.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of a list, which must not be empty.
    pub fn pick<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.index(list.len())]
    }

    /// A skewed number of at least 1: most are small, a few are a thousand times as large.
    pub fn skewed(&mut self, middle: f64) -> i64 {
        // The product of two uniform numbers over a third stands in for a log-normal one.
        let spread = (self.unit() + 0.05) * (self.unit() + 0.05) / (self.unit() + 0.02);
        ((middle * spread * 2.2) as i64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn numbers_are_the_same_for_ever_and_streams_differ() {
        let mut rng = Rng::new(1, 0);
        let first = [rng.bits(), rng.bits()];
        let mut again = Rng::new(1, 0);
        assert_eq!(first, [again.bits(), again.bits()]);
        assert_ne!(first[0], Rng::new(1, 1).bits());
        assert_ne!(first[0], Rng::new(2, 0).bits());
    }

    #[test]
    fn ranges_keep_their_ends() {
        let mut rng = Rng::new(7, 7);
        let seen: std::collections::BTreeSet<i64> = (0..1000).map(|_| rng.range(-1, 2)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-1, 0, 1, 2]);
        assert!((0..1000).all(|_| rng.skewed(50.0) >= 1 && rng.index(3) < 3));
    }
}

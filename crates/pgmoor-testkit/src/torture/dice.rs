//! Numbers that look random and are the same for the same seed.

/// xorshift64*: good enough to choose what to do, and nothing to install.
#[derive(Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// Two that are made of different numbers have nothing in common.
    pub(super) fn new(seed: u64, number: u64) -> Dice {
        let mixed = seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(number.wrapping_mul(0xd1b5_4a32_d192_ed03));
        let mut dice = Dice(mixed | 1);
        for _ in 0..8 {
            dice.below(2);
        }
        dice
    }

    /// A number from 0 up to and without `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    /// Yes, once in so many times.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again_and_another_seed_others() {
        let roll = |seed, number| {
            let mut dice = Dice::new(seed, number);
            (0..20).map(|_| dice.below(1000)).collect::<Vec<_>>()
        };

        assert_eq!(roll(1, 2), roll(1, 2));
        assert_ne!(roll(1, 2), roll(1, 3));
        assert_ne!(roll(1, 2), roll(2, 2));
    }
}

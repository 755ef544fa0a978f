//! Numbers that look random and are the same for the same seed (SplitMix64).

pub struct Dice(pub u64);

pub fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        // The upper half of the product is as even as it needs to be here.
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

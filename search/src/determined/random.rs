//! The generator: a Mersenne Twister as `NumPy`'s `RandomState` has it (Matsumoto and Nishimura 1998).

const WORDS: usize = 624;
const SHIFT: usize = 397;

/// The state of the generator.
#[derive(Clone)]
pub struct RandomState {
    key: [u32; WORDS],
    position: usize,
}

impl RandomState {
    /// The state that a seed gives.
    pub fn new(seed: u32) -> Self {
        let mut key = [seed; WORDS];
        for (at, number) in (1..WORDS).zip(1..) {
            let before = key[at - 1];
            key[at] = 1_812_433_253_u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(number);
        }
        Self { key, position: WORDS }
    }

    fn twist(&mut self) {
        for at in 0..WORDS {
            let joined = (self.key[at] & 0x8000_0000) | (self.key[(at + 1) % WORDS] & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.key[at] = self.key[(at + SHIFT) % WORDS] ^ (joined >> 1) ^ odd;
        }
        self.position = 0;
    }

    /// The next 32 bits.
    pub fn bits32(&mut self) -> u32 {
        if self.position == WORDS {
            self.twist();
        }
        let mut word = self.key[self.position];
        self.position += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// The next 64 bits, the high word first.
    pub fn bits64(&mut self) -> u64 {
        u64::from(self.bits32()) << 32 | u64::from(self.bits32())
    }

    /// A whole number from 0 to `limit`, both included. For 0 nothing is drawn.
    pub fn bounded(&mut self, limit: u64) -> u64 {
        if limit == 0 {
            return 0;
        }
        let mask = u64::MAX >> limit.leading_zeros();
        loop {
            let drawn = if u32::try_from(limit).is_ok() { u64::from(self.bits32()) } else { self.bits64() } & mask;
            if drawn <= limit {
                return drawn;
            }
        }
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        let (high, low) = (f64::from(self.bits32() >> 5), f64::from(self.bits32() >> 6));
        (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
    }

    /// A number in `[low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// The name of a trial: a UUID of version 4.
    pub fn request_id(&mut self) -> String {
        let mut bytes = [0; 16];
        for four in bytes.chunks_mut(4) {
            four.copy_from_slice(&self.bits32().to_le_bytes());
        }
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let id = u128::from_be_bytes(bytes);
        let part = |shift: u32, digits: usize| format!("{:0digits$x}", (id >> shift) & ((1 << (4 * digits)) - 1));
        [part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12)].join("-")
    }
}

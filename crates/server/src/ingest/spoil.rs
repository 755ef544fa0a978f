//! Bodies with mistakes in them, for tests: the same ones at every run.

/// Small numbers from a seed, so that a failing run can be repeated.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// What is put into bodies at random: everything that JSON consists of, and what it may not hold.
const TOKENS: [&[u8]; 24] = [
    b"null",
    b"\"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"-1",
    b"1e308",
    b"\\u0000",
    b"\\ud800",
    b"99999999999999999999",
    b"\"userId\"",
    b"\xff",
    b"true",
    b"\\",
    b"\"",
    b" \n\t",
    b"0",
    b".5",
    b"\"kind\":\"a.b\",",
    b"\"context\":{\"a\":[1]},",
    b"\x01",
];

/// The body with up to five changes.
pub fn spoil(dice: &mut Dice, whole: &[u8]) -> Vec<u8> {
    let mut body = whole.to_vec();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(body.len());
        match dice.roll(4) {
            0 => body[at] = dice.roll(256) as u8,
            1 if dice.roll(3) == 0 => body.truncate(at.max(1)),
            2 => {
                let end = (at + dice.roll(12)).min(body.len());
                body.drain(at..end);
                if body.is_empty() {
                    body.push(b'{');
                }
            }
            _ => {
                let token = TOKENS[dice.roll(TOKENS.len())];
                body.splice(at..at, token.iter().copied());
            }
        }
    }
    body
}

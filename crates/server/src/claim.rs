//! The claim code from a product's box: what is kept of it. The code itself is never stored.

use model::id::Digest;

/// What stands for a claim code. Case, spaces, dashes and letters that look like digits do not
/// matter: people type it from a card.
pub fn claim_digest(code: &str) -> Digest {
    Digest::of(&[b"claim", normal(code).as_bytes()])
}

/// As the touch `product.claimed` carries it in its property `code_sha256`: 32 hex digits.
pub fn claim_hex(code: &str) -> String {
    format!("{:032x}", claim_digest(code).0)
}

fn normal(code: &str) -> String {
    code.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .map(|c| match c {
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_it_is_typed_does_not_matter() {
        for typed in ["7KQ2-M9XD-OIL1", "7kq2 m9xd 0111", " 7KQ2M9XD—o1l1\n"] {
            assert_eq!(claim_digest(typed), claim_digest("7KQ2M9XD0111"), "{typed}");
        }
        assert_ne!(claim_digest("7KQ2M9XD"), claim_digest("7KQ2M9XE"));
        assert_eq!(claim_hex("x").len(), 32);
    }
}

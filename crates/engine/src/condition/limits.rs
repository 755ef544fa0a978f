//! What bounds a condition's text and its evaluation.

/// Bytes of one condition.
pub const SOURCE_BYTES: usize = 4096;
/// Nesting of brackets and chained operators. Evaluation recurses as deep as this.
pub const DEPTH: usize = 64;
/// Literals, names and operators of one condition.
pub const NODES: usize = 1024;
/// Steps of one evaluation: one for each part evaluated, one more for each 16 bytes or each
/// entry that an operation has to walk through; regular expressions cost more, by their size.
pub const STEPS: u32 = 20_000;
/// The compiled size of one regular expression, in bytes.
pub const REGEX_BYTES: usize = 16 * 1024;

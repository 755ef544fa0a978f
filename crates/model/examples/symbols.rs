//! Makes the table of `model::prose` anew from its sample:
//!
//! ```text
//! cargo run -p model --example symbols > crates/model/src/prose/symbols.rs && cargo fmt
//! ```
//!
//! Logs are written with the table, so another one is another format of the log.

use fsst::Compressor;

const SAMPLE: &str = include_str!("../src/prose/sample.txt");

fn main() {
    let lines: Vec<&[u8]> = SAMPLE.lines().map(str::as_bytes).collect();
    let made = Compressor::train(&lines);
    println!("//! Made by the example `symbols` from `sample.txt`; not to be edited.\n");
    println!("/// What each code stands for.");
    println!("#[rustfmt::skip] // One a line would be two hundred lines.");
    println!("pub const SYMBOLS: [&[u8]; {}] = [", made.n_symbols());
    let mut line = String::new();
    for (symbol, len) in made.symbol_table().iter().zip(made.symbol_lengths()) {
        let bytes = symbol.to_u64().to_le_bytes();
        let item = format!("b\"{}\",", bytes[..usize::from(*len)].escape_ascii());
        if line.len() + item.len() > 94 {
            println!("   {line}");
            line.clear();
        }
        line = format!("{line} {item}");
    }
    println!("   {line}\n];");
}

//! How long the disk takes to make 4 KiB durable.

use std::io::Write;
use std::time::{Duration, Instant};

use super::Scratch;
use crate::Trouble;
use crate::flags::{Figures, Flags};
use crate::http::histogram;

pub fn run(flags: &Flags) -> Result<(), Trouble> {
    let scratch = Scratch::of(flags, "disk")?;
    let mut file = std::fs::File::create(scratch.0.join("file"))?;
    let mut latency = histogram();
    let begun = Instant::now();
    let time = Duration::from_secs_f64(flags.number("seconds")?);
    while begun.elapsed() < time {
        let since = Instant::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        latency.record(since.elapsed().as_nanos() as u64)?;
    }
    let mut figures = Figures::default();
    figures.add_latency(&latency);
    figures.print();
    Ok(())
}

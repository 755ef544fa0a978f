//! Measures the log: `logbench FOLDER [RECORDS] [GROUP]`. Leaves the folder behind.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use storage::{Log, LogOptions, RealDisk, StorageError};

fn main() -> Result<(), StorageError> {
    let args: Vec<String> = std::env::args().collect();
    let number =
        |at: usize, default| args.get(at).map_or(default, |n| n.parse().unwrap_or(default));
    let (records, group) = (number(2, 2_000_000u64), number(3, 500u64));
    let folder = &args[1];
    std::fs::create_dir_all(folder).expect("the folder can be made");
    let (mut log, _) = Log::open(RealDisk::new(folder), LogOptions::default())?;
    let first = log.last_seq() + 1;
    let (mut gathering, begin) = (Duration::ZERO, Instant::now());
    let mut seq = 0;
    while seq < records {
        let (time_ms, gathered) = ((seq / group) as i64, Instant::now());
        for _ in 0..group.min(records - seq) {
            log.append(time_ms, 1, &[seq as u8; 60], &[seq as u8; 40]);
            seq += 1;
        }
        gathering += gathered.elapsed();
        log.commit()?;
    }
    rate("append and commit", records, begin);
    println!("append alone: {:.3} us each", gathering.as_secs_f64() * 1e6 / records as f64);
    println!("log: {:.1} bytes each", log.reader().disk_bytes()? as f64 / records as f64);
    log.close()?;

    let begin = Instant::now();
    let (log, recovery) = Log::open(RealDisk::new(folder), LogOptions::default())?;
    println!("open: {:.3} s, {recovery:?}", begin.elapsed().as_secs_f64());
    let reader = log.reader();
    let begin = Instant::now();
    let mut sum = 0;
    reader.for_each(first, |record| {
        sum += record.common.len() + record.personal.len();
        ControlFlow::Continue(())
    })?;
    rate("scan", sum as u64 / 100, begin);

    let mut seq = 1u64;
    let mut next = || {
        seq = seq.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        first + (seq >> 20) % records
    };
    let begin = Instant::now();
    for _ in 0..200_000 {
        reader.read(next())?.expect("the record is there");
    }
    rate("read one", 200_000, begin);
    let seqs: Vec<u64> = (0..1000).map(|_| next()).collect();
    let begin = Instant::now();
    for _ in 0..200 {
        reader.read_many(&seqs, |_| ControlFlow::Continue(()))?;
    }
    rate("read many, scattered", 200_000, begin);
    let begin = Instant::now();
    reader.purge(&seqs)?;
    rate("purge of 1000, scattered", 1000, begin);
    Ok(())
}

fn rate(what: &str, n: u64, begin: Instant) {
    let seconds = begin.elapsed().as_secs_f64();
    let each = seconds * 1e6 / n as f64;
    println!("{what}: {:.0}/s, {each:.2} us each", n as f64 / seconds);
}

//! Measures the checkpoint store: `storebench FOLDER [KEYS] [BATCH] [BATCHES]`. Loads KEYS records
//! of 300 bytes, then commits batches of changed ones while another thread reads, then purges.

use model::bytes::Rows;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use storage::{DiskStore, StorageError, Store};

fn key(n: u64) -> [u8; 17] {
    let mut key = [1; 17];
    key[1..9].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    key[9..].copy_from_slice(&n.to_be_bytes());
    key
}

fn main() -> Result<(), StorageError> {
    let args: Vec<String> = std::env::args().collect();
    let number =
        |at: usize, default| args.get(at).map_or(default, |n| n.parse().unwrap_or(default));
    let (keys, size, batches) = (number(2, 2_000_000u64), number(3, 300_000u64), number(4, 10u64));
    let store = DiskStore::open(&args[1], 64 << 20, &[])?;
    let mut random = 1u64;
    let mut next = move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 20) % keys
    };
    for from in (0..keys).step_by(size as usize) {
        let numbers = from..(from + size).min(keys);
        timed("load", &store, numbers.collect())?;
    }
    let (store, done) = (&store, &AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || read(store, done, keys));
        for _ in 0..batches {
            timed("update", store, (0..size).map(|_| next()).collect())?;
            std::thread::sleep(Duration::from_millis(500));
        }
        let begin = Instant::now();
        store.purge()?;
        let mb = store.disk_bytes()? as f64 / 1e6;
        println!("purge: {:.2} s, leaves {mb:.0} MB", begin.elapsed().as_secs_f64());
        done.store(true, Ordering::Relaxed);
        reading.join().expect("the reader does not panic")
    })?;
    let begin = Instant::now();
    let mut count = 0u64;
    store.scan(b"\0", b"", false, &mut |_, _| {
        count += 1;
        ControlFlow::Continue(())
    })?;
    println!("scan: {:.0} keys/s", count as f64 / begin.elapsed().as_secs_f64());
    println!("trouble: {:?}", store.trouble());
    Ok(())
}

fn timed(what: &str, store: &DiskStore, numbers: Vec<u64>) -> Result<(), StorageError> {
    let mut batch = Rows::new();
    for n in &numbers {
        batch.put(key(*n), vec![*n as u8; 300]);
    }
    let begin = Instant::now();
    store.commit(&batch)?;
    let (seconds, n) = (begin.elapsed().as_secs_f64(), numbers.len());
    let mb = store.disk_bytes()? as f64 / 1e6;
    println!("{what}: {n} keys in {seconds:.2} s, {:.0}/s, {mb:.0} MB", n as f64 / seconds);
    Ok(())
}

fn read(store: &DiskStore, done: &AtomicBool, keys: u64) -> Result<(), StorageError> {
    let (mut n, mut slowest, begin) = (0u64, Duration::ZERO, Instant::now());
    while !done.load(Ordering::Relaxed) {
        let one = Instant::now();
        let found = store.get(&key(n.wrapping_mul(7_919) % keys))?;
        assert!(found.is_some_and(|value| value.len() == 300));
        slowest = slowest.max(one.elapsed());
        n += 1;
    }
    let each = begin.elapsed().as_secs_f64() * 1e6 / n as f64;
    println!("reads meanwhile: {n}, {each:.1} us each, slowest {slowest:?}");
    Ok(())
}

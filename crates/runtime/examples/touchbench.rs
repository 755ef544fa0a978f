//! Measures what a touch costs in the log: `touchbench FOLDER [RECORDS] [GROUP]`. Writes a device's
//! typical touches, reads and decodes them again, and leaves the folder behind.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use model::alias::{Alias, AliasKind};
use model::bytes::Writer;
use model::entry::Body;
use model::gs1::{Gtin, Serial, Subject};
use model::id::{Digest, Time};
use model::kind::Kind;
use model::touch::{Channel, Source, Touch};
use model::value::Value;
use storage::{Log, LogOptions, RealDisk, StorageError};

fn main() -> Result<(), StorageError> {
    let args: Vec<String> = std::env::args().collect();
    let number =
        |at: usize, default| args.get(at).map_or(default, |n| n.parse().unwrap_or(default));
    let (records, group) = (number(2, 1_000_000u64), number(3, 1_000u64));
    let folder = &args[1];
    std::fs::create_dir_all(folder).expect("the folder can be made");
    let (mut log, _) = Log::open(RealDisk::new(folder), LogOptions::default())?;
    let (mut writing, mut appending, mut syncing) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut common, mut personal) = (Writer::new(), Writer::new());
    for first in (0..records).step_by(group as usize) {
        let now = Time(1_767_225_600_000 + first as i64);
        let bodies: Vec<Body> =
            (first..first + group).map(|n| Body::Touch(typical(n, now))).collect();
        let begin = Instant::now();
        for body in &bodies {
            common.clear();
            personal.clear();
            body.write(now, &mut common, &mut personal);
        }
        let wrote = Instant::now();
        for body in &bodies {
            common.clear();
            personal.clear();
            let tag = body.write(now, &mut common, &mut personal);
            log.append(now.0, tag, common.as_bytes(), personal.as_bytes());
        }
        let appended = Instant::now();
        log.commit()?;
        writing += wrote - begin;
        appending += appended - wrote;
        syncing += appended.elapsed();
    }
    let each = |spent: Duration| spent.as_secs_f64() * 1e9 / records as f64;
    let reader = log.reader();
    println!("bytes each: {:.1}", reader.disk_bytes()? as f64 / records as f64);
    println!("encode: {:.0} ns; encode and append: {:.0} ns", each(writing), each(appending));
    println!("write and sync: {:.0} ns", each(syncing));
    let begin = Instant::now();
    reader.for_each(1, |_| ControlFlow::Continue(()))?;
    println!("scan: {:.0} ns", each(begin.elapsed()));
    let begin = Instant::now();
    let mut count = 0;
    reader.for_each(1, |record| {
        count += usize::from(runtime::decode(&record).is_ok());
        ControlFlow::Continue(())
    })?;
    let spent = begin.elapsed();
    let rate = count as f64 / spent.as_secs_f64();
    println!("scan and decode: {:.0} ns, {rate:.0} a second", each(spent));
    log.close()
}

fn typical(n: u64, now: Time) -> Touch {
    let random = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
    let mut touch = Touch::new(Kind::of("product.used"), now, Source::Native);
    touch.time = now.plus(-((random % 5_000) as i64));
    touch.channel = Some(Channel::Device);
    touch.id = Digest(u128::from(random | 1) << 70);
    let people = random % 1_000_000;
    for (kind, letter) in [(AliasKind::User, 'u'), (AliasKind::Anonymous, 'a')] {
        let alias = Alias::new(kind, &format!("{letter}{people:07}"));
        touch.aliases.push(alias.expect("a good name"));
    }
    let gtin: Gtin = "09506000134352".parse().expect("a good GTIN");
    let serial = Serial::new(&format!("S{people:07}")).expect("a good serial");
    touch.products.push(Subject::unit(gtin, serial));
    let pairs = [
        ("program", Value::text("eco 40")),
        ("temp", Value::Int(20 + random as i64 % 80)),
        ("kwh", Value::Float((random % 2_000) as f64 / 1_000.0)),
        ("water", Value::Float((random % 900) as f64 / 10.0)),
        ("ok", Value::Bool(true)),
    ];
    touch.properties = pairs.into_iter().collect();
    touch
}

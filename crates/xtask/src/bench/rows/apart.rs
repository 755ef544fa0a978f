//! Rows with a server of their own, or with none.

use std::time::Duration;

use super::super::process;
use super::super::server::{KEY, Server};
use super::super::{Bench, Trouble};

const FOLD_GROUP: u64 = 1_000;
const STREAMS: u64 = 10_000;
/// More than anything here needs, so that nothing leaves memory while it is weighed.
const PLENTY_MIB: u64 = 65_536;

pub fn disk(bench: &mut Bench) -> Result<(), Trouble> {
    let own = bench.bench(&[
        ("disk", String::new()),
        ("folder", bench.folder.display().to_string()),
        ("seconds", bench.seconds(3.0, 1.0).to_string()),
    ])?;
    bench.figures.put("disk", &own);
    Ok(())
}

pub fn fold(bench: &mut Bench) -> Result<(), Trouble> {
    let own = bench.bench(&[
        ("fold", String::new()),
        ("folder", bench.folder.display().to_string()),
        ("people", bench.people.to_string()),
        ("group", FOLD_GROUP.to_string()),
        ("seconds", bench.seconds(15.0, 3.0).to_string()),
    ])?;
    bench.figures.put("fold", &own);
    bench.say(&format!("{:.0} touches/s", own.need("per_second")?));
    Ok(())
}

/// The allocator gives back what is free within so long.
const GIVEN_BACK: Duration = Duration::from_secs(80);

/// What persons add to a server that had none: with bonds to models, and to units.
pub fn memory(bench: &mut Bench) -> Result<(), Trouble> {
    let people = (bench.people / 5).max(20_000);
    for bonds in ["models", "units"] {
        let data = bench.folder.join(format!("memory-{bonds}"));
        let server = Server::start(&bench.root, &bench.everbond, &data, PLENTY_MIB)?;
        server.settle()?;
        let idle = server.resident_bytes()?;
        let flags = [("people", people.to_string()), ("bonds", bonds.to_owned())];
        bench.on(&server, "rich", &flags)?.finish()?;
        server.settle()?;
        std::thread::sleep(GIVEN_BACK);
        let each = (server.resident_bytes()? - idle) / people as f64;
        bench.figures.set(&format!("memory.{bonds}_bytes"), each);
        bench.figures.set("memory.idle_mib", idle / f64::from(1 << 20));
        server.stop()?;
        std::fs::remove_dir_all(&data)?;
    }
    bench.figures.set("memory.people", people as f64);
    Ok(())
}

pub fn streams(bench: &mut Bench) -> Result<(), Trouble> {
    let count = if bench.quick { STREAMS / 5 } else { STREAMS };
    let data = bench.folder.join("streams");
    let server = Server::start(&bench.root, &bench.everbond, &data, 1_024)?;
    let flags = [("people", count.to_string()), ("codes", "yes".to_owned())];
    bench.on(&server, "people", &flags)?.finish()?;
    let own = process::start(
        &bench.bench,
        &[
            ("streams", String::new()),
            ("addr", server.addr.to_string()),
            ("key", KEY.to_owned()),
            ("pid", server.pid().to_string()),
            ("streams", count.to_string()),
            ("rate", "100".to_owned()),
            ("seconds", bench.seconds(20.0, 4.0).to_string()),
        ],
    )?;
    let own = own.finish()?;
    bench.figures.put("streams", &own);
    bench.figures.set("streams.count", count as f64);
    server.stop()
}

/// The same load at so many people and at ten times as many, and for the fewer the processor's time
/// for each touch when there are few touches and when everybody has a hundred.
pub fn growth(bench: &mut Bench) -> Result<(), Trouble> {
    let (people, next_id) = (bench.people, bench.next_id);
    let mut measured = Ok(());
    // The machine's mood changes within a quarter of an hour, so the few are measured before and
    // after the many.
    let rows = [("growth_1", 1, TOUCHES_EACH), ("growth_1_again", 1, 0), ("growth_10", 10, 0)];
    for (name, times, touches) in rows {
        bench.people = people * times;
        measured = grown(bench, name, touches);
        if measured.is_err() {
            break;
        }
    }
    bench.people = people;
    bench.next_id = next_id;
    measured?;
    for name in ["cpu_us", "per_second"] {
        let [before, again] = ["growth_1", "growth_1_again"].map(|row| format!("{row}.{name}"));
        let mean = (bench.figures.need(&before)? + bench.figures.need(&again)?) / 2.0;
        bench.figures.set(&format!("growth_1_both.{name}"), mean);
    }
    Ok(())
}

const TOUCHES_EACH: u64 = 100;

fn grown(bench: &mut Bench, name: &str, touches_each: u64) -> Result<(), Trouble> {
    let data = bench.folder.join(name);
    let memory_mib = (bench.people * 4_000 / (1 << 20)).max(1024);
    let server = Server::start(&bench.root, &bench.everbond, &data, memory_mib)?;
    bench.say(&format!("registering {} people and units", bench.people));
    let own = bench.on(&server, "people", &[("people", bench.people.to_string())])?.finish()?;
    bench.figures.put(&format!("{name}_people"), &own);
    let seconds = bench.seconds(15.0, 5.0);
    let early = bench.touches_and_cpu(&server, "native", (32, 0.0, seconds))?;
    bench.figures.put(name, &early);
    if touches_each > 0 {
        let wanted = (bench.people * touches_each) as f64;
        let mut touches = 0.0;
        while touches < wanted {
            bench.touches_and_cpu(&server, "native", (32, 0.0, seconds * 2.0))?;
            touches = server.client()?.metric("everbond_touches_total")?;
            bench.say(&format!("{touches:.0} touches of {wanted:.0}"));
        }
        let late = bench.touches_and_cpu(&server, "native", (32, 0.0, seconds))?;
        bench.figures.put(&format!("{name}_late"), &late);
        bench.figures.set(&format!("{name}_late.touches_total"), touches);
        let late_per_second = late.need("per_second")?;
        bench.say(&format!("{late_per_second:.0}/s then"));
    }
    server.stop()?;
    Ok(std::fs::remove_dir_all(&data)?)
}

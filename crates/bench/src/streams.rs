//! Open companions: each has a session, a unit that it claimed, and a live stream. Then units jam
//! and are fixed at fixed moments, and the time counts until the owner's phone has heard of it,
//! asked for its page again and found another menu there.
//!
//! A phone's session is whatever 32 letters its cookie has, so the load makes its own.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::Value;

use crate::Trouble;
use crate::dice::Dice;
use crate::flags::{Figures, Flags};
use crate::http::{
    Calls, Plan, Single, exact_timers, histogram, request, run as run_calls, with_key,
};
use crate::touches::GTIN;

const WORKERS: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(10);
/// Between the last hello and the measuring of memory.
const SETTLE: Duration = Duration::from_secs(3);
/// The menu item that a jam brings.
const ITEM: &str = "fix-jam";

fn cookie(at: u64) -> String {
    format!("cookie: everbond_session={at:032}\r\nx-everbond: 1\r\n")
}

/// Every phone claims its unit.
struct Claims {
    count: u64,
}

impl Calls for Claims {
    fn write(&mut self, at: u64, out: &mut Vec<u8>) -> bool {
        if at >= self.count {
            return false;
        }
        let headers = cookie(at) + "content-type: application/json\r\n";
        let body = format!(r#"{{"gtin":"{GTIN}","serial":"S{at:08}","code":"CODE-{at:08}"}}"#);
        out.extend_from_slice(&request("POST", "/v1/me/claim", &headers, body.as_bytes()));
        true
    }

    fn answered(&mut self, _: u16, _: &[u8]) -> Result<(), Trouble> {
        Ok(())
    }
}

/// One phone with its stream.
struct Phone {
    at: u64,
    stream: TcpStream,
    jammed: bool,
}

impl Phone {
    fn open(addr: SocketAddr, at: u64) -> Result<Phone, Trouble> {
        let mut stream = TcpStream::connect(addr)?;
        let path = format!("/v1/live?gtin={GTIN}&serial=S{at:08}");
        stream.write_all(&request("GET", &path, &cookie(at), b""))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Phone { at, stream, jammed: false })
    }

    /// Waits for the event's name in the stream.
    fn hear(&mut self, name: &str) -> Result<(), Trouble> {
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let n = self.stream.read(&mut buffer).map_err(|error| format!("no {name}: {error}"))?;
            if n == 0 {
                return Err(format!("the stream ended: {}", String::from_utf8_lossy(&heard)).into());
            }
            heard.extend_from_slice(&buffer[..n]);
            if heard.windows(name.len()).any(|own| own == name.as_bytes()) {
                return Ok(());
            }
        }
    }

    /// What came before and is not about what comes now.
    fn drain(&mut self) -> Result<(), Trouble> {
        self.stream.set_nonblocking(true)?;
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err("a stream ended".into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.stream.set_nonblocking(false)?)
    }

    fn has_item(&self, page: &mut Single) -> Result<bool, Trouble> {
        let path = format!("/v1/me/page?gtin={GTIN}&serial=S{:08}&locale=en", self.at);
        let (status, body) = page.call(&request("GET", &path, &cookie(self.at), b""))?;
        if status != 200 {
            return Err(format!("{status} {}", String::from_utf8_lossy(&body)).into());
        }
        let page: Value = serde_json::from_slice(&body)?;
        let menu = page["decision"]["menu"].as_array().ok_or("the page has no menu")?;
        Ok(menu.iter().any(|item| item["id"] == ITEM))
    }
}

struct Measured {
    heard: Histogram<u64>,
    changed: Histogram<u64>,
}

pub fn run(flags: &Flags) -> Result<(), Trouble> {
    let addr: SocketAddr = flags.number("addr")?;
    let count: u64 = flags.number("streams")?;
    let pid: u32 = flags.number("pid")?;
    raise_file_limit()?;
    let claims = Plan {
        addr,
        connections: 32,
        rate: None,
        warm: Duration::ZERO,
        time: Duration::from_secs(300),
    };
    run_calls(&claims, &mut Claims { count })?;
    std::thread::sleep(SETTLE);
    let before = resident_bytes(pid)?;
    let mut phones = Vec::with_capacity(count as usize);
    for at in 0..count {
        let mut phone = Phone::open(addr, at)?;
        phone.hear("event: hello")?;
        phones.push(phone);
    }
    std::thread::sleep(SETTLE);
    let after = resident_bytes(pid)?;
    let measured = jam(flags, phones)?;
    let mut figures = Figures::default();
    figures.add("stream_bytes", (after - before) / count as f64);
    figures.add("heard_p50_ms", measured.heard.value_at_quantile(0.5) as f64 / 1e6);
    figures.add("heard_p99_ms", measured.heard.value_at_quantile(0.99) as f64 / 1e6);
    figures.add_latency(&measured.changed);
    figures.print();
    Ok(())
}

/// Each worker has phones of its own and takes the next moment that is free.
fn jam(flags: &Flags, mut phones: Vec<Phone>) -> Result<Measured, Trouble> {
    let rate: f64 = flags.number("rate")?;
    let time = Duration::from_secs_f64(flags.number("seconds")?);
    let addr: SocketAddr = flags.number("addr")?;
    let headers = with_key(flags.text("key")?);
    let (next, begun) = (AtomicU64::new(0), Instant::now());
    let each = phones.len().div_ceil(WORKERS as usize).max(1);
    let mut parts = Vec::new();
    while !phones.is_empty() {
        let rest = phones.split_off(each.min(phones.len()));
        parts.push(std::mem::replace(&mut phones, rest));
    }
    let all: Vec<Result<Measured, Trouble>> = std::thread::scope(|scope| {
        let work = |mut own: Vec<Phone>, seed: u64| {
            let (next, headers) = (&next, &headers);
            move || -> Result<Measured, Trouble> {
                exact_timers()?;
                let mut measured = Measured { heard: histogram(), changed: histogram() };
                let (mut company, mut page) = (Single::open(addr)?, Single::open(addr)?);
                let mut dice = Dice(seed);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let due = Duration::from_secs_f64(number as f64 / rate);
                    if due >= time {
                        return Ok(measured);
                    }
                    std::thread::sleep((begun + due).saturating_duration_since(Instant::now()));
                    let at = dice.below(own.len() as u64) as usize;
                    let phone = &mut own[at];
                    one(phone, headers, &mut company, &mut page, begun + due, &mut measured)?;
                }
            }
        };
        let threads: Vec<_> = parts
            .into_iter()
            .enumerate()
            .map(|(at, own)| scope.spawn(work(own, at as u64 + 1)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a worker panicked".into())))
            .collect()
    });
    let mut total = Measured { heard: histogram(), changed: histogram() };
    for measured in all {
        let measured = measured?;
        total.heard.add(&measured.heard)?;
        total.changed.add(&measured.changed)?;
    }
    Ok(total)
}

/// A unit jams, or is fixed; until the owner's menu says so.
fn one(
    phone: &mut Phone,
    headers: &str,
    company: &mut Single,
    page: &mut Single,
    since: Instant,
    measured: &mut Measured,
) -> Result<(), Trouble> {
    phone.drain()?;
    phone.jammed = !phone.jammed;
    let (kind, error) = if phone.jammed { ("failed", "paper_jam") } else { ("fixed", "") };
    let body = format!(
        r#"{{"kind":"product.{kind}","products":["/01/{GTIN}/21/S{:08}"],"channel":"device","state":{{"error":"{error}"}},"properties":{{"severity":1}}}}"#,
        phone.at
    );
    company.send(&request("POST", "/v1/touches", headers, body.as_bytes()))?;
    phone.hear("event: changed")?;
    measured.heard.record(since.elapsed().as_nanos() as u64)?;
    while phone.has_item(page)? != phone.jammed {
        phone.hear("event: changed")?;
    }
    measured.changed.record(since.elapsed().as_nanos() as u64)?;
    let (status, body) = company.receive()?;
    if status != 200 || !body.starts_with(b"{\"accepted\":1,") {
        return Err(format!("{status} {}", String::from_utf8_lossy(&body)).into());
    }
    Ok(())
}

/// What the process has in memory.
fn resident_bytes(pid: u32) -> Result<f64, Trouble> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    Ok(kib * 1024.0)
}

/// Each stream is an open file.
fn raise_file_limit() -> Result<(), Trouble> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum })?)
}

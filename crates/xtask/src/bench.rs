//! `cargo xtask bench`: what this machine does with the release build, measured from outside over
//! HTTP on the loopback, with the limit of the same run beside it: a static answer of the same
//! server. Bounded in count and time. Standard library only.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const GTIN: &str = "09506000134352";
const PERSONS: u64 = 100_000;
const BATCH: u64 = 500;
const CONNECTIONS: u64 = 4;
const DECIDERS: u64 = 2;

type Trouble = Box<dyn std::error::Error + Send + Sync>;

struct Server {
    child: Child,
    addr: SocketAddr,
    secret: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Measures and prints one table. `--seconds N` says how long each row runs.
pub fn run(root: &Path, args: &[String]) -> Result<(), Trouble> {
    let seconds = args.windows(2).find(|pair| pair[0] == "--seconds");
    let seconds: u64 = seconds.map_or(Ok(8), |pair| pair[1].parse())?;
    let everbond = release(root)?;
    let data = std::env::temp_dir().join(format!("everbond-bench-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data);
    let server = start(&everbond, &data, None)?;
    let secret = server.secret.clone();
    found(root, &server)?;
    println!("| what | figure |\n|---|---|");
    let (touches, spent) = ingest(&server, Duration::from_secs(seconds * 3))?;
    row("touches/s, POST /v1/touches, 500 a batch, after fsync", rate(touches, spent));
    let resident = resident_kib(server.child.id())?;
    let persons = metric(&server, "everbond_persons")?;
    row("persons", format!("{persons:.0}"));
    row("memory of the process", format!("{} MiB", resident / 1024));
    let each = resident as f64 * 1024.0 / persons.max(1.0);
    row("memory per person with a bond and two aliases, all in", format!("{each:.0} bytes"));
    let limit = gets(&server, "/healthz", Duration::from_secs(seconds))?;
    row("GET /healthz/s, the limit of the same server and client", format!("{limit:.0}"));
    let decisions = decide(&server, Duration::from_secs(seconds))?;
    row("decisions/s with every reason, the printer's journey", format!("{decisions:.0}"));
    row("decisions, share of the limit", format!("{:.0} %", 100.0 * decisions / limit));
    drop(server);
    let bytes = folder_bytes(&data);
    row("disk per touch, indexes in", format!("{:.0} bytes", bytes as f64 / touches as f64));
    let begun = Instant::now();
    let again = start(&everbond, &data, Some(&secret))?;
    let first = begun.elapsed();
    row("start after kill -9 until the first answer", format!("{:.2} s", first.as_secs_f64()));
    drop(again);
    let replay = replay(&everbond, &data)?;
    row("whole replay, and the comparison of hashes", replay);
    std::fs::remove_dir_all(&data)?;
    Ok(())
}

fn row(what: &str, figure: impl std::fmt::Display) {
    println!("| {what} | {figure} |");
}

fn rate(count: u64, spent: Duration) -> String {
    format!("{:.0} ({count} in {:.1} s)", count as f64 / spent.as_secs_f64(), spent.as_secs_f64())
}

fn release(root: &Path) -> Result<PathBuf, Trouble> {
    let build = Command::new("cargo")
        .args(["build", "--release", "-p", "server"])
        .current_dir(root)
        .status()?;
    if !build.success() {
        return Err("the release build failed".into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    Ok(target.join("release/everbond"))
}

/// Starts the program on a free port and waits for its first good answer.
fn start(everbond: &Path, data: &Path, secret: Option<&str>) -> Result<Server, Trouble> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let mut child = Command::new(everbond)
        .args(["serve", "--dev", "--listen", &addr.to_string(), "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let mut server = Server { child, addr, secret: secret.unwrap_or_default().to_owned() };
    while server.secret.is_empty() {
        let line = lines.next().ok_or("the server ended early")??;
        if let Some(key) = line.strip_prefix("secret key: ") {
            server.secret = key.trim().to_owned();
        }
    }
    // What it prints from here on is read and dropped, so that it never waits for us.
    std::thread::spawn(move || lines.for_each(drop));
    for _ in 0..6_000 {
        if Client::open(addr).and_then(|mut client| client.get("/readyz")).is_ok_and(is_good) {
            return Ok(server);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err("the server was not ready within a minute".into())
}

fn is_good(answer: (u16, Vec<u8>)) -> bool {
    answer.0 < 300
}

/// One connection that is kept.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn open(addr: SocketAddr) -> Result<Client, Trouble> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Client { stream: BufReader::with_capacity(64 << 10, stream) })
    }

    fn get(&mut self, path: &str) -> Result<(u16, Vec<u8>), Trouble> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").as_bytes())
    }

    fn call(&mut self, method: &str, path: &str, key: &str, body: &str) -> Result<u16, Trouble> {
        let len = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {len}\r\n\r\n{body}"
        );
        let (status, answer) = self.send(head.as_bytes())?;
        if status >= 300 && status != 503 {
            return Err(format!("{path}: {status} {}", String::from_utf8_lossy(&answer)).into());
        }
        Ok(status)
    }

    fn send(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>), Trouble> {
        self.stream.get_mut().write_all(request)?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).ok_or("no status")?.parse()?;
        let mut len = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                len = value.trim().parse()?;
            }
        }
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body)?;
        Ok((status, body))
    }
}

/// The model, the journey of the example, and the units.
fn found(root: &Path, server: &Server) -> Result<(), Trouble> {
    let mut client = Client::open(server.addr)?;
    let key = &server.secret;
    let model = r#"{"name":"EverPrint 3","brand":"Ever"}"#;
    client.call("PUT", &format!("/v1/models/{GTIN}"), key, model)?;
    let journey = std::fs::read_to_string(root.join("journeys/printer.yaml"))?;
    client.call("PUT", "/v1/journeys/printer", key, &journey)?;
    Ok(())
}

/// Posts batches on several connections until the time is over; counts what was acknowledged.
fn ingest(server: &Server, time: Duration) -> Result<(u64, Duration), Trouble> {
    let count = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|own| {
            let (addr, key, count) = (server.addr, server.secret.clone(), count.clone());
            std::thread::spawn(move || -> Result<(), Trouble> {
                let mut client = Client::open(addr)?;
                let mut dice = own + 1;
                let mut number = 0;
                while begun.elapsed() < time {
                    let body = batch(own, &mut number, &mut dice);
                    match client.call("POST", "/v1/touches", &key, &body)? {
                        503 => std::thread::sleep(Duration::from_millis(100)),
                        _ => {
                            count.fetch_add(BATCH, Ordering::Relaxed);
                        }
                    }
                }
                Ok(())
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a client broke")??;
    }
    Ok((count.load(Ordering::Relaxed), begun.elapsed()))
}

fn batch(own: u64, number: &mut u64, dice: &mut u64) -> String {
    const KINDS: [&str; 5] =
        ["page.viewed", "product.used", "guide.viewed", "product.reported", "cart.added"];
    let mut body = String::with_capacity(110 * 1024);
    body.push('[');
    for at in 0..BATCH {
        *number += 1;
        *dice =
            dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let person = (*dice >> 33) % PERSONS;
        let kind = KINDS[(*dice >> 20) as usize % KINDS.len()];
        if at > 0 {
            body.push(',');
        }
        body += &format!(
            r#"{{"id":"b{own}-{number}","kind":"{kind}","aliases":{{"user":"user{person}","anonymous":"visit{person}"}},"products":[{{"gtin":"{GTIN}","serial":"S{person}"}}],"channel":"web","properties":{{"kind":"fan","page":"/things/{person}","seconds":{}}}}}"#,
            *dice % 300
        );
    }
    body.push(']');
    body
}

fn gets(server: &Server, path: &'static str, time: Duration) -> Result<f64, Trouble> {
    closed_loop(server.addr, time, move |client, _| client.get(path).map(|(status, _)| status))
}

fn decide(server: &Server, time: Duration) -> Result<f64, Trouble> {
    let key = server.secret.clone();
    closed_loop(server.addr, time, move |client, number| {
        let person = number.wrapping_mul(2_654_435_761) % PERSONS;
        let body = format!(
            r#"{{"person":"user:user{person}","product":"/01/{GTIN}","context":{{"channel":"web"}},"preview":true}}"#
        );
        client.call("POST", "/v1/decisions", &key, &body)
    })
}

/// Calls per second of a few clients that each wait for the answer before the next call.
fn closed_loop(
    addr: SocketAddr,
    time: Duration,
    call: impl Fn(&mut Client, u64) -> Result<u16, Trouble> + Clone + Send + 'static,
) -> Result<f64, Trouble> {
    let begun = Instant::now();
    let threads: Vec<_> = (0..DECIDERS)
        .map(|own| {
            let call = call.clone();
            std::thread::spawn(move || -> Result<u64, Trouble> {
                let mut client = Client::open(addr)?;
                let mut count = 0;
                while begun.elapsed() < time {
                    call(&mut client, own * 1_000_003 + count)?;
                    count += 1;
                }
                Ok(count)
            })
        })
        .collect();
    let mut count = 0;
    for thread in threads {
        count += thread.join().map_err(|_| "a client broke")??;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

fn metric(server: &Server, name: &str) -> Result<f64, Trouble> {
    let (_, body) = Client::open(server.addr)?.get("/metrics")?;
    let text = String::from_utf8(body)?;
    let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
    Ok(line.and_then(|line| line.split(' ').nth(1)).ok_or("no such metric")?.parse()?)
}

fn resident_kib(pid: u32) -> Result<u64, Trouble> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no figure")?.parse()?)
}

fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

fn replay(everbond: &Path, data: &Path) -> Result<String, Trouble> {
    let begun = Instant::now();
    let output =
        Command::new(everbond).args(["inspect", "--replay", "--data"]).arg(data).output()?;
    let spent = begun.elapsed();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = said.lines().last().unwrap_or_default().to_owned();
    Ok(format!("{:.1} s, {last}", spent.as_secs_f64()))
}

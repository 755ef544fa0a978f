//! A broker's bare publish, over its own text protocol: messages of 300 bytes into a stream on
//! disk, each acknowledged, up to a thousand under way. JetStream does not sync before it
//! acknowledges unless it is told to, so this is less than what a durable ingest promises.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Trouble;
use crate::flags::{Figures, Flags};
use crate::touches::TOUCH_BYTES;

const STREAM: &str = r#"{"name":"BENCH","subjects":["bench.>"],"storage":"file","num_replicas":1}"#;
const UNDER_WAY: u64 = 1_000;
const TOGETHER: u64 = 100;

struct Broker {
    read: BufReader<TcpStream>,
    line: String,
}

impl Broker {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        Ok(self.read.get_mut().write_all(bytes)?)
    }

    /// The payload of the next message; pings are answered.
    fn message(&mut self) -> Result<Vec<u8>, Trouble> {
        loop {
            self.line.clear();
            if self.read.read_line(&mut self.line)? == 0 {
                return Err("the broker closed the connection".into());
            }
            let line = self.line.trim_end();
            if line == "PING" {
                self.write(b"PONG\r\n")?;
            } else if let Some(rest) = line.strip_prefix("MSG ") {
                let len: usize = rest.rsplit(' ').next().unwrap_or_default().parse()?;
                let mut payload = vec![0; len + 2];
                std::io::Read::read_exact(&mut self.read, &mut payload)?;
                payload.truncate(len);
                return Ok(payload);
            } else if line.starts_with("-ERR") {
                return Err(line.to_owned().into());
            }
        }
    }
}

pub fn run(flags: &Flags) -> Result<(), Trouble> {
    let addr: SocketAddr = flags.number("addr")?;
    let time = Duration::from_secs_f64(flags.number("seconds")?);
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut broker = Broker { read: BufReader::new(stream), line: String::new() };
    broker.write(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB _INBOX.b.* 1\r\n")?;
    let create =
        format!("PUB $JS.API.STREAM.CREATE.BENCH _INBOX.b.s {}\r\n{STREAM}\r\n", STREAM.len());
    broker.write(create.as_bytes())?;
    let made = String::from_utf8(broker.message()?)?;
    if made.contains("\"error\"") {
        return Err(made.into());
    }
    let touch = "x".repeat(TOUCH_BYTES);
    let publish = format!("PUB bench.t _INBOX.b.a {TOUCH_BYTES}\r\n{touch}\r\n");
    let together = publish.repeat(TOGETHER as usize);
    let (mut sent, mut acknowledged) = (0, 0);
    let begun = Instant::now();
    while begun.elapsed() < time || acknowledged < sent {
        while begun.elapsed() < time && sent - acknowledged + TOGETHER <= UNDER_WAY {
            broker.write(together.as_bytes())?;
            sent += TOGETHER;
        }
        if acknowledged < sent {
            broker.message()?;
            acknowledged += 1;
        }
    }
    let mut figures = Figures::default();
    figures.add("per_second", acknowledged as f64 / begun.elapsed().as_secs_f64());
    figures.print();
    Ok(())
}

//! A client for load: one thread, many kept connections, epoll. A closed loop sends the next call
//! when an answer is there; an open loop sends at fixed moments whatever the server does, and
//! counts each answer's time from the moment at which it should have been sent, so that a stall is
//! seen by all calls that it would have held up.
//!
//! Waits are exact to some microseconds: the thread's timer slack is set to nothing.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::Trouble;

/// What is sent and what becomes of the answers.
pub trait Calls {
    /// Puts the whole next request behind what is in `out`; `false` when there are no more.
    fn write(&mut self, number: u64, out: &mut Vec<u8>) -> bool;
    fn answered(&mut self, status: u16, body: &[u8]) -> Result<(), Trouble>;
}

pub struct Plan {
    pub addr: SocketAddr,
    pub connections: usize,
    /// Calls a second; a closed loop if `None`.
    pub rate: Option<f64>,
    /// What is answered in this time is not counted.
    pub warm: Duration,
    pub time: Duration,
}

pub struct Outcome {
    pub answered: u64,
    /// Answers with 503, which are no failure but not work either.
    pub busy: u64,
    pub seconds: f64,
    /// Nanoseconds.
    pub latency: Histogram<u64>,
    /// Of the open loop: calls whose moment had come when no connection was free.
    pub late: u64,
}

/// No answer for so long ends the run.
const PATIENCE: Duration = Duration::from_secs(60);
const BUSY_WAIT: Duration = Duration::from_millis(20);

pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000_000, 3).expect("the bounds are in order")
}

/// Sleeps end when they should. Linux otherwise lets them run on by 50 microseconds.
pub fn exact_timers() -> Result<(), Trouble> {
    Ok(rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?)
}

struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    written: usize,
    read: Vec<u8>,
    /// Since when the call that is under way counts.
    since: Option<Instant>,
}

/// Status, where the body begins and ends; `None` while it is not all there.
pub fn complete(read: &[u8]) -> Result<Option<(u16, usize, usize)>, Trouble> {
    let Some(head) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&read[..head])?;
    let status = text.get(9..12).ok_or("no status")?.parse()?;
    let mut len = 0;
    for line in text.lines().skip(1) {
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            len = value.trim().parse()?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err("an answer without a length".into());
        }
    }
    let end = head + 4 + len;
    Ok((read.len() >= end).then_some((status, head + 4, end)))
}

impl Connection {
    fn open(addr: SocketAddr) -> Result<Connection, Trouble> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection { stream, out: Vec::new(), written: 0, read: Vec::new(), since: None })
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(n) => self.written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads all that is there.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Trouble> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(n) => {
                    self.read.extend_from_slice(&buffer[..n]);
                    if n < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

struct Run<'c, C> {
    calls: &'c mut C,
    connections: Vec<Connection>,
    free: VecDeque<usize>,
    number: u64,
    exhausted: bool,
    under_way: usize,
    begun: Instant,
    warm: Duration,
    outcome: Outcome,
}

/// Runs until the time is over or there are no more calls, then waits for what is under way.
pub fn run(plan: &Plan, calls: &mut impl Calls) -> Result<Outcome, Trouble> {
    exact_timers()?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::with_capacity(plan.connections);
    for at in 0..plan.connections {
        let connection = Connection::open(plan.addr)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&poll, &connection.stream, epoll::EventData::new_u64(at as u64), flags)?;
        connections.push(connection);
    }
    let outcome = Outcome { answered: 0, busy: 0, seconds: 0.0, latency: histogram(), late: 0 };
    let mut run = Run {
        calls,
        free: (0..connections.len()).collect(),
        connections,
        number: 0,
        exhausted: false,
        under_way: 0,
        begun: Instant::now(),
        warm: plan.warm,
        outcome,
    };
    let mut buffer = vec![0; 256 * 1024];
    let mut events = Vec::with_capacity(1024);
    let mut heard = Instant::now();
    loop {
        let wait = run.send_what_is_due(plan)?;
        if run.under_way == 0 && (run.exhausted || run.begun.elapsed() >= plan.time) {
            break;
        }
        let wait = wait.min(Duration::from_secs(1));
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
        events.clear();
        epoll::wait(&poll, spare_capacity(&mut events), Some(&wait))?;
        if !events.is_empty() {
            heard = Instant::now();
        } else if run.under_way > 0 && heard.elapsed() > PATIENCE {
            return Err("the server did not answer for a minute".into());
        }
        for event in &events {
            run.turn(event.data.u64() as usize, &mut buffer)?;
        }
    }
    let counted = run.begun.elapsed().min(plan.time).saturating_sub(plan.warm);
    run.outcome.seconds = counted.as_secs_f64().max(1e-9);
    Ok(run.outcome)
}

impl<C: Calls> Run<'_, C> {
    /// Sends; says how long until there is something to send again.
    fn send_what_is_due(&mut self, plan: &Plan) -> Result<Duration, Trouble> {
        loop {
            let elapsed = self.begun.elapsed();
            let Some(rate) = plan.rate else {
                if self.exhausted || elapsed >= plan.time || self.free.is_empty() {
                    return Ok(Duration::from_secs(1));
                }
                self.send(Instant::now())?;
                continue;
            };
            let due = Duration::from_secs_f64(self.number as f64 / rate);
            if self.exhausted || due >= plan.time {
                self.exhausted = true;
                return Ok(Duration::from_secs(1));
            }
            if due > elapsed {
                return Ok(due - elapsed);
            }
            if self.free.is_empty() {
                return Ok(Duration::from_secs(1));
            }
            self.outcome.late += u64::from(elapsed - due > Duration::from_millis(1));
            self.send(self.begun + due)?;
        }
    }

    fn send(&mut self, since: Instant) -> Result<(), Trouble> {
        let Some(at) = self.free.pop_front() else { return Ok(()) };
        let connection = &mut self.connections[at];
        connection.out.clear();
        connection.written = 0;
        if !self.calls.write(self.number, &mut connection.out) {
            self.exhausted = true;
            self.free.push_front(at);
            return Ok(());
        }
        self.number += 1;
        self.under_way += 1;
        connection.since = Some(since);
        connection.flush()
    }

    /// Something happened on a connection.
    fn turn(&mut self, at: usize, buffer: &mut [u8]) -> Result<(), Trouble> {
        let connection = &mut self.connections[at];
        connection.flush()?;
        connection.fill(buffer)?;
        let Some((status, from, to)) = complete(&connection.read)? else { return Ok(()) };
        let body = &connection.read[from..to];
        if status == 503 {
            self.outcome.busy += 1;
            std::thread::sleep(BUSY_WAIT);
        } else if status >= 300 {
            return Err(format!("{status} {}", String::from_utf8_lossy(body)).into());
        } else {
            self.calls.answered(status, body)?;
            let since = connection.since.take();
            let counted = self.begun.elapsed() >= self.warm;
            if let Some(since) = since.filter(|_| counted) {
                self.outcome.answered += 1;
                self.outcome.latency.record(since.elapsed().as_nanos() as u64)?;
            }
        }
        connection.read.clear();
        self.under_way -= 1;
        self.free.push_back(at);
        Ok(())
    }
}

/// A whole request.
pub fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let mut out = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n{headers}").into_bytes();
    if method != "GET" {
        out.extend_from_slice(format!("content-length: {len}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out
}

pub fn with_key(key: &str) -> String {
    format!("authorization: Bearer {key}\r\ncontent-type: application/json\r\n")
}

/// One call at a time, for what is not load: waits for the answer.
pub struct Single {
    stream: TcpStream,
}

impl Single {
    pub fn open(addr: SocketAddr) -> Result<Single, Trouble> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Single { stream })
    }

    pub fn call(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>), Trouble> {
        self.send(request)?;
        self.receive()
    }

    pub fn send(&mut self, request: &[u8]) -> Result<(), Trouble> {
        Ok(self.stream.write_all(request)?)
    }

    /// Status and body of the answer.
    pub fn receive(&mut self) -> Result<(u16, Vec<u8>), Trouble> {
        let mut read = Vec::new();
        let mut buffer = [0; 64 * 1024];
        loop {
            let n = self.stream.read(&mut buffer)?;
            if n == 0 {
                return Err("the server closed the connection".into());
            }
            read.extend_from_slice(&buffer[..n]);
            if let Some((status, from, to)) = complete(&read)? {
                return Ok((status, read[from..to].to_vec()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_when_its_body_is() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let found = complete(text).unwrap().unwrap();
        assert_eq!((found.0, &text[found.1..found.2]), (200, &b"hello"[..]));
        assert!(complete(&text[..text.len() - 1]).unwrap().is_none());
        assert!(complete(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}

//! A few HTTP calls that are not load: setting up, asking whether it is there, wiping.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Trouble;

/// One connection that is kept.
pub struct Client {
    stream: BufReader<TcpStream>,
    key: &'static str,
}

impl Client {
    pub fn open(addr: SocketAddr, key: &'static str) -> Result<Client, Trouble> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Client { stream: BufReader::with_capacity(64 << 10, stream), key })
    }

    /// Status and body.
    pub fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<(u16, String), Trouble> {
        let (key, len) = (self.key, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {len}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
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
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// The body of a call that must succeed.
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> Result<String, Trouble> {
        match self.ask(method, path, body)? {
            (status, answer) if status < 300 => Ok(answer),
            (status, answer) => Err(format!("{method} {path}: {status} {answer}").into()),
        }
    }

    pub fn metric(&mut self, name: &str) -> Result<f64, Trouble> {
        let text = self.call("GET", "/metrics", "")?;
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
        Ok(line.and_then(|line| line.split(' ').nth(1)).ok_or("no such metric")?.parse()?)
    }
}

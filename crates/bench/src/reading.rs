//! The time of single reads with a key: the same address again and again at a low fixed rate.

use std::time::Duration;

use crate::Trouble;
use crate::flags::{Figures, Flags};
use crate::http::{Calls, Plan, request, run, with_key};

struct Read {
    request: Vec<u8>,
    bytes: u64,
    answers: u64,
    /// What the last answer has in the list that is asked for.
    items: usize,
    list: String,
}

impl Calls for Read {
    fn write(&mut self, _: u64, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&self.request);
        true
    }

    fn answered(&mut self, _: u16, body: &[u8]) -> Result<(), Trouble> {
        self.bytes += body.len() as u64;
        self.answers += 1;
        if self.items == 0 {
            let answer: serde_json::Value = serde_json::from_slice(body)?;
            self.items = answer[&self.list].as_array().map_or(0, Vec::len);
        }
        Ok(())
    }
}

pub fn read(flags: &Flags) -> Result<(), Trouble> {
    let request = request("GET", flags.text("path")?, &with_key(flags.text("key")?), b"");
    let list = flags.text("list")?.to_owned();
    let mut calls = Read { request, bytes: 0, answers: 0, items: 0, list };
    let plan = Plan {
        addr: flags.number("addr")?,
        connections: 16,
        rate: Some(flags.number("rate")?),
        warm: Duration::from_secs(1),
        time: Duration::from_secs_f64(flags.number("seconds")?),
    };
    let outcome = run(&plan, &mut calls)?;
    let mut figures = Figures::default();
    figures.add("items", calls.items as f64);
    figures.add("answer_bytes", calls.bytes as f64 / calls.answers.max(1) as f64);
    figures.add_latency(&outcome.latency);
    figures.print();
    Ok(())
}

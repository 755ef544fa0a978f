//! The loads on hot paths: touches in batches, decisions, a plain GET. Closed loop without
//! `--rate`, open loop with it (touches or calls a second).

use std::time::Duration;

use crate::Trouble;
use crate::dice::Dice;
use crate::flags::{Figures, Flags};
use crate::http::{Calls, Outcome, Plan, request, run, with_key};
use crate::touches::{BATCH, Batch, GTIN, Shape};

struct Ingest {
    head: Vec<u8>,
    batch: Batch,
    shape: Shape,
    /// As the server counted them; Segment's answer does not say.
    accepted: u64,
    refused: u64,
}

impl Calls for Ingest {
    fn write(&mut self, _: u64, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(self.batch.next());
        true
    }

    fn answered(&mut self, _: u16, body: &[u8]) -> Result<(), Trouble> {
        if self.shape == Shape::Segment {
            return Ok(());
        }
        let accepted = field(body, b"\"accepted\":").ok_or("the answer counts nothing")?;
        self.accepted += accepted;
        self.refused += BATCH - accepted;
        if self.refused > 0 {
            return Err(format!("not accepted: {}", String::from_utf8_lossy(body)).into());
        }
        Ok(())
    }
}

/// The whole number behind the first `name` in the body.
fn field(body: &[u8], name: &[u8]) -> Option<u64> {
    let at = body.windows(name.len()).position(|own| own == name)? + name.len();
    let digits = body[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, byte| number * 10 + u64::from(byte - b'0')))
}

fn plan(flags: &Flags, per_call: f64) -> Result<Plan, Trouble> {
    let rate: f64 = flags.number_or("rate", 0.0)?;
    Ok(Plan {
        addr: flags.number("addr")?,
        connections: flags.number("connections")?,
        rate: (rate > 0.0).then_some(rate / per_call),
        warm: Duration::from_secs_f64(flags.number_or("warm", 1.0)?),
        time: Duration::from_secs_f64(flags.number("seconds")?),
    })
}

fn figures(outcome: &Outcome, per_call: f64) -> Figures {
    let mut figures = Figures::default();
    figures.add("per_second", outcome.answered as f64 * per_call / outcome.seconds);
    figures.add("busy", outcome.busy as f64);
    figures.add("late", outcome.late as f64);
    figures.add("seconds", outcome.seconds);
    figures.add_latency(&outcome.latency);
    figures
}

pub fn ingest(flags: &Flags) -> Result<(), Trouble> {
    let shape = match flags.text("shape")? {
        "native" => Shape::Native,
        "segment" => Shape::Segment,
        other => return Err(format!("--shape {other:?} is neither native nor segment").into()),
    };
    let first: u64 = flags.number("first-id")?;
    let batch = Batch::new(shape, flags.number("people")?, first, first);
    let headers =
        with_key(flags.text("key")?) + &format!("content-length: {}\r\n\r\n", batch.len());
    let head = format!("POST {} HTTP/1.1\r\nhost: bench\r\n{headers}", shape.path());
    let mut calls = Ingest { head: head.into(), batch, shape, accepted: 0, refused: 0 };
    let outcome = run(&plan(flags, BATCH as f64)?, &mut calls)?;
    let mut figures = figures(&outcome, BATCH as f64);
    figures.add("accepted", calls.accepted as f64);
    figures.print();
    Ok(())
}

/// Decisions of people about their own units.
struct Decide {
    headers: String,
    people: u64,
    dice: Dice,
    preview: bool,
    shown: u64,
}

impl Calls for Decide {
    fn write(&mut self, _: u64, out: &mut Vec<u8>) -> bool {
        let who = self.dice.below(self.people);
        let body = format!(
            r#"{{"person":"user:u{who:08}","product":"/01/{GTIN}/21/S{who:08}","context":{{"channel":"app","locale":"de","tz":"Europe/Berlin","setting":"home"}},"preview":{}}}"#,
            self.preview
        );
        out.extend_from_slice(&request("POST", "/v1/decisions", &self.headers, body.as_bytes()));
        true
    }

    fn answered(&mut self, _: u16, body: &[u8]) -> Result<(), Trouble> {
        self.shown += body.len() as u64;
        Ok(())
    }
}

pub fn decide(flags: &Flags) -> Result<(), Trouble> {
    let mut calls = Decide {
        headers: with_key(flags.text("key")?),
        people: flags.number("people")?,
        dice: Dice(flags.number_or("seed", 3)?),
        preview: flags.text("preview")? == "true",
        shown: 0,
    };
    let outcome = run(&plan(flags, 1.0)?, &mut calls)?;
    let mut figures = figures(&outcome, 1.0);
    figures.add("answer_bytes", calls.shown as f64 / outcome.answered.max(1) as f64);
    figures.print();
    Ok(())
}

struct Get(Vec<u8>);

impl Calls for Get {
    fn write(&mut self, _: u64, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&self.0);
        true
    }

    fn answered(&mut self, _: u16, _: &[u8]) -> Result<(), Trouble> {
        Ok(())
    }
}

pub fn get(flags: &Flags) -> Result<(), Trouble> {
    let mut calls = Get(request("GET", flags.text("path")?, "", b""));
    figures(&run(&plan(flags, 1.0)?, &mut calls)?, 1.0).print();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_answer() {
        assert_eq!(field(br#"{"accepted":97,"duplicates":3}"#, b"\"accepted\":"), Some(97));
        assert_eq!(field(b"{}", b"\"accepted\":"), None);
    }
}

//! Who is there before anything is measured: units and their owners, persons with several bonds
//! and names, and a person with very many touches. Says how far it is on standard error.

use std::time::{Duration, Instant};

use crate::Trouble;
use crate::flags::{Figures, Flags};
use crate::http::{Calls, Plan, request, run};
use crate::touches::GTIN;

/// Models beside the first, for persons with several bonds.
const MODELS: [&str; 3] = [GTIN, "09506000134369", "09506000134376"];

/// A call for each run of numbers.
struct Register<'f> {
    headers: String,
    path: &'static str,
    each: u64,
    total: u64,
    body_of: &'f dyn Fn(u64) -> String,
    what: &'static str,
    done: u64,
    begun: Instant,
    told: Instant,
}

impl Calls for Register<'_> {
    fn write(&mut self, number: u64, out: &mut Vec<u8>) -> bool {
        let from = number * self.each;
        if from >= self.total {
            return false;
        }
        let to = (from + self.each).min(self.total);
        let lines: Vec<String> = (from..to).map(|at| (self.body_of)(at)).collect();
        let body = lines.join("\n");
        out.extend_from_slice(&request("POST", self.path, &self.headers, body.as_bytes()));
        true
    }

    fn answered(&mut self, _: u16, body: &[u8]) -> Result<(), Trouble> {
        if body.windows(12).any(|own| own == b"\"refused\":0,")
            || body.windows(12).any(|own| own == b"\"refused\":0}")
            || self.path == "/v1/products"
        {
            self.done = (self.done + self.each).min(self.total);
            if self.told.elapsed() > Duration::from_secs(1) {
                self.told = Instant::now();
                let rate = self.done as f64 / self.begun.elapsed().as_secs_f64();
                eprintln!("{}: {} of {}, {rate:.0}/s", self.what, self.done, self.total);
            }
            return Ok(());
        }
        let text = String::from_utf8_lossy(body);
        Err(format!("{}: {}", self.what, &text[..text.len().min(500)]).into())
    }
}

/// Gives how many a second.
fn register_all(
    flags: &Flags,
    what: &'static str,
    path: &'static str,
    (total, each): (u64, u64),
    body_of: &dyn Fn(u64) -> String,
) -> Result<f64, Trouble> {
    let key = flags.text("key")?;
    let headers = format!("authorization: Bearer {key}\r\ncontent-type: application/x-ndjson\r\n");
    let begun = Instant::now();
    let mut calls =
        Register { headers, path, each, total, body_of, what, done: 0, begun, told: begun };
    let plan = Plan {
        addr: flags.number("addr")?,
        connections: 8,
        rate: None,
        warm: Duration::ZERO,
        time: Duration::from_secs(flags.number_or("most-seconds", 1_800)?),
    };
    run(&plan, &mut calls)?;
    if calls.done < total {
        return Err(format!("{what}: {} of {total} within the time", calls.done).into());
    }
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}

/// `--people` units, each with an owner of two names. `--codes` gives the units claim codes and
/// no owners.
pub fn register(flags: &Flags) -> Result<(), Trouble> {
    let people: u64 = flags.number("people")?;
    let from: u64 = flags.number_or("from", 0)?;
    let codes = flags.maybe("codes").is_some();
    let unit = |at: u64| {
        let at = at + from;
        let code = if codes { format!(r#","claim_code":"CODE-{at:08}""#) } else { String::new() };
        format!(r#"{{"gtin":"{GTIN}","serial":"S{at:08}"{code}}}"#)
    };
    let owner = |at: u64| {
        let at = at + from;
        format!(
            r#"{{"kind":"product.bought","id":"owner-{at}","aliases":{{"user":"u{at:08}","email":"u{at:08}@example.com"}},"products":["/01/{GTIN}/21/S{at:08}"],"channel":"shop"}}"#
        )
    };
    let mut figures = Figures::default();
    let rate = register_all(flags, "units", "/v1/products", (people, 2_000), &unit)?;
    figures.add("units_per_second", rate);
    if !codes {
        let rate = register_all(flags, "people", "/v1/touches", (people, 1_000), &owner)?;
        figures.add("people_per_second", rate);
    }
    figures.print();
    Ok(())
}

/// Persons with five names and three bonds: with the three models, or with three units each.
pub fn register_rich(flags: &Flags) -> Result<(), Trouble> {
    let people: u64 = flags.number("people")?;
    let units = flags.text("bonds")? == "units";
    let person = |at: u64| {
        let products: Vec<String> = MODELS
            .iter()
            .map(|gtin| match units {
                true => format!(r#""/01/{gtin}/21/R{at:08}""#),
                false => format!(r#""/01/{gtin}""#),
            })
            .collect();
        format!(
            r#"{{"kind":"product.bought","aliases":{{"user":"r{at:08}","email":"r{at:08}@example.com","phone":"+4930{at:08}","loyalty":"L{at:08}","anonymous":"web-{at:08}"}},"products":[{}]}}"#,
            products.join(",")
        )
    };
    let rate = register_all(flags, "people", "/v1/touches", (people, 1_000), &person)?;
    let mut figures = Figures::default();
    figures.add("people_per_second", rate);
    figures.print();
    Ok(())
}

/// `--touches` touches of each of the persons `--names`, the first of them with `--units` units.
pub fn register_crowd(flags: &Flags) -> Result<(), Trouble> {
    let touches: u64 = flags.number("touches")?;
    let units: u64 = flags.number_or("units", 1)?;
    for name in flags.text("names")?.split(',') {
        let touch = |at: u64| {
            let unit = at % units;
            format!(
                r#"{{"kind":"product.used","aliases":{{"user":"{name}"}},"products":["/01/{GTIN}/21/{name}-{unit}"],"properties":{{"pages":{at}}}}}"#
            )
        };
        register_all(flags, "touches", "/v1/touches", (touches, 1_000), &touch)?;
    }
    Figures::default().print();
    Ok(())
}

//! Flags as `--name value`, and the line of figures that a work prints at its end.

use std::str::FromStr;

use crate::Trouble;

pub struct Flags(Vec<(String, String)>);

impl Flags {
    pub fn read(mut args: impl Iterator<Item = String>) -> Result<Flags, Trouble> {
        let mut flags = Vec::new();
        while let Some(arg) = args.next() {
            let name = arg.strip_prefix("--").ok_or_else(|| format!("what is {arg:?}?"))?;
            let value = args.next().ok_or_else(|| format!("--{name} needs a value"))?;
            flags.push((name.to_owned(), value));
        }
        Ok(Flags(flags))
    }

    pub fn text(&self, name: &str) -> Result<&str, Trouble> {
        self.maybe(name).ok_or_else(|| format!("--{name} is missing").into())
    }

    pub fn maybe(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub fn number<T: FromStr>(&self, name: &str) -> Result<T, Trouble> {
        let text = self.text(name)?;
        text.parse().map_err(|_| format!("--{name} {text:?} is not a number").into())
    }

    pub fn number_or<T: FromStr>(&self, name: &str, else_: T) -> Result<T, Trouble> {
        if self.maybe(name).is_none() { Ok(else_) } else { self.number(name) }
    }
}

/// The figures of a work, as one line of JSON: names and numbers.
#[derive(Default)]
pub struct Figures(Vec<(String, f64)>);

impl Figures {
    pub fn add(&mut self, name: &str, value: f64) {
        self.0.push((name.to_owned(), value));
    }

    /// Percentiles of nanoseconds, in milliseconds.
    pub fn add_latency(&mut self, latency: &hdrhistogram::Histogram<u64>) {
        for (name, quantile) in [
            ("p50_ms", 0.5),
            ("p75_ms", 0.75),
            ("p90_ms", 0.9),
            ("p95_ms", 0.95),
            ("p99_ms", 0.99),
            ("p99.9_ms", 0.999),
            ("max_ms", 1.0),
        ] {
            self.add(name, latency.value_at_quantile(quantile) as f64 / 1e6);
        }
        self.add("samples", latency.len() as f64);
    }

    pub fn print(&self) {
        let pairs: Vec<String> =
            self.0.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        println!("{{{}}}", pairs.join(","));
    }
}

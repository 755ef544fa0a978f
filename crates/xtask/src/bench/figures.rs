//! Figures by name, and the one line of JSON in which a process says its own.

use std::collections::BTreeMap;

use super::Trouble;

#[derive(Clone, Debug, Default)]
pub struct Figures(pub BTreeMap<String, f64>);

impl Figures {
    /// `{"per_second":1234.5,"p50_ms":0.7}`: names and numbers, nothing nested.
    pub fn parse(line: &str) -> Result<Figures, Trouble> {
        let wrong = || format!("these are no figures: {line:?}");
        let inner = line.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let mut figures = Figures::default();
        for pair in inner.ok_or_else(wrong)?.split(',').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once(':').ok_or_else(wrong)?;
            figures.set(name.trim_matches('"'), value.parse().map_err(|_| wrong())?);
        }
        Ok(figures)
    }

    /// Of several runs of one process, which all have the same figures.
    pub fn mean(runs: &[Figures]) -> Figures {
        let mut mean = Figures::default();
        for (name, value) in runs.iter().flat_map(|run| &run.0) {
            *mean.0.entry(name.clone()).or_default() += value / runs.len() as f64;
        }
        mean
    }

    pub fn set(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), value);
    }

    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    pub fn need(&self, name: &str) -> Result<f64, Trouble> {
        self.get(name).ok_or_else(|| format!("the figure {name} is missing").into())
    }

    /// All of a process's figures, under the row's name.
    pub fn put(&mut self, row: &str, own: &Figures) {
        for (name, value) in &own.0 {
            self.set(&format!("{row}.{name}"), *value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_figures_is_read() {
        let figures = Figures::parse("{\"a\":1.5,\"p99.9_ms\":2}\n").unwrap();
        assert_eq!((figures.get("a"), figures.get("p99.9_ms")), (Some(1.5), Some(2.0)));
        assert!(Figures::parse("{}").unwrap().0.is_empty());
        assert!(Figures::parse("oops").is_err());
        assert!(Figures::parse("{\"a\":x}").is_err());
    }

    #[test]
    fn the_mean_is_that_of_each_figure() {
        let runs = [r#"{"a":1,"b":4}"#, r#"{"a":2,"b":8}"#].map(|run| Figures::parse(run).unwrap());
        let mean = Figures::mean(&runs);
        assert_eq!((mean.get("a"), mean.get("b")), (Some(1.5), Some(6.0)));
    }
}

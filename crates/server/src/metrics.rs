//! Counters for `/metrics`. No label ever holds anything of a person.

use std::collections::BTreeMap;
use std::sync::Mutex;

#[derive(Default)]
pub struct Requests {
    counts: Mutex<BTreeMap<(String, u16), (u64, u64)>>,
}

impl Requests {
    /// One answered request: the route as it is declared, the status, how long it took.
    pub fn count(&self, route: &str, status: u16, micros: u64) {
        let mut counts = self.counts.lock().expect("nobody panics while holding it");
        let sums = counts.entry((route.to_owned(), status)).or_default();
        sums.0 += 1;
        sums.1 += micros;
    }

    /// Route, status, how many, microseconds in all.
    pub fn all(&self) -> Vec<(String, u16, u64, u64)> {
        let counts = self.counts.lock().expect("nobody panics while holding it");
        counts
            .iter()
            .map(|((route, status), (count, micros))| (route.clone(), *status, *count, *micros))
            .collect()
    }
}

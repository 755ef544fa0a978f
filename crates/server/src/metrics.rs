//! Counters for `/metrics`. No label ever holds anything of a person.
//!
//! Kept true: counting an answered request takes no lock and copies no text.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::http::Method;

/// Callers can invent methods; the numbers hold those that exist, and the rest together.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OTHER"];
/// More than any route answers with; the last takes what comes beyond.
const STATUSES: usize = 16;

/// The counters of every route.
#[derive(Default)]
pub struct Requests {
    routes: Mutex<Vec<Arc<Counts>>>,
}

/// The counters of one route, for each method those of each status.
pub struct Counts {
    route: String,
    methods: [OnceLock<Box<[Row; STATUSES]>>; METHODS.len()],
}

#[derive(Default)]
struct Row {
    /// 0 until the row is taken.
    status: AtomicU16,
    count: AtomicU64,
    micros: AtomicU64,
}

impl Requests {
    /// The counters of a route, as it is declared.
    pub fn of(&self, route: &str) -> Arc<Counts> {
        let mut routes = self.routes.lock().expect("nobody panics while holding it");
        if let Some(own) = routes.iter().find(|own| own.route == route) {
            return own.clone();
        }
        let own = Arc::new(Counts { route: route.to_owned(), methods: Default::default() });
        routes.push(own.clone());
        own
    }

    /// Method and route, status, how many, microseconds in all; in the order of the first two.
    pub fn all(&self) -> Vec<(String, u16, u64, u64)> {
        let routes = self.routes.lock().expect("nobody panics while holding it");
        let mut all: Vec<_> = routes.iter().flat_map(|counts| counts.rows()).collect();
        all.sort();
        all
    }
}

impl Counts {
    /// One answered request: its method, the status, how long it took.
    pub fn count(&self, method: &Method, status: u16, micros: u64) {
        let named = METHODS.iter().position(|name| method.as_str() == *name);
        let rows = self.methods[named.unwrap_or(METHODS.len() - 1)].get_or_init(Box::default);
        let own = |row: &&Row| {
            let taken =
                row.status.compare_exchange(0, status, Ordering::Relaxed, Ordering::Relaxed);
            taken.map_or_else(|found| found == status, |_| true)
        };
        let row = rows.iter().find(own).unwrap_or(&rows[STATUSES - 1]);
        row.count.fetch_add(1, Ordering::Relaxed);
        row.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn rows(&self) -> impl Iterator<Item = (String, u16, u64, u64)> {
        let named = METHODS.iter().zip(&self.methods);
        let rows = named.filter_map(|(method, rows)| Some((method, rows.get()?)));
        let rows = rows.flat_map(|(method, rows)| rows.iter().map(move |row| (method, row)));
        rows.filter(|(_, row)| row.count.load(Ordering::Relaxed) > 0).map(|(method, row)| {
            let name = format!("{method} {}", self.route);
            let (count, micros) = (row.count.load(Ordering::Relaxed), &row.micros);
            (name, row.status.load(Ordering::Relaxed), count, micros.load(Ordering::Relaxed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_method_and_status() {
        let requests = Requests::default();
        let invented = Method::from_bytes(b"BREW").expect("a method");
        for (route, method, status) in [
            ("/b", &Method::GET, 200),
            ("/a", &Method::POST, 503),
            ("/b", &Method::GET, 200),
            ("/b", &Method::GET, 404),
            ("/b", &invented, 405),
        ] {
            requests.of(route).count(method, status, 10);
        }
        let all = requests.all();
        let rows: Vec<_> = all.iter().map(|row| (&*row.0, row.1, row.2, row.3)).collect();
        let expected = [
            ("GET /b", 200, 2, 20),
            ("GET /b", 404, 1, 10),
            ("OTHER /b", 405, 1, 10),
            ("POST /a", 503, 1, 10),
        ];
        assert_eq!(rows, expected);
    }
}

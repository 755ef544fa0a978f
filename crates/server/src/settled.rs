//! What requests ask for again and again and what hardly ever changes, kept beside the state: the
//! keys and the mapping of events. The state itself is locked while the fold writes, and a request
//! that only wants to know whether its key is good need not wait for that.
//!
//! Kept true: nothing here is older than the last acknowledged change of the configuration. The hub
//! counts these changes before any of them is acknowledged, and what was read before is not used.

use std::sync::{Arc, RwLock};

use model::entry::Key;

use crate::app::App;
use crate::ingest::Bad;
use crate::ingest::mapping::Mapping;

/// The newest copy.
#[derive(Default)]
pub struct Settled(RwLock<Option<Arc<Copy>>>);

pub struct Copy {
    /// The hub's count when it was read.
    as_of: u64,
    /// In the order of their ids.
    keys: Box<[Key]>,
    pub mapping: Result<Mapping, Bad>,
}

impl Copy {
    pub fn key(&self, id: &str) -> Option<&Key> {
        let at = self.keys.binary_search_by(|key| (*key.id).cmp(id)).ok()?;
        Some(&self.keys[at])
    }
}

impl App {
    pub fn settled(&self) -> Arc<Copy> {
        // Asked before the state is read: what changes in between is read again the next time.
        let as_of = self.hub.configurations();
        let newest = self.settled.0.read().expect("nobody panics while holding it").clone();
        if let Some(copy) = newest.filter(|copy| copy.as_of == as_of) {
            return copy;
        }
        let copy = {
            let state = self.engine.state();
            let mut keys: Box<[Key]> = state.keys().cloned().collect();
            keys.sort_by(|a, b| a.id.cmp(&b.id));
            Arc::new(Copy { as_of, keys, mapping: Mapping::new(state.mapping()) })
        };
        *self.settled.0.write().expect("nobody panics while holding it") = Some(copy.clone());
        copy
    }
}

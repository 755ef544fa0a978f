//! The server API, for a company's own systems, with a secret key. Each file holds one noun: its
//! routes, how it is read and how it is written.

mod bonds;
mod call;
mod campaigns;
mod decisions;
mod form;
mod graph;
mod inbox;
mod journeys;
mod keys;
mod mappings;
mod models;
mod persons;
mod places;
mod products;
pub mod receipts;
mod refused;
mod results;
mod timeline;
mod trying;

pub(crate) use call::no_such_person;
pub use decisions::{DECISIONS, decide};

use crate::route::Route;

/// All routes of the server API.
pub fn routes() -> Vec<Route> {
    [
        models::routes(),
        products::routes(),
        campaigns::routes(),
        places::routes(),
        journeys::routes(),
        trying::routes(),
        mappings::routes(),
        persons::routes(),
        bonds::routes(),
        decisions::routes(),
        results::routes(),
        inbox::routes(),
        refused::routes(),
        receipts::routes(),
        keys::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

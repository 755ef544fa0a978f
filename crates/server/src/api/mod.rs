//! The server API for a company's own systems, with a secret key.

use crate::route::Route;

/// All routes of the server API.
pub fn routes() -> Vec<Route> {
    Vec::new()
}

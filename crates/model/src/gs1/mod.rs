//! GS1 keys, application identifiers and Digital Link: what a code on a product says, and what a
//! resolver answers. Pure functions over text; nothing here knows the state or the network.

pub mod ai;
pub mod check;
mod codes;
mod coupon;
pub mod key;
pub mod link;
pub mod linkset;
mod percent;
mod table;
pub mod value;

pub use ai::AiCode;
pub use key::{Gtin, KeyError, Serial, Subject};
pub use link::{DigitalLink, Element, LinkError, ParseOptions};

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// A file of the folder that EVERBOND_FIXTURES names, or `None`, saying so, when it is unset.
    pub(super) fn fixture(name: &str) -> Option<String> {
        #[allow(clippy::disallowed_methods, reason = "a test reads where its extra cases are")]
        let Ok(folder) = std::env::var("EVERBOND_FIXTURES") else {
            eprintln!("skipped: EVERBOND_FIXTURES is not set, {name} is not read");
            return None;
        };
        let path = Path::new(&folder).join("gs1").join(name);
        Some(std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    }
}

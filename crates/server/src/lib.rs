//! The parts of the program `everbond`.

pub mod ingest;

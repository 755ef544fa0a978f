//! The parts of the program `everbond`: the ways in, the HTTP interface, the command line.

pub mod app;
pub mod auth;
pub mod hub;
pub mod ingest;
pub mod limiter;
pub mod metrics;
pub mod problem;
pub mod qr;
pub mod receipt;
pub mod route;

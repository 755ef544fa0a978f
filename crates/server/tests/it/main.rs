//! The server from outside, in one program: laid out like the addresses.

mod api;
mod cli;
mod ingest;
mod owner;
mod phone;
mod resolver;

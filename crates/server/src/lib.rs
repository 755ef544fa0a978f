//! The parts of the program `everbond`: the ways in, the HTTP interface, the command line.

pub mod api;
pub mod app;
pub mod auth;
pub mod claim;
pub mod cli;
pub mod config;
pub mod deciding;
pub mod docs;
pub mod flow;
pub mod health;
pub mod hub;
pub mod ingest;
pub mod json;
pub mod limiter;
pub mod live;
pub mod memory;
pub mod metrics;
pub mod openapi;
pub mod owner;
pub mod problem;
pub mod qr;
pub mod receipt;
pub mod resolver;
pub mod route;
pub mod serve;
pub mod web;

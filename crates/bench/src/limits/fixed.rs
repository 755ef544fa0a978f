//! A bare server of the same HTTP stack: 500 bytes, always the same, and to whoever asks for a
//! decision as many bytes as a decision has.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::{get, post};

use crate::Trouble;
use crate::flags::Flags;

const BYTES: usize = 500;
const DECISION_BYTES: usize = 6_500;

/// Serves until it is killed.
pub fn run(flags: &Flags) -> Result<(), Trouble> {
    let addr: SocketAddr = flags.number("addr")?;
    let of = |bytes: usize| -> &'static str { "0123456789".repeat(bytes / 10).leak() };
    let json = || [(header::CONTENT_TYPE, "application/json")];
    let (few, many) = (of(BYTES), of(DECISION_BYTES));
    let answer = move || async move { (json(), few) };
    let decision = move |_: Bytes| async move { (json(), many) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(addr).await?;
        let routes = Router::new().route("/", get(answer)).route("/v1/decisions", post(decision));
        axum::serve(listener, routes).await?;
        Ok(())
    })
}

//! A bare server of the same HTTP stack: 500 bytes, always the same.

use std::net::SocketAddr;

use axum::Router;
use axum::http::header;
use axum::routing::get;

use crate::Trouble;
use crate::flags::Flags;

const BYTES: usize = 500;

/// Serves until it is killed.
pub fn run(flags: &Flags) -> Result<(), Trouble> {
    let addr: SocketAddr = flags.number("addr")?;
    let body: &'static str = "0123456789".repeat(BYTES / 10).leak();
    let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], body) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(addr).await?;
        axum::serve(listener, Router::new().route("/", get(answer))).await?;
        Ok(())
    })
}

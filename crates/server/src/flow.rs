//! Answers that are written while they are read.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use futures_core::Stream;
use tokio::sync::mpsc::Receiver;

struct Chunks(Receiver<Vec<u8>>);

impl Stream for Chunks {
    type Item = Result<Vec<u8>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(Ok))
    }
}

/// The chunks as they come; it ends when the sender is dropped.
pub fn body_of(chunks: Receiver<Vec<u8>>) -> Body {
    Body::from_stream(Chunks(chunks))
}

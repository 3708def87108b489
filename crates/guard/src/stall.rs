//! A connection whose peer must go on reading: a write that makes no progress for a while fails,
//! so that a client that asks and never reads cannot hold its response in memory for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long a write may wait for the peer.
const STALL_MAX: Duration = Duration::from_secs(30);

/// Wraps a stream; reads pass through.
#[derive(Debug)]
pub(crate) struct Unstalled<S> {
    stream: S,
    /// Running while a write waits.
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncWrite + Unpin> Unstalled<S> {
    pub(crate) const fn new(stream: S) -> Self {
        Self { stream, patience: None }
    }

    fn write<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let progress = write(Pin::new(&mut self.stream), context);
        if progress.is_ready() {
            self.patience = None;
            return progress;
        }
        let patience = self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL_MAX)));
        patience.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unstalled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unstalled<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |stream, context| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context, |stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context, |stream, context| stream.poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_reads_fails_the_write_after_the_patience() {
        let (near, _far) = tokio::io::duplex(4);
        let begun = tokio::time::Instant::now();
        let error = Unstalled::new(near).write_all(b"12345").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), STALL_MAX.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_slowly_but_surely_gets_everything() {
        let (near, mut far) = tokio::io::duplex(1);
        let writer = tokio::spawn(async move { Unstalled::new(near).write_all(b"12345").await });
        let mut got = Vec::new();
        while got.len() < 5 {
            tokio::time::sleep(STALL_MAX / 2).await;
            got.push(far.read_u8().await.unwrap());
        }
        assert_eq!(got, b"12345");
        writer.await.unwrap().unwrap();
    }
}

//! Connections whose other end has gone are ended at once.
//!
//! The framework goes on with a request whose client has closed the connection, until there is something to write. A worker that waits
//! for a job would so get one that it never sees, and a stream would hold its place. So the end of what a client sends is told as an error, which
//! ends the connection with what it was waiting for. No client of HTTP closes its half before it has the answer.

use std::{
    io::{Error, ErrorKind, IoSlice, Result},
    pin::Pin,
    task::{Context, Poll, ready},
};

use poem::{
    http::uri::Scheme,
    listener::Acceptor,
    web::{LocalAddr, RemoteAddr},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Accepts connections that end when the client hangs up.
#[derive(Debug)]
pub struct HangUp<A>(pub A);

impl<A: Acceptor> Acceptor for HangUp<A> {
    type Io = Line<A::Io>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.0.local_addr()
    }

    async fn accept(&mut self) -> Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let (io, local, remote, scheme) = self.0.accept().await?;
        Ok((Line(io), local, remote, scheme))
    }
}

/// Such a connection.
#[derive(Debug)]
pub struct Line<I>(I);

impl<I: AsyncRead + Unpin> AsyncRead for Line<I> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        ready!(Pin::new(&mut self.0).poll_read(context, buffer))?;
        if room > 0 && buffer.filled().len() == before {
            return Poll::Ready(Err(Error::new(ErrorKind::ConnectionReset, "the client has hung up")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Line<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn the_end_of_what_a_client_sends_is_an_error() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut line = Line(server);
        client.write_all(b"GET /").await.unwrap();
        let mut read = [0; 16];
        assert_eq!(line.read(&mut read).await.unwrap(), 5);
        assert_eq!(line.read(&mut []).await.unwrap(), 0);
        drop(client);
        assert_eq!(line.read(&mut read).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

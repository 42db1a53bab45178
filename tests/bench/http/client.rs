//! A keep-alive HTTP/1.1 client that does as little as possible, so that the generator leaves the cores to the server.
//!
//! Not a general client: it speaks to one address, sends bytes that are already a request, and understands only what servers
//! send to it: `Content-Length`, chunked, or no body.

use std::io;
use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use tokio::net::TcpStream;

/// More than any answer of a workload; a server that sends more is broken.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    scratch: Box<[u8]>,
    answer: Vec<u8>,
}

/// What an answer's head says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// The status code.
    pub(crate) status: u16,
    /// Whether the server will close the connection.
    pub(crate) close: bool,
    body_at: usize,
    body: Body,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    Sized(usize),
    Chunked,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, scratch: vec![0; 64 << 10].into_boxed_slice(), answer: Vec::with_capacity(64 << 10) })
    }

    /// Sends a request and reads the whole answer, which [`body`](Self::body) then gives.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Head> {
        self.send(request).await?;
        self.answer.clear();
        let head = loop {
            self.receive().await?;
            if let Some(head) = Head::parse(&self.answer)? {
                break head;
            }
        };
        while !self.complete(head)? {
            self.receive().await?;
        }
        Ok(head)
    }

    /// The body of the last answer.
    pub(crate) fn body(&self, head: Head) -> anyhow::Result<Vec<u8>> {
        let raw = self.answer.get(head.body_at..).unwrap_or_default();
        match head.body {
            Body::Sized(_) => Ok(raw.to_vec()),
            Body::Chunked => {
                let mut out = Vec::new();
                walk_chunks(raw, |chunk| out.extend_from_slice(chunk))?;
                Ok(out)
            }
        }
    }

    fn complete(&self, head: Head) -> anyhow::Result<bool> {
        let raw = self.answer.get(head.body_at..).unwrap_or_default();
        match head.body {
            Body::Sized(length) => Ok(raw.len() >= length),
            Body::Chunked => walk_chunks(raw, |_| ()),
        }
    }

    async fn send(&mut self, mut request: &[u8]) -> io::Result<()> {
        while !request.is_empty() {
            match self.stream.try_write(request) {
                Ok(sent) => request = request.get(sent..).unwrap_or_default(),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    async fn receive(&mut self) -> anyhow::Result<()> {
        ensure!(self.answer.len() < ANSWER_BYTES_MAX, "the answer is larger than {ANSWER_BYTES_MAX} bytes");
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(&mut self.scratch) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(read) => {
                    self.answer.extend_from_slice(self.scratch.get(..read).unwrap_or_default());
                    return Ok(());
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl Head {
    /// The head, once its empty line has arrived.
    fn parse(answer: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = find(answer, b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = std::str::from_utf8(answer.get(..end).unwrap_or_default())?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)).context("a status line")?.parse()?;
        let mut head = Self { status, close: false, body_at: end + 4, body: Body::Sized(0) };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.body = Body::Sized(value.parse()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.body = Body::Chunked;
            } else if name.eq_ignore_ascii_case("connection") {
                head.close = value.eq_ignore_ascii_case("close");
            }
        }
        Ok(Some(head))
    }
}

/// Visits the chunks that have arrived; true once the last one is among them.
fn walk_chunks(mut raw: &[u8], mut visit: impl FnMut(&[u8])) -> anyhow::Result<bool> {
    while let Some(line) = find(raw, b"\r\n") {
        let size = std::str::from_utf8(raw.get(..line).unwrap_or_default())?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
        let from = line + 2;
        let Some(rest) = raw.get(from + size + 2..) else { return Ok(false) };
        if size == 0 {
            return Ok(true);
        }
        visit(raw.get(from..from + size).unwrap_or_default());
        raw = rest;
    }
    Ok(false)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

//! What a socket is made of underneath: a TCP stream, or a pair of pipes in memory for tests, so that a consumer
//! can be run without a port. Only non-blocking reads and writes; who may write when is the outbox's business.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The raw stream below one WebSocket, shared by its reader and its writers.
#[derive(Debug)]
pub enum Transport {
    /// A real connection.
    Tcp(TcpStream),
    /// One end of a [`pipe`].
    Memory(MemoryStream),
}

impl Transport {
    /// Writes what fits now.
    ///
    /// # Errors
    /// `WouldBlock` when nothing fits; anything else ends the connection.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Memory(stream) => stream.outgoing.write(bytes),
        }
    }

    /// Writes what fits of several buffers.
    ///
    /// # Errors
    /// As [`Transport::try_write`].
    pub fn try_write_vectored(&self, buffers: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(buffers),
            Self::Memory(stream) => stream
                .outgoing
                .write(buffers.first().map_or(&[], |first| first)),
        }
    }

    /// Ready when a write may get on; one task at a time waits here.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Memory(stream) => stream.outgoing.poll_write_ready(cx),
        }
    }

    /// Ends the writing side; the peer sees the end of the stream after what was written.
    pub fn end_writing(&self) {
        match self {
            // A stream that failed has ended anyway.
            Self::Tcp(stream) => {
                let _ = socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write);
            }
            Self::Memory(stream) => stream.outgoing.close(),
        }
    }

    /// Reads what has come.
    pub fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => loop {
                std::task::ready!(stream.poll_read_ready(cx))?;
                match stream.try_read(buffer.initialize_unfilled()) {
                    Ok(count) => {
                        buffer.advance(count);
                        return Poll::Ready(Ok(()));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            },
            Self::Memory(stream) => stream.incoming.poll_read(cx, buffer),
        }
    }
}

/// One end of a connection in memory.
#[derive(Debug)]
pub struct MemoryStream {
    incoming: Arc<Pipe>,
    outgoing: Arc<Pipe>,
}

/// Two connected ends; each direction holds `capacity` bytes before a write would block.
#[must_use]
pub fn pipe(capacity: usize) -> (MemoryStream, MemoryStream) {
    let (there, back) = (Arc::new(Pipe::new(capacity)), Arc::new(Pipe::new(capacity)));
    let server = MemoryStream {
        incoming: Arc::clone(&there),
        outgoing: Arc::clone(&back),
    };
    (
        server,
        MemoryStream {
            incoming: back,
            outgoing: there,
        },
    )
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        self.incoming.close();
        self.outgoing.close();
    }
}

/// One direction.
#[derive(Debug)]
struct Pipe {
    capacity: usize,
    state: Mutex<PipeState>,
}

#[derive(Debug, Default)]
struct PipeState {
    bytes: VecDeque<u8>,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, PipeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.lock();
        if state.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = self
            .capacity
            .saturating_sub(state.bytes.len())
            .min(bytes.len());
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.bytes.extend(bytes.get(..room).unwrap_or_default());
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
        Ok(room)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if state.closed || state.bytes.len() < self.capacity {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if state.bytes.is_empty() && !state.closed {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buffer.remaining().min(state.bytes.len());
        let (front, back) = state.bytes.as_slices();
        let of_front = count.min(front.len());
        buffer.put_slice(front.get(..of_front).unwrap_or_default());
        buffer.put_slice(back.get(..count - of_front).unwrap_or_default());
        state.bytes.drain(..count);
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for waker in [state.reader.take(), state.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }
}

/// The client's end, for a codec on top of it.
impl AsyncRead for MemoryStream {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.incoming.poll_read(cx, buffer)
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.outgoing.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::task::ready!(self.outgoing.poll_write_ready(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.close();
        Poll::Ready(Ok(()))
    }
}

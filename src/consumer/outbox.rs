//! Everything a socket is sent goes through its outbox: encoded frames, in order, bounded. Feeds, the writer's
//! answers and the consumer deliver; the consumer's task writes out what did not go at once.
//!
//! Waking a task costs more than a write, so a delivery to an empty outbox writes straight to the stream, without
//! blocking and under the outbox's lock; only what does not fit is queued. A reader that lets
//! `limits::OUTBOX_BYTES` pile up is closed with 4008 and comes back with its cursors: nobody else slows down. One that
//! takes what it is given is never closed for the size of one frame: where next to nothing waits, any single one is taken.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use super::transport::Transport;
use crate::limits;
use crate::protocol::CloseCode;
use crate::protocol::frame::Frame;

/// Buffers handed to one vectored write.
const SLICES: usize = 16;

/// The writing side of one socket.
#[derive(Debug)]
pub struct Outbox {
    transport: Transport,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Bytes>,
    bytes: usize,
    /// Why the socket is being closed; its close frame is queued and nothing may follow.
    closing: Option<CloseCode>,
    /// The stream failed.
    broken: bool,
    /// Since when the peer has taken nothing though something waits.
    stalled_since: Option<Instant>,
    /// The consumer's task, to be woken when something is queued.
    writer: Option<Waker>,
    /// Tasks that wait for room (catching up).
    waiting: Vec<Waker>,
}

/// Why [`Outbox::poll_write_out`] returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WrittenOut {
    /// The peer stopped taking: look at [`Outbox::stalled_since`].
    Stalled,
    /// Everything up to the close frame was written.
    Closed(CloseCode),
    /// The stream failed.
    Broken,
}

impl Outbox {
    /// An empty outbox over a stream.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            state: Mutex::default(),
        }
    }

    /// The stream below, for its reading side.
    pub const fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Takes whole frames for this socket. False when it is closing, broken, or has just overflowed.
    pub fn deliver(&self, run: &Frame) -> bool {
        self.push(run.bytes())
    }

    /// The same for as long as `over` is not set: what is taken after it was, is taken by nobody. So nothing comes behind
    /// what is delivered after setting it.
    pub fn deliver_until(&self, over: &AtomicBool, run: &Frame) -> bool {
        let mut state = self.lock();
        !over.load(Ordering::Acquire) && self.push_to(&mut state, run.bytes())
    }

    /// Takes whole frames, without the wrapper: the codec's own pongs and close frames come this way.
    pub fn push(&self, bytes: &Bytes) -> bool {
        self.push_to(&mut self.lock(), bytes)
    }

    fn push_to(&self, state: &mut State, bytes: &Bytes) -> bool {
        if state.broken || state.closing.is_some() {
            return false;
        }
        let mut rest = bytes.clone();
        if state.queue.is_empty() {
            match self.transport.try_write(&rest) {
                Ok(written) if written == rest.len() => return true,
                Ok(written) => rest.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    state.fail();
                    return false;
                }
            }
        } else if (state.bytes + rest.len() > limits::OUTBOX_BYTES
            && state.bytes >= limits::OUTBOX_ROOM_BYTES)
            || state.queue.len() >= limits::OUTBOX_FRAMES
        {
            state.close(CloseCode::Slow);
            return false;
        }
        state.queue(rest);
        true
    }

    /// Closes with a code once what is being written is out; what else waits is dropped.
    pub fn close(&self, code: CloseCode) {
        self.lock().close(code);
    }

    /// The same as the answer to the peer's own close frame: with its code, or none (RFC 6455 §5.5.1).
    pub fn answer_close(&self, code: Option<u16>) {
        self.lock()
            .close_with(CloseCode::Normal, Frame::close_answer(code).bytes());
    }

    /// The code it is closing with.
    #[must_use]
    pub fn closing(&self) -> Option<CloseCode> {
        self.lock().closing
    }

    /// Bytes that wait in it.
    #[must_use]
    pub fn held(&self) -> usize {
        self.lock().bytes
    }

    /// Since when the peer has taken nothing.
    #[must_use]
    pub fn stalled_since(&self) -> Option<Instant> {
        self.lock().stalled_since
    }

    /// Writes what waits; pending while there is nothing to do. Polled by the consumer's task only.
    pub fn poll_write_out(&self, cx: &mut Context<'_>) -> Poll<WrittenOut> {
        let mut state = self.lock();
        loop {
            if state.broken {
                return Poll::Ready(WrittenOut::Broken);
            }
            if state.queue.is_empty() {
                if let Some(code) = state.closing {
                    return Poll::Ready(WrittenOut::Closed(code));
                }
                state.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            match self.write_some(&mut state) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let newly = state.stalled_since.is_none();
                    state.stalled_since.get_or_insert_with(Instant::now);
                    state.writer = Some(cx.waker().clone());
                    match self.transport.poll_write_ready(cx) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(_)) => state.fail(),
                        Poll::Pending if newly => return Poll::Ready(WrittenOut::Stalled),
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Err(_) => state.fail(),
            }
        }
    }

    /// Ready when next to nothing waits: whoever reads pages for a socket goes at its pace.
    ///
    /// Ready with false when the socket is closing or broken.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.lock();
        if state.broken || state.closing.is_some() {
            return Poll::Ready(false);
        }
        if state.bytes < limits::OUTBOX_ROOM_BYTES {
            return Poll::Ready(true);
        }
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    fn write_some(&self, state: &mut State) -> io::Result<()> {
        let written = if state.queue.len() == 1 {
            self.transport
                .try_write(state.queue.front().map_or(&[], |front| front))?
        } else {
            let mut slices = [io::IoSlice::new(&[]); SLICES];
            for (slice, bytes) in slices.iter_mut().zip(&state.queue) {
                *slice = io::IoSlice::new(bytes);
            }
            self.transport.try_write_vectored(
                slices
                    .get(..state.queue.len().min(SLICES))
                    .unwrap_or_default(),
            )?
        };
        state.wrote(written);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn queue(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.queue.push_back(bytes);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    fn wrote(&mut self, mut count: usize) {
        self.bytes -= count.min(self.bytes);
        if count > 0 {
            self.stalled_since = None;
        }
        while let Some(front) = self.queue.front_mut() {
            if count < front.len() {
                front.advance(count);
                break;
            }
            count -= front.len();
            self.queue.pop_front();
        }
        if self.bytes < limits::OUTBOX_ROOM_BYTES {
            self.waiting.drain(..).for_each(Waker::wake);
        }
    }

    fn close(&mut self, code: CloseCode) {
        self.close_with(code, Frame::close(code).bytes());
    }

    fn close_with(&mut self, code: CloseCode, frame: &Bytes) {
        if self.closing.is_some() || self.broken {
            return;
        }
        self.closing = Some(code);
        // The front may be half written: a frame is never cut.
        self.queue.truncate(1);
        self.bytes = self.queue.front().map_or(0, Bytes::len);
        self.queue(frame.clone());
        self.waiting.drain(..).for_each(Waker::wake);
    }

    fn fail(&mut self) {
        self.broken = true;
        self.queue.clear();
        self.bytes = 0;
        self.wake();
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

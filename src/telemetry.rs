//! The log: tracing's events as lines on standard error. Written by a thread of its own behind a bounded queue, so
//! that a terminal or a pipe that takes nothing never stops the server; what does not fit is dropped and counted.

use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{Config, LogFormat};
use crate::limits;
use crate::metrics;

/// Keeps the log's thread; dropping it waits, within bounds, for what is still queued.
#[derive(Debug)]
pub struct LogGuard {
    queue: SyncSender<Line>,
}

#[derive(Debug)]
enum Line {
    Text(Vec<u8>),
    /// Answered once everything before it is written.
    Flush(SyncSender<()>),
}

/// Starts the log of this process, in the form and with the filter of `config`.
///
/// # Errors
/// A sentence for the operator: the filter is not one, or there is a log already.
pub fn start(config: &Config) -> Result<LogGuard, String> {
    let filter = EnvFilter::builder()
        .parse(&config.log)
        .map_err(|error| format!("SALON_LOG: {error}"))?;
    let (queue, lines) = mpsc::sync_channel(limits::LOG_LINES);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_lines(&lines, io::stderr()))
        .map_err(|error| format!("the log cannot be started: {error}"))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(Queue(queue.clone()));
    let started = match config.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| format!("the log cannot be started: {error}"))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(LogGuard { queue })
}

/// Where it was, and nothing of what was said: a panic's own words may hold a message's text. By the queue, since the
/// usual way, straight to standard error, would stop this thread for as long as nobody reads there.
fn log_panic(panic: &PanicHookInfo<'_>) {
    metrics::panicked();
    let place = panic.location().map(ToString::to_string);
    tracing::error!(place = place.as_deref().unwrap_or("unknown"), "panicked");
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let (done, wait) = mpsc::sync_channel(1);
        if self.queue.try_send(Line::Flush(done)).is_ok() {
            // When it does not come in time the lines are lost, as they would be without the wait.
            let _ = wait.recv_timeout(limits::LOG_FLUSH);
        }
    }
}

/// Takes lines from any thread; hands them over without waiting.
#[derive(Clone, Debug)]
struct Queue(SyncSender<Line>);

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Queue {
    /// tracing-subscriber writes each event with one call, so one call is one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.0.try_send(Line::Text(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                metrics::log_line_dropped()
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_lines(lines: &Receiver<Line>, mut out: impl Write) {
    while let Ok(line) = lines.recv() {
        match line {
            // A closed standard error is no reason to end.
            Line::Text(text) => {
                let _ = out.write_all(&text);
            }
            Line::Flush(done) => {
                let _ = out.flush();
                let _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// An output that takes nothing until it is opened.
    #[derive(Clone)]
    struct Valve {
        gate: Arc<Mutex<()>>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Valve {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _open = self.gate.lock().unwrap();
            self.taken.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_output_that_is_blocked_stops_nobody() {
        let valve = Valve {
            gate: Arc::default(),
            taken: Arc::default(),
        };
        let (sender, lines) = mpsc::sync_channel(4);
        let closed = valve.gate.lock().unwrap();
        let out = valve.clone();
        let writer = std::thread::spawn(move || write_lines(&lines, out));
        let mut queue = Queue(sender.clone());
        for number in 0..100 {
            writeln!(queue, "{number}").unwrap();
        }
        drop(closed);
        drop(LogGuard { queue: sender });
        drop(queue);
        writer.join().unwrap();
        let taken = valve.taken.lock().unwrap();
        assert!(taken.starts_with(b"0\n"), "what fitted was written");
        assert!(taken.len() < 40, "what did not was dropped");
    }
}

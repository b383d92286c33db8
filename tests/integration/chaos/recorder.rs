//! Writes the history of a run: records from any task, one clock, one file. A thread of its own forms and writes the
//! lines, so that a record costs its task a place in a bounded queue; records of one task keep their order. The thread
//! also keeps the [`Tally`], the figures of the run.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use salon_checker::hash;
use salon_checker::record::{Record, What};
use serde_json::Value;

use super::tally::Tally;

/// Records waiting to be written; whoever has one more waits for the file.
const QUEUE: usize = 65_536;

/// The pen of one history.
pub(crate) struct Recorder {
    began: Instant,
    queue: Mutex<Option<mpsc::SyncSender<Record>>>,
    acked: Arc<AtomicU64>,
    writer: Mutex<Option<JoinHandle<Tally>>>,
}

thread_local! {
    /// This thread's way into the queue, so that tasks do not wait for each other; of one recorder at a time.
    static QUEUE_OF_THREAD: std::cell::RefCell<Option<(Instant, mpsc::SyncSender<Record>)>> = const { std::cell::RefCell::new(None) };
}

impl Recorder {
    /// A new file at `path`.
    pub(crate) fn create(path: &Path) -> Arc<Self> {
        let file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
        let (queue, records) = mpsc::sync_channel(QUEUE);
        let acked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&acked);
        let writer = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || write(file, &records, &count))
            .unwrap();
        Arc::new(Self {
            began: Instant::now(),
            queue: Mutex::new(Some(queue)),
            acked,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Notes that this happened now.
    pub(crate) fn note(&self, what: What) {
        let t = u64::try_from(self.began.elapsed().as_nanos()).unwrap();
        let record = Record { t, what };
        QUEUE_OF_THREAD.with_borrow_mut(|own| {
            if own.as_ref().is_none_or(|(of, _)| *of != self.began) {
                let queue = self.queue.lock().unwrap().clone();
                *own = queue.map(|queue| (self.began, queue));
            }
            // Whoever still runs when the history is closed has nothing to add to it.
            if let Some((_, queue)) = own {
                let _ = queue.send(record);
            }
        });
    }

    /// Since the run began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Sends acknowledged so far.
    pub(crate) fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// Writes everything noted so far and closes the file.
    pub(crate) fn finish(&self) -> Tally {
        // The end of the history is a record of its own: other threads may hold ways into the queue for longer.
        let queue = self.queue.lock().unwrap().take();
        let end = Record {
            t: u64::MAX,
            what: What::Info {
                op: String::new(),
                cause: String::new(),
            },
        };
        queue.expect("finished once").send(end).unwrap();
        let writer = self.writer.lock().unwrap().take();
        writer.expect("finished once").join().unwrap()
    }
}

fn write(mut file: BufWriter<File>, records: &mpsc::Receiver<Record>, acked: &AtomicU64) -> Tally {
    let mut tally = Tally::default();
    let mut line = Vec::with_capacity(64 * 1024);
    while let Ok(mut record) = records.recv() {
        if record.t == u64::MAX {
            break;
        }
        tally.take(&record);
        acked.store(tally.acked, Ordering::Relaxed);
        if let What::Received { frame, .. } = &mut record.what {
            shorten(frame);
        }
        line.clear();
        serde_json::to_writer(&mut line, &record).unwrap();
        line.push(b'\n');
        file.write_all(&line).unwrap();
    }
    file.flush().unwrap();
    tally
}

/// Of what users wrote only the hash is kept.
fn shorten(frame: &mut Value) {
    if let Some(message) = frame.get_mut("message") {
        shorten_message(message);
    }
    if let Some(messages) = frame.get_mut("messages").and_then(Value::as_array_mut) {
        messages.iter_mut().for_each(shorten_message);
    }
}

fn shorten_message(message: &mut Value) {
    if message["kind"] != "user" {
        return;
    }
    let Some(fields) = message.as_object_mut() else {
        return;
    };
    fields.remove("html");
    if let Some(body) = fields.remove("body") {
        let hash = hash(body.as_str().unwrap_or_default());
        fields.insert("hash".to_owned(), Value::String(hash));
    }
}

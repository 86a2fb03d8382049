//! Blocking work on files: it runs on a thread of its own, while the caller's answers Ctrl-C and tells of progress.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, scope};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use trimtab::etcd_file::ReadAt;

use crate::etcd_data::PyEvent;
use crate::wait::SIGNALS_EVERY;

/// How often the caller is told how much was read.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Runs `work` to its end with the lock of the interpreter released.
///
/// A signal whose Python handler raises (Ctrl-C does), and an exception in the callback, end it at its next read; then the exception goes on
/// to the caller. Python handles signals in its main thread only.
pub(crate) fn run<T, W>(py: Python<'_>, callback: Option<Py<PyAny>>, work: W) -> PyResult<T>
where
    T: Send,
    W: FnOnce(&Watch) -> T + Send,
{
    py.detach(|| {
        scope(|scope| {
            let (messages, heard) = channel();
            let state = Arc::new(State::default());
            let watch = Watch { state: Arc::clone(&state), messages };
            let worker = Builder::new().spawn_scoped(scope, move || work(&watch))?;
            let raised = attend(&heard, callback.as_ref(), &state);
            let done = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            raised.map_or(Ok(done), Err)
        })
    })
}

/// Until the work has ended; gives what was raised meanwhile.
fn attend(heard: &Receiver<Message>, callback: Option<&Py<PyAny>>, state: &State) -> Option<PyErr> {
    let mut raised = None;
    let mut told = Instant::now();
    loop {
        // Dropped when the message is answered.
        let (message, _waiting) = match heard.recv_timeout(SIGNALS_EVERY) {
            Ok(Message { text, waiting }) => (Some(text), Some(waiting)),
            Err(RecvTimeoutError::Timeout) if told.elapsed() >= TOLD_EVERY => (Some(state.line()), None),
            Err(RecvTimeoutError::Timeout) => (None, None),
            Err(RecvTimeoutError::Disconnected) => return raised,
        };
        if message.is_some() {
            told = Instant::now();
        }
        if raised.is_none() {
            raised = Python::attach(|py| answer(py, callback, message)).err();
            state.stopped.store(raised.is_some(), Ordering::Relaxed);
        }
    }
}

fn answer(py: Python<'_>, callback: Option<&Py<PyAny>>, message: Option<String>) -> PyResult<()> {
    py.check_signals()?;
    match (callback, message) {
        (Some(callback), Some(message)) => callback.bind(py).call1((PyEvent::said(message),)).map(drop),
        (Some(_), None) | (None, Some(_) | None) => Ok(()),
    }
}

#[derive(Default)]
struct State {
    stopped: AtomicBool,
    read_bytes: AtomicU64,
}

impl State {
    fn line(&self) -> String {
        format!("read {} MiB", self.read_bytes.load(Ordering::Relaxed) >> 20)
    }
}

/// What the work has to say; it goes on when `waiting` is dropped.
struct Message {
    text: String,
    waiting: Sender<()>,
}

/// The link between the work and its caller.
pub(crate) struct Watch {
    state: Arc<State>,
    messages: Sender<Message>,
}

impl Watch {
    /// Tells the caller, and waits for the callback: what it raises ends the work before its next read.
    pub(crate) fn tell(&self, text: String) {
        let (waiting, answered) = channel();
        if self.messages.send(Message { text, waiting }).is_ok() {
            // Nothing is ever sent: this is the end of the wait.
            let _ = answered.recv();
        }
    }

    /// A source whose reads end with the work.
    pub(crate) fn over<S>(&self, source: S) -> Watched<'_, S> {
        Watched { source, state: &self.state }
    }
}

/// A source whose reads are counted, and fail once the work is to end.
pub(crate) struct Watched<'a, S> {
    source: S,
    state: &'a State,
}

impl<S: ReadAt> ReadAt for Watched<'_, S> {
    fn length(&self) -> io::Result<u64> {
        self.source.length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if self.state.stopped.load(Ordering::Relaxed) {
            return Err(io::Error::other("the caller has ended the work"));
        }
        self.source.read_exact_at(buffer, offset)?;
        self.state.read_bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

//! Blocking calls: the lock of the interpreter is released, Ctrl-C is answered, and the caller is told of progress.

use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use pyo3::prelude::*;
use tokio::runtime::Builder;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::spawn_blocking;
use tokio::time::interval;

/// How long Ctrl-C may go unanswered.
pub(crate) const SIGNALS_EVERY: Duration = Duration::from_millis(100);

/// How long work on the disk may take to come to an end once its call has ended: it flushes what it wrote and removes it.
const FINISHES_WITHIN: Duration = Duration::from_secs(10);

/// What becomes of work on other threads when the call ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Afterwards {
    /// It is left alone: a name that is still being looked up must not hold up Ctrl-C.
    LetGo,
    /// It is waited for: a process that ends before it leaves files without a name.
    Finish,
}

/// Runs `work` to its end, on a runtime of its own that lives as long as the call.
///
/// A signal whose Python handler raises (Ctrl-C does), and an exception in the callback, end the call: the future is dropped
/// before it is polled again, which is safe at any point, and the exception goes on to the caller. Python handles signals in
/// its main thread only.
pub(crate) fn run<T, F, W>(py: Python<'_>, callback: Option<Py<PyAny>>, afterwards: Afterwards, work: W) -> PyResult<T>
where
    T: Send,
    F: Future<Output = T>,
    W: FnOnce(Progress) -> F + Send,
{
    py.detach(move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let raised = Raised::default();
        let progress = Progress { callback, raised: raised.clone() };
        let ended = runtime.block_on(async { until_raised(pin!(work(progress)), &raised).await });
        match afterwards {
            Afterwards::LetGo => runtime.shutdown_background(),
            Afterwards::Finish => runtime.shutdown_timeout(FINISHES_WITHIN),
        }
        ended
    })
}

/// Does work that blocks on a thread of its own, inside of [`run`], and hands on what it says; it waits until that was heard. Where the call ends before it,
/// the work goes on to its end.
pub(crate) async fn on_a_thread<T, W>(work: W, progress: &mut (dyn FnMut(String) + Send)) -> T
where
    T: Send + 'static,
    W: FnOnce(&mut (dyn FnMut(String) + Send)) -> T + Send + 'static,
{
    let (messages, mut said) = unbounded_channel();
    let done = spawn_blocking(move || {
        work(&mut |message| {
            let (waiting, heard) = channel::<()>();
            if messages.send((message, waiting)).is_ok() {
                // Nothing is ever sent: this is the end of the wait.
                let _ = heard.recv();
            }
        })
    });
    while let Some((message, _waiting)) = said.recv().await {
        progress(message);
    }
    match done.await {
        Ok(done) => done,
        Err(error) => resume_unwind(error.try_into_panic().unwrap_or_else(|error| Box::new(error.to_string()))),
    }
}

async fn until_raised<T>(mut work: Pin<&mut impl Future<Output = T>>, raised: &Raised) -> PyResult<T> {
    let mut ticks = interval(SIGNALS_EVERY);
    poll_fn(|context| {
        let polled = work.as_mut().poll(context);
        if let Some(error) = raised.take() {
            return Poll::Ready(Err(error));
        }
        if let Poll::Ready(done) = polled {
            return Poll::Ready(Ok(done));
        }
        while ticks.poll_tick(context).is_ready() {
            #[expect(clippy::redundant_closure_for_method_calls, reason = "the method alone is not general enough over lifetimes")]
            let signals = Python::attach(|py| py.check_signals());
            if let Err(error) = signals {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Pending
    })
    .await
}

/// The caller's callback, from inside of a future.
pub(crate) struct Progress {
    callback: Option<Py<PyAny>>,
    raised: Raised,
}

impl Progress {
    /// Tells the caller. What the callback raises ends the call.
    pub(crate) fn tell<E>(&self, event: E)
    where
        E: for<'py> IntoPyObject<'py>,
    {
        let Some(callback) = &self.callback else { return };
        let called = Python::attach(|py| callback.bind(py).call1((event,)).map(drop));
        if let Err(error) = called {
            self.raised.set(error);
        }
    }
}

/// The first exception of a callback.
#[derive(Clone, Default)]
struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    fn set(&self, error: PyErr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

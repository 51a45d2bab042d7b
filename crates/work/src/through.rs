//! Work that is done where its caller waits for it, and to its end even if the caller goes away.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::CatchUnwind;
use tokio::runtime::Handle;

use crate::{LiveGuard, spawn};

/// The work panicked; what it said is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the work panicked")]
pub struct Panicked;

/// See [`crate::Work::see_through`].
pub struct Through<F: Future + Send + 'static>
where
    F::Output: Send,
{
    /// What is left to do.
    rest: Option<Rest<F>>,
}

struct Rest<F> {
    work: Pin<Box<CatchUnwind<AssertUnwindSafe<F>>>>,
    live: LiveGuard,
}

impl<F: Future + Send + 'static> Through<F>
where
    F::Output: Send,
{
    pub(crate) fn new(work: F, live: LiveGuard) -> Self {
        let work = Box::pin(AssertUnwindSafe(work).catch_unwind());
        Self { rest: Some(Rest { work, live }) }
    }
}

impl<F: Future + Send + 'static> std::fmt::Debug for Through<F>
where
    F::Output: Send,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Through").field("is_done", &self.rest.is_none()).finish()
    }
}

impl<F: Future + Send + 'static> Future for Through<F>
where
    F::Output: Send,
{
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(rest) = &mut self.rest else { return Poll::Pending };
        let done = std::task::ready!(rest.work.as_mut().poll(cx));
        self.rest = None;
        Poll::Ready(done.map_err(|_| Panicked))
    }
}

impl<F: Future + Send + 'static> Drop for Through<F>
where
    F::Output: Send,
{
    fn drop(&mut self) {
        // Where no runtime is left there is nobody to go on, as after a kill.
        let Some(Rest { work, live }) = self.rest.take().filter(|_| Handle::try_current().is_ok()) else {
            return;
        };
        spawn(async move {
            drop(work.await);
            drop(live);
        });
    }
}

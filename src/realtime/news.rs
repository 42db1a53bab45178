//! What is told to one client: which queues have changed.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::json;

use crate::{
    access::{Action, Principal},
    http::{LiveCaller, beat, event},
    queue::{Changes, Jobs, QueueError, allow},
};

/// For how long changes are gathered before they are told.
const PACE: Duration = Duration::from_millis(500);

/// News for one client.
pub(super) struct News {
    jobs: Jobs,
    caller: LiveCaller,
    changes: Changes,
    beat: Duration,
}

impl News {
    /// News from now on.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`] when the caller may list no queue.
    pub(super) fn new(jobs: &Jobs, caller: LiveCaller, beat: Duration) -> Result<Self, QueueError> {
        let forbidden = || QueueError::Forbidden("queues:list".into());
        let principal = caller.now().ok_or_else(forbidden)?;
        let some = jobs.queues()?.iter().any(|counted| allow(&principal, &counted.queue.name, Action::List).is_ok());
        if !some && !principal.may("queues", Action::List) {
            return Err(forbidden());
        }
        Ok(Self { jobs: jobs.clone(), caller, changes: jobs.changes(), beat })
    }

    /// What is told, until the client goes away, its credentials end, or the server stops.
    pub(super) fn events(self) -> impl Stream<Item = Bytes> + Send + 'static {
        let ready = stream::once(async { event("ready", None, "{}") });
        ready.chain(stream::unfold(self, |mut news| async move { Some((news.next().await?, news)) }))
    }

    async fn next(&mut self) -> Option<Bytes> {
        let Self { jobs, changes, beat: pause, .. } = self;
        let is_news = tokio::select! {
            () = jobs.closed() => return None,
            () = changes.changed() => true,
            () = tokio::time::sleep(*pause) => false,
        };
        if is_news {
            tokio::select! {
                () = jobs.closed() => return None,
                () = tokio::time::sleep(PACE) => {}
            }
        }
        let caller = self.caller.now()?;
        if !is_news {
            return Some(beat());
        }
        self.told(&caller)
    }

    fn told(&mut self, caller: &Principal) -> Option<Bytes> {
        let (mut queues, is_removed) = self.changes.take().ok()?;
        queues.retain(|queue| allow(caller, queue, Action::List).is_ok());
        let all = caller.may("queues", Action::List);
        if queues.is_empty() && !(is_removed && all) {
            return Some(beat());
        }
        Some(event("queues", None, &json!({"queues": queues}).to_string()))
    }
}

impl std::fmt::Debug for News {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("News")
    }
}

//! What is told to one client: which queues have changed, and how many entries of the inbox are not read.

use std::{collections::VecDeque, future::pending, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::json;
use tokio::sync::watch;

use crate::{
    access::{Action, Principal},
    http::{LiveCaller, beat, event},
    inbox::{InboxError, InboxService},
    queue::{Changes, Jobs, QueueError, allow},
};

/// For how long changes are gathered before they are told.
const PACE: Duration = Duration::from_millis(500);

/// The inbox of a client.
struct Inbox {
    service: InboxService,
    changes: watch::Receiver<u64>,
    /// The version that was told last.
    told: Option<u64>,
}

/// News for one client.
pub(super) struct News {
    jobs: Jobs,
    caller: LiveCaller,
    queues: Option<Changes>,
    inbox: Option<Inbox>,
    /// What is to be said next.
    said: VecDeque<Bytes>,
    beat: Duration,
}

impl News {
    /// News of nothing so far.
    pub(super) fn new(jobs: &Jobs, caller: LiveCaller, beat: Duration) -> Self {
        let said = VecDeque::from([event("ready", None, "{}")]);
        Self { jobs: jobs.clone(), caller, queues: None, inbox: None, said, beat }
    }

    /// And of queues.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`] when the caller may list no queue.
    pub(super) fn with_queues(self) -> Result<Self, QueueError> {
        let forbidden = || QueueError::Forbidden("queues:list".into());
        let caller = self.caller.now().ok_or_else(forbidden)?;
        let some = self.jobs.queues()?.iter().any(|counted| allow(&caller, &counted.queue.name, Action::List).is_ok());
        if !some && !caller.may("queues", Action::List) {
            return Err(forbidden());
        }
        let queues = Some(self.jobs.changes());
        Ok(Self { queues, ..self })
    }

    /// And of the caller's inbox.
    ///
    /// # Errors
    /// [`InboxError::NotInPerson`].
    pub(super) fn with_inbox(self, service: &InboxService) -> Result<Self, InboxError> {
        let caller = self.caller.now().ok_or(InboxError::NotInPerson)?;
        let changes = service.changes(&caller)?;
        let mut news = Self { inbox: Some(Inbox { service: service.clone(), changes, told: None }), ..self };
        let first = news.inbox_told(&caller);
        news.said.extend(first);
        Ok(news)
    }

    /// What is told, until the client goes away, its credentials end, or the server stops.
    pub(super) fn events(self) -> impl Stream<Item = Bytes> + Send + 'static {
        stream::unfold(self, |mut news| async move { Some((news.next().await?, news)) }).boxed()
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(said) = self.said.pop_front() {
            return Some(said);
        }
        let Self { jobs, queues, inbox, beat: pause, .. } = self;
        let is_news = tokio::select! {
            () = jobs.closed() => return None,
            () = queues_changed(queues.as_mut()) => true,
            () = inbox_changed(inbox.as_mut()) => true,
            () = tokio::time::sleep(*pause) => false,
        };
        if is_news {
            tokio::select! {
                () = jobs.closed() => return None,
                () = tokio::time::sleep(PACE) => {}
            }
        }
        let caller = self.caller.now()?;
        if is_news {
            let told = self.queues_told(&caller).into_iter().chain(self.inbox_told(&caller)).collect::<Vec<_>>();
            self.said.extend(told);
        }
        Some(self.said.pop_front().unwrap_or_else(beat))
    }

    fn queues_told(&mut self, caller: &Principal) -> Option<Bytes> {
        let (mut queues, is_removed) = self.queues.as_mut()?.take().ok()?;
        queues.retain(|queue| allow(caller, queue, Action::List).is_ok());
        let is_news = !queues.is_empty() || (is_removed && caller.may("queues", Action::List));
        is_news.then(|| event("queues", None, &json!({"queues": queues}).to_string()))
    }

    fn inbox_told(&mut self, caller: &Principal) -> Option<Bytes> {
        let inbox = self.inbox.as_mut()?;
        inbox.changes.mark_unchanged();
        let (unread, version) = inbox.service.unread(caller).ok()?;
        let is_news = inbox.told.replace(version) != Some(version);
        is_news.then(|| event("inbox", None, &json!({"unread": unread}).to_string()))
    }
}

async fn queues_changed(queues: Option<&mut Changes>) {
    match queues {
        Some(queues) => queues.changed().await,
        None => pending().await,
    }
}

async fn inbox_changed(inbox: Option<&mut Inbox>) {
    match inbox {
        // The sender lives as long as the inboxes that this holds.
        Some(inbox) => drop(inbox.changes.changed().await),
        None => pending().await,
    }
}

impl std::fmt::Debug for News {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("News")
    }
}

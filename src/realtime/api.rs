//! The endpoint of news.

use poem::{Request, http::Method};
use poem_openapi::{Enum, OpenApi, Tags, param::Query};

use super::news::News;
use crate::{
    http::{ApiError, EventStream, LiveCaller, LiveStreams},
    inbox::InboxService,
    queue::Jobs,
};

/// The path under `/api/v1`.
const PATH: &str = "/api/v1/realtime";

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// News of what changes, while it happens.
    Realtime,
}

/// What can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "camelCase", rename = "RealtimeTopic")]
enum Topic {
    /// Queues of jobs, and their jobs.
    Queues,
    /// The caller's own inbox.
    Inbox,
}

/// Whether a request opens a stream of news.
#[must_use]
pub fn is_stream(method: &Method, path: &str) -> bool {
    method == Method::GET && path == PATH
}

/// The endpoint of news.
#[derive(Debug)]
pub struct RealtimeApi {
    /// The queue.
    pub jobs: Jobs,
    /// Inboxes.
    pub inbox: InboxService,
    /// The streams that are open.
    pub live: LiveStreams,
}

#[OpenApi(tag = "Tag::Realtime")]
impl RealtimeApi {
    /// Follow what changes
    ///
    /// Everyone who is signed in may call this, for topics that they may list. The answer stays open. Its first event is `ready`: what changes
    /// from then on is told, so read what you show after it. An event `queues` has the names of queues in which something was changed, a job
    /// of theirs included; it comes at most twice a second. Who may list some queues only hears of those. An event `inbox` has the number of
    /// entries that are not read; it comes once at first. The stream ends when the credentials do, and when the server is about to stop. Lines that begin with a colon say only that the server is there.
    #[oai(path = "/realtime", method = "get", operation_id = "followChanges")]
    async fn follow(
        &self,
        request: &Request,
        /// What to follow; several may be given.
        #[oai(validator(min_items = 1, max_items = 2))]
        topic: Query<Vec<Topic>>,
    ) -> Result<EventStream, ApiError> {
        let caller = LiveCaller::of(request)?;
        let mut news = News::new(&self.jobs, caller.clone(), self.live.beat);
        if topic.contains(&Topic::Queues) {
            news = news.with_queues()?;
        }
        if topic.contains(&Topic::Inbox) {
            news = news.with_inbox(&self.inbox)?;
        }
        Ok(EventStream::new(self.live.enter(&caller)?, news.events()))
    }
}

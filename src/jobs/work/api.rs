//! The endpoints of workers.

use std::time::Duration;

use jiff::SignedDuration;
use poem::{Request, http::Method};
use poem_openapi::{OpenApi, param::Path, payload::Json};

use super::{
    dto::{
        Completion, CompletionInput, FailedResponse, FailureRequest, HeardResponse, Heartbeat, HeartbeatInput,
        LeaseRequest, LeasedListDto, LeasedListReply,
    },
    stream::Worker,
};
use crate::{
    http::{ApiError, BoundedBody, EventStream, JsonReply, LiveCaller, LiveStreams, NoContent, caller_of},
    jobs::{JobService, api::Tag},
    queue::{Ask, Beat, Failure, input::checked},
};

/// Whether a request opens a stream of jobs.
#[must_use]
pub fn is_stream(method: &Method, path: &str) -> bool {
    method == Method::POST && path.starts_with("/api/v1/queues/") && path.ends_with("/stream")
}

/// The endpoints of workers.
#[derive(Debug)]
pub struct WorkApi {
    /// The use cases.
    pub jobs: JobService,
    /// The streams that are open.
    pub live: LiveStreams,
}

fn seconds(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(seconds.into())
}

#[OpenApi(tag = "Tag::Jobs")]
impl WorkApi {
    /// Take jobs to work on
    ///
    /// Who has the permission `queues:work`, or `queues.<name>:work`, may call this. Each job is the worker's until its lease ends, and is
    /// tried again by another one then. When there is no job, the answer waits for one as long as asked.
    #[oai(path = "/queues/:queue/lease", method = "post", operation_id = "leaseJobs")]
    async fn lease(
        &self,
        request: &Request,
        /// The name of the queue.
        #[oai(validator(min_length = 1, max_length = 50))]
        queue: Path<String>,
        body: BoundedBody<LeaseRequest>,
    ) -> Result<JsonReply<LeasedListReply, LeasedListDto>, ApiError> {
        let LeaseRequest { max, lease_seconds, wait_seconds, worker } = body.0;
        let ask = Ask::new(usize::try_from(max).unwrap_or(1), seconds(lease_seconds), worker);
        let wait = Duration::from_secs(wait_seconds.into());
        let leased = self.jobs.lease(&*caller_of(request)?, &queue.0, ask, wait).await?;
        let items = leased.jobs.into_iter().map(Into::into).collect();
        Ok(JsonReply::new(LeasedListReply { items, allowed_at: leased.allowed_at }))
    }

    /// Get jobs one after the other
    ///
    /// Who has the permission `queues:work`, or `queues.<name>:work`, may call this. The answer stays open and brings each job as an event
    /// `job` (its data is a `LeasedJob`) as soon as there is one, while the worker has fewer than `max` in hand; those are ended by
    /// `POST /api/v1/jobs/{id}/complete` or `fail`. When a lease ends because nothing was heard of its job, when the server is about to stop, or when
    /// the caller may work no more, an event `end` says why. Jobs in hand stay the worker's when the connection ends. Lines that begin with
    /// a colon say only that the server is there. `waitSeconds` has no meaning here.
    #[oai(path = "/queues/:queue/stream", method = "post", operation_id = "streamJobs")]
    async fn stream(
        &self,
        request: &Request,
        /// The name of the queue.
        #[oai(validator(min_length = 1, max_length = 50))]
        queue: Path<String>,
        body: BoundedBody<LeaseRequest>,
    ) -> Result<EventStream, ApiError> {
        let LeaseRequest { max, lease_seconds, worker, .. } = body.0;
        let ask = Ask::new(usize::try_from(max).unwrap_or(1), seconds(lease_seconds), worker);
        let caller = LiveCaller::of(request)?;
        let worker = Worker::new(self.jobs.clone(), caller.clone(), queue.0, ask, self.live.beat)?;
        Ok(EventStream::new(self.live.enter(&caller)?, worker.events()))
    }

    /// Tell that a job is done
    ///
    /// The worker that has the job may call this, with `queues:work`. A worker that comes too late gets 409 `lease_lost`: another one has
    /// the job by now.
    #[oai(path = "/jobs/:id/complete", method = "post", operation_id = "completeJob")]
    async fn complete(
        &self,
        request: &Request,
        /// The id of the job.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
        body: BoundedBody<CompletionInput, Completion>,
    ) -> Result<NoContent, ApiError> {
        let CompletionInput { lease_token, result } = body.0;
        let result = checked(result, "result")?;
        self.jobs.complete(&*caller_of(request)?, &id.0, lease_token, result).await?;
        Ok(NoContent::Done)
    }

    /// Tell that a job failed
    ///
    /// The worker that has the job may call this, with `queues:work`. It is tried again after a pause, unless that was its last attempt.
    #[oai(path = "/jobs/:id/fail", method = "post", operation_id = "failJob")]
    async fn fail(
        &self,
        request: &Request,
        /// The id of the job.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
        body: BoundedBody<FailureRequest>,
    ) -> Result<Json<FailedResponse>, ApiError> {
        let FailureRequest { lease_token, error, retry_after_seconds, is_final } = body.0;
        let failure = Failure { error, retry_after: retry_after_seconds.map(seconds), is_final };
        let state = self.jobs.fail(&*caller_of(request)?, &id.0, lease_token, failure).await?;
        Ok(Json(FailedResponse { state: state.into() }))
    }

    /// Tell that a worker is still at a job
    ///
    /// The worker that has the job may call this, with `queues:work`. The answer tells whether it is to stop.
    #[oai(path = "/jobs/:id/heartbeat", method = "post", operation_id = "heartbeatJob")]
    async fn heartbeat(
        &self,
        request: &Request,
        /// The id of the job.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
        body: BoundedBody<HeartbeatInput, Heartbeat>,
    ) -> Result<Json<HeardResponse>, ApiError> {
        let HeartbeatInput { lease_token, lease_seconds, progress, log } = body.0;
        let progress = checked(progress, "progress")?;
        let beat = Beat { time: lease_seconds.map(seconds), progress, lines: log };
        let heard = self.jobs.beat(&*caller_of(request)?, &id.0, lease_token, beat).await?;
        Ok(Json(HeardResponse { leased_until: heard.until.to_string(), cancel_requested: heard.cancelling }))
    }
}

//! The endpoints of workers.

use std::time::Duration;

use jiff::SignedDuration;
use poem::Request;
use poem_openapi::{OpenApi, param::Path, payload::Json};

use super::dto::{
    Completion, CompletionInput, FailedResponse, FailureRequest, HeardResponse, Heartbeat, HeartbeatInput,
    LeaseRequest, LeasedListDto, LeasedListReply,
};
use crate::{
    http::{ApiError, BoundedBody, JsonReply, NoContent, caller_of},
    jobs::{JobService, api::Tag},
    queue::{Ask, Beat, Failure, input::checked},
};

/// The endpoints of workers.
#[derive(Debug)]
pub struct WorkApi {
    /// The use cases.
    pub jobs: JobService,
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

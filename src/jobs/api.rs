//! The endpoints of jobs.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use poem::Request;
use poem_openapi::{
    ApiResponse, OpenApi, Tags,
    param::{Path, Query},
    payload::Json,
};

use super::{
    JobService,
    dto::{
        BatchCreate, BatchResponse, JobCreate, JobListResponse, JobResponse, JobUpdate, LogDto, LogReply, MadeResponse,
        StateName, UpdateInput,
    },
};
use crate::{
    http::{ApiError, BoundedBody, JsonBody, JsonReply, NoContent, caller_of, time_parameter, who_of},
    kernel::{Code, FieldError},
    queue::{
        JobChange, JobInput, JobQuery, QueueError,
        input::{self, JobsInput},
    },
};

/// Groups of operations.
#[derive(Tags)]
pub(super) enum Tag {
    /// Work to be done, by the server itself or by workers in any language: durable, tried until it succeeds.
    Jobs,
}

#[derive(ApiResponse)]
enum Made {
    /// The job was made, or another one has its unique key.
    #[oai(status = 201)]
    Created(Json<MadeResponse>),
}

#[derive(ApiResponse)]
enum MadeMany {
    /// The jobs were made, or others have their unique keys.
    #[oai(status = 201)]
    Created(Json<BatchResponse>),
}

/// The endpoints of jobs.
#[derive(Debug)]
pub struct JobsApi {
    /// The use cases.
    pub jobs: JobService,
}

#[OpenApi(tag = "Tag::Jobs")]
impl JobsApi {
    /// Make a job
    ///
    /// Who has the permission `queues:create`, or `queues.<name>:create`, may call this.
    #[oai(path = "/jobs", method = "post", operation_id = "createJob")]
    async fn create(&self, request: &Request, body: JsonBody<JobInput, JobCreate>) -> Result<Made, ApiError> {
        let caller = caller_of(request)?;
        let job = body.0.job(caller.id.as_str(), self.jobs.now()).map_err(QueueError::Invalid)?;
        let made = self.jobs.enqueue(&caller, vec![job], None).await.map_err(alone)?;
        let made = made.into_iter().next().ok_or(QueueError::NotFound)?;
        Ok(Made::Created(Json(made.into())))
    }

    /// Make many jobs
    ///
    /// Who has the permission `queues:create`, or `queues.<name>:create` for each queue, may call this. All are made, or none; one more may
    /// wait for all of them.
    #[oai(path = "/job-batches", method = "post", operation_id = "createJobs")]
    async fn create_many(
        &self,
        request: &Request,
        body: JsonBody<JobsInput, BatchCreate>,
    ) -> Result<MadeMany, ApiError> {
        let caller = caller_of(request)?;
        let (jobs, then) = body.0.jobs(caller.id.as_str(), self.jobs.now()).map_err(QueueError::Invalid)?;
        let count = jobs.len();
        let mut items: Vec<MadeResponse> =
            self.jobs.enqueue(&caller, jobs, then).await?.into_iter().map(MadeResponse::from).collect();
        let then = items.drain(count..).next();
        Ok(MadeMany::Created(Json(BatchResponse { items, then })))
    }

    /// List jobs
    ///
    /// Who has the permission `queues:list` may call this; who has `queues.<name>:list`, for that queue. Those of a state of a queue come in
    /// its order: what is next, or was last, first. Others come the newest first. A page may be short, or empty, though more jobs are behind
    /// it: follow `nextCursor`.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    #[oai(path = "/jobs", method = "get", operation_id = "listJobs")]
    async fn list(
        &self,
        request: &Request,
        /// Of this queue.
        #[oai(validator(max_length = 50))]
        queue: Query<Option<String>>,
        /// In this state.
        state: Query<Option<StateName>>,
        /// Of this kind.
        #[oai(validator(max_length = 100))]
        kind: Query<Option<String>>,
        /// With this unique key.
        #[oai(name = "uniqueKey", validator(max_length = 200))]
        unique_key: Query<Option<String>>,
        /// With this serial key.
        #[oai(name = "serialKey", validator(max_length = 200))]
        serial_key: Query<Option<String>>,
        /// Whose error holds this text.
        #[oai(validator(max_length = 200))]
        error: Query<Option<String>>,
        /// Made from then on, in RFC 3339.
        #[oai(validator(max_length = 40))]
        since: Query<Option<String>>,
        /// Made before then, in RFC 3339.
        #[oai(validator(max_length = 40))]
        until: Query<Option<String>>,
        /// The most jobs of a page.
        #[oai(default = "limit_default", validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<usize>,
        /// The `nextCursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<JobListResponse>, ApiError> {
        let cursor = cursor.0.map(|text| URL_SAFE_NO_PAD.decode(text).map_err(|_| bad_cursor())).transpose()?;
        let query = JobQuery {
            queue: queue.0,
            state: state.0.map(Into::into),
            kind: kind.0,
            unique_key: unique_key.0,
            serial_key: serial_key.0,
            error: error.0,
            created_from: time_parameter("since", since.0)?,
            created_to: time_parameter("until", until.0)?,
            cursor,
            limit: limit.0,
        };
        let page = self.jobs.list(&*caller_of(request)?, query).await?;
        let items = page.jobs.into_iter().map(|listed| JobResponse::new(listed, None)).collect();
        Ok(Json(JobListResponse { items, next_cursor: page.cursor.map(|cursor| URL_SAFE_NO_PAD.encode(cursor)) }))
    }

    /// Read a job
    ///
    /// Who has the permission `queues:read`, or `queues.<name>:read`, may call this.
    #[oai(path = "/jobs/:id", method = "get", operation_id = "readJob")]
    async fn read(
        &self,
        request: &Request,
        /// The id of the job.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<Json<JobResponse>, ApiError> {
        let (listed, attempts) = self.jobs.read(&*caller_of(request)?, &id.0)?;
        Ok(Json(JobResponse::new(listed, Some(attempts))))
    }

    /// Read what a job has logged
    ///
    /// Who has the permission `queues:read`, or `queues.<name>:read`, may call this.
    #[oai(path = "/jobs/:id/log", method = "get", operation_id = "readJobLog")]
    async fn log(
        &self,
        request: &Request,
        /// The id of the job.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<JsonReply<LogReply, LogDto>, ApiError> {
        Ok(JsonReply::new(LogReply { items: self.jobs.lines(&*caller_of(request)?, &id.0)? }))
    }

    /// Change a job
    ///
    /// Who has the permission `queues:update`, or `queues.<name>:update`, may call this. A job that runs cannot be changed; one that has
    /// ended stays so, until it is retried.
    #[oai(path = "/jobs/:id", method = "patch", operation_id = "updateJob")]
    async fn update(
        &self,
        request: &Request,
        /// The id of the job.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
        body: BoundedBody<UpdateInput, JobUpdate>,
    ) -> Result<Json<JobResponse>, ApiError> {
        let UpdateInput { payload, priority, delay_seconds, run_at, attempts_max } = body.0;
        let mut faults = Vec::new();
        let payload = payload.map(|payload| input::payload(Some(payload), "payload", &mut faults));
        let run_at = input::run_at(run_at.as_deref(), delay_seconds, self.jobs.now(), &mut faults);
        if !faults.is_empty() {
            return Err(QueueError::Invalid(faults).into());
        }
        let change = JobChange { payload, priority, run_at, attempts_max };
        Ok(Json(JobResponse::new(self.jobs.change(&*caller_of(request)?, &id.0, change).await?, None)))
    }

    /// Cancel a job
    ///
    /// Who has the permission `queues:update`, or `queues.<name>:update`, may call this. One that no worker has is cancelled at once; the
    /// worker of another is asked to stop with its next heartbeat.
    #[oai(path = "/jobs/:id/cancel", method = "post", operation_id = "cancelJob")]
    async fn cancel(
        &self,
        request: &Request,
        /// The id of the job.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<Json<JobResponse>, ApiError> {
        let cancelled = self.jobs.cancel(&*caller_of(request)?, &who_of(request), &id.0).await?;
        Ok(Json(JobResponse::new(cancelled, None)))
    }

    /// Retry a job
    ///
    /// Who has the permission `queues:update`, or `queues.<name>:update`, may call this. One that has ended runs once more, with all its
    /// attempts anew; one that waits for its time runs at once.
    #[oai(path = "/jobs/:id/retry", method = "post", operation_id = "retryJob")]
    async fn retry(
        &self,
        request: &Request,
        /// The id of the job.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<Json<JobResponse>, ApiError> {
        Ok(Json(JobResponse::new(self.jobs.retry(&*caller_of(request)?, &id.0).await?, None)))
    }

    /// Remove a job
    ///
    /// Who has the permission `queues:delete`, or `queues.<name>:delete`, may call this. One that runs stays: cancel it first.
    #[oai(path = "/jobs/:id", method = "delete", operation_id = "deleteJob")]
    async fn delete(
        &self,
        request: &Request,
        /// The id of the job.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<NoContent, ApiError> {
        self.jobs.delete(&*caller_of(request)?, &id.0).await?;
        Ok(NoContent::Done)
    }
}

/// An error of the only job of a request.
fn alone(error: QueueError) -> QueueError {
    let QueueError::Invalid(errors) = error else { return error };
    let own = |error: FieldError| {
        let pointer = error.pointer.strip_prefix("/jobs/0").unwrap_or(&error.pointer).to_owned();
        FieldError { pointer, ..error }
    };
    QueueError::Invalid(errors.into_iter().map(own).collect())
}

fn limit_default() -> usize {
    50
}

fn bad_cursor() -> ApiError {
    ApiError::new(Code::InvalidCursor, "the cursor is none of a page of jobs; start again without it")
}

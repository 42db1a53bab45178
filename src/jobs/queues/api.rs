//! The endpoints of queues.

use poem::Request;
use poem_openapi::{ApiResponse, OpenApi, param::Path, payload::Json};

use super::dto::{
    FilterInput, FilterRequest, ManyResponse, MetricsResponse, QueueCreate, QueueInput, QueueListResponse,
    QueueResponse, Settings, SettingsInput,
};
use crate::{
    http::{ApiError, BoundedBody, NoContent, caller_of, who_of},
    jobs::{JobService, api::Tag},
    queue::{JobQuery, Many, Policy, QueueError},
};

#[derive(ApiResponse)]
enum Made {
    /// The queue was made.
    #[oai(status = 201)]
    Created(Json<QueueResponse>),
}

/// The endpoints of queues.
#[derive(Debug)]
pub struct QueuesApi {
    /// The use cases.
    pub jobs: JobService,
}

#[OpenApi(tag = "Tag::Jobs")]
impl QueuesApi {
    /// List queues
    ///
    /// Who has the permission `queues:list`, or `queues.<name>:list` for some, may call this.
    #[oai(path = "/queues", method = "get", operation_id = "listQueues")]
    async fn list(&self, request: &Request) -> Result<Json<QueueListResponse>, ApiError> {
        let queues = self.jobs.queues(&*caller_of(request)?)?;
        Ok(Json(QueueListResponse { items: queues.into_iter().map(Into::into).collect() }))
    }

    /// Make a queue
    ///
    /// Who has the permission `queues:create` may call this.
    #[oai(path = "/queues", method = "post", operation_id = "createQueue")]
    async fn create(&self, request: &Request, body: BoundedBody<QueueInput, QueueCreate>) -> Result<Made, ApiError> {
        if let Some(fault) = body.0.fault() {
            return Err(QueueError::Invalid(vec![fault]).into());
        }
        let QueueInput { name, settings } = body.0;
        let policy = settings.policy(Policy::default());
        let made = self.jobs.create_queue(&*caller_of(request)?, who_of(request), name, policy).await?;
        Ok(Made::Created(Json(made.into())))
    }

    /// Read a queue
    ///
    /// Who has the permission `queues:read`, or `queues.<name>:read`, may call this.
    #[oai(path = "/queues/:queue", method = "get", operation_id = "readQueue")]
    async fn read(
        &self,
        request: &Request,
        /// The name of the queue.
        #[oai(validator(min_length = 1, max_length = 50))]
        queue: Path<String>,
    ) -> Result<Json<QueueResponse>, ApiError> {
        Ok(Json(self.jobs.queue(&*caller_of(request)?, &queue.0)?.into()))
    }

    /// Read how a queue has done
    ///
    /// Who has the permission `queues:read`, or `queues.<name>:read`, may call this. It tells of the last hour, as far as the server has been
    /// running: how many jobs came and went each minute, how long they waited, and how long they ran.
    #[oai(path = "/queues/:queue/metrics", method = "get", operation_id = "readQueueMetrics")]
    async fn metrics(
        &self,
        request: &Request,
        /// The name of the queue.
        #[oai(validator(min_length = 1, max_length = 50))]
        queue: Path<String>,
    ) -> Result<Json<MetricsResponse>, ApiError> {
        Ok(Json(self.jobs.metrics(&*caller_of(request)?, &queue.0)?.into()))
    }

    /// Change a queue
    ///
    /// Who has the permission `queues:update`, or `queues.<name>:update`, may call this. With `paused` no job of it starts; what runs goes
    /// on. The settings of a queue that is `configured` are changed in the configuration only.
    #[oai(path = "/queues/:queue", method = "patch", operation_id = "updateQueue")]
    async fn update(
        &self,
        request: &Request,
        /// The name of the queue.
        #[oai(validator(min_length = 1, max_length = 50))]
        queue: Path<String>,
        body: BoundedBody<SettingsInput, Settings>,
    ) -> Result<Json<QueueResponse>, ApiError> {
        let settings = body.0;
        let change = move |queue: &mut crate::queue::Queue| {
            settings.apply(queue);
            Ok(())
        };
        let changed = self.jobs.change_queue(&*caller_of(request)?, who_of(request), queue.0, change).await?;
        Ok(Json(changed.into()))
    }

    /// Remove a queue
    ///
    /// Who has the permission `queues:delete`, or `queues.<name>:delete`, may call this. It must have no jobs.
    #[oai(path = "/queues/:queue", method = "delete", operation_id = "deleteQueue")]
    async fn delete(
        &self,
        request: &Request,
        /// The name of the queue.
        #[oai(validator(min_length = 1, max_length = 50))]
        queue: Path<String>,
    ) -> Result<NoContent, ApiError> {
        self.jobs.delete_queue(&*caller_of(request)?, queue.0).await?;
        Ok(NoContent::Done)
    }

    /// Retry jobs of a queue
    ///
    /// Who has the permission `queues:update`, or `queues.<name>:update`, may call this. It takes up to 1,000 jobs that fit, such as those
    /// that are dead.
    #[oai(path = "/queues/:queue/retry", method = "post", operation_id = "retryJobs")]
    async fn retry(
        &self,
        request: &Request,
        /// The name of the queue.
        #[oai(validator(min_length = 1, max_length = 50))]
        queue: Path<String>,
        body: BoundedBody<FilterInput, FilterRequest>,
    ) -> Result<Json<ManyResponse>, ApiError> {
        self.many(request, queue.0, body.0, Many::Retry).await
    }

    /// Cancel jobs of a queue
    ///
    /// Who has the permission `queues:update`, or `queues.<name>:update`, may call this. It takes up to 1,000 jobs that fit.
    #[oai(path = "/queues/:queue/cancel", method = "post", operation_id = "cancelJobs")]
    async fn cancel(
        &self,
        request: &Request,
        /// The name of the queue.
        #[oai(validator(min_length = 1, max_length = 50))]
        queue: Path<String>,
        body: BoundedBody<FilterInput, FilterRequest>,
    ) -> Result<Json<ManyResponse>, ApiError> {
        self.many(request, queue.0, body.0, Many::Cancel).await
    }

    /// Remove jobs of a queue
    ///
    /// Who has the permission `queues:delete`, or `queues.<name>:delete`, may call this. It takes up to 1,000 jobs that fit and do not run.
    #[oai(path = "/queues/:queue/remove", method = "post", operation_id = "removeJobs")]
    async fn remove(
        &self,
        request: &Request,
        /// The name of the queue.
        #[oai(validator(min_length = 1, max_length = 50))]
        queue: Path<String>,
        body: BoundedBody<FilterInput, FilterRequest>,
    ) -> Result<Json<ManyResponse>, ApiError> {
        self.many(request, queue.0, body.0, Many::Remove).await
    }
}

impl QueuesApi {
    async fn many(
        &self,
        request: &Request,
        queue: String,
        filter: FilterInput,
        many: Many,
    ) -> Result<Json<ManyResponse>, ApiError> {
        let query =
            JobQuery { state: Some(filter.state), kind: filter.kind, error: filter.error, ..JobQuery::default() };
        let (done, more) = self.jobs.many(&*caller_of(request)?, who_of(request), (queue, query), many).await?;
        Ok(Json(ManyResponse { done, more }))
    }
}

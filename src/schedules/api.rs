//! The endpoints of schedules.

use poem::Request;
use poem_openapi::{
    ApiResponse, OpenApi, Tags,
    param::{Path, Query},
    payload::Json,
};

use super::{
    Schedules,
    dto::{RunListResponse, RunResponse, ScheduleCreate, ScheduleListResponse, ScheduleResponse, ScheduleUpdate},
    input::ScheduleInput,
};
use crate::http::{ApiError, BoundedBody, NoContent, caller_of};

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// Jobs that are made at times: by a cron expression, at an interval, or once.
    Schedules,
}

#[derive(ApiResponse)]
enum Made {
    /// The schedule was made.
    #[oai(status = 201)]
    Created(Json<ScheduleResponse>),
}

#[derive(ApiResponse)]
enum Ran {
    /// The run was noted, and its job made.
    #[oai(status = 201)]
    Created(Json<RunResponse>),
}

/// The endpoints of schedules.
#[derive(Debug)]
pub struct SchedulesApi {
    /// The use cases.
    pub schedules: Schedules,
}

#[OpenApi(tag = "Tag::Schedules")]
impl SchedulesApi {
    /// List schedules
    ///
    /// Who has the permission `schedules:list` may call this.
    #[oai(path = "/schedules", method = "get", operation_id = "listSchedules")]
    async fn list(&self, request: &Request) -> Result<Json<ScheduleListResponse>, ApiError> {
        let schedules = self.schedules.list(&*caller_of(request)?)?;
        Ok(Json(ScheduleListResponse { items: schedules.into_iter().map(Into::into).collect() }))
    }

    /// Make a schedule
    ///
    /// Who has the permission `schedules:create`, and may make jobs in its queue, may call this. It says when by one of `cron`, `everySeconds`
    /// and `at`. Each job tells its schedule and the time that it is for.
    #[oai(path = "/schedules", method = "post", operation_id = "createSchedule")]
    async fn create(
        &self,
        request: &Request,
        body: BoundedBody<ScheduleInput, ScheduleCreate>,
    ) -> Result<Made, ApiError> {
        let made = self.schedules.create(&*caller_of(request)?, body.0).await?;
        Ok(Made::Created(Json(made.into())))
    }

    /// Read a schedule
    ///
    /// Who has the permission `schedules:read` may call this.
    #[oai(path = "/schedules/:schedule", method = "get", operation_id = "readSchedule")]
    async fn read(
        &self,
        request: &Request,
        /// The name of the schedule.
        #[oai(validator(min_length = 1, max_length = 50))]
        schedule: Path<String>,
    ) -> Result<Json<ScheduleResponse>, ApiError> {
        Ok(Json(self.schedules.read(&*caller_of(request)?, &schedule.0)?.into()))
    }

    /// Change a schedule
    ///
    /// Who has the permission `schedules:update`, and may make jobs in its queue, may call this.
    #[oai(path = "/schedules/:schedule", method = "patch", operation_id = "updateSchedule")]
    async fn update(
        &self,
        request: &Request,
        /// The name of the schedule.
        #[oai(validator(min_length = 1, max_length = 50))]
        schedule: Path<String>,
        body: BoundedBody<ScheduleInput, ScheduleUpdate>,
    ) -> Result<Json<ScheduleResponse>, ApiError> {
        Ok(Json(self.schedules.update(&caller_of(request)?, schedule.0, body.0).await?.into()))
    }

    /// Remove a schedule
    ///
    /// Who has the permission `schedules:delete` may call this. What is noted of its runs goes with it; its jobs stay.
    #[oai(path = "/schedules/:schedule", method = "delete", operation_id = "deleteSchedule")]
    async fn delete(
        &self,
        request: &Request,
        /// The name of the schedule.
        #[oai(validator(min_length = 1, max_length = 50))]
        schedule: Path<String>,
    ) -> Result<NoContent, ApiError> {
        self.schedules.delete(&*caller_of(request)?, schedule.0).await?;
        Ok(NoContent::Done)
    }

    /// Run a schedule now
    ///
    /// Who has the permission `schedules:update`, and may make jobs in its queue, may call this. The job is made also when the schedule is
    /// paused or the job before has not ended; its times stay as they are.
    #[oai(path = "/schedules/:schedule/run", method = "post", operation_id = "runSchedule")]
    async fn run(
        &self,
        request: &Request,
        /// The name of the schedule.
        #[oai(validator(min_length = 1, max_length = 50))]
        schedule: Path<String>,
    ) -> Result<Ran, ApiError> {
        let ran = self.schedules.run_now(&caller_of(request)?, schedule.0).await?;
        Ok(Ran::Created(Json(ran.into())))
    }

    /// List runs of a schedule
    ///
    /// Who has the permission `schedules:read` may call this. The last 500 are kept; the newest come first.
    #[oai(path = "/schedules/:schedule/runs", method = "get", operation_id = "listScheduleRuns")]
    async fn runs(
        &self,
        request: &Request,
        /// The name of the schedule.
        #[oai(validator(min_length = 1, max_length = 50))]
        schedule: Path<String>,
        /// The most runs to answer.
        #[oai(default = "page", validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<usize>,
        /// Runs with a smaller number, as `next` says.
        before: Query<Option<u64>>,
    ) -> Result<Json<RunListResponse>, ApiError> {
        let runs = self.schedules.runs(&*caller_of(request)?, &schedule.0, before.0, limit.0)?;
        let next = runs.last().map(|(run, _)| run.number).filter(|last| runs.len() == limit.0 && *last > 1);
        Ok(Json(RunListResponse { items: runs.into_iter().map(Into::into).collect(), next }))
    }
}

fn page() -> usize {
    50
}

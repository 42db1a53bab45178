//! The server's own workers.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use jiff::SignedDuration;

use super::{
    lease::Ask,
    model::{JobState, NewJob},
    policy::Policy,
    tests::{Site, job},
    worker::{Handler, Outcome as JobOutcome, Running, Workers},
};

/// Does jobs as their payload says.
struct Own;

impl Handler for Own {
    fn kind(&self) -> &'static str {
        "own"
    }

    fn run<'h>(&'h self, job: &'h Running) -> BoxFuture<'h, JobOutcome> {
        Box::pin(async move {
            match job.payload::<&str>()? {
                "panic" => panic!("on purpose"),
                "hang" => {
                    job.tell(None, vec!["begun".into()]).await.unwrap();
                    std::future::pending().await
                }
                _ => Ok(Some(job.job.payload.clone())),
            }
        })
    }
}

#[tokio::test]
async fn the_server_does_jobs_itself_and_gives_back_what_it_cannot_end() {
    let site = Site::new(Policy { attempts_max: 1, ..Policy::default() }).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let workers = tokio::spawn(Workers::new(site.jobs.clone(), vec![Arc::new(Own)]).run(stopped));
    let own = |payload: &str| NewJob { kind: "own".into(), ..job(payload) };
    let until = async |id, state| {
        let ended = async {
            while site.state(id) != Some(state) {
                tokio::task::yield_now().await
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), ended).await;
        waited.unwrap_or_else(|_| panic!("{:?} is not {state:?}", site.state(id)));
    };
    let error = |id| site.jobs.job(id).unwrap().1.error.unwrap();
    let good = site.add(own("\"x\"")).await;
    until(good, JobState::Succeeded).await;
    assert_eq!(site.jobs.job(good).unwrap().1.result.unwrap().get(), "\"x\"");
    let panics = site.add(own("\"panic\"")).await;
    until(panics, JobState::Dead).await;
    assert_eq!(error(panics), "the handler panicked");
    let unfit = site.add(own("7")).await;
    until(unfit, JobState::Dead).await;
    assert!(error(unfit).starts_with("the payload does not fit"));
    let begun = async |id| {
        while site.jobs.lines(id).unwrap().is_empty() {
            tokio::task::yield_now().await
        }
    };
    let cancelled = site.add(own("\"hang\"")).await;
    begun(cancelled).await;
    site.jobs.cancel(cancelled).await.unwrap();
    until(cancelled, JobState::Cancelled).await;
    let given_back = site.add(own("\"hang\"")).await;
    begun(given_back).await;
    // Those outside have no part in what the server does itself.
    assert!(site.lease(5).await.is_empty());
    stop.send_replace(true);
    workers.await.unwrap();
    assert_eq!(site.state(given_back), Some(JobState::Ready));
    assert_eq!(site.jobs.job(given_back).unwrap().1.attempts, 0, "it does not count");
}

#[tokio::test]
async fn what_the_server_had_in_hand_when_it_crashed_is_tried_again() {
    let site = Site::new(Policy { attempts_max: 2, ..Policy::default() }).await;
    let own = site.add(NewJob { kind: "own".into(), ..job("1") }).await;
    let other = site.add(job("2")).await;
    let ask = || Ask { max: 1, time: SignedDuration::from_secs(300), worker: "stead".into(), built_in: true };
    site.jobs.lease("q", ask(), Duration::ZERO).await.unwrap();
    site.lease(1).await;
    assert_eq!(site.jobs.recover().await.unwrap(), 1, "that of a worker outside stays with it");
    assert_eq!((site.state(own), site.state(other)), (Some(JobState::Ready), Some(JobState::Running)));
    site.jobs.lease("q", ask(), Duration::ZERO).await.unwrap();
    site.jobs.recover().await.unwrap();
    assert_eq!(site.state(own), Some(JobState::Dead), "a job that crashes the server each time comes to an end");
}

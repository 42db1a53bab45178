//! The jobs that the server does itself: one handler for each kind.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{sync::watch, task::JoinHandle};

use super::services::Services;
use crate::{
    config::Config,
    mail::{SendEmail, Smtp},
    notifications::{Notify, SendDigest},
    outgoing::Anywhere,
    pulls::Pull,
    queue::{Handler, Workers},
    retention::Sweep,
    summaries::Summarise,
    webhooks::Deliver,
};

/// The server's own workers, while they work.
pub(super) struct AtWork {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl AtWork {
    /// Starts them.
    pub(super) async fn start(config: &Config, services: &Services) -> anyhow::Result<Self> {
        let Services { store, clock, mail, jobs, webhooks, records, notifications, .. } = services;
        let smtp = Smtp::new(&config.mail).context("mail cannot be sent")?;
        match smtp {
            Some(_) => mail.resume(clock.now()).await.context("mail that waits cannot be sent")?,
            None => tracing::info!("mail.smtp_host is empty: mails stay in the outbox, where admins read them"),
        }
        let own = &config.outgoing;
        let client = Anywhere::new(Duration::from_millis(own.timeout_ms), own.allow_private);
        let client = client.context("other servers cannot be reached")?;
        let handlers: Vec<Arc<dyn Handler>> = vec![
            Arc::new(SendEmail::new(store.clone(), Arc::clone(clock), smtp)),
            Arc::new(Deliver::new(webhooks.clone(), client.clone())),
            Arc::new(Pull::new(store.clone(), Arc::clone(records), client)),
            Arc::new(Summarise::new(Arc::clone(records))),
            Arc::new(Sweep::new(Arc::clone(records))),
            Arc::new(Notify::new(notifications.clone())),
            Arc::new(SendDigest::new(notifications.clone())),
        ];
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(Workers::new(jobs.clone(), handlers).run(stopped));
        Ok(Self { stop, task })
    }

    /// Lets them go: what they had in hand is given back, to be done after the next start.
    pub(super) async fn end(self) {
        self.stop.send_replace(true);
        // It has ended by itself when it panicked, which was logged.
        let _ = self.task.await;
    }
}

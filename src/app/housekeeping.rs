//! Work in the background: what has had its time is removed, what was put off is stored, times are kept.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use super::services::Services;
use crate::{
    audit::AuditService, auth::AuthService, config::Config, kernel::Clock, keys::KeyService, mail::MailService,
    queue::Jobs, users::flows::Flows, webhooks::Webhooks,
};

/// How often what has had its time is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// How often it is stored when keys were last used.
const FLUSH_EVERY: Duration = Duration::from_secs(60);

/// Starts all of it.
pub(super) fn start(config: &Config, services: &Services) -> Vec<JoinHandle<()>> {
    let Services { clock, keys, mail, jobs, schedules, webhooks, auth, flows, audit, .. } = services;
    let sweeping = Sweeping {
        auth: Arc::clone(auth),
        audit: audit.clone(),
        mail: mail.clone(),
        jobs: jobs.clone(),
        webhooks: webhooks.clone(),
        flows: Arc::clone(flows),
        clock: Arc::clone(clock),
    };
    vec![
        tokio::spawn(sweeping.run(config.clone())),
        tokio::spawn(flush(Arc::clone(keys))),
        tokio::spawn(Arc::clone(flows).run()),
        tokio::spawn(jobs.clone().keep()),
        tokio::spawn(schedules.clone().keep()),
        tokio::spawn(webhooks.clone().follow()),
    ]
}

/// Removes now and then what has had its time.
struct Sweeping {
    auth: Arc<AuthService>,
    audit: AuditService,
    mail: MailService,
    jobs: Jobs,
    webhooks: Webhooks,
    flows: Arc<Flows>,
    clock: Arc<dyn Clock>,
}

impl Sweeping {
    async fn run(self, config: Config) {
        let mut turns = tokio::time::interval(SWEEP_EVERY);
        loop {
            turns.tick().await;
            if let Err(error) = self.auth.sweep().await {
                tracing::warn!(%error, "sessions that have ended were not removed");
            }
            if let Err(error) = self.flows.sweep().await {
                tracing::warn!(%error, "links of mails that have ended were not removed");
            }
            let now = self.clock.now();
            if let Err(error) = self.audit.prune(now, config.audit.retention_days).await {
                tracing::warn!(%error, "old events of the audit log were not removed");
            }
            if let Err(error) = self.mail.prune(now, config.mail.retention_days).await {
                tracing::warn!(%error, "old mails were not removed from the outbox");
            }
            if let Err(error) = self.jobs.prune().await {
                tracing::warn!(%error, "jobs that have ended were not removed");
            }
            if let Err(error) = self.webhooks.prune().await {
                tracing::warn!(%error, "messages to webhooks that are long over were not removed");
            }
        }
    }
}

/// Stores now and then when keys were used.
async fn flush(keys: Arc<KeyService>) {
    let mut turns = tokio::time::interval(FLUSH_EVERY);
    loop {
        turns.tick().await;
        flush_once(&keys).await;
    }
}

pub(super) async fn flush_once(keys: &KeyService) {
    if let Err(error) = keys.flush().await {
        tracing::warn!(%error, "it was not stored when keys were last used");
    }
}

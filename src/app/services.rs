//! All services, each made of those before it.

use std::sync::Arc;

use anyhow::Context as _;

use super::cores;
use crate::{
    audit::AuditService,
    auth::{self, AuthParts, AuthService, Lives, Naming, Passkeys, Passwords, Tokens},
    collections::{Catalogs, CollectionService, system},
    config::Config,
    health::Health,
    inbox::InboxService,
    kernel::Clock,
    keys::KeyService,
    mail::{self, MailService},
    notifications::{self, Notifications},
    outgoing::Outgoing,
    pulls,
    queue::Jobs,
    records::{Limits, RecordService, SavedAggregates},
    retention,
    roles::{self, RoleService, Roles},
    schedules::Schedules,
    store::Store,
    summaries,
    templates::Templates,
    users::{
        RecordDirectory, UserService,
        flows::{FlowParts, Flows},
        own::OwnAccount,
        sso::{Sso, SsoParts},
    },
    webhooks::{self, Webhooks},
};

/// All services.
pub(super) struct Services {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) collections: CollectionService,
    pub(super) records: Arc<RecordService>,
    pub(super) roles: Arc<RoleService>,
    pub(super) keys: Arc<KeyService>,
    pub(super) mail: MailService,
    pub(super) jobs: Jobs,
    pub(super) schedules: Schedules,
    pub(super) webhooks: Webhooks,
    pub(super) inbox: InboxService,
    pub(super) notifications: Notifications,
    pub(super) auth: Arc<AuthService>,
    pub(super) users: Arc<UserService>,
    pub(super) flows: Arc<Flows>,
    pub(super) sso: Arc<Sso>,
    pub(super) outgoing: Outgoing,
    pub(super) audit: AuditService,
    pub(super) health: Arc<Health>,
}

impl Services {
    /// Constructs them on an open store, with the collections that Stead itself needs.
    pub(super) async fn new(config: &Config, store: Store, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let catalogs = Arc::new(Catalogs::new(store.clone()));
        let jobs = jobs(config, &store, &clock).await?;
        let collections = collections(&store, &catalogs, &clock).await?.with_kinds(jobs.kinds());
        let schedules = Schedules::new(store.clone(), jobs.clone(), Arc::clone(&clock));
        let mail = MailService::new(store.clone(), jobs.clone(), templates(config, &store, &clock));
        let records = records(config, &collections, &catalogs, (&jobs, &mail), &clock);
        let passwords = passwords(config);
        let roles = Arc::new(Roles::default());
        let keys = Arc::new(KeyService::new(store.clone(), Arc::clone(&roles), mail.clone(), Arc::clone(&clock)));
        let directory = Arc::new(RecordDirectory::new(Arc::clone(&catalogs)));
        let webhooks = webhooks(config, &catalogs, &jobs, (&directory, &mail), &clock);
        let (inbox, notifications) = notifications(config, &catalogs, (&jobs, &mail), &directory, (&webhooks, &clock));
        let parts = AuthParts {
            store: store.clone(),
            directory: Arc::clone(&directory) as Arc<dyn auth::Directory>,
            roles: Arc::clone(&roles),
            keys: Arc::clone(&keys),
            mail: mail.clone(),
            passwords: passwords.clone(),
            lives: lives(config),
            clock: Arc::clone(&clock),
        };
        let passkeys = Passkeys::new(auth::party(config).context("passkeys cannot be used")?);
        let tokens = tokens(config, &store, &*clock).await?;
        let auth = Arc::new(AuthService::new(parts, tokens, passkeys));
        let holders = vec![Arc::clone(&directory) as Arc<dyn roles::Holders>, Arc::clone(&keys) as _];
        let roles = Arc::new(RoleService::new(store.clone(), roles, holders, Arc::clone(&clock)));
        let users = Arc::new(UserService::new(
            Arc::clone(&catalogs),
            Arc::clone(&records),
            Arc::clone(&auth),
            passwords.clone(),
            mail.clone(),
            Arc::clone(&clock),
        ));
        let flows = flows(config, (&auth, &clock), &records, (passwords, &mail), (&store, &directory));
        let outgoing = Outgoing::new().context("other servers cannot be reached")?;
        let sso = sso(config, &outgoing, directory, &auth, &flows, &clock)?;
        let (audit, health) = (AuditService::new(store.clone()), Health::new(Arc::clone(&catalogs)));
        Ok(Self {
            store,
            clock,
            catalogs,
            collections,
            records,
            roles,
            keys,
            mail,
            jobs,
            schedules,
            webhooks,
            inbox,
            notifications,
            auth,
            users,
            flows,
            sso,
            outgoing,
            audit,
            health,
        })
    }
}

impl Services {
    /// What users do with their own account.
    pub(super) fn own(&self, may_delete: bool) -> OwnAccount {
        OwnAccount {
            records: Arc::clone(&self.records),
            catalogs: Arc::clone(&self.catalogs),
            auth: Arc::clone(&self.auth),
            keys: Arc::clone(&self.keys),
            audit: self.audit.clone(),
            may_delete,
            clock: Arc::clone(&self.clock),
        }
    }
}

fn passwords(config: &Config) -> Passwords {
    let hashes_max = if config.auth.hashes_max == 0 { cores() } else { config.auth.hashes_max };
    Passwords::new(config.auth.password_length_min, hashes_max)
}

fn records(
    config: &Config,
    collections: &CollectionService,
    catalogs: &Arc<Catalogs>,
    (jobs, mail): (&Jobs, &MailService),
    clock: &Arc<dyn Clock>,
) -> Arc<RecordService> {
    let (catalogs, clock) = (Arc::clone(catalogs), Arc::clone(clock));
    Arc::new(RecordService::new(collections.clone(), catalogs, (jobs.clone(), mail.clone()), clock, limits(config)))
}

/// What users do by mail.
fn flows(
    config: &Config,
    (auth, clock): (&Arc<AuthService>, &Arc<dyn Clock>),
    records: &Arc<RecordService>,
    (passwords, mail): (Passwords, &MailService),
    (store, directory): (&Store, &Arc<RecordDirectory>),
) -> Arc<Flows> {
    Arc::new(Flows::new(FlowParts {
        store: store.clone(),
        directory: Arc::clone(directory) as _,
        auth: Arc::clone(auth),
        records: Arc::clone(records),
        passwords,
        mail: mail.clone(),
        policy: config.auth.clone(),
        link_url: config.link_url(),
        clock: Arc::clone(clock),
    }))
}

/// Inboxes, and what is put into them.
fn notifications(
    config: &Config,
    catalogs: &Arc<Catalogs>,
    (jobs, mail): (&Jobs, &MailService),
    directory: &Arc<RecordDirectory>,
    (webhooks, clock): (&Webhooks, &Arc<dyn Clock>),
) -> (InboxService, Notifications) {
    let store = catalogs.store().clone();
    let inbox = InboxService::new(store.clone(), Arc::clone(clock), mail.templates().clone());
    let parts = notifications::Parts {
        store,
        clock: Arc::clone(clock),
        inbox: inbox.clone(),
        mail: mail.clone(),
        jobs: jobs.clone(),
        directory: Arc::clone(directory) as _,
        webhooks: webhooks.clone(),
        own_url: config.own_url(),
        link_url: config.link_url(),
    };
    (inbox, Notifications::new(parts))
}

/// What mails say.
fn templates(config: &Config, store: &Store, clock: &Arc<dyn Clock>) -> Templates {
    let about = (config.server.name.as_str(), config.server.public_url.as_str());
    Templates::new(store.clone(), Arc::clone(clock), about, &config.mail.locale)
}

fn webhooks(
    config: &Config,
    catalogs: &Arc<Catalogs>,
    jobs: &Jobs,
    (directory, mail): (&Arc<RecordDirectory>, &MailService),
    clock: &Arc<dyn Clock>,
) -> Webhooks {
    let directory = (Arc::clone(directory) as Arc<dyn auth::Directory>, mail.clone());
    let allow_private = config.outgoing.allow_private;
    Webhooks::new(Arc::clone(catalogs), jobs.clone(), directory, Arc::clone(clock), allow_private)
}

/// The queue, with what an earlier run of the server had in hand back in its place.
async fn jobs(config: &Config, store: &Store, clock: &Arc<dyn Clock>) -> anyhow::Result<Jobs> {
    let jobs = Jobs::new(
        store.clone(),
        Arc::clone(clock),
        [
            (mail::KIND, "mail"),
            (webhooks::KIND, "webhooks"),
            (pulls::KIND, "pulls"),
            (notifications::KIND, "notifications"),
            (notifications::DIGEST_KIND, "notifications"),
            (summaries::KIND, "collections"),
            (retention::KIND, "collections"),
        ],
    );
    jobs.make_first_queues().await.context("the first queues cannot be made")?;
    jobs.ensure_needed().await.context("the queues that the server needs cannot be made")?;
    jobs.configure(&config.queue).await.context("the queues of the configuration cannot be made")?;
    jobs.recover().await.context("jobs cannot be taken back")?;
    Ok(jobs)
}

/// Collections, with those that Stead itself needs.
async fn collections(
    store: &Store,
    catalogs: &Arc<Catalogs>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<CollectionService> {
    let (catalogs, clock) = (Arc::clone(catalogs), Arc::clone(clock));
    let collections = CollectionService::new(store.clone(), catalogs, clock, Arc::new(SavedAggregates));
    for input in system::inputs() {
        collections.ensure_system(input).await.context("cannot make the system collections")?;
    }
    Ok(collections)
}

fn sso(
    config: &Config,
    outgoing: &Outgoing,
    directory: Arc<RecordDirectory>,
    auth: &Arc<AuthService>,
    flows: &Arc<Flows>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<Sso>> {
    let (outgoing, auth, flows, clock) = (outgoing.clone(), Arc::clone(auth), Arc::clone(flows), Arc::clone(clock));
    let parts = SsoParts { directory, auth, flows, outgoing, clock };
    Ok(Arc::new(Sso::new(config, parts).context("single sign-on cannot be used")?))
}

async fn tokens(config: &Config, store: &Store, clock: &dyn Clock) -> anyhow::Result<Tokens> {
    let naming = Naming { issuer: config.auth.issuer.clone(), audience: config.auth.audience.clone() };
    let tokens = Tokens::open(store, &config.auth.signing_key, naming, clock.now());
    tokens.await.context("cannot open the token keys")
}

fn limits(config: &Config) -> Limits {
    Limits {
        examined_max: config.records.examined_max,
        hops_max: config.records.relation_depth_max,
        pages_bytes_max: config.records.pages_bytes_max,
    }
}

fn lives(config: &Config) -> Lives {
    Lives {
        access_seconds: config.auth.access_token_seconds,
        refresh_seconds: config.auth.refresh_token_seconds,
        session_seconds_max: config.auth.session_seconds_max,
        grace_seconds: config.auth.refresh_grace_seconds,
        new_device_notice: config.auth.new_device_notice,
    }
}

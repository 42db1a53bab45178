//! Empties the outbox over SMTP ([RFC 5321](https://www.rfc-editor.org/rfc/rfc5321)).

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    message::{Mailbox, Message as Letter, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use tokio::sync::Notify;

use super::{
    model::{Fault, Mail},
    repo,
};
use crate::{
    config,
    kernel::Clock,
    store::{Store, StoreError},
};

/// The most mails that are sent at once.
const AT_ONCE: usize = 8;
/// How long one exchange with the server for mail may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// After how long the outbox is looked at unasked.
const IDLE: Duration = Duration::from_secs(30);
/// How long to wait when the store could not be read.
const PAUSE: Duration = Duration::from_secs(5);

/// Why the settings of mail are not good.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// The sender's address.
    #[error("mail.from must be an address, such as Stead <stead@example.com>")]
    From,
    /// TLS.
    #[error("TLS to the server for mail cannot be set up")]
    Tls(#[source] lettre::transport::smtp::Error),
}

/// Sends mails when they are due.
pub struct Sender {
    store: Store,
    clock: Arc<dyn Clock>,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    wake: Arc<Notify>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Sender {
    /// A sender over the server for mail of the configuration; none when it names none.
    ///
    /// # Errors
    /// [`SmtpError`].
    pub fn new(
        config: &config::Mail,
        store: Store,
        clock: Arc<dyn Clock>,
        wake: Arc<Notify>,
    ) -> Result<Option<Self>, SmtpError> {
        if config.smtp_host.is_empty() {
            return Ok(None);
        }
        let from = config.from.parse().map_err(|_| SmtpError::From)?;
        let tls = || TlsParameters::new(config.smtp_host.clone()).map_err(SmtpError::Tls);
        let tls = match config.smtp_tls.as_str() {
            "tls" => Tls::Wrapper(tls()?),
            "none" => Tls::None,
            _ => Tls::Required(tls()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.smtp_host)
            .port(config.smtp_port)
            .tls(tls)
            .timeout(Some(TIMEOUT));
        if !config.smtp_user.is_empty() {
            builder = builder.credentials(Credentials::new(config.smtp_user.clone(), config.smtp_password.clone()));
        }
        Ok(Some(Self { store, clock, transport: builder.build(), from, wake }))
    }

    /// Sends what is due, for as long as the task lives.
    pub async fn run(self) {
        loop {
            let pause = match self.turn().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "the outbox of mail could not be read or written");
                    Some(PAUSE)
                }
            };
            // Whoever wrote a mail may be gone before it could wake this.
            let pause = pause.unwrap_or(IDLE).min(IDLE);
            let _ = tokio::time::timeout(pause, self.wake.notified()).await;
        }
    }

    /// Sends a few mails that are due. Answers after how long to come again; `None` when nothing waits.
    async fn turn(&self) -> Result<Option<Duration>, StoreError> {
        let now = self.clock.now();
        let (mails, next) = self.store.scan(move |snapshot| repo::due(snapshot, now, AT_ONCE)).await?;
        let is_full = mails.len() == AT_ONCE;
        join_all(mails.into_iter().map(|mail| self.send(mail))).await.into_iter().collect::<Result<(), _>>()?;
        if is_full {
            return Ok(Some(Duration::ZERO));
        }
        // What failed just now may be due before `next`.
        let (_, soonest) = self.store.scan(move |snapshot| repo::due(snapshot, now, 0)).await?;
        let next = soonest.or(next);
        Ok(next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default()))
    }

    async fn send(&self, mail: Mail) -> Result<(), StoreError> {
        let now = self.clock.now();
        let outcome = match self.letter(&mail) {
            _ if mail.is_stale(now) => Err(Fault { is_final: true, text: "it waited for more than a day".into() }),
            Ok(letter) => self.transport.send(letter).await.map(drop).map_err(|error| fault(&error)),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = &outcome {
            tracing::warn!(number = mail.number, kind = mail.kind, error = fault.text, "a mail was not sent");
        }
        let after = mail.clone().tried(outcome, self.clock.now());
        self.store.write(move |tx| repo::replace(tx, &mail, &after)).await.map(drop)
    }

    fn letter(&self, mail: &Mail) -> Result<Letter, Fault> {
        let broken = |text: &str| Fault { is_final: true, text: text.to_owned() };
        let to: Address = mail.to.parse().map_err(|_| broken("the address is none that mail can be sent to"))?;
        Letter::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject.clone())
            // No mail of ours wants the answer of a machine (RFC 3834).
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.clone())
            .map_err(|_| broken("the mail cannot be written as one"))
    }
}

fn fault(error: &lettre::transport::smtp::Error) -> Fault {
    Fault { is_final: error.is_permanent(), text: error.to_string() }
}

/// `Auto-Submitted: auto-generated` ([RFC 3834](https://www.rfc-editor.org/rfc/rfc3834#section-5)).
#[derive(Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

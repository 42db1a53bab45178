//! The server for mail, spoken to over SMTP ([RFC 5321](https://www.rfc-editor.org/rfc/rfc5321)).

use std::{fmt, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    message::{Mailbox, Message as Letter},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};

use super::model::Fault;
use crate::config;

/// How long one exchange with the server for mail may take.
const TIMEOUT: Duration = Duration::from_secs(30);

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

/// A server for mail, over connections that are kept for a while.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    /// Who sends.
    pub(super) from: Mailbox,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Smtp {
    /// The server for mail of the configuration; none when it names none.
    ///
    /// # Errors
    /// [`SmtpError`].
    pub fn new(config: &config::Mail) -> Result<Option<Self>, SmtpError> {
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
        Ok(Some(Self { transport: builder.build(), from }))
    }

    /// Hands a letter over. Refused for good (5xx), it is not to be tried again.
    pub(super) async fn send(&self, letter: Letter) -> Result<(), Fault> {
        let sent = self.transport.send(letter).await;
        sent.map(drop).map_err(|error| Fault { is_final: error.is_permanent(), text: error.to_string() })
    }
}

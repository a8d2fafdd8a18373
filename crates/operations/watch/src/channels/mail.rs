//! Mail by SMTP: TLS from the first byte, or STARTTLS, or this machine alone. One message to one person.
//!
//! Refuses to go on when a server that should encrypt does not offer it.

use super::{Failed, clean};
use crate::{
    settings::{Smtp, Wrapping},
    words::Words,
};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use model::Said;
use rustls_pki_types::CertificateDer;
use std::{error::Error, time::Duration};

/// A server that greets slowly on purpose takes up to this.
const WITHIN: Duration = Duration::from_secs(20);
/// A subject that is longer is cut by readers of mail.
const SUBJECT_MAX_CHARS: usize = 120;

/// RFC 3834: no holiday reply comes back.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_text: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[derive(Debug)]
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Address,
    /// Where it goes, for `doctor` and the log of deliveries.
    pub server: String,
}

impl Mail {
    pub(crate) fn new(smtp: &Smtp, more: &[CertificateDer<'static>]) -> Result<Self, lettre::transport::smtp::Error> {
        let parameters = || {
            let mut parameters = TlsParameters::builder(smtp.host.trim_matches(['[', ']']).to_owned());
            for certificate in more {
                parameters = parameters.add_root_certificate(Certificate::from_der(certificate.to_vec())?);
            }
            parameters.build()
        };
        let tls = match smtp.wrapping {
            Wrapping::Tls => Tls::Wrapper(parameters()?),
            Wrapping::StartTls => Tls::Required(parameters()?),
            Wrapping::Loopback => Tls::None,
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.host.trim_matches(['[', ']']));
        let mut builder = builder.port(smtp.port).tls(tls).timeout(Some(WITHIN));
        if let Some((user, password)) = &smtp.credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.to_string()));
        }
        let server = format!("{}:{}", smtp.host, smtp.port);
        Ok(Self { transport: builder.build(), from: smtp.from.clone(), server })
    }

    /// `id` is the same however often it is tried, so that a mail server can tell a second copy.
    pub(crate) async fn send(&self, to: &str, id: &str, words: &Words) -> Result<(), Failed> {
        let to: Address = to.parse().map_err(|_| Failed::for_good("that is not an address that mail can go to"))?;
        let message = self.message(to, id, words);
        let message = message.map_err(|error| Failed::for_good(format!("the mail cannot be written: {error}")))?;
        match tokio::time::timeout(WITHIN, self.transport.send(message)).await {
            Ok(Ok(_taken)) => Ok(()),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(Failed::now("the mail server did not answer in time")),
        }
    }

    fn message(&self, to: Address, id: &str, words: &Words) -> Result<Message, lettre::error::Error> {
        Message::builder()
            .from(Mailbox::new(Some("Bailiwick".to_owned()), self.from.clone()))
            .to(Mailbox::new(None, to))
            .subject(clean(&Said::sentence(&words.subject).plain(), SUBJECT_MAX_CHARS))
            .message_id(Some(format!("<{}@{}>", clean(id, 200), self.from.domain())))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(words.text(), words.html()))
    }

    /// Whether it could be sent: greeted, encrypted and let in.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<(), Failed> {
        match tokio::time::timeout(WITHIN, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Failed::now("the mail server does not answer as one")),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(Failed::now("the mail server did not answer in time")),
        }
    }
}

fn failed(error: &lettre::transport::smtp::Error) -> Failed {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_says = cause.to_string();
        if !why.contains(&cause_says) {
            why = format!("{why}: {cause_says}");
        }
        source = cause.source();
    }
    if error.is_permanent() { Failed::for_good(why) } else { Failed::now(why) }
}

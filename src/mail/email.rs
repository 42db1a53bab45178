//! What the payload of a job says that sends a mail, and the letter that comes of it ([RFC 5322](https://www.rfc-editor.org/rfc/rfc5322)).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lettre::{
    Address,
    message::{
        Attachment, Mailbox, Message as Letter, MultiPart, SinglePart,
        header::{ContentType, Header, HeaderName, HeaderValue},
    },
};
use serde::{Deserialize, Deserializer};

use super::{Mail, model::Fault};

/// The most addresses that a mail goes to.
const ADDRESSES_MAX: usize = 50;
/// The longest subject, in characters (RFC 5322: a line).
const SUBJECT_MAX: usize = 998;
/// The most attachments.
const ATTACHMENTS_MAX: usize = 20;

/// A mail to be sent. All of it is part of the job's payload, and within its bound.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Email {
    /// Whom it is for: an address, such as `Ann <ann@example.com>`, or several.
    #[serde(deserialize_with = "one_or_many")]
    pub(super) to: Vec<String>,
    #[serde(default, deserialize_with = "one_or_many")]
    cc: Vec<String>,
    #[serde(default, deserialize_with = "one_or_many")]
    bcc: Vec<String>,
    reply_to: Option<String>,
    pub(super) subject: String,
    /// The text, for who reads no HTML.
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    #[serde(default)]
    attachments: Vec<File>,
    /// Where one asks for no more such mails: a URL or a `mailto:`.
    list_unsubscribe: Option<String>,
}

/// A file that goes with a mail.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    name: String,
    content_type: String,
    /// In base64.
    content: String,
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::One(one) => vec![one],
        Given::Many(many) => many,
    })
}

impl Email {
    /// The letter. Sent again under the same `id`, it can be told from another.
    pub(super) fn letter(&self, from: &Mailbox, id: &str) -> Result<Letter, Fault> {
        let count = self.to.len() + self.cc.len() + self.bcc.len();
        if self.to.is_empty() || count > ADDRESSES_MAX {
            return Err(Fault::for_good(format!("a mail goes to 1 to {ADDRESSES_MAX} addresses, one of them in to")));
        }
        if self.subject.chars().count() > SUBJECT_MAX || self.subject.chars().any(char::is_control) {
            return Err(Fault::for_good(format!("a subject is a line of at most {SUBJECT_MAX} characters")));
        }
        let mut builder = Letter::builder()
            .from(from.clone())
            .subject(&self.subject)
            .message_id(Some(format!("<{id}@{}>", from.email.domain())));
        for address in &self.to {
            builder = builder.to(mailbox(address, "to")?);
        }
        for address in &self.cc {
            builder = builder.cc(mailbox(address, "cc")?);
        }
        for address in &self.bcc {
            builder = builder.bcc(mailbox(address, "bcc")?);
        }
        if let Some(address) = &self.reply_to {
            builder = builder.reply_to(mailbox(address, "replyTo")?);
        }
        if let Some(place) = &self.list_unsubscribe {
            check_place(place)?;
            builder = builder.header(ListUnsubscribe(format!("<{place}>")));
            if place.starts_with("https://") {
                builder = builder.header(ListUnsubscribePost);
            }
        }
        let letter = match (self.body()?, self.files()?) {
            (Body::One(text), files) if files.is_empty() => builder.singlepart(text),
            (Body::Both(both), files) if files.is_empty() => builder.multipart(both),
            (Body::One(text), files) => builder.multipart(with(MultiPart::mixed().singlepart(text), files)),
            (Body::Both(both), files) => builder.multipart(with(MultiPart::mixed().multipart(both), files)),
        };
        letter.map_err(|_| Fault::for_good("the mail cannot be written as one"))
    }

    fn body(&self) -> Result<Body, Fault> {
        match (&self.text, &self.html) {
            (None, None) => Err(Fault::for_good("a mail has text, html or both")),
            (Some(text), None) => Ok(Body::One(SinglePart::plain(text.clone()))),
            (None, Some(html)) => Ok(Body::One(SinglePart::html(html.clone()))),
            (Some(text), Some(html)) => Ok(Body::Both(MultiPart::alternative_plain_html(text.clone(), html.clone()))),
        }
    }

    fn files(&self) -> Result<Vec<SinglePart>, Fault> {
        if self.attachments.len() > ATTACHMENTS_MAX {
            return Err(Fault::for_good(format!("a mail has at most {ATTACHMENTS_MAX} attachments")));
        }
        let part = |file: &File| {
            let fault = |what: &str| Fault::for_good(format!("the attachment \"{}\" has {what}", file.name));
            let kind = ContentType::parse(&file.content_type).map_err(|_| fault("no contentType such as image/png"))?;
            let content = STANDARD.decode(&file.content).map_err(|_| fault("a content that is no base64"))?;
            if file.name.is_empty() || file.name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | '"')) {
                return Err(fault("a name that is none of a file"));
            }
            Ok(Attachment::new(file.name.clone()).body(content, kind))
        };
        self.attachments.iter().map(part).collect()
    }
}

enum Body {
    One(SinglePart),
    Both(MultiPart),
}

fn with(mixed: MultiPart, files: Vec<SinglePart>) -> MultiPart {
    files.into_iter().fold(mixed, MultiPart::singlepart)
}

fn mailbox(address: &str, member: &str) -> Result<Mailbox, Fault> {
    address.parse().map_err(|_| Fault::for_good(format!("an address of {member} is none that mail can be sent to")))
}

fn check_place(place: &str) -> Result<(), Fault> {
    let known = ["https://", "http://", "mailto:"].iter().any(|scheme| place.starts_with(scheme));
    if known && place.len() <= 900 && place.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>')) {
        return Ok(());
    }
    Err(Fault::for_good("listUnsubscribe is a URL or a mailto:"))
}

/// The letter of a mail of the outbox.
pub(super) fn letter_of(mail: &Mail, from: &Mailbox) -> Result<Letter, Fault> {
    let to: Address = mail.to.parse().map_err(|_| Fault::for_good("the address is none that mail can be sent to"))?;
    let mut builder = Letter::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(mail.subject.clone())
        .message_id(Some(format!("<{}.{}@{}>", mail.number, mail.created_at.as_millisecond(), from.email.domain())))
        // No mail of ours wants the answer of a machine (RFC 3834).
        .header(AutoSubmitted);
    if let Some(place) = &mail.unsubscribe {
        builder = builder.header(ListUnsubscribe(format!("<{place}>"))).header(ListUnsubscribePost);
    }
    let letter = match &mail.html {
        None => builder.header(ContentType::TEXT_PLAIN).body(mail.text.clone()),
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(mail.text.clone(), html.clone())),
    };
    letter.map_err(|_| Fault::for_good("the mail cannot be written as one"))
}

/// A header that is only written.
macro_rules! header {
    ($(#[$doc:meta])* $name:ident, $text:literal, $own:ident => $value:expr) => {
        impl Header for $name {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($text)
            }

            fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Err("this header is only written".into())
            }

            fn display(&self) -> HeaderValue {
                let $own = self;
                HeaderValue::new(Self::name(), $value)
            }
        }
    };
}

/// `Auto-Submitted: auto-generated` ([RFC 3834](https://www.rfc-editor.org/rfc/rfc3834#section-5)).
#[derive(Clone)]
struct AutoSubmitted;

header!(AutoSubmitted, "Auto-Submitted", _own => "auto-generated".into());

/// Where one asks for no more such mails ([RFC 2369](https://www.rfc-editor.org/rfc/rfc2369#section-3.2)).
#[derive(Clone)]
struct ListUnsubscribe(String);

header!(ListUnsubscribe, "List-Unsubscribe", own => own.0.clone());

/// One click does ([RFC 8058](https://www.rfc-editor.org/rfc/rfc8058)).
#[derive(Clone)]
struct ListUnsubscribePost;

header!(ListUnsubscribePost, "List-Unsubscribe-Post", _own => "List-Unsubscribe=One-Click".into());

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn letter(email: Value) -> Result<String, String> {
        let email: Email = serde_json::from_value(email).map_err(|error| error.to_string())?;
        let from = "Stead <stead@example.com>".parse().unwrap();
        let letter = email.letter(&from, "7").map_err(|fault| fault.text)?;
        Ok(String::from_utf8(letter.formatted()).unwrap())
    }

    #[test]
    fn a_letter_has_what_the_payload_says() {
        let told = letter(json!({
            "to": ["Ann <ann@example.com>", "bob@example.com"], "cc": "cy@example.com", "bcc": "dee@example.com",
            "replyTo": "help@example.com", "subject": "Grüße", "text": "Hello", "html": "<p>Hello</p>",
            "attachments": [{"name": "a.txt", "contentType": "text/plain", "content": "aGVsbG8="}],
            "listUnsubscribe": "https://example.com/stop?u=1",
        }))
        .unwrap();
        for line in [
            "From: Stead <stead@example.com>",
            "To: Ann <ann@example.com>, bob@example.com",
            "Cc: cy@example.com",
            "Reply-To: help@example.com",
            "Message-ID: <7@example.com>",
            "List-Unsubscribe: <https://example.com/stop?u=1>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            "Content-Disposition: attachment; filename=\"a.txt\"",
        ] {
            assert!(told.contains(&format!("{line}\r\n")), "{line}: {told}");
        }
        assert!(told.contains("multipart/mixed") && told.contains("multipart/alternative"), "{told}");
        assert!(!told.contains("dee@example.com"), "who gets a blind copy is not told to others");
    }

    #[test]
    fn what_is_no_letter_is_refused_for_good() {
        for (more, why) in [
            (json!({"to": []}), "1 to 50 addresses"),
            (json!({"to": vec!["a@b.c"; 51]}), "1 to 50 addresses"),
            (json!({"to": "nobody"}), "an address of to"),
            (json!({"bcc": "a@b.c\r\nx: y"}), "an address of bcc"),
            (json!({"subject": "a\r\nBcc: x@y.z"}), "a subject is a line"),
            (json!({"text": null}), "text, html or both"),
            (json!({"more": 1}), "unknown field `more`"),
            (json!({"listUnsubscribe": "javascript:x"}), "listUnsubscribe"),
            (json!({"listUnsubscribe": "https://a>\r\nX: y"}), "listUnsubscribe"),
            (json!({"attachments": [{"name": "a", "contentType": "x", "content": ""}]}), "no contentType"),
            (json!({"attachments": [{"name": "a", "contentType": "a/b", "content": "?"}]}), "no base64"),
            (json!({"attachments": [{"name": "../a", "contentType": "a/b", "content": ""}]}), "none of a file"),
        ] {
            let mut email = json!({"to": "ann@example.com", "subject": "s", "text": "t"});
            email.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let told = letter(email).unwrap_err();
            assert!(told.contains(why), "{more}: {told}");
        }
    }
}

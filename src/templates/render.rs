//! Putting values into texts, by minijinja ([its language](https://docs.rs/minijinja/latest/minijinja/syntax/index.html)).

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value as Input, value::Serde};
use serde_json::Value;

use super::model::{Layout, Rendered, Template, TemplateError, Texts, Variable};
use crate::kernel::{FieldError, error::pointer_to};

/// The most steps of one text: a loop in a loop in a loop ends somewhere.
const FUEL: u64 = 50_000;
/// The most that one text may come to, in bytes.
const RENDERED_BYTES_MAX: usize = 512 << 10;
/// The longest subject, in characters.
const SUBJECT_MAX: usize = 300;

/// What every template may say beside its variables.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    /// What the application is called.
    pub(super) app_name: String,
    /// Where it is.
    pub(super) app_url: String,
}

/// The names of that, and of what layouts are given.
pub(super) const GIVEN: [&str; 6] = ["appName", "appUrl", "locale", "subject", "content", "unsubscribeUrl"];

/// Functions that texts may call.
pub(super) const FUNCTIONS: [&str; 3] = ["dict", "namespace", "range"];

/// How strictly texts are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strictness {
    /// What is absent is empty.
    Lenient,
    /// What is absent is a mistake.
    Strict,
}

pub(super) fn environment(strictness: Strictness) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(match strictness {
        Strictness::Lenient => UndefinedBehavior::Chainable,
        Strictness::Strict => UndefinedBehavior::SemiStrict,
    });
    environment.set_auto_escape_callback(|name| if name == HTML { AutoEscape::Html } else { AutoEscape::None });
    environment.add_filter("date", date);
    environment
}

/// The name under which what is HTML is rendered.
pub(super) const HTML: &str = "html";
/// The name under which anything else is.
pub(super) const PLAIN: &str = "text";

/// A time in the form of `strftime`, in UTC: `{{ at|date("%d.%m.%Y") }}`. One that is absent is nothing.
fn date(at: &Input, format: Option<&str>) -> Result<String, Error> {
    let fault = |why: String| Error::new(ErrorKind::InvalidOperation, why);
    if at.is_undefined() || at.is_none() {
        return Ok(String::new());
    }
    let at = at.as_str().unwrap_or_default();
    let at: jiff::Timestamp = at.parse().map_err(|_| fault(format!("\"{at}\" is no time")))?;
    let shown = jiff::fmt::strtime::format(format.unwrap_or("%Y-%m-%d %H:%M UTC"), at);
    shown.map_err(|error| fault(error.to_string()))
}

/// What went wrong, for people.
pub(super) fn told(error: &Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    match error.line() {
        Some(line) => format!("{what} (line {line})"),
        None => what,
    }
}

/// Puts values into a text.
pub(super) fn put_in(
    environment: &Environment<'_>,
    kind: &'static str,
    text: &str,
    values: &Input,
) -> Result<String, String> {
    let template = environment.template_from_named_str(kind, text).map_err(|error| told(&error))?;
    let mut out = Bounded::default();
    match template.render_captured_to(values, &mut out).map(drop) {
        Ok(()) => String::from_utf8(out.bytes).map_err(|error| error.to_string()),
        Err(_) if out.is_full => Err(format!("it comes to more than {RENDERED_BYTES_MAX} bytes")),
        Err(error) => Err(told(&error)),
    }
}

/// A buffer that takes no more than it may.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > RENDERED_BYTES_MAX {
            self.is_full = true;
            return Err(std::io::Error::other("full"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A text, what is put into it, and in what it stands.
pub(super) struct Rendering<'r> {
    pub(super) template: &'r Template,
    pub(super) layout: Option<&'r Layout>,
    pub(super) surroundings: &'r Surroundings,
    pub(super) locale: &'r str,
    pub(super) values: &'r Value,
    /// Where one asks for no more mails like it.
    pub(super) unsubscribe_url: Option<&'r str>,
    pub(super) strictness: Strictness,
}

/// A fault of one part of the texts.
pub(super) type PartFault = (&'static str, String);

impl Rendering<'_> {
    fn input(&self, more: &[(&str, Input)]) -> Input {
        let mut all: std::collections::BTreeMap<String, Input> =
            more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        all.insert("appName".into(), Input::from(self.surroundings.app_name.as_str()));
        all.insert("appUrl".into(), Input::from(self.surroundings.app_url.as_str()));
        all.insert("locale".into(), Input::from(self.locale));
        all.insert("unsubscribeUrl".into(), Input::from(self.unsubscribe_url.unwrap_or_default()));
        for (name, value) in self.values.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            all.insert(name.clone(), Input::from(Serde(value)));
        }
        Input::from_pairs(all)
    }

    /// What comes of it.
    pub(super) fn render(&self, texts: &Texts) -> Result<Rendered, PartFault> {
        let environment = environment(self.strictness);
        let values = self.input(&[]);
        let put = |part: &'static str, kind, text: &str| {
            put_in(&environment, kind, text, &values).map_err(|fault| (part, fault))
        };
        let subject = one_line(&put("subject", PLAIN, &texts.subject)?);
        let html = texts.html.as_deref().map(|html| put("html", HTML, html)).transpose()?;
        let text = match (&texts.text, &html, &texts.inbox) {
            (Some(text), _, _) => put("text", PLAIN, text)?,
            (None, Some(html), _) => format!("{}\n", nanohtml2text::html2text(html).replace("\r\n", "\n").trim()),
            (None, None, Some(inbox)) => put("inbox", PLAIN, inbox)?,
            (None, None, None) => String::new(),
        };
        let inbox = texts.inbox.as_deref().map(|inbox| put("inbox", PLAIN, inbox)).transpose()?;
        let (html, text) = self.framed(&environment, &subject, html, text)?;
        let Template { category, transactional, .. } = self.template;
        let (category, transactional) = (category.clone(), *transactional);
        Ok(Rendered { locale: self.locale.to_owned(), subject, text, html, inbox, category, transactional })
    }

    /// A mail in its layout.
    fn framed(
        &self,
        environment: &Environment<'_>,
        subject: &str,
        html: Option<String>,
        text: String,
    ) -> Result<(Option<String>, String), PartFault> {
        let Some(layout) = self.layout else { return Ok((html, text)) };
        let frame = |kind: &'static str, frame: &str, content: Input| {
            let values = self.input(&[("subject", Input::from(subject)), ("content", content)]);
            put_in(environment, kind, frame, &values).map_err(|fault| ("layout", fault))
        };
        // What was rendered as HTML is escaped already.
        let html = html.map(|html| frame(HTML, &layout.html, Input::from_safe_string(html))).transpose()?;
        let text = match &layout.text {
            Some(own) => frame(PLAIN, own, Input::from(text))?,
            None => text,
        };
        Ok((html, text))
    }
}

/// A subject has no lines.
fn one_line(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(SUBJECT_MAX).collect()
}

/// Checks values against the variables of a template.
pub(super) fn check_values(variables: &[Variable], values: &Value, under: &str) -> Vec<FieldError> {
    let Some(given) = values.as_object() else {
        return vec![FieldError::new(under, "type", "must be an object with the template's variables")];
    };
    let place = |name: &str| format!("{under}{}", pointer_to(name));
    let mut faults = Vec::new();
    for variable in variables {
        match given.get(&variable.name).filter(|value| !value.is_null()) {
            None if variable.required => faults.push(FieldError::new(place(&variable.name), "required", "is required")),
            Some(value) if !variable.kind.takes(value) => {
                faults.push(FieldError::new(place(&variable.name), "type", variable.kind.told()));
            }
            _ => {}
        }
    }
    let unknown = given.keys().filter(|name| !variables.iter().any(|variable| variable.name == **name));
    faults.extend(unknown.map(|name| FieldError::new(place(name), "unknown", "is no variable of the template")));
    faults
}

/// The examples of variables, as values.
pub(super) fn examples<'v>(variables: impl IntoIterator<Item = &'v Variable>) -> Value {
    Value::Object(variables.into_iter().map(|variable| (variable.name.clone(), variable.example.clone())).collect())
}

impl From<(&Template, PartFault)> for TemplateError {
    fn from((template, (part, fault)): (&Template, PartFault)) -> Self {
        Self::Render(template.name.clone(), format!("{part}: {fault}"))
    }
}

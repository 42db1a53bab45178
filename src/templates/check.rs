//! Trying a template before it is kept: every text parses, names what is there, and can be rendered with the examples.

use std::collections::BTreeSet;

use minijinja::Environment;

use super::{
    model::{LOCALES_MAX, Layout, PART_BYTES_MAX, Template, Texts, VARIABLES_MAX},
    render::{self, FUNCTIONS, GIVEN, HTML, PLAIN, Rendering, Strictness, Surroundings},
};
use crate::kernel::{FieldError, error::pointer_to};

/// Everything that is wrong with a template.
pub(super) fn faults_of(template: &Template, layout: Option<&Layout>, surroundings: &Surroundings) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut check = |good: bool, pointer: String, code: &'static str, why: &str| {
        if !good {
            faults.push(FieldError::new(pointer, code, why));
        }
    };
    check(
        is_name(&template.name),
        "/name".into(),
        "format",
        "must have 1 to 80 of the characters a-z A-Z 0-9 . - _, a letter first",
    );
    check(is_word(&template.category), "/category".into(), "format", WORD);
    let layout_known = template.layout.is_none() || layout.is_some();
    check(layout_known, "/layout".into(), "unknown", "there is no layout of this name");
    check(template.variables.len() <= VARIABLES_MAX, "/variables".into(), "too_long", "must be at most 50");
    let mut names = BTreeSet::new();
    for (at, variable) in template.variables.iter().enumerate() {
        let place = |member: &str| format!("/variables/{at}/{member}");
        let known = GIVEN.contains(&variable.name.as_str()) || !names.insert(variable.name.as_str());
        check(is_variable(&variable.name), place("name"), "format", "must be a name such as orderNumber");
        check(!known, place("name"), "taken", "is the name of another variable, or of one that is always there");
        check(variable.kind.takes(&variable.example), place("example"), "type", variable.kind.told());
    }
    check((1..=LOCALES_MAX).contains(&template.locales.len()), "/locales".into(), "too_long", "must be 1 to 50");
    let has_default = template.locales.contains_key(&template.default_locale);
    check(has_default, "/defaultLocale".into(), "unknown", "must be one of the languages in locales");
    for locale in template.locales.keys() {
        check(
            is_locale(locale),
            format!("/locales{}", pointer_to(locale)),
            "format",
            "must be a language, such as de or pt-BR",
        );
    }
    if faults.is_empty() {
        let texts = template.locales.iter();
        faults =
            texts.flat_map(|(locale, texts)| faults_of_texts(template, layout, surroundings, locale, texts)).collect();
    }
    faults
}

fn faults_of_texts(
    template: &Template,
    layout: Option<&Layout>,
    surroundings: &Surroundings,
    locale: &str,
    texts: &Texts,
) -> Vec<FieldError> {
    let place = |part: &str| format!("/locales{}/{part}", pointer_to(locale));
    let Texts { subject, html, text, inbox } = texts;
    let parts = [
        ("subject", PLAIN, Some(subject)),
        ("html", HTML, html.as_ref()),
        ("text", PLAIN, text.as_ref()),
        ("inbox", PLAIN, inbox.as_ref()),
    ];
    let mut faults = Vec::new();
    let known = |name: &str| template.variables.iter().any(|variable| variable.name == name) || GIVEN.contains(&name);
    for (part, kind, text) in parts {
        let Some(text) = text else { continue };
        if text.len() > PART_BYTES_MAX || (part == "subject" && text.trim().is_empty()) {
            faults.push(FieldError::new(place(part), "too_long", "must have 1 to 65536 bytes"));
            continue;
        }
        faults.extend(
            faults_of_text(kind, text, &known).into_iter().map(|(code, why)| FieldError::new(place(part), code, why)),
        );
    }
    if html.is_none() && text.is_none() && inbox.is_none() {
        faults.push(FieldError::new(place("text"), "required", "give html, text or inbox"));
    }
    if !faults.is_empty() {
        return faults;
    }
    // With everything that may be there, where what is named must be; and without what may be absent.
    let all = render::examples(&template.variables);
    let least = render::examples(template.variables.iter().filter(|variable| variable.required));
    let render = |values, strictness| {
        let rendering = Rendering { template, layout, surroundings, locale, values, unsubscribe_url: None, strictness };
        rendering.render(texts)
    };
    let fault = render(&all, Strictness::Strict).and_then(|_| {
        let without = render(&least, Strictness::Lenient);
        without.map_err(|(part, why)| (part, format!("{why}, when only what is required is given")))
    });
    fault.err().into_iter().map(|(part, why)| FieldError::new(place(part), "render", why)).collect()
}

/// What is wrong with one text, by code.
fn faults_of_text(kind: &'static str, text: &str, known: &dyn Fn(&str) -> bool) -> Vec<(&'static str, String)> {
    let environment: Environment<'_> = render::environment(Strictness::Strict);
    let is_known = |name: &str| known(name) || FUNCTIONS.contains(&name);
    match environment.template_from_named_str(kind, text) {
        Err(error) => vec![("syntax", render::told(&error))],
        Ok(parsed) => {
            let mut unknown: Vec<_> =
                parsed.undeclared_variables(false).into_iter().filter(|name| !is_known(name)).collect();
            unknown.sort_unstable();
            unknown.into_iter().map(|name| ("unknown", format!("there is no variable {name}"))).collect()
        }
    }
}

/// Everything that is wrong with a layout.
pub(super) fn faults_of_layout(layout: &Layout, surroundings: &Surroundings) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if !is_word(&layout.name) {
        faults.push(FieldError::at("name", "format", WORD));
    }
    let known = |name: &str| GIVEN.contains(&name);
    for (part, kind, text) in [("html", HTML, Some(&layout.html)), ("text", PLAIN, layout.text.as_ref())] {
        let Some(text) = text else { continue };
        if text.len() > PART_BYTES_MAX {
            faults.push(FieldError::at(part, "too_long", "must have at most 65536 bytes"));
            continue;
        }
        let own = faults_of_text(kind, text, &known);
        if own.is_empty() && !has_content(kind, text) {
            faults.push(FieldError::at(part, "required", "must say {{ content }} somewhere"));
        }
        faults.extend(own.into_iter().map(|(code, why)| FieldError::at(part, code, why)));
    }
    if faults.is_empty() {
        faults.extend(fault_of_frame(layout, surroundings));
    }
    faults
}

fn has_content(kind: &'static str, text: &str) -> bool {
    let environment = render::environment(Strictness::Strict);
    let parsed = environment.template_from_named_str(kind, text);
    parsed.is_ok_and(|parsed| parsed.undeclared_variables(false).contains("content"))
}

fn fault_of_frame(layout: &Layout, surroundings: &Surroundings) -> Option<FieldError> {
    let template = super::built_in::trial();
    let (locale, texts) = template.locales.first_key_value()?;
    let rendering = Rendering {
        template: &template,
        layout: Some(layout),
        surroundings,
        locale,
        values: &serde_json::json!({}),
        unsubscribe_url: None,
        strictness: Strictness::Strict,
    };
    let (_, why) = rendering.render(texts).err()?;
    Some(FieldError::at("html", "render", why))
}

const WORD: &str = "must have 1 to 50 of the characters a-z A-Z 0-9 - _, a letter first";

fn has_form(text: &str, max: usize, more: &[u8]) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
    (1..=max).contains(&text.len())
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && text.bytes().all(good)
}

fn is_name(text: &str) -> bool {
    has_form(text, 80, b".-_")
}

/// Whether it may be the name of a category or a layout.
pub(super) fn is_word(text: &str) -> bool {
    has_form(text, 50, b"-_")
}

fn is_variable(text: &str) -> bool {
    has_form(text, 50, b"_")
}

/// Whether it is the tag of a language ([BCP 47](https://www.rfc-editor.org/info/bcp47)): letters and digits, in parts.
pub(super) fn is_locale(text: &str) -> bool {
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 35
        && text.split('-').all(part)
        && text.split('-').next().is_some_and(|first| (2..=3).contains(&first.len()))
}

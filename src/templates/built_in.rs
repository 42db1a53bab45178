//! The templates that the server itself needs, in English. They may be told otherwise, and in other languages.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::{
    Layout, Template, Texts, Variable,
    VariableType::{self, Datetime, Integer, List, String as Text, Url},
};

/// The layout of the server's own mails.
pub(super) const LAYOUT: &str = "default";

const LAYOUT_HTML: &str = include_str!("../../assets/mail/layout.html");
const LAYOUT_TEXT: &str =
    "{{ content }}\n{% if unsubscribeUrl %}\n--\nNo more mails like this one: {{ unsubscribeUrl }}\n{% endif %}";

/// The layouts that are built in.
pub(super) fn layouts() -> Vec<Layout> {
    let (html, text) = (LAYOUT_HTML.to_owned(), Some(LAYOUT_TEXT.to_owned()));
    vec![Layout { name: LAYOUT.to_owned(), html, text, updated_at: None }]
}

/// A template to try a layout with.
pub(super) fn trial() -> Template {
    made("trial", "", "account", vec![], ["Subject", "<p>What is said</p>", "What is said"])
}

fn variable(name: &str, kind: VariableType, required: bool, example: Value) -> Variable {
    Variable { name: name.into(), kind, required, example, description: None }
}

fn made(name: &str, description: &str, category: &str, variables: Vec<Variable>, texts: [&str; 3]) -> Template {
    let [subject, html, text] = texts.map(ToOwned::to_owned);
    let texts = Texts { subject, html: Some(html), text: Some(text), inbox: None };
    Template {
        name: name.into(),
        description: Some(description.into()),
        category: category.into(),
        // What users may do without is told as any other notification.
        transactional: category != "security",
        layout: Some(LAYOUT.into()),
        variables,
        default_locale: "en".into(),
        locales: BTreeMap::from([("en".into(), texts)]),
        updated_at: None,
    }
}

const LINK: &str = "https://example.com/account#verify=4Zr8QmB2";

/// A mail that brings a link, and perhaps a code.
fn link(name: &str, description: &str, subject: &str, what: &str) -> Template {
    let variables = vec![
        variable("link", Url, true, json!(LINK)),
        variable("life", Text, true, json!("an hour")),
        variable("code", Text, false, json!("12345678")),
    ];
    let text = format!(
        "{what}\n\n{{{{ link }}}}\n{{% if code %}}\nOr type this code where you asked for it: {{{{ code }}}}\n{{% endif %}}\n\
         It is good for {{{{ life }}}}, and once. If you did not ask for this, do nothing: nothing changes without it.\n"
    );
    let html = format!(
        "<p>{what}</p>\n<p><a class=\"button\" href=\"{{{{ link }}}}\">{subject}</a></p>\n<p class=\"quiet\">{{{{ link }}}}</p>\n\
         {{% if code %}}<p>Or type this code where you asked for it: <strong>{{{{ code }}}}</strong></p>\n{{% endif %}}\
         <p class=\"quiet\">It is good for {{{{ life }}}}, and once. If you did not ask for this, do nothing: nothing changes without it.</p>\n"
    );
    made(name, description, "account", variables, [subject, &html, &text])
}

/// A mail that tells what has happened to an account: paragraphs, parted by empty lines.
fn news(name: &str, description: &str, variables: Vec<Variable>, subject: &str, text: &str) -> Template {
    told(name, description, "account", variables, subject, text)
}

fn told(
    name: &str,
    description: &str,
    category: &str,
    variables: Vec<Variable>,
    subject: &str,
    text: &str,
) -> Template {
    let html: String =
        text.split("\n\n").map(|part| format!("<p>{}</p>\n", part.trim().replace('\n', "<br>\n"))).collect();
    made(name, description, category, variables, [subject, &html, &format!("{text}\n")])
}

/// Whom to tell when it was somebody else.
const NOT_YOU: &str = "If this was not you, ask for a new password now, and tell those who run the server.";

/// The templates that are built in.
pub(super) fn templates() -> Vec<Template> {
    let mut all = links();
    all.extend(credentials());
    all.extend(others());
    all
}

fn links() -> Vec<Template> {
    vec![
        link(
            "user.register",
            "Brings the link by which somebody becomes a user who asked for it.",
            "Finish your registration",
            "To finish your registration, open this link and choose a password:",
        ),
        link(
            "user.invite",
            "Brings the link by which somebody becomes a user whom another one invited.",
            "You are invited",
            "You are invited. To join, open this link and choose a password:",
        ),
        link(
            "email.verify",
            "Brings the link that proves an address.",
            "Confirm your e-mail address",
            "To confirm that this is your address, open this link:",
        ),
        link(
            "email.change",
            "Brings the link that makes another address that of an account.",
            "Confirm your new e-mail address",
            "To make this the address of your account, open this link:",
        ),
        link(
            "password.reset",
            "Brings the link to set a new password.",
            "Set a new password",
            "To set a new password, open this link:",
        ),
        link(
            "session.signIn",
            "Brings the link, and the code, to sign in by mail.",
            "Sign in",
            "To sign in, open this link:",
        ),
    ]
}

fn credentials() -> Vec<Template> {
    let how = || variable("how", Text, true, json!("added to"));
    let ways = json!([{"kind": "Passkeys", "names": ["Laptop"]}]);
    vec![
        news(
            "password.changed",
            "Tells that the password is another one.",
            vec![variable("ways", List, true, ways)],
            "Your password was changed",
            &format!(
                "The password of your account was changed, and other sessions were ended. {NOT_YOU}\
                 {{% if ways %}}\n\nOther ways into your account stay. Remove what is not yours.\n{{% for way in ways %}}\
                 {{{{ way.kind }}}}: {{{{ way.names|join(\", \") }}}}.{{% if not loop.last %}}\n{{% endif %}}{{% endfor %}}{{% endif %}}"
            ),
        ),
        news(
            "email.changed",
            "Tells the address that an account had before.",
            vec![variable("newEmail", Text, true, json!("ann@example.net"))],
            "Your e-mail address was changed",
            "The address of your account is {{ newEmail }} from now on. If this was not you, tell those who run the server at once.",
        ),
        news(
            "user.deleted",
            "Tells that an account was deleted.",
            vec![],
            "Your account was deleted",
            "Your account was deleted, as you wished. If this was not you, tell those who run the server at once.",
        ),
        news(
            "factor.changed",
            "Tells that a second factor was added or removed.",
            vec![how()],
            "A second factor was {{ how }} your account",
            &format!("A second factor for signing in was {{{{ how }}}} your account. {NOT_YOU}"),
        ),
        news(
            "identity.changed",
            "Tells that a way to sign in by another provider was added or removed.",
            vec![variable("provider", Text, true, json!("google")), how()],
            "A way to sign in was {{ how }} your account",
            "An identity of {{ provider }} for signing in was {{ how }} your account. If this was not you, ask for a new password now, \
             end all sessions, and tell those who run the server.",
        ),
        news(
            "key.created",
            "Tells that a key was made.",
            vec![
                variable("name", Text, true, json!("the shop's sync")),
                variable("whose", Text, true, json!("your account")),
            ],
            "A key of {{ whose }} was made",
            "The key \"{{ name }}\" was made in your name, by which a program can act for {{ whose }}. If this was not you, ask for a new \
             password now, remove the key, and tell those who run the server.",
        ),
    ]
}

fn others() -> Vec<Template> {
    vec![
        news(
            "user.knownAlready",
            "Tells somebody who registers that there is an account.",
            vec![],
            "You have an account already",
            "Somebody, perhaps you, wanted to use this address for an account. There is one with it already: sign in, or ask for a new \
             password there. If it was not you, do nothing: nothing has changed.",
        ),
        news(
            "user.welcome",
            "Greets somebody who has become a user.",
            vec![variable("email", Text, true, json!("ann@example.com"))],
            "Welcome to {{ appName }}",
            "Your account {{ email }} at {{ appName }} is ready.",
        ),
        news(
            "session.locked",
            "Tells that attempts to sign in fail.",
            vec![variable("failures", Integer, true, json!(10))],
            "Attempts to sign in to your account fail",
            "{{ failures }} attempts to sign in to your account have failed in a row, so the next ones have to wait, each longer than the \
             one before. If it was you, ask for a new password. If not, your password has held; let it be one that you use nowhere else.",
        ),
        told(
            "session.new",
            "Tells of a sign-in from a device that was not seen before.",
            "security",
            vec![
                variable("device", Text, false, json!("Firefox on Linux")),
                variable("address", Text, false, json!("192.0.2.7")),
                variable("at", Datetime, true, json!("2026-01-31T09:30:00Z")),
            ],
            "A new sign-in to your account",
            &format!(
                "Somebody has signed in to your account from a device that we have not seen before.\n\n{{% if device %}}{{{{ device }}}}\n{{% \
                 endif %}}{{% if address %}}{{{{ address }}}}\n{{% endif %}}{{{{ at|date }}}}\n\nIf it was you, do nothing. {NOT_YOU}"
            ),
        ),
        news(
            "webhook.disabled",
            "Tells the maker of a webhook that it is told nothing any more.",
            vec![
                variable("webhook", Text, true, json!("Orders to the shop")),
                variable("reason", Text, true, json!("its endpoint does not answer")),
            ],
            "A webhook was disabled",
            "A webhook that you made is not told of changes any more.\n\nIt is: {{ webhook }}\nWhy: {{ reason }}\n\nOnce its endpoint is well, \
             set \"paused\" to false, and replay what it has not got.",
        ),
        made(
            "notification.digest",
            "Gathers notifications of a while in one mail.",
            "digest",
            vec![
                variable(
                    "items",
                    List,
                    true,
                    json!([{"subject": "Your order was sent", "text": "It comes on Monday."}]),
                ),
                variable("count", Integer, true, json!(1)),
            ],
            [
                "{{ count }} news from {{ appName }}",
                "{% for item in items %}<p><strong>{{ item.subject }}</strong>{% if item.text %}<br>\n{{ item.text }}{% endif %}</p>\n{% endfor %}",
                "{% for item in items %}{{ item.subject }}{% if item.text %}\n{{ item.text }}{% endif %}\n\n{% endfor %}",
            ],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::{super::check, *};

    #[test]
    fn what_is_built_in_is_as_good_as_what_others_must_make() {
        let surroundings = super::super::render::Surroundings { app_name: "Shop".into(), app_url: String::new() };
        let layout = &layouts()[0];
        assert_eq!(check::faults_of_layout(layout, &surroundings), []);
        for template in templates() {
            assert_eq!(check::faults_of(&template, Some(layout), &surroundings), [], "{}", template.name);
        }
    }
}

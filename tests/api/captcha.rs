//! A captcha before what anyone may call that tries passwords or sends mails. The peer verifies answers as the providers document it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use poem::{Route, Server, handler, listener::TcpAcceptor, post, web::Data};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Client, TestApp};

const AUTH: &str = "/api/v1/auth";
const SECRET: &str = "the site's secret";

/// Answers that were given before: each is good once.
type Used = Arc<Mutex<HashSet<String>>>;

#[handler]
fn verify(poem::web::Form(form): poem::web::Form<Vec<(String, String)>>, used: Data<&Used>) -> poem::web::Json<Value> {
    let field = |name: &str| form.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    let address = field("remoteip") == Some("127.0.0.1");
    let error = match (field("secret"), field("response")) {
        (Some(SECRET), Some(answer)) if answer.starts_with("good") && address => {
            (!used.lock().unwrap().insert(answer.to_owned())).then_some("timeout-or-duplicate")
        }
        (Some(SECRET), _) => Some("invalid-input-response"),
        _ => Some("invalid-input-secret"),
    };
    // Only some providers give scores, and call the answers of robots good.
    let score = field("response").and_then(|answer| answer.rsplit_once("score ")?.1.parse::<f64>().ok());
    let mut verdict = json!({"success": error.is_none(), "error-codes": error.into_iter().collect::<Vec<_>>()});
    if let Some(score) = score {
        verdict["score"] = score.into();
    }
    poem::web::Json(verdict)
}

/// A provider of captchas; answers where it verifies.
async fn provider() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/siteverify", listener.local_addr().unwrap());
    let routes = poem::EndpointExt::data(Route::new().at("/siteverify", post(verify)), Used::default());
    tokio::spawn(Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).unwrap()).run(routes));
    url
}

async fn app(verify_url: String) -> TestApp {
    TestApp::new()
        .with_config(|config| {
            config.captcha = stead::config::Captcha { verify_url, secret: SECRET.into(), score_min: 0.7 };
            config.rate_limit.sign_in_per_minute = 0;
            config.auth.registration = "open".into();
        })
        .start()
        .await
}

fn with(client: &Client, answer: &str) -> Client {
    client.with("x-captcha-token", answer)
}

#[tokio::test]
async fn guests_solve_a_captcha_before_passwords_and_mails() {
    let app = app(provider().await).await;
    app.make_user("ann@example.com", "correct horse battery", &[]).await;
    let email = json!({"email": "ann@example.com"});
    let password = json!({"email": "ann@example.com", "password": "correct horse battery"});
    let rows = [
        ("login", &password, 200),
        ("register", &email, 202),
        ("forgot-password", &email, 202),
        ("email-sign-in", &email, 202),
    ];
    let guest = app.guest();
    for (path, body, status) in rows {
        let path = format!("{AUTH}/{path}");
        for bad in ["", "bad", "good, with the score 0.69", &"good".repeat(2000)] {
            with(&guest, bad)
                .post(&path, body.clone())
                .await
                .lacks(&[SECRET, "siteverify"])
                .problem(403, "captcha_required");
        }
        guest.post(&path, body.clone()).await.problem(403, "captcha_required");
        let good = with(&guest, &format!("good for {path}"));
        good.post(&path, body.clone()).await.expect(status);
        good.post(&path, body.clone()).await.problem(403, "captcha_required");
    }
    with(&guest, "good, with the score 0.7").post(&format!("{AUTH}/login"), password.clone()).await.expect(200);
    // Who has a token has solved one before, and the operator is no robot.
    guest.post(&format!("{AUTH}/refresh"), json!({"refreshToken": "x"})).await.problem(401, "invalid_token");
    app.operator().post(&format!("{AUTH}/login"), password).await.expect(200);
}

#[tokio::test]
async fn nobody_passes_while_answers_cannot_be_verified() {
    let app = app("http://127.0.0.1:1/siteverify".into()).await;
    let body = json!({"email": "ann@example.com", "password": "x"});
    let answer = with(&app.guest(), "good").post(&format!("{AUTH}/login"), body).await;
    answer.lacks(&["127.0.0.1:1", SECRET]).problem(502, "provider_unavailable");
}

//! A job that takes the server down each time it runs: it ends dead, and keeps no server from starting.

use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};

use crate::{
    client::Client,
    process::{DEADLINE, Site},
};

const ATTEMPTS: u32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_kills_the_server_ends_dead() {
    // A server for mail that says nothing: the job runs until the server is gone.
    let mail = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = Site::new();
    let port = mail.local_addr().unwrap().port();
    site.write("stead.toml", format!("[mail]\nsmtp_host = \"127.0.0.1\"\nsmtp_port = {port}\nsmtp_tls = \"none\"\n"));
    let mut server = site.serve();
    let mut client = Client::admin(&site, &server).await;
    let job = json!({"queue": "emails", "kind": "email.send", "attemptsMax": ATTEMPTS,
        "payload": {"to": "ann@example.com", "subject": "s", "text": "t"}});
    let made = client.post("/api/v1/jobs", &job).await.expect(201);
    let path = format!("/api/v1/jobs/{}", made["id"].as_str().unwrap());
    let token = client.token().unwrap();
    for attempt in 1..=ATTEMPTS {
        let (_connection, _) = timeout(DEADLINE, mail.accept()).await.expect("the job runs").unwrap();
        let mut client = Client::try_open(server.address, Some(token.clone())).await.unwrap();
        let running = client.get(&path).await.expect(200);
        assert_eq!((&running["state"], &running["attempts"]), (&json!("running"), &json!(attempt)));
        server.process.kill();
        server = site.serve();
    }
    let mut client = Client::try_open(server.address, Some(token)).await.unwrap();
    let dead = client.get(&path).await.expect(200);
    assert_eq!((&dead["state"], &dead["attempts"]), (&json!("dead"), &json!(ATTEMPTS)));
    let errors: Vec<&Value> = dead["history"].as_array().unwrap().iter().map(|attempt| &attempt["error"]).collect();
    assert_eq!(errors, vec![&json!("the server stopped while it ran"); 3]);
    // A stop in good order gives a job back, and its attempt does not count.
    client.post(&format!("{path}/retry"), &json!(null)).await.expect(200);
    for _ in 0..2 {
        let (_connection, _) = timeout(DEADLINE, mail.accept()).await.expect("the job runs").unwrap();
        server.stop();
        server = site.serve();
    }
    let (_connection, _) = timeout(DEADLINE, mail.accept()).await.expect("the job runs").unwrap();
    let mut client = Client::try_open(server.address, client.token()).await.unwrap();
    let running = client.get(&path).await.expect(200);
    assert_eq!((&running["state"], &running["attempts"]), (&json!("running"), &json!(ATTEMPTS + 1)));
}

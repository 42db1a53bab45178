//! What goes wrong inside: timeouts, panics and internal errors are problems too, and tell nothing of the inside.

use std::{sync::Arc, time::Duration};

use poem::{Endpoint, EndpointExt as _, Request, Response, Server, endpoint, listener::TcpAcceptor};
use stead::{
    config::Config,
    http::{Pipeline, PipelineOptions},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::support::{Client, TestApp, TestClock, raw};

/// The pipeline around one endpoint, served.
async fn serve<E: Endpoint<Output = Response> + 'static>(config: &Config, endpoint: E) -> Client {
    let options = PipelineOptions::new(config, &[], Arc::new(TestClock::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).unwrap());
    let endpoint = Pipeline::new(endpoint, options).boxed();
    tokio::spawn(server.run(endpoint));
    Client::guest(address)
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_ended() {
    let mut config = Config::default();
    config.http.timeout_ms = 50;
    let slow = endpoint::make(|_: Request| async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok::<_, poem::Error>(Response::default())
    });
    serve(&config, slow).await.get("/").await.problem(504, "timeout");
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let panics = endpoint::make(|request: Request| async move {
        assert_ne!(request.uri().path(), "/panic", "s3cr3t of the inside");
        Ok::<_, poem::Error>(Response::builder().body("fine"))
    });
    let client = serve(&Config::default(), panics).await;
    let answer = client.get("/panic").await.lacks(&["s3cr3t", "panick", "failures.rs", "assertion"]);
    assert_eq!(answer.header("x-frame-options"), "SAMEORIGIN");
    answer.problem(500, "internal");
    assert_eq!(client.get("/").await.expect(200).text(), "fine", "the server goes on");
}

#[tokio::test]
async fn an_internal_error_keeps_its_cause_to_itself() {
    let fails = endpoint::make(|_: Request| async {
        let cause = std::io::Error::other("s3cr3t of the inside");
        Err::<Response, _>(poem::Error::new(cause, poem::http::StatusCode::INTERNAL_SERVER_ERROR))
    });
    let answer = serve(&Config::default(), fails).await.get("/").await;
    answer.lacks(&["s3cr3t"]).problem(500, "internal");
}

/// The time of a request counts its body.
#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let app = TestApp::new().with_config(|config| config.http.timeout_ms = 100).start().await;
    let head = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{{",
        app.address
    );
    let said = raw(app.address, head.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 504 "), "{said}");
}

#[tokio::test]
async fn what_is_no_http_harms_nobody() {
    let app = TestApp::start().await;
    let broken: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    ];
    for bytes in broken {
        let said = raw(app.address, bytes).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    let mut gone = TcpStream::connect(app.address).await.unwrap();
    gone.write_all(b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{").await.unwrap();
    gone.shutdown().await.unwrap();
    let mut said = String::new();
    gone.read_to_string(&mut said).await.unwrap_or_default();
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    app.guest().get("/health/ready").await.expect(200);
}

//! What every request passes, and the start and stop around it.

use axum::extract::Query;
use axum::http::Request;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// A folder that goes with the test.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let name = format!("everbond-serve-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        Scratch(path)
    }

    fn config(&self) -> Config {
        Config {
            data: self.0.clone(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ..Config::default()
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn row(method: &'static str, path: &'static str, who: Who, handler: Handler) -> Route {
    Route {
        method,
        path,
        who,
        tag: "Test",
        summary: "Test",
        about: "",
        query: &[],
        body: Value::Null,
        answer: (200, Value::Null),
        problems: &[],
        handler,
    }
}

type Handler = axum::routing::MethodRouter<App>;

async fn fails() -> Response {
    panic!("as a handler may")
}

async fn number(Query(query): Query<std::collections::HashMap<String, u8>>) -> String {
    query.len().to_string()
}

fn odd_routes() -> Vec<Route> {
    vec![
        row("get", "/panics", Who::SecretKey, get(fails)),
        row("get", "/number", Who::SecretKey, get(number)),
        row(
            "post",
            "/takes",
            Who::WriteKey,
            post(|body: axum::body::Bytes| async move { body.len().to_string() }),
        ),
    ]
}

async fn ask(router: &Router, request: Request<Body>) -> (u16, axum::http::HeaderMap, Value) {
    let response = router.clone().oneshot(request).await.expect("a router always answers");
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("it ends");
    (head.status.as_u16(), head.headers, serde_json::from_slice(&body).unwrap_or_default())
}

fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder().method(method).uri(path).body(body.into()).expect("it is a request")
}

#[tokio::test]
async fn whatever_goes_wrong_is_a_problem_and_has_a_name() {
    let scratch = Scratch::new("problems");
    let started = start(scratch.config()).await.expect("it starts");
    let router = Ways::new(started.app.clone(), odd_routes()).router;
    for (method, path, size, status, code) in [
        ("GET", "/panics", 0, 500, "internal"),
        ("GET", "/number?a=b", 0, 400, "bad_request"),
        ("GET", "/v1/nothing", 0, 404, "not_found"),
        ("DELETE", "/number", 0, 405, "method_not_allowed"),
        ("POST", "/takes", limits::BODY_BYTES + 1, 413, "too_large"),
    ] {
        let (found, headers, body) = ask(&router, request(method, path, vec![b'x'; size])).await;
        assert_eq!((found, body["code"].as_str()), (status, Some(code)), "{path}: {body}");
        assert_eq!(headers["content-type"], "application/problem+json", "{path}");
        assert!(headers.contains_key("x-request-id"), "{path}");
    }
    let counted = started.app.requests.all();
    let panics: Vec<_> = counted.iter().filter(|row| row.0 == "GET /panics").collect();
    assert!(matches!(panics[..], [(_, 500, 1, _)]), "{counted:?}");
    drop(router);
    started.stop().await.expect("it stops");
}

#[tokio::test]
async fn other_origins_may_call_with_a_key_and_nothing_else() {
    let scratch = Scratch::new("origins");
    let started = start(scratch.config()).await.expect("it starts");
    let router = Ways::new(started.app.clone(), odd_routes()).router;
    let (status, headers, _) = ask(&router, request("OPTIONS", "/takes", "")).await;
    assert_eq!(status, 204);
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert!(!headers.contains_key("access-control-allow-credentials"));
    let (_, headers, _) = ask(&router, request("GET", "/number", "")).await;
    assert!(!headers.contains_key("access-control-allow-origin"));
    drop(router);
    started.stop().await.expect("it stops");
}

#[tokio::test]
async fn a_request_keeps_its_callers_name_if_it_is_plain() {
    let scratch = Scratch::new("names");
    let started = start(scratch.config()).await.expect("it starts");
    let router = Ways::new(started.app.clone(), odd_routes()).router;
    for (given, kept) in [("trace-7", true), ("a b", false), ("<x>", false)] {
        let mut request = request("GET", "/number", "");
        request.headers_mut().insert("x-request-id", given.parse().expect("a header"));
        let (_, headers, _) = ask(&router, request).await;
        assert_eq!(headers["x-request-id"] == given, kept, "{given}");
    }
    drop(router);
    started.stop().await.expect("it stops");
}

/// Sends a head and reads until the server closes.
async fn talk(addr: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.expect("it listens");
    stream.write_all(text.as_bytes()).await.expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_stop_ends_live_streams_and_leaves_the_folder_to_the_next_start() {
    let scratch = Scratch::new("stop");
    let mut config = scratch.config();
    config.first_secret_key = Some("sk_abcdefgh_0123456789abcdef01234567".into());
    let started = start(config.clone()).await.expect("it starts");
    let addr = started.addr;
    let live = tokio::spawn(async move {
        let head = "GET /v1/live HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \
                    sk_abcdefgh_0123456789abcdef01234567\r\n\r\n";
        talk(addr, head).await
    });
    let begun = Instant::now();
    while started.app.hub.open() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "the stream never opened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let position = started.app.engine.state().seq();
    let begun = Instant::now();
    started.stop().await.expect("it stops");
    assert!(begun.elapsed() < STOP_WAIT, "the stream held up the stop");
    assert!(live.await.expect("it ran").contains("text/event-stream"));
    let again = start(config).await.expect("the folder is free again");
    assert_eq!(again.opened.replayed, 0, "the last checkpoint holds everything");
    assert_eq!(again.app.engine.state().seq(), position, "the first keys are made once");
    again.stop().await.expect("it stops");
}

#[tokio::test]
async fn numbers_are_for_this_machine_or_a_secret_key() {
    let scratch = Scratch::new("numbers");
    let started = start(scratch.config()).await.expect("it starts");
    let head = "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let own = talk(started.addr, &format!("{head}\r\n")).await;
    assert!(own.contains("# TYPE everbond_touches_total counter\neverbond_touches_total 0\n"));
    let proxied = talk(started.addr, &format!("{head}x-forwarded-for: 10.1.1.1\r\n\r\n")).await;
    assert!(proxied.starts_with("HTTP/1.1 401"), "{proxied}");
    started.stop().await.expect("it stops");
}

#[test]
fn what_goes_past_the_router_is_in_the_table() {
    let routes = routes(Arc::new(DiskNumbers::default));
    for (path, _) in SHORT {
        assert!(routes.iter().any(|own| own.path == path && own.method == "post"), "{path}");
    }
}

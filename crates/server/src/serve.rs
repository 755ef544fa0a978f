//! Starts the server and stops it: opens the data folder, starts the one loop, listens, and lets
//! every request pass the same way in and out. What a request does is in the routes.

mod at_once;

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use model::entry::{Body as EntryBody, Key, KeyScope};
use model::limits;
use runtime::{Core, OpenError, Opened, Options, Pace};
use storage::{DataDir, DiskStore, StorageError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::app::{App, Inner, LETTERS, Settings, now, random_u64, secret_hash};
use crate::config::Config;
use crate::health::{AskDisk, DiskNumbers};
use crate::hub::Hub;
use crate::live::Opening;
use crate::metrics::Counts;
use crate::problem::Problem;
use crate::receipt::Signer;
use crate::route::{Route, Who};
use at_once::at_once;

/// Connections at once; each live stream holds one.
const CONNECTIONS: usize = limits::STREAMS + 8_192;
/// A client has this long to send the head of a request, and after it for the rest.
const HEAD_WAIT: Duration = Duration::from_secs(20);
const REQUEST_WAIT: Duration = Duration::from_secs(120);
/// At a stop, running requests have this long.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// A server that runs. Dropping it does not stop it; [`Started::stop`] does.
pub struct Started {
    /// The address it listens on, with the port that was taken.
    pub addr: SocketAddr,
    pub app: App,
    /// What opening the data folder found.
    pub opened: Opened,
    stop: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<()>,
    running: runtime::Running,
    /// Holds the folder's lock until the loop has written its last.
    data: Arc<DataDir>,
}

#[derive(Debug)]
pub enum StartError {
    Storage(StorageError),
    Open(OpenError),
    Listen { addr: SocketAddr, source: io::Error },
    SigningKey(io::Error),
    FirstKeys(Problem),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Storage(error) => error.fmt(f),
            StartError::Open(error) => error.fmt(f),
            StartError::Listen { addr, source } => {
                write!(f, "cannot listen on {addr}: {source}; choose another address with --listen")
            }
            StartError::SigningKey(error) => write!(f, "the file signing.key: {error}"),
            StartError::FirstKeys(problem) => {
                write!(f, "the first keys cannot be made: {}", problem.to_json()["detail"])
            }
        }
    }
}

impl std::error::Error for StartError {}

/// A data folder that this process has opened, without a server.
pub struct Folder {
    pub data: Arc<DataDir>,
    pub store: Arc<DiskStore>,
    pub core: Core<storage::RealDisk, DiskStore>,
    pub opened: Opened,
}

/// Opens the data folder and folds in what the last checkpoint does not hold.
pub fn open_folder(config: &Config) -> Result<Folder, StartError> {
    let data = Arc::new(DataDir::open(&config.data).map_err(StartError::Storage)?);
    let store = DiskStore::open(data.store_folder(), config.cache_bytes(), &engine::HOT);
    let store = Arc::new(store.map_err(StartError::Storage)?);
    let options = Options { memory: config.memory_bytes(), ..Options::default() };
    let opened = Core::open(data.log_disk(), store.clone(), options);
    let (core, opened) = opened.map_err(StartError::Open)?;
    Ok(Folder { data, store, core, opened })
}

/// Starts everything and returns when it answers requests. Must run inside tokio.
pub async fn start(config: Config) -> Result<Started, StartError> {
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| StartError::Listen { addr: config.listen, source })?;
    let addr = listener.local_addr().unwrap_or(config.listen);
    let opening = config.clone();
    let folder = tokio::task::spawn_blocking(move || open_folder(&opening))
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    let Folder { data, store, core, opened } = folder;
    tell_opened(&opened);
    let signer = Signer::open(&data.path().join("signing.key")).map_err(StartError::SigningKey)?;
    let hub = Arc::new(Hub::default());
    let pace = Pace {
        checkpoint_every: Duration::from_secs(u64::from(config.checkpoint_seconds)),
        ..Pace::default()
    };
    let told_hub = hub.clone();
    let tell = move |told: runtime::Told| told_hub.tell(told.seq, &told.changes);
    let (engine, running) = runtime::start(core, pace, now, tell);
    let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{addr}"));
    let settings =
        Settings { public_url, company: config.company.clone(), backup_days: config.backup_days };
    let app = App::new(Inner {
        engine,
        hub,
        settings,
        signer,
        limiter: crate::limiter::Limiter::default(),
        memory: crate::memory::Memory::default(),
        requests: crate::metrics::Requests::default(),
        prepared: crate::deciding::Prepared::default(),
        settled: crate::settled::Settled::default(),
    });
    first_keys(&app, &config).await.map_err(StartError::FirstKeys)?;
    let (stop, stopping) = watch::channel(false);
    let disk = ask_disk(&data, &store, &app);
    let ways = Arc::new(Ways::new(app.clone(), routes(disk)));
    let serving = tokio::spawn(accept(listener, ways, app.hub.clone(), stopping));
    tracing::info!(%addr, url = app.settings.public_url, "listening");
    Ok(Started { addr, app, opened, stop, serving, running, data })
}

impl Started {
    /// Stops listening, lets running requests finish, closes live streams, writes a last
    /// checkpoint, closes the log.
    pub async fn stop(self) -> Result<(), StorageError> {
        let Started { app, stop, serving, running, data, .. } = self;
        stop.send_replace(true);
        if serving.await.is_err() {
            tracing::error!("the listener had stopped before");
        }
        drop(app);
        let stopped = tokio::task::spawn_blocking(move || running.stop()).await;
        drop(data);
        stopped.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

impl Started {
    /// Returns when the one loop has ended by itself, because the log failed.
    pub async fn loop_ended(&self) {
        while !self.app.engine.gauges().stopped.load(std::sync::atomic::Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

fn tell_opened(opened: &Opened) {
    let log = &opened.log;
    tracing::info!(
        last_entry = log.last_seq,
        checkpoint = opened.checkpoint,
        replayed = opened.replayed,
        segments = log.segments,
        "data folder opened"
    );
    if log.torn_bytes_cut > 0 {
        tracing::warn!(
            bytes = log.torn_bytes_cut,
            "the log ended in a group that was never acknowledged; it was cut"
        );
    }
    if log.purges_redone > 0 || log.indexes_rebuilt > 0 {
        tracing::info!(
            purges_redone = log.purges_redone,
            indexes_rebuilt = log.indexes_rebuilt,
            "what a crash had broken off was finished"
        );
    }
}

/// Makes the keys that the settings name, in a folder that has none.
async fn first_keys(app: &App, config: &Config) -> Result<(), Problem> {
    if app.engine.state().keys().next().is_some() {
        return Ok(());
    }
    let scopes =
        [(KeyScope::Write, &config.first_write_key), (KeyScope::Secret, &config.first_secret_key)];
    for (scope, text) in scopes {
        if let Some(text) = text {
            app.submit(EntryBody::PutKey(key_of(scope, "first", text))).await?;
        }
    }
    Ok(())
}

/// What is stored of a key's text.
pub fn key_of(scope: KeyScope, name: &str, text: &str) -> Key {
    let id_len = text.rfind('_').unwrap_or(text.len());
    Key {
        id: text[..id_len].into(),
        name: name.into(),
        scope,
        hash: secret_hash(text),
        made: now(),
    }
}

fn ask_disk(data: &Arc<DataDir>, store: &Arc<DiskStore>, app: &App) -> AskDisk {
    use storage::Store as _;
    // Weak, so that a closed server leaves the folder and its lock to the next one.
    let (data, store) = (Arc::downgrade(data), Arc::downgrade(store));
    let reader = app.engine.reader().clone();
    Arc::new(move || {
        let (Some(data), Some(store)) = (data.upgrade(), store.upgrade()) else {
            return DiskNumbers::default();
        };
        DiskNumbers {
            free: data.free_bytes().unwrap_or(0),
            log: reader.disk_bytes().unwrap_or(0),
            store: store.disk_bytes().unwrap_or(0),
            store_in_trouble: store.trouble().is_some(),
        }
    })
}

/// Every route of the server.
pub fn routes(disk: AskDisk) -> Vec<Route> {
    let mut routes = Vec::new();
    routes.extend(crate::health::routes(disk));
    routes.extend(crate::ingest::routes::routes());
    routes.extend(crate::api::routes());
    routes.extend(crate::owner::routes());
    routes.extend(crate::live::routes());
    routes.extend(crate::resolver::routes());
    let shelf = crate::docs::Shelf::default();
    routes.extend(crate::docs::routes(&shelf));
    crate::docs::write(&shelf, &routes);
    routes
}

/// Where a request goes.
struct Ways {
    app: App,
    router: Router,
    short: Vec<(&'static str, Short, Passed)>,
}

/// What answers a POST to a path.
type Short = fn(App, Request) -> Pin<Box<dyn Future<Output = Response> + Send>>;

/// What is called thousands of times a second goes past the router, which boxes and copies a
/// request several times; all else that requests pass, these pass too.
const SHORT: [(&str, Short); 2] = [
    (crate::api::DECISIONS, crate::api::decide),
    (crate::ingest::routes::TOUCHES, crate::ingest::routes::take),
];

impl Ways {
    fn new(app: App, routes: Vec<Route>) -> Ways {
        let passing = Arc::new(Passing {
            routes: routes.iter().map(|route| (route.path, Passed::of(&app, route))).collect(),
            unknown: Passed { counts: app.requests.of("none"), open: false, often: false },
        });
        let short = SHORT.iter().filter_map(|(path, answer)| {
            let route = routes.iter().find(|route| route.path == *path)?;
            Some((*path, *answer, Passed::of(&app, route)))
        });
        let short = short.collect();
        Ways { router: router(app.clone(), passing, routes), app, short }
    }

    async fn answer(&self, mut request: Request, peer: SocketAddr) -> Response {
        let path = request.uri().path();
        let is_post = *request.method() == Method::POST;
        let short = self.short.iter().find(|(own, ..)| *own == path && is_post);
        let Some((route, short, passed)) = short else {
            request.extensions_mut().insert(ConnectInfo(peer));
            let Ok(response) = self.router.clone().oneshot(request).await;
            return response;
        };
        pass_as((route, passed), request, |request| short(self.app.clone(), request)).await
    }
}

/// The router with all that every request passes.
fn router(app: App, passing: Arc<Passing>, routes: Vec<Route>) -> Router {
    crate::route::router(routes)
        .fallback(crate::web::fallback)
        .method_not_allowed_fallback(|| async {
            Problem::new("method_not_allowed", "this address has other methods")
        })
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES))
        .layer(axum::middleware::from_fn(move |request: Request, next: Next| {
            pass(passing.clone(), request, next)
        }))
        .with_state(app)
}

/// What is known of the routes before a request comes.
struct Passing {
    routes: HashMap<&'static str, Passed>,
    /// Of requests that no route takes.
    unknown: Passed,
}

struct Passed {
    counts: Arc<Counts>,
    /// Pages of other origins may call it: it takes a key or nothing, no cookie.
    open: bool,
    /// Machines call it many times a second, or every minute to see whether we live. What went
    /// well there is no line in the log, unless details are asked for.
    often: bool,
}

impl Passed {
    fn of(app: &App, route: &Route) -> Passed {
        let often = route.who == Who::WriteKey || OFTEN.contains(&route.path);
        let open = matches!(route.who, Who::WriteKey | Who::Public);
        Passed { counts: app.requests.of(route.path), open, often }
    }
}

/// Beside the ways in.
const OFTEN: [&str; 6] =
    ["/healthz", "/readyz", "/metrics", "/v1/decisions", "/v1/me/page", "/v1/live"];
/// An answer that takes longer is worth a line on any route.
const SLOW: Duration = Duration::from_secs(1);

async fn pass(passing: Arc<Passing>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    let known = matched.and_then(|path| passing.routes.get_key_value(path.as_str()));
    let known = known.map_or(("none", &passing.unknown), |(path, own)| (*path, own));
    pass_as(known, request, |request| next.run(request)).await
}

/// What every request passes: a name for it, a limit on its time, panics and plain-text errors
/// made into problems, headers, a line in the log, numbers. Neither the address's query nor any
/// value of it is logged: both can hold what belongs to a person.
async fn pass_as<F: Future<Output = Response>>(
    (route, passed): (&'static str, &Passed),
    request: Request,
    answer: impl FnOnce(Request) -> F,
) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let id = request_id(&request);
    let shown = id.to_str().unwrap_or_default();
    let response = if passed.open && method == Method::OPTIONS {
        preflight()
    } else {
        match tokio::time::timeout(REQUEST_WAIT, caught(answer(request))).await {
            Ok(Ok(response)) => response,
            Ok(Err(())) => {
                tracing::error!(request = shown, route, "a handler panicked");
                Problem::new("internal", "the request could not be answered")
                    .with("request", shown.into())
                    .into_response()
            }
            Err(_) => Problem::new("busy", "it took longer than 120 seconds")
                .retry_after(5)
                .into_response(),
        }
    };
    let mut response = as_problem(response).await;
    add_headers(&mut response, id.clone(), passed.open);
    let status = response.status().as_u16();
    let spent = begun.elapsed();
    let micros = spent.as_micros() as u64;
    passed.counts.count(&method, status, micros);
    if passed.often && status < 400 && spent < SLOW {
        tracing::debug!(%method, route, status, micros, request = shown, "answered");
    } else {
        tracing::info!(%method, route, status, micros, request = shown, "answered");
    }
    response
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The caller's name for the request if it is a plain one, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let plain = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=64).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_')
    };
    let given = request.headers().get(REQUEST_ID).filter(plain);
    given.cloned().unwrap_or_else(|| {
        let id = new_request_id();
        HeaderValue::from_bytes(&id).expect("letters and digits may stand in a header")
    })
}

/// It tells requests apart and is no secret, so each thread asks the system for a beginning only.
fn new_request_id() -> [u8; 12] {
    thread_local! {
        static LAST: Cell<u64> = Cell::new(random_u64());
    }
    // SplitMix64: every number once, in no order that shows.
    let mut number = LAST.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    LAST.set(number);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^= number >> 31;
    std::array::from_fn(|at| LETTERS[(number >> (at * 5)) as usize & 31])
}

/// `Err` when the handler panicked; the panic itself was printed where it happened.
async fn caught(answer: impl Future<Output = Response>) -> Result<Response, ()> {
    let mut answer = std::pin::pin!(answer);
    poll_fn(move |context| {
        // The future is dropped after a panic, so nobody sees what it left half done.
        match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(())),
        }
    })
    .await
}

/// What the framework refuses by itself (a query it cannot read, a body that is too long) is
/// plain text; callers are promised a problem.
async fn as_problem(response: Response) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let plain = match response.headers().get(header::CONTENT_TYPE) {
        Some(kind) => kind.as_bytes().starts_with(b"text/plain"),
        None => true,
    };
    if !plain {
        return response;
    }
    let text = axum::body::to_bytes(response.into_body(), 4096).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let code = match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "bad_encoding",
        StatusCode::UNPROCESSABLE_ENTITY => "invalid",
        _ if status.is_server_error() => "internal",
        _ => "bad_request",
    };
    Problem::new(code, text).into_response()
}

/// Other origins may call with a key, never with a cookie.
fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            // The last three are what Segment's browser SDK sends with a retry.
            "authorization, content-type, content-encoding, idempotency-key, x-request-id, \
             x-retry-count, anonymousid, sentat",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

fn add_headers(response: &mut Response, id: HeaderValue, open: bool) {
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if open {
        let name = header::ACCESS_CONTROL_ALLOW_ORIGIN;
        headers.entry(name).or_insert(HeaderValue::from_static("*"));
        let name = header::ACCESS_CONTROL_EXPOSE_HEADERS;
        headers.entry(name).or_insert(HeaderValue::from_static("retry-after, x-request-id"));
    }
}

/// Takes connections until the stop, then waits for those that run.
async fn accept(
    listener: TcpListener,
    ways: Arc<Ways>,
    hub: Arc<Hub>,
    mut stopping: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    connections.spawn(until_stop(hub.spread(), stopping.clone()));
    loop {
        let permit = room.clone().acquire_owned().await.expect("it is never closed");
        let accepted = tokio::select! {
            accepted = listener.accept() => Some(accepted),
            _ = stopping.wait_for(|stop| *stop) => None,
        };
        let (stream, peer) = match accepted {
            Some(Ok(accepted)) => accepted,
            Some(Err(error)) => {
                // Too many open files, mostly: some will close.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            None => break,
        };
        connections.spawn(connection(stream, peer, ways.clone(), permit, stopping.clone()));
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    // Live streams have left the set and end by themselves; each holds its permit until it has.
    let all = async {
        while connections.join_next().await.is_some() {}
        let _ = room.acquire_many(CONNECTIONS as u32).await;
    };
    if tokio::time::timeout(STOP_WAIT, all).await.is_err() {
        tracing::warn!("some requests did not finish within 10 seconds and were cut off");
    }
}

/// A live stream ends by itself only when its page is closed; a stop must not wait for that.
async fn until_stop(work: impl Future<Output = ()>, mut stopping: watch::Receiver<bool>) {
    tokio::select! {
        () = work => {}
        // An error means that the server is gone, which ends it as well.
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

/// Why the library has to let go of a connection: its answer is a stream.
#[derive(Debug)]
struct Taken;

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is a live stream now")
    }
}

impl std::error::Error for Taken {}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    ways: Arc<Ways>,
    permit: OwnedSemaphorePermit,
    mut stopping: watch::Receiver<bool>,
) {
    // Small answers leave at once; a connection that refuses the option works all the same.
    let _ = stream.set_nodelay(true);
    let opening = Arc::new(Mutex::new(None));
    let to_open = opening.clone();
    let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
        let request = request.map(|body: hyper::body::Incoming| Body::new(body));
        let reads = *request.method() == Method::GET;
        let (ways, to_open) = (ways.clone(), to_open.clone());
        async move {
            let response = ways.answer(request, peer).await;
            match Opening::of(&response).filter(|_| reads) {
                None => Ok(response),
                Some(own) => {
                    *to_open.lock().expect("nobody panics while holding it") = Some(own);
                    Err(Taken)
                }
            }
        }
    });
    let mut serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .serve_connection(TokioIo::new(stream), service);
    let finished = tokio::select! {
        biased;
        result = at_once(&mut serving) => Some(result),
        _ = stopping.wait_for(|stop| *stop) => None,
    };
    let result = match finished {
        Some(result) => result,
        None => {
            Pin::new(&mut serving).graceful_shutdown();
            (&mut serving).await
        }
    };
    let opening = opening.lock().expect("nobody panics while holding it").take();
    if let Some(opening) = opening {
        let stream = serving.into_parts().io.into_inner();
        // A task of its own, which is as small as a stream, not as large as a request.
        tokio::spawn(async move {
            until_stop(opening.run(stream), stopping).await;
            drop(permit);
        });
    } else if let Err(error) = result {
        // Clients go away at any point; that is not ours to repair.
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests;

//! The live stream (server-sent events): a word that something changed, never what. The page asks
//! again, with its own session, so a stream can tell nobody anything that is not theirs.
//!
//! A stream is open for hours and says nothing for most of them, so it must cost little while it
//! does. The HTTP library keeps two buffers and the whole of its machinery for each connection, so
//! a stream leaves it: the route only says who listens, and the listener takes the connection from
//! the library, writes the answer's head itself and then the events, until either side closes.
//! HTTP/1.1 allows that for an answer without a length that says `connection: close`.
//!
//! Kept true: a phone's stream hears its own person's changes and those of the model; of a unit
//! only while it is that person's. Who that is, is looked up again at every wake. A reader that is
//! too slow holds up to one event here, and hears of the newest change when it reads on.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use model::gs1::Subject;
use model::id::PersonId;
use model::limits;
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::auth::{self, Session};
use crate::hub::{Listening, News};
use crate::owner::page::{Access, standing};
use crate::owner::visitor::{self, Params};
use crate::problem::Problem;
use crate::route::{Route, Who};

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Streams from which on strangers get none: a person's number of streams is limited, theirs is
/// not, and they must not take everybody's place.
const STRANGERS: usize = limits::STREAMS / 2;
/// A change is told at once, and what comes within this time after it as one.
const COALESCE: Duration = Duration::from_millis(50);

pub fn routes() -> Vec<Route> {
    vec![Route {
        method: "get",
        path: "/v1/live",
        who: Who::OwnerOrPublic,
        tag: "Live",
        summary: "Hear at once that something changed",
        about: "Server-sent events. `hello` comes first, `changed` with `{\"seq\":123}` when the \
                page of the product reads differently, `gone` after a wipe, and a comment every \
                15 seconds. With a secret key and no query: every change of the company.",
        query: &[("gtin", "The product's GTIN"), ("serial", "The unit's serial number, if any")],
        body: Json::Null,
        answer: (200, json!({ "type": "string", "description": "text/event-stream" })),
        problems: &["invalid", "no_key", "bad_key", "too_many"],
        handler: get(listen),
    }]
}

async fn listen(
    State(app): State<App>,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !params.contains_key("gtin") {
        auth::secret(&app, &headers)?;
        let heard = app.hub.listen(None, None).ok_or_else(too_many)?;
        return Ok(stream(Company { app, heard }));
    }
    let session = visitor::look(&app, &headers)?;
    let subject = visitor::subject_of_query(&params)?;
    let about = concern(&app, session.as_ref(), subject);
    if about.0.is_none() && app.hub.open() >= STRANGERS {
        return Err(too_many());
    }
    let heard = app.hub.listen(about.0, Some(about.1)).ok_or_else(too_many)?;
    Ok(stream(Phone { app, session, subject, about, heard }))
}

fn too_many() -> Problem {
    Problem::new("too_many", "too many live streams are open").retry_after(30)
}

/// Whose changes, and of what.
fn concern(app: &App, session: Option<&Session>, subject: Subject) -> (Option<PersonId>, Subject) {
    let state = app.engine.state();
    let person = session.and_then(|session| state.person_by_alias(&session.alias));
    let standing = standing(&state, person, subject);
    let own = standing.access == Access::Owner;
    (standing.person, if own { subject } else { subject.to_model() })
}

/// Somebody who listens: what they are told when their news change.
trait Ear: Send + 'static {
    fn heard(&self) -> &Listening;
    fn tell(&mut self, news: News) -> Told;
    fn seq(&self) -> u64;
}

enum Told {
    Nothing,
    Say(String),
    SayAndEnd(String),
}

struct Company {
    app: App,
    heard: Listening,
}

struct Phone {
    app: App,
    session: Option<Session>,
    subject: Subject,
    about: (Option<PersonId>, Subject),
    heard: Listening,
}

impl Ear for Company {
    fn heard(&self) -> &Listening {
        &self.heard
    }

    fn tell(&mut self, news: News) -> Told {
        match news {
            News::Changed(seq) => Told::Say(event("changed", seq)),
            News::Nothing | News::Gone => Told::Nothing,
        }
    }

    fn seq(&self) -> u64 {
        self.app.engine.state().seq()
    }
}

impl Ear for Phone {
    fn heard(&self) -> &Listening {
        &self.heard
    }

    fn tell(&mut self, news: News) -> Told {
        let about = concern(&self.app, self.session.as_ref(), self.subject);
        let was = std::mem::replace(&mut self.about, about);
        if was.0.is_some() && about.0.is_none() {
            return Told::SayAndEnd(event("gone", self.seq()));
        }
        if was != about {
            // A claim, a parting, or two persons who turned out to be one.
            match self.app.hub.listen(about.0, Some(about.1)) {
                Some(heard) => self.heard = heard,
                None => return Told::SayAndEnd(event("changed", self.seq())),
            }
            return Told::Say(event("changed", self.seq()));
        }
        match news {
            News::Changed(seq) => Told::Say(event("changed", seq)),
            News::Gone => Told::Say(event("changed", self.seq())),
            News::Nothing => Told::Nothing,
        }
    }

    fn seq(&self) -> u64 {
        self.app.engine.state().seq()
    }
}

fn event(name: &str, seq: u64) -> String {
    format!("event: {name}\ndata: {{\"seq\":{seq}}}\n\n")
}

/// Somebody who wants the connection that the request came with. It goes with the answer.
#[derive(Clone)]
pub struct Listener(Arc<Mutex<Option<Box<dyn Ear>>>>);

fn stream(ear: impl Ear) -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Listener(Arc::new(Mutex::new(Some(Box::new(ear))))));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    // Proxies that collect answers before passing them on are asked not to.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A stream that is about to begin.
pub struct Opening {
    head: Vec<u8>,
    ear: Box<dyn Ear>,
}

impl Opening {
    /// What the answer wants; `None` if it is an ordinary one.
    pub fn of(response: &Response) -> Option<Opening> {
        let listener = response.extensions().get::<Listener>()?;
        let ear = listener.0.lock().expect("nobody panics while holding it").take()?;
        let mut head = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
        for (name, value) in response.headers() {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        Some(Opening { head, ear })
    }

    /// Ends when the client closes or the person is gone.
    pub async fn run(self, connection: TcpStream) {
        let Opening { head, ear } = self;
        let told = async {
            let sent = write(&connection, &head).await;
            drop(head);
            if sent {
                tell_all(ear, &connection).await;
            }
        };
        tokio::select! {
            () = told => {}
            () = closed(&connection) => {}
        }
    }
}

async fn tell_all(mut ear: Box<dyn Ear>, connection: &TcpStream) {
    let mut say = event("hello", ear.seq());
    let mut said = Instant::now() - COALESCE;
    loop {
        if !write(connection, say.as_bytes()).await {
            return;
        }
        say = loop {
            let woken = tokio::select! {
                () = ear.heard().changed() => true,
                () = sleep_until(said + KEEP_ALIVE) => false,
            };
            if woken {
                sleep_until(said + COALESCE).await;
            }
            let news = ear.heard().take();
            match ear.tell(news) {
                Told::Say(text) => break text,
                Told::SayAndEnd(text) => {
                    // Whoever is gone as well misses nothing.
                    write(connection, text.as_bytes()).await;
                    return;
                }
                Told::Nothing if !woken => break ": keep-alive\n\n".to_owned(),
                Told::Nothing => {}
            }
        };
        said = Instant::now();
    }
}

/// Whether all of it was taken.
async fn write(connection: &TcpStream, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match connection.try_write(bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if connection.writable().await.is_err() {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
    true
}

/// Returns when the client has closed. What it sends meanwhile is nothing that it was asked for.
async fn closed(connection: &TcpStream) {
    let mut ignored = [0; 64];
    while connection.readable().await.is_ok() {
        match connection.try_read(&mut ignored) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

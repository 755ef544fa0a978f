//! The live stream (server-sent events): a word that something changed, never what. The page asks
//! again, with its own session, so a stream can tell nobody anything that is not theirs.
//!
//! Kept true: a phone's stream hears its own person's changes and those of the model; of a unit
//! only while it is that person's. Who that is, is looked up again at every wake.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use model::gs1::Subject;
use model::id::PersonId;
use model::limits;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc::{Sender, channel};

use crate::app::App;
use crate::auth::{self, Session};
use crate::flow::body_of;
use crate::hub::{Listening, News};
use crate::owner::page::{Access, standing};
use crate::owner::visitor::{self, Params};
use crate::problem::Problem;
use crate::route::{Route, Who};

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Streams from which on strangers get none: a person's number of streams is limited, theirs is
/// not, and they must not take everybody's place.
const STRANGERS: usize = limits::STREAMS / 2;
/// Many changes within this time are told as one.
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
    fn heard(&mut self) -> &mut Listening;
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
    fn heard(&mut self) -> &mut Listening {
        &mut self.heard
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
    fn heard(&mut self) -> &mut Listening {
        &mut self.heard
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

fn stream(ear: impl Ear) -> Response {
    let (sender, chunks) = channel(4);
    tokio::spawn(run(ear, sender));
    let mut response = Response::new(body_of(chunks));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that collect answers before passing them on are asked not to.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Ends when nobody reads any more, when the person is gone, or when the hub is.
async fn run(mut ear: impl Ear, out: Sender<Vec<u8>>) {
    let mut say = event("hello", ear.seq());
    loop {
        if out.send(say.into_bytes()).await.is_err() {
            return;
        }
        say = loop {
            let woken = tokio::select! {
                woken = ear.heard().news.changed() => Some(woken),
                () = tokio::time::sleep(KEEP_ALIVE) => None,
                () = out.closed() => return,
            };
            match woken {
                Some(Err(_)) => return,
                Some(Ok(())) => tokio::time::sleep(COALESCE).await,
                None => {}
            }
            let news = match woken {
                Some(_) => *ear.heard().news.borrow_and_update(),
                None => News::Nothing,
            };
            match ear.tell(news) {
                Told::Say(text) => break text,
                Told::SayAndEnd(text) => {
                    // Whoever is gone as well misses nothing.
                    let _ = out.send(text.into_bytes()).await;
                    return;
                }
                Told::Nothing if woken.is_none() => break ": keep-alive\n\n".to_owned(),
                Told::Nothing => {}
            }
        };
    }
}

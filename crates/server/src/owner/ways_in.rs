//! The two links that lead here from outside: an ad's (`/c/{campaign}`) and a friend's
//! (`/r/{code}`). Each records that it was followed and sends the person on. They make the
//! session, so that the way from the ad to the purchase is one person's.
//!
//! Kept true: where they lead is registered by the company; nothing in the address decides it.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use model::entry::Body;
use model::gs1::Subject;
use model::kind::Kind;
use model::things::Campaign;
use model::touch::{Channel, Source, Touch};
use model::value::Value;

use super::visitor::{self, Params};
use crate::app::{App, now};
use crate::auth::{self, Session};
use crate::problem::Problem;
use crate::web;

pub async fn campaign(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let target = app.engine.state().campaign(&id).and_then(target);
    let Some(target) = target else { return Ok(web::page(&headers, StatusCode::NOT_FOUND)) };
    if is_only_a_look(&method, &headers) {
        return Ok(see(&target, None));
    }
    let mut touch = Touch::new(Kind::of("campaign.clicked"), now(), Source::Companion);
    let channel = params.get("channel").and_then(|name| Channel::named(name));
    touch.channel = Some(channel.unwrap_or(Channel::Web));
    touch.campaign = Some(id.into());
    let cookie = record(&app, &headers, touch).await?;
    Ok(see(&target, cookie))
}

pub async fn referral(
    State(app): State<App>,
    Path(code): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let code = engine::normal_code(&code);
    let session = visitor::look(&app, &headers)?;
    let node = {
        let state = app.engine.state();
        state.referral(&code).map(|node| (node.gtin, node.person))
    };
    let Some((gtin, recommender)) = node else {
        return Ok(web::page(&headers, StatusCode::NOT_FOUND));
    };
    let target = Subject::model(gtin).path();
    // Who tries their own link has not come by it.
    let own = recommender.is_some() && session.and_then(|own| own.person) == recommender;
    if own || is_only_a_look(&method, &headers) {
        return Ok(see(&target, None));
    }
    let mut touch = Touch::new(Kind::of("referral.visited"), now(), Source::Companion);
    touch.channel = Some(Channel::Web);
    touch.products = vec![Subject::model(gtin)];
    touch.properties.insert("code", Value::from(code.as_str()));
    let cookie = record(&app, &headers, touch).await?;
    Ok(see(&target, cookie))
}

/// The campaign's own target, else the page of the first thing that it is about.
fn target(campaign: &Campaign) -> Option<String> {
    let own = campaign.target.as_deref().filter(|target| leads_somewhere(target));
    own.map(str::to_owned)
        .or_else(|| campaign.subjects.first().map(|subject| subject.to_model().path()))
}

/// `https://…`, `http://…` or a path here; nothing that a browser would take for another host.
fn leads_somewhere(target: &str) -> bool {
    let web = target.starts_with("https://") || target.starts_with("http://");
    let here = target.starts_with('/') && !target[1..].starts_with(['/', '\\']);
    (web || here) && HeaderValue::try_from(target).is_ok()
}

/// A link checker's HEAD and a browser's looking ahead are not somebody following a link.
fn is_only_a_look(method: &Method, headers: &HeaderMap) -> bool {
    let ahead = ["sec-purpose", "purpose", "x-moz"].iter().any(|name| {
        let value = headers.get(*name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.contains("prefetch"))
    });
    *method == Method::HEAD || ahead
}

async fn record(
    app: &App,
    headers: &HeaderMap,
    mut touch: Touch,
) -> Result<Option<String>, Problem> {
    let (session, cookie): (Session, Option<String>) = match visitor::look(app, headers)? {
        Some(session) => (session, None),
        None => {
            let (session, cookie) = auth::new_session(app);
            (session, Some(cookie))
        }
    };
    visitor::limited(app, "links", session.alias.value.as_bytes(), 60)?;
    touch.aliases = vec![session.alias];
    app.submit(Body::Touch(touch)).await?;
    Ok(cookie)
}

fn see(target: &str, cookie: Option<String>) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    let value = HeaderValue::try_from(target).expect("targets are looked at before");
    response.headers_mut().insert(header::LOCATION, value);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    visitor::set_cookie(&mut response, cookie);
    response
}

#[cfg(test)]
mod tests {
    use super::leads_somewhere;

    #[test]
    fn a_target_is_the_web_or_a_path_here() {
        for good in ["https://example.com/a", "http://example.com", "/01/09506000134352", "/"] {
            assert!(leads_somewhere(good), "{good}");
        }
        for bad in ["//evil.example", "/\\evil.example", "javascript:alert(1)", "shop", "/a\nb"] {
            assert!(!leads_somewhere(bad), "{bad}");
        }
    }
}

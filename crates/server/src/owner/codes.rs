//! QR codes: of an offer that the person holds, of their personal link, of a product's page.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::referral::link_url;
use super::visitor::{self, Params};
use super::words::Language;
use crate::app::App;
use crate::problem::Problem;
use crate::qr::qr_svg;

/// `/v1/me/offers/{code}.svg`: the code as a till reads it.
pub async fn offer(
    State(app): State<App>,
    Path(file): Path<String>,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = visitor::known(visitor::look(&app, &headers)?)?;
    let unknown = || Problem::new("not_found", "you hold no such code");
    let code = engine::normal_code(file.strip_suffix(".svg").ok_or_else(unknown)?);
    let holds = session.person.is_some_and(|id| {
        let state = app.engine.state();
        state.person(id).is_some_and(|person| person.grants.iter().any(|own| *own.code == *code))
    });
    if !holds {
        return Err(unknown());
    }
    let language = Language::named(&visitor::locale(&params, &headers));
    let title = format!("{} {code}", language.of("Code", "Code"));
    svg(&code, &title, false)
}

/// `/v1/me/referral.svg?gtin=…`
pub async fn referral(
    State(app): State<App>,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = visitor::known(visitor::look(&app, &headers)?)?;
    let subject = visitor::subject_of_query(&params)?;
    let code = session.person.and_then(|id| {
        let state = app.engine.state();
        let person = state.person(id)?;
        person.links.iter().find(|link| link.gtin == subject.gtin).map(|link| link.code.clone())
    });
    let code = code.ok_or_else(|| Problem::new("not_found", "you have no personal link yet"))?;
    let language = Language::named(&visitor::locale(&params, &headers));
    let title = language.of("Your personal link", "Dein persönlicher Link");
    svg(&link_url(&app, &code), title, false)
}

/// `/v1/qr.svg?gtin=…&serial=…`: the link that belongs on the product.
pub async fn product(
    State(app): State<App>,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let subject = visitor::subject_of_query(&params)?;
    let language = Language::named(&visitor::locale(&params, &headers));
    let title = language.of("Link to the product's page", "Link zur Seite des Produkts");
    svg(&format!("{}{}", app.settings.public_url, subject.path()), title, true)
}

fn svg(text: &str, title: &str, public: bool) -> Result<Response, Problem> {
    let svg = qr_svg(text, title).map_err(|error| Problem::new("too_large", error.to_string()))?;
    let mut response = Response::new(svg.into());
    let cache = if public { "public, max-age=86400" } else { "private, no-store" };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    crate::web::protect(&mut response);
    Ok(response)
}

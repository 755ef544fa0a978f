//! The resolver: what the code on a product leads to. People get the companion's page; machines
//! get a linkset (RFC 9264, in the profile of the GS1-Conformant Resolver Standard 1.2), or are
//! sent on to the link of the type that they ask for.
//!
//! It records nothing: that somebody scanned a code is told by the companion, with the session of
//! whoever did. Units that are not registered are answered with what their model has.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use engine::State as Folded;
use model::gs1::linkset::{
    self, Choice, LINKSET_MEDIA_TYPE, Link, LinkContext, LinkRequest, choose, forward_query,
};
use model::gs1::{AiCode, DigitalLink, ParseOptions, Subject};
use model::things::Model;
use serde_json::{Value as Json, json};

use crate::app::App;
use crate::owner::content;
use crate::problem::Problem;
use crate::route::{Route, Who};
use crate::web;

pub const DESCRIPTION_PATH: &str = "/.well-known/gs1resolver";

/// Contexts that links may be told apart by; the links of models have none yet.
const CONTEXTS: [&str; 0] = [];

const LINK_QUERY: &[(&str, &str)] = &[
    ("linkType", "`linkset`, `all`, or a link type such as `gs1:pip`"),
    ("context", "For whom or where, such as a country code"),
];

pub fn routes() -> Vec<Route> {
    let route = |path: &'static str, summary, handler: MethodRouter<App>| Route {
        method: "get",
        path,
        who: Who::Public,
        tag: "Resolver",
        summary,
        about: "A GS1 Digital Link. Whoever accepts `text/html` gets the companion; whoever \
                accepts `application/linkset+json` or `application/json` gets the linkset; \
                `?linkType=gs1:pip` redirects (307) to that link, in the language and media type \
                that the request likes best. A unit that is not registered is answered with its \
                model.",
        query: LINK_QUERY,
        body: Json::Null,
        answer: (200, json!({ "type": "object", "example": { "linkset": [] } })),
        problems: &["bad_link", "no_such_model", "not_found"],
        handler,
    };
    vec![
        route("/01/{gtin}", "The page or linkset of a model", get(handle).options(handle)),
        route(
            "/01/{gtin}/21/{serial}",
            "The page or linkset of a unit",
            get(handle).options(handle),
        ),
        Route {
            about: "Which keys and link types are resolved here, as the resolver standard asks.",
            query: &[],
            problems: &[],
            ..route(DESCRIPTION_PATH, "What this resolver can do", get(describe).options(preflight))
        },
    ]
}

async fn handle(State(app): State<App>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    answer(&app, &method, &uri, &headers)
}

async fn describe(State(app): State<App>) -> Response {
    let settings = &app.settings;
    let text = linkset::resolver_description(&settings.public_url, &settings.company, &CONTEXTS);
    let mut response = Response::new(text.into());
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    open_to_all(&mut response);
    response
}

async fn preflight() -> Response {
    allowed()
}

/// Whether a path is meant as a Digital Link: it begins with a primary key's identifier.
pub fn is_link(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    AiCode::new(first).is_some_and(|code| code.row().is_some_and(|row| row.key.is_some()))
}

pub fn takes_html(headers: &HeaderMap) -> bool {
    let accept = text_of(headers, header::ACCEPT);
    accept.is_some_and(|accept| accept.contains("text/html") || accept.contains("xhtml"))
}

pub fn answer(app: &App, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    if *method == Method::OPTIONS {
        return allowed();
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Problem::new("method_not_allowed", "a link can only be asked").into_response();
    }
    let mut response = resolve(app, uri, headers);
    let vary = HeaderValue::from_static("Accept, Accept-Language");
    response.headers_mut().append(header::VARY, vary);
    open_to_all(&mut response);
    response
}

fn allowed() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    open_to_all(&mut response);
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("GET, HEAD, OPTIONS");
    headers.insert(header::ALLOW, methods.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    let wanted = HeaderValue::from_static("Accept, Accept-Language, Content-Type");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn open_to_all(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Link"));
}

fn resolve(app: &App, uri: &Uri, headers: &HeaderMap) -> Response {
    let html = takes_html(headers);
    let target = uri.path_and_query().map_or(uri.path(), |target| target.as_str());
    let link = match DigitalLink::parse_target(target, ParseOptions::default()) {
        Ok(link) => link,
        // The companion's own screens lie under the product's path.
        Err(error) => {
            match DigitalLink::parse_target(product_part(target), ParseOptions::default()) {
                Ok(_) if html && product_part(target) != target => {
                    return web::page(headers, StatusCode::OK);
                }
                _ if html => return web::page(headers, StatusCode::BAD_REQUEST),
                _ => {
                    let at = json!({ "path": uri.path(), "byte": error.at });
                    return Problem::new("bad_link", error.to_string()).at(at).into_response();
                }
            }
        }
    };
    let Some(subject) = link.subject() else {
        return Problem::new("not_found", "only links of products (01) are resolved here")
            .into_response();
    };
    let state = app.engine.state();
    let Some(model) = state.model(subject.gtin) else {
        if html && link.other_value("linkType").is_none() {
            return web::page(headers, StatusCode::NOT_FOUND);
        }
        return Problem::new("no_such_model", "nothing is registered with this GTIN")
            .into_response();
    };
    let item = Item::find(app, &state, model, subject, text_of(headers, header::ACCEPT_LANGUAGE));
    let mut response = item.answer(&link, uri.query().unwrap_or_default(), headers);
    let linkset = linkset::linkset_header(&item.context.anchor);
    add_link(&mut response, &linkset);
    response
}

/// The path up to the first segment that is no identifier: the product's own part of an address
/// of the companion. With the value of each identifier that comes before.
fn product_part(target: &str) -> &str {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let mut end = 0;
    let mut segments = path.char_indices().filter(|(_, c)| *c == '/').map(|(at, _)| at).peekable();
    while let Some(start) = segments.next() {
        let code_end = segments.next().unwrap_or(path.len());
        let code = &path[start + 1..code_end];
        if !matches!(code, "01" | "10" | "21" | "22" | "235") {
            break;
        }
        end = segments.peek().copied().unwrap_or(path.len());
    }
    &path[..end]
}

fn text_of(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn add_link(response: &mut Response, text: &str) {
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().append(header::LINK, value);
    }
}

/// What is known of one product: where it is and what it links to.
struct Item {
    context: LinkContext,
    /// The companion's page of it.
    page: String,
}

impl Item {
    /// A unit that is not registered is answered as its model.
    fn find(
        app: &App,
        state: &Folded,
        model: &Model,
        subject: Subject,
        languages: Option<&str>,
    ) -> Item {
        let is_registered =
            state.product(subject).is_some_and(|product| product.registered.is_some());
        let anchor = if is_registered { subject } else { subject.to_model() };
        let page = format!("{}{}", app.settings.public_url, subject.path());
        let language = languages.and_then(|all| all.split([',', ';']).next()).unwrap_or("en");
        let name = model.name.get(language.trim());
        let description =
            if name.is_empty() { format!("GTIN {}", model.gtin) } else { name.to_owned() };
        Item {
            context: LinkContext {
                anchor: format!("{}{}", app.settings.public_url, anchor.path()),
                description,
                links: links(model, &page),
            },
            page,
        }
    }

    fn answer(&self, link: &DigitalLink, query: &str, headers: &HeaderMap) -> Response {
        let request = LinkRequest {
            link_type: link.other_value("linkType"),
            context: link.other_value("context"),
            accept_language: text_of(headers, header::ACCEPT_LANGUAGE),
            accept: text_of(headers, header::ACCEPT),
        };
        let asked = request.link_type.is_some_and(|text| !text.is_empty());
        match choose(&self.context.links, &request) {
            Choice::Linkset => self.linkset(headers),
            // Already there: sending them to where they are would go round in circles.
            Choice::One(link) if link.href == self.page && !asked => {
                web::page(headers, StatusCode::OK)
            }
            Choice::One(link) => send_to(&forward_query(&link.href, &without_choice(query))),
            Choice::Many(links) => self.many(&links),
            Choice::NoneOfType => {
                Problem::new("not_found", "there is no link of this type").into_response()
            }
            Choice::NoDefault => web::page(headers, StatusCode::OK),
        }
    }

    fn linkset(&self, headers: &HeaderMap) -> Response {
        let all = std::slice::from_ref(&self.context);
        let accept = text_of(headers, header::ACCEPT).unwrap_or_default();
        let wants = |kind: &str| accept.contains(kind);
        let (kind, text) = if wants(LINKSET_MEDIA_TYPE) {
            (LINKSET_MEDIA_TYPE, linkset::linkset_json(all))
        } else if wants("application/ld+json") {
            ("application/ld+json", linkset::linkset_json_ld(all))
        } else if wants("application/json") {
            ("application/json", linkset::linkset_json(all))
        } else {
            (LINKSET_MEDIA_TYPE, linkset::linkset_json(all))
        };
        let mut response = Response::new(text.into());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if kind != "application/ld+json" {
            add_link(&mut response, &linkset::json_ld_context_header());
        }
        response
    }

    /// Several fit equally well: the caller chooses.
    fn many(&self, links: &[&Link]) -> Response {
        let some = LinkContext {
            links: links.iter().map(|link| (*link).clone()).collect(),
            ..self.context.clone()
        };
        let text = linkset::linkset_json(std::slice::from_ref(&some));
        let mut response = Response::new(text.into());
        *response.status_mut() = StatusCode::MULTIPLE_CHOICES;
        let kind = HeaderValue::from_static(LINKSET_MEDIA_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        add_link(&mut response, &linkset::link_header(&some));
        response
    }
}

fn send_to(href: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(href) else {
        return Problem::new("internal", "the link that was registered cannot be sent")
            .into_response();
    };
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// The query without what chose the link, which would choose again at the next resolver.
fn without_choice(query: &str) -> String {
    let kept = query.split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !pair.is_empty() && name != "linkType" && name != "context"
    });
    kept.collect::<Vec<_>>().join("&")
}

/// The company's links and those that the companion itself is. A default of the company's own is
/// for whoever cannot show the companion's page.
fn links(model: &Model, page: &str) -> Vec<Link> {
    let own = model.links.iter().filter_map(|link| {
        let link = Link {
            rel: link.rel.to_string(),
            href: link.href.to_string(),
            title: link.title.to_string(),
            hreflang: link.languages.iter().map(|tag| tag.to_string()).collect(),
            media_type: link.media_type.as_deref().map(str::to_owned),
            context: Vec::new(),
        };
        // What was registered before a rule grew stricter is left out, not sent broken.
        link.checked().ok()
    });
    let own: Vec<Link> = own.collect();
    let has = |rel: &str| own.iter().any(|link| link.rel == rel);
    let built_in = |rel: &str, href: String| Link {
        rel: rel.into(),
        href,
        media_type: Some("text/html".into()),
        ..Link::default()
    };
    let mut all = Vec::with_capacity(own.len() + 4);
    let default = if has("gs1:defaultLink") { "gs1:defaultLinkMulti" } else { "gs1:defaultLink" };
    all.push(built_in(default, page.to_owned()));
    if !has("gs1:pip") {
        all.push(built_in("gs1:pip", page.to_owned()));
    }
    if !has("gs1:instructions") && content::has(&model.content, "guides") {
        all.push(built_in("gs1:instructions", format!("{page}/guides")));
    }
    if !has("gs1:faqs") && content::has(&model.content, "faq") {
        all.push(built_in("gs1:faqs", format!("{page}/guides")));
    }
    if !has("gs1:support") {
        all.push(built_in("gs1:support", format!("{page}/chat")));
    }
    all.extend(own);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_begins_with_a_primary_key_is_a_link() {
        for link in ["/01/09506000134352", "/01/x/21/y", "/00/106141412345678908", "/414/1"] {
            assert!(is_link(link), "{link}");
        }
        for other in ["/", "/me", "/21/1", "/v1/touches", "/c/summer", "/10/abc"] {
            assert!(!is_link(other), "{other}");
        }
    }

    #[test]
    fn the_companions_screens_lie_under_the_product() {
        let part = |path| product_part(path);
        assert_eq!(part("/01/09506000134352/guides/jam?a=1"), "/01/09506000134352");
        assert_eq!(part("/01/09506000134352/21/A1/chat"), "/01/09506000134352/21/A1");
        assert_eq!(part("/01/09506000134352"), "/01/09506000134352");
        assert_eq!(part("/me"), "");
    }

    #[test]
    fn what_chose_the_link_is_not_passed_on() {
        assert_eq!(without_choice("17=261122&linkType=gs1%3Apip&x=1"), "17=261122&x=1");
    }
}

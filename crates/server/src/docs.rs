//! The page at `/docs`: the API, the words of a journey, limits, settings and problems, made from
//! the same tables that the program itself uses. Plain HTML; it runs no script.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::condition::{Root, schema};
use model::kind::STANDARD;
use model::limits;
use serde_json::{Value, json};

use crate::config::{CONFIG_FILE, SETTINGS};
use crate::health::VERSION;
use crate::openapi;
use crate::problem::PROBLEMS;
use crate::route::{Route, Who};

/// What is written once all routes are known.
pub struct Written {
    pub openapi: String,
    pub page: String,
}

/// Where it is kept: the routes that show it are themselves among the routes that it shows.
pub type Shelf = Arc<OnceLock<Written>>;

const CSS: &str = include_str!("docs.css");
const JOURNEY: &str = include_str!("../../../journeys/printer.yaml");
const POLICY: &str = "default-src 'none'; style-src 'self'; frame-ancestors 'none'";

pub fn routes(shelf: &Shelf) -> Vec<Route> {
    let row = |path, summary, about, answer, handler| Route {
        method: "get",
        path,
        who: Who::Public,
        tag: "Running it",
        summary,
        about,
        query: &[],
        body: Value::Null,
        answer: (200, answer),
        problems: &[],
        handler,
    };
    let (page, document) = (shelf.clone(), shelf.clone());
    vec![
        row(
            "/openapi.json",
            "This interface as OpenAPI 3.1",
            "For generators of clients and types.",
            json!({"type": "object"}),
            get(move || async move { shown(&document, "application/json", |all| &all.openapi) }),
        ),
        row(
            "/docs",
            "This interface as a page to read",
            "What stands in this document, with the words of a journey, limits and settings.",
            json!({"type": "string", "contentMediaType": "text/html"}),
            get(move || async move { shown(&page, "text/html; charset=utf-8", |all| &all.page) }),
        ),
        row(
            "/docs.css",
            "The look of that page",
            "",
            json!({"type": "string", "contentMediaType": "text/css"}),
            get(|| async { answer("text/css; charset=utf-8", CSS.to_owned()) }),
        ),
    ]
}

/// Fills the shelf.
pub fn write(shelf: &Shelf, routes: &[Route]) {
    let openapi = openapi::document(routes).to_string();
    shelf.get_or_init(|| Written { openapi, page: page(routes) });
}

fn shown(shelf: &Shelf, kind: &'static str, which: fn(&Written) -> &String) -> Response {
    answer(kind, shelf.get().map(which).cloned().unwrap_or_default())
}

fn answer(kind: &'static str, text: String) -> Response {
    let mut response = ([(header::CONTENT_TYPE, kind)], text).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The page's text while it grows.
struct Page(String);

impl Page {
    fn add(&mut self, html: std::fmt::Arguments<'_>) {
        self.0.write_fmt(html).expect("a String takes everything");
        self.0.push('\n');
    }

    fn table(&mut self, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        self.add(format_args!("<div class=\"wide\"><table><thead><tr>"));
        for cell in head {
            self.add(format_args!("<th scope=\"col\">{}</th>", escape(cell)));
        }
        self.add(format_args!("</tr></thead><tbody>"));
        for row in rows {
            // The first cell names the row and is code; the others are words.
            for (at, cell) in row.iter().enumerate() {
                match at {
                    0 => self.add(format_args!("<tr><td><code>{}</code></td>", escape(cell))),
                    _ => self.add(format_args!("<td>{}</td>", prose(cell))),
                }
            }
            self.add(format_args!("</tr>"));
        }
        self.add(format_args!("</tbody></table></div>"));
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// Words of the tables, in which backquotes mean code.
fn prose(text: &str) -> String {
    let parts = escape(text);
    let pieces = parts.split('`').enumerate();
    pieces
        .map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.into() })
        .collect()
}

/// A name for the address bar.
fn anchor(text: &str) -> String {
    let plain = text.to_ascii_lowercase();
    let words = plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

const SECTIONS: [&str; 7] =
    ["Credentials", "Journeys", "Conditions", "Kinds of touches", "Limits", "Settings", "Problems"];

fn page(routes: &[Route]) -> String {
    let mut tags: Vec<&str> = Vec::new();
    for route in routes {
        if !tags.contains(&route.tag) {
            tags.push(route.tag);
        }
    }
    let mut page = Page(String::with_capacity(128 * 1024));
    page.add(format_args!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Everbond {VERSION}: the interface</title>\
         <link rel=\"stylesheet\" href=\"/docs.css\"></head><body><main>\
         <h1>Everbond {VERSION}</h1>\
         <p>Everything is a touch: one thing that happened, of a person, a product, a campaign, a \
         place. Send touches, register products, and ask what to show. The same as data: \
         <a href=\"/openapi.json\">/openapi.json</a>.</p><nav aria-label=\"Contents\"><ul>"
    ));
    for title in SECTIONS[..1].iter().chain(&tags).chain(&SECTIONS[1..]) {
        page.add(format_args!("<li><a href=\"#{}\">{}</a></li>", anchor(title), escape(title)));
    }
    page.add(format_args!("</ul></nav>"));
    credentials(&mut page);
    for tag in tags {
        page.add(format_args!("<h2 id=\"{}\">{}</h2>", anchor(tag), escape(tag)));
        routes.iter().filter(|route| route.tag == tag).for_each(|route| of_route(&mut page, route));
    }
    words(&mut page);
    tables(&mut page);
    page.add(format_args!("</main></body></html>"));
    page.0
}

fn credentials(page: &mut Page) {
    page.add(format_args!(
        "<h2 id=\"credentials\">Credentials</h2>\
         <p>A <b>write key</b> (<code>wk_…</code>) can only send touches and may be public: as the \
         user of Basic authentication, as a Bearer token, or as <code>writeKey</code>. A \
         <b>secret key</b> (<code>sk_…</code>) can do everything and stays on your servers, as a \
         Bearer token. The companion has a <b>session</b> in a cookie; its changing calls carry \
         <code>X-Everbond: 1</code>. Make keys with <code>everbond keys new</code>.</p>\
         <p>Errors are <code>application/problem+json</code> with a code that never changes its \
         meaning, listed under <a href=\"#problems\">Problems</a>. Times are RFC 3339. Every answer \
         has an <code>X-Request-Id</code>, which is in the log too.</p>"
    ));
}

fn of_route(page: &mut Page, route: &Route) {
    let id = openapi::operation_id(route);
    page.add(format_args!(
        "<h3 id=\"{id}\"><span class=\"method\">{}</span> <code>{}</code></h3>",
        route.method.to_ascii_uppercase(),
        escape(route.path)
    ));
    page.add(format_args!("<p>{}. {}</p>", prose(route.summary), prose(route.about)));
    page.add(format_args!("<p class=\"soft\">For {}.</p>", who(route.who)));
    if !route.query.is_empty() {
        let rows =
            route.query.iter().map(|(name, about)| vec![format!("?{name}="), (*about).into()]);
        page.table(&["Query", "Meaning"], rows);
    }
    page.add(format_args!("<pre>{}</pre>", escape(&curl(route))));
    if let Some(example) = route.answer.1.get("example") {
        let text = serde_json::to_string_pretty(example).unwrap_or_default();
        page.add(format_args!(
            "<p class=\"soft\">{}:</p><pre>{}</pre>",
            route.answer.0,
            escape(&text)
        ));
    }
    let problems = openapi::problems(route);
    if !problems.is_empty() {
        let links: Vec<String> = problems
            .iter()
            .map(|code| format!("<a href=\"#problem-{code}\"><code>{code}</code></a>"))
            .collect();
        page.add(format_args!("<p class=\"soft\">Problems: {}</p>", links.join(", ")));
    }
}

fn who(who: Who) -> &'static str {
    match who {
        Who::Public => "anybody",
        Who::WriteKey => "a write key or a secret key",
        Who::SecretKey => "a secret key",
        Who::Owner => "the companion's session",
        Who::OwnerOrPublic => "anybody; with a session, as that person",
    }
}

/// A call that works against the demo, but for the key.
fn curl(route: &Route) -> String {
    let mut path = route.path.replace("{*", "{");
    for name in openapi::path_parameters(route.path) {
        path = path.replace(&format!("{{{name}}}"), sample(route.path, name));
    }
    let mut call = String::from("curl");
    if route.method != "get" {
        call.push_str(&format!(" -X {}", route.method.to_ascii_uppercase()));
    }
    match route.who {
        Who::Public => {}
        Who::WriteKey => call.push_str(" -u \"$WRITE_KEY:\""),
        Who::SecretKey => call.push_str(" -H \"Authorization: Bearer $SECRET_KEY\""),
        Who::Owner | Who::OwnerOrPublic => {
            call.push_str(" -b cookies -c cookies -H 'X-Everbond: 1'")
        }
    }
    call.push_str(&format!(" http://127.0.0.1:8480{path}"));
    match route.body.get("example") {
        Some(Value::String(text)) => call.push_str(&format!(" \\\n  --data-binary '{text}'")),
        Some(example) => call.push_str(&format!(
            " \\\n  -H 'Content-Type: application/json' \\\n  -d '{}'",
            serde_json::to_string_pretty(example).unwrap_or_default()
        )),
        None => {}
    }
    call
}

fn sample(path: &str, name: &str) -> &'static str {
    match name {
        "gtin" => "09506000134352",
        "serial" => "PB-0001",
        "person" => "p12",
        "name" => "printer",
        "key" => "wk_h1zhhd1v",
        "seq" => "120",
        "campaign" => "spring",
        "code" => "7KQ2-M9XD",
        _ if path.contains("campaign") => "spring",
        _ if path.contains("place") => "shop-mitte",
        _ if path.contains("person") => "p12",
        _ if path.contains("key") => "wk_h1zhhd1v",
        _ => "9f3a01c2d4e5b678",
    }
}

/// Journeys, the conditions in them, and the kinds of touches that move them.
fn words(page: &mut Page) {
    page.add(format_args!(
        "<h2 id=\"journey-files\">Journey files</h2><p>A journey says which stages a bond has, what moves it \
         from one to another, and what the menu, offers, steps and timers are. It is YAML or JSON; \
         <code>everbond journey check FILE</code> finds its mistakes. This one is the demo's:</p>\
         <details><summary>journeys/printer.yaml</summary><pre>{}</pre></details>\
         <h2 id=\"conditions\">Conditions</h2><p>Every <code>when</code> is an expression in the \
         Common Expression Language over these fields. What is not known is not there: ask with \
         <code>has()</code>.</p>",
        escape(JOURNEY)
    ));
    for root in Root::ALL {
        page.add(format_args!("<h3 id=\"{0}\"><code>{0}</code></h3>", root.name()));
        let fields = schema().fields.iter().filter(|field| field.root == root);
        let rows = fields.map(|field| {
            let mut about = field.about.to_owned();
            if !field.values.is_empty() {
                about.push_str(&format!(" (one of {})", field.values.join(", ")));
            }
            vec![field.path(), field.ty.kind.name().to_owned(), about]
        });
        page.table(&["Field", "Type", "Meaning"], rows);
    }
    page.add(format_args!("<h3 id=\"functions\">Functions</h3>"));
    let rows = schema().functions.iter();
    page.table(&["Function", "Meaning"], rows.map(|row| vec![row.usage.into(), row.about.into()]));
    page.add(format_args!(
        "<h2 id=\"kinds-of-touches\">Kinds of touches</h2><p>These are known; any other \
         <code>noun.verb</code> in lower case is taken as well.</p>"
    ));
    let rows = STANDARD.iter().map(|(_, name, about)| vec![(*name).into(), (*about).into()]);
    page.table(&["Kind", "Meaning"], rows);
}

const LIMITS: &[(&str, usize)] = &[
    ("bytes of a request's body", limits::BODY_BYTES),
    ("bytes of a body after it is unpacked", limits::BODY_BYTES_INFLATED),
    ("bytes of a touch", limits::TOUCH_BYTES),
    ("touches in a request", limits::BATCH_TOUCHES),
    ("properties of a touch", limits::PROPERTIES),
    ("bytes of a property's name", limits::PROPERTY_KEY_BYTES),
    ("bytes of a kind", limits::KIND_BYTES),
    ("bytes of an alias", limits::ALIAS_BYTES),
    ("aliases of a touch", limits::ALIASES_PER_TOUCH),
    ("aliases of a person", limits::ALIASES_PER_PERSON),
    ("products of a touch", limits::PRODUCTS_PER_TOUCH),
    ("bonds of a person", limits::BONDS_PER_PERSON),
    ("bytes of a model", limits::MODEL_BYTES),
    ("bytes of a journey", limits::JOURNEY_BYTES),
    ("journeys", limits::JOURNEYS),
    ("places", limits::PLACES),
    ("campaigns", limits::CAMPAIGNS),
    ("corners of a place", limits::POLYGON_POINTS),
    ("refused items that are kept", limits::REFUSED_KEPT),
    ("open live streams", limits::STREAMS),
    ("open live streams of a person", limits::STREAMS_PER_PERSON),
    ("rows of a list's page", limits::PAGE_MAX),
    ("nodes of a graph", limits::GRAPH_NODES),
];

fn tables(page: &mut Page) {
    page.add(format_args!("<h2 id=\"limits\">Limits</h2>"));
    let rows = LIMITS.iter().map(|(name, limit)| vec![limit.to_string(), (*name).to_owned()]);
    page.table(&["At most", "Of what"], rows);
    page.add(format_args!(
        "<h2 id=\"settings\">Settings</h2><p>In <code>{CONFIG_FILE}</code>, in the environment, or \
         as a flag; a flag wins over the environment, that over the file.</p>"
    ));
    let rows = SETTINGS.iter().map(|row| {
        vec![row.name.into(), row.flag(), row.variable(), row.default.into(), row.about.into()]
    });
    page.table(&["Setting", "Flag", "Variable", "Default", "Meaning"], rows);
    page.add(format_args!("<h2 id=\"problems\">Problems</h2>"));
    page.add(format_args!(
        "<div class=\"wide\"><table><thead><tr><th scope=\"col\">Code</th><th scope=\"col\">Status\
         </th><th scope=\"col\">Meaning</th><th scope=\"col\">What to do</th></tr></thead><tbody>"
    ));
    for (code, status, title, hint) in PROBLEMS {
        page.add(format_args!(
            "<tr id=\"problem-{code}\"><td><code>{code}</code></td><td>{status}</td><td>{}</td>\
             <td>{}</td></tr>",
            escape(title),
            escape(hint)
        ));
    }
    page.add(format_args!("</tbody></table></div>"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_route_and_no_link_into_nothing() {
        let routes = crate::serve::routes(Arc::new(Default::default));
        let page = page(&routes);
        for route in &routes {
            assert!(page.contains(&format!("id=\"{}\"", openapi::operation_id(route))));
        }
        for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert_eq!(page.matches(&format!("id=\"{link}\"")).count(), 1, "#{link}");
        }
        assert!(!page.contains("<script") && !page.contains("style=\""));
    }

    #[test]
    fn what_comes_from_tables_cannot_become_markup() {
        assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}

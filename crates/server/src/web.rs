//! The built companion, as the phone gets it: its files from inside the program, each packed once
//! when the program first needs them, with the headers that keep other sites out.
//!
//! In a debug build the files are read from the folder of the build at the first request, so that
//! new pages need no new program. Without a build there is a page that says how to make one.

use std::collections::HashMap;
use std::io::Write;
use std::sync::OnceLock;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::id::Digest;
use rust_embed::RustEmbed;

use crate::app::App;
use crate::problem::Problem;
use crate::resolver;

#[derive(RustEmbed)]
#[folder = "../../web/companion/dist"]
#[allow_missing = true]
struct Built;

/// What a page of ours may load and who may show it: only us, and pictures of the company's.
const CONTENT_POLICY: &str = "default-src 'self'; img-src 'self' data: blob: https:; \
     connect-src 'self'; style-src 'self'; script-src 'self'; object-src 'none'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
const PERMISSIONS_POLICY: &str = "geolocation=(self), camera=(self), microphone=(), payment=()";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><title>Everbond</title>\
    <h1>The companion is not built yet</h1>\
    <p>Run <code>npm ci</code> and <code>npm run build</code> in the folder <code>web</code>, \
    then start the program again.</p></html>";

/// Kinds of files that are not packed already.
const PACKS: [&str; 6] = ["html", "js", "css", "svg", "json", "webmanifest"];
/// Below this, packing costs more than it saves.
const PACKED_FROM: usize = 512;

struct File {
    plain: Vec<u8>,
    gzip: Option<Vec<u8>>,
    etag: String,
    kind: &'static str,
}

fn files() -> &'static HashMap<String, File> {
    static FILES: OnceLock<HashMap<String, File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let built = Built::iter().filter_map(|path| {
            let plain = Built::get(&path)?.data.into_owned();
            Some((path.to_string(), file(&path, plain)))
        });
        built.collect()
    })
}

fn file(path: &str, plain: Vec<u8>) -> File {
    let ending = path.rsplit('.').next().unwrap_or_default();
    let packs = PACKS.contains(&ending) && plain.len() >= PACKED_FROM;
    let gzip = packs.then(|| pack(&plain)).filter(|packed| packed.len() < plain.len());
    let etag = format!("W/\"{:032x}\"", Digest::of(&[b"file", &plain]).0);
    File { plain, gzip, etag, kind: kind_of(ending) }
}

fn pack(plain: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(plain).and_then(|()| out.finish()).expect("a Vec takes everything")
}

fn kind_of(ending: &str) -> &'static str {
    match ending {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// How long a file is kept by browsers. Built files have a digest in their name and never change;
/// the page, the service worker and the manifest are asked for again each time.
fn cache_of(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    // Eight letters of base64url after a dash; a plain word has neither capitals nor digits.
    let digest = stem.len().checked_sub(9).and_then(|at| stem.get(at..)).is_some_and(|end| {
        end.starts_with('-')
            && end.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && end.bytes().any(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    });
    if digest { "public, max-age=31536000, immutable" } else { "no-cache" }
}

/// The companion itself, for every address that is one of its pages.
pub fn page(headers: &HeaderMap, status: StatusCode) -> Response {
    let mut response = match files().get("index.html") {
        Some(index) if status == StatusCode::OK => answer(index, "index.html", headers),
        // What is not there may be there at the next look, so it is not to be kept.
        Some(index) => {
            let mut unkept = headers.clone();
            unkept.remove(header::IF_NONE_MATCH);
            let mut response = answer(index, "index.html", &unkept);
            response.headers_mut().remove(header::ETAG);
            let never = HeaderValue::from_static("no-store");
            response.headers_mut().insert(header::CACHE_CONTROL, never);
            response
        }
        None => {
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            let mut response = Response::new(Body::from(NOT_BUILT));
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            protect(&mut response);
            response
        }
    };
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    response
}

fn answer(file: &File, path: &str, headers: &HeaderMap) -> Response {
    let packed = file.gzip.as_ref().filter(|_| takes_gzip(headers));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let same = known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == file.etag));
    let mut response = if same {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(packed.unwrap_or(&file.plain).clone()))
    };
    protect(&mut response);
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_of(path)));
    out.insert(header::ETAG, HeaderValue::try_from(&file.etag).expect("hex in quotes"));
    out.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if packed.is_some() && !same {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|all| {
        all.split(',').any(|one| {
            let mut parts = one.split(';').map(str::trim);
            let gzip = matches!(parts.next(), Some("gzip" | "*"));
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            gzip && weight.is_none_or(|q| q.parse().is_ok_and(|q: f32| q > 0.0))
        })
    })
}

/// The headers that every answer to a browser has.
pub fn protect(response: &mut Response) {
    let fixed: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS_POLICY),
    ];
    for (name, value) in fixed {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// What no route has: a Digital Link, a file of the companion, one of its pages, or nothing.
pub async fn fallback(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let path = parts.uri.path();
    if resolver::is_link(path) {
        return resolver::answer(&app, &parts.method, &parts.uri, &parts.headers);
    }
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Problem::new("not_found", "no route has this address").into_response();
    }
    if let Some(file) = files().get(path.trim_start_matches('/')) {
        return answer(file, path, &parts.headers);
    }
    let own = path == "/" || path == "/me" || path.starts_with("/me/");
    if own {
        return page(&parts.headers, StatusCode::OK);
    }
    let machine = path.starts_with("/v1/") || path.starts_with("/companion/");
    if machine || !resolver::takes_html(&parts.headers) {
        return Problem::new("not_found", "no route has this address").into_response();
    }
    page(&parts.headers, StatusCode::NOT_FOUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_built_files_are_kept_for_good() {
        for kept in ["companion/index-DukN4D0a.js", "/companion/Receipt-BZuCD4-k.css"] {
            assert!(cache_of(kept).contains("immutable"), "{kept}");
        }
        for asked in
            ["sw.js", "index.html", "companion/icon-maskable-512.png", "companion/icon-192.png"]
        {
            assert_eq!(cache_of(asked), "no-cache", "{asked}");
        }
    }

    #[test]
    fn a_file_is_packed_where_that_helps() {
        let text = file("a.js", "let a = 1;\n".repeat(200).into_bytes());
        assert!(text.gzip.is_some_and(|packed| packed.len() < text.plain.len()));
        assert!(file("a.png", vec![0; 4096]).gzip.is_none());
        let mut headers = HeaderMap::new();
        assert!(!takes_gzip(&headers));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br, gzip;q=0.8"));
        assert!(takes_gzip(&headers));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip;q=0"));
        assert!(!takes_gzip(&headers));
    }
}

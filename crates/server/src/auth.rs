//! Who calls: a write key (ingest only), a secret key (the server API), the session of an owner
//! (the companion), or nobody. Secrets are compared as hashes; a session is an alias of the person
//! (`device:<hash of the secret>`), so there is no session table and a wipe ends it.

use std::borrow::Cow;

use axum::http::{HeaderMap, Method, header};
use model::alias::{Alias, AliasKind};
use model::entry::KeyScope;
use model::id::PersonId;

use crate::app::{App, random_text, secret_hash};
use crate::problem::Problem;

pub const COOKIE: &str = "everbond_session";
/// State-changing calls with a cookie must carry it: other sites cannot set it.
pub const CSRF_HEADER: &str = "x-everbond";
const SESSION_LETTERS: usize = 32;
const SESSION_SECONDS: u64 = 400 * 86_400;

/// A key as the caller presents it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    pub id: Box<str>,
    pub scope: KeyScope,
}

/// An owner's session: the name it goes by, and whose it is by now.
#[derive(Clone, Debug)]
pub struct Session {
    pub alias: Alias,
    pub person: Option<PersonId>,
}

/// A new secret key or write key: its id, the text that is shown once.
pub fn new_key(scope: KeyScope) -> (String, String) {
    let prefix = match scope {
        KeyScope::Write => "wk",
        KeyScope::Secret => "sk",
    };
    let (id, secret) = (format!("{prefix}_{}", random_text(8)), random_text(32));
    let text = format!("{id}_{secret}");
    (id, text)
}

/// Checks a key's text.
pub fn check_key(app: &App, text: &str) -> Option<KeyUse> {
    // The id is what stands before the second line: `wk_abcdefgh`.
    let mut lines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'_');
    let id = lines.nth(1).map_or(text, |(at, _)| &text[..at]);
    let settled = app.settled();
    let key = settled.key(id)?;
    // Comparing hashes takes the same path whatever the secret is.
    (key.hash == secret_hash(text)).then(|| KeyUse { id: key.id.clone(), scope: key.scope })
}

/// The key in the `Authorization` header: `Bearer <key>`, or Basic with the key as the user.
pub fn key_text(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if let Some(key) = value.strip_prefix("Bearer ") {
        return Some(key.trim().into());
    }
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().into());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        return text.split(':').next().map(|key| key.to_owned().into());
    }
    None
}

/// Only a secret key will do.
pub fn secret(app: &App, headers: &HeaderMap) -> Result<KeyUse, Problem> {
    let text =
        key_text(headers).ok_or_else(|| Problem::new("no_key", "this call needs a secret key"))?;
    let key = check_key(app, &text).ok_or_else(|| Problem::new("bad_key", "it is not known"))?;
    match key.scope {
        KeyScope::Secret => Ok(key),
        KeyScope::Write => Err(Problem::new("not_allowed", "a write key can only send touches")),
    }
}

/// The owner's session, if the request has one. A changing call must come from our own page.
pub fn session(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Option<Session>, Problem> {
    let Some(secret) = cookie(headers) else { return Ok(None) };
    if !matches!(*method, Method::GET | Method::HEAD) && !headers.contains_key(CSRF_HEADER) {
        return Err(Problem::new("csrf", "a call with a session needs this header"));
    }
    let alias = session_alias(&secret);
    let person = app.engine.state().person_by_alias(&alias);
    Ok(Some(Session { alias, person }))
}

/// Makes a session: the name it goes by, and the cookie that carries its secret.
pub fn new_session(app: &App) -> (Session, String) {
    let secret = random_text(SESSION_LETTERS);
    let secure = if app.settings.public_url.starts_with("https:") { "; Secure" } else { "" };
    let cookie = format!(
        "{COOKIE}={secret}; Path=/; Max-Age={SESSION_SECONDS}; HttpOnly; SameSite=Lax{secure}"
    );
    (Session { alias: session_alias(&secret), person: None }, cookie)
}

/// What makes a browser forget the session.
pub fn no_session() -> String {
    format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
}

fn session_alias(secret: &str) -> Alias {
    let hash = secret_hash(secret).0;
    Alias::new(AliasKind::Device, &format!("{hash:032x}")).expect("a hash is a fine alias")
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let found = all.flat_map(|value| value.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then(|| value.to_owned())
    })?;
    let good = found.len() == SESSION_LETTERS && found.bytes().all(|b| b.is_ascii_alphanumeric());
    good.then_some(found)
}

//! The data side of a resolver: links of an item, the linkset documents made of them (RFC 9264 in
//! the profile of the GS1-Conformant Resolver Standard 1.2), and the choice of one of them for a
//! request. Where links come from and how answers are sent is for others.

mod choose;
mod types;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value, json};

pub use choose::{Choice, LinkRequest, choose, forward_query};
pub use types::{LINK_TYPES, LinkType, find as link_type};

use super::percent;

/// The media type of a linkset document.
pub const LINKSET_MEDIA_TYPE: &str = "application/linkset+json";

/// The JSON-LD context that turns a linkset document into RDF.
pub const LINKSET_CONTEXT: &str = "https://ref.gs1.org/standards/resolver/linkset-context";

/// The namespace that `gs1:` stands for in documents that go out.
const VOCABULARY: &str = "https://gs1.org/voc/";

/// The forms of the same namespace that are in use elsewhere.
const VOCABULARIES: [&str; 5] = [
    "gs1:",
    VOCABULARY,
    "https://ref.gs1.org/voc/",
    "https://www.gs1.org/voc/",
    "http://gs1.org/voc/",
];

/// One link of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// `gs1:` and the name of a link type, a registered relation (`author`), or an absolute URI.
    pub rel: String,
    /// Where it leads: an `http` or `https` URI.
    pub href: String,
    /// For people. When empty, the title of the link type stands in.
    pub title: String,
    /// Languages of what is behind it: `de` or `de-CH`.
    pub hreflang: Vec<String>,
    /// The media type of what is behind it.
    pub media_type: Option<String>,
    /// Where or for whom the link is meant, such as country codes. Empty is for all.
    pub context: Vec<String>,
}

/// The links of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkContext {
    /// The URI of the item.
    pub anchor: String,
    /// What the item is, for people.
    pub description: String,
    pub links: Vec<Link>,
}

/// What is wrong with a link: which field, and a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFieldError {
    pub field: &'static str,
    pub why: Cow<'static, str>,
}

impl fmt::Display for LinkFieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.why)
    }
}

impl std::error::Error for LinkFieldError {}

impl Link {
    /// Tests what a conforming document demands of each field, and puts `rel` into its short form.
    pub fn checked(mut self) -> Result<Link, LinkFieldError> {
        let wrong = |field, why: String| Err(LinkFieldError { field, why: why.into() });
        self.rel = normal_rel(&self.rel);
        if let Some(name) = self.rel.strip_prefix("gs1:") {
            if link_type(name).is_none() {
                return wrong("rel", format!("gs1:{name} is no GS1 link type, such as gs1:pip"));
            }
        } else if !is_registered_rel(&self.rel) && !is_absolute_rel(&self.rel) {
            let rel = &self.rel;
            return wrong("rel", format!("{rel:?} is neither gs1:..., a relation nor a plain URI"));
        }
        if !is_web_uri(&self.href) {
            let href = &self.href;
            return wrong("href", format!("{href:?} is no URI with https:// or http:// in front"));
        }
        if let Some(language) = self.hreflang.iter().find(|language| !is_language(language)) {
            return wrong("hreflang", format!("write {language:?} as de or de-CH"));
        }
        if let Some(media_type) = self.media_type.as_deref().filter(|text| !is_media_type(text)) {
            return wrong("type", format!("{media_type:?} is no media type, such as text/html"));
        }
        Ok(self)
    }

    /// The title, or what stands in for it.
    pub fn title_or_default(&self) -> &str {
        if !self.title.is_empty() {
            return &self.title;
        }
        let kind = self.rel.strip_prefix("gs1:").and_then(link_type);
        kind.map_or(self.rel.as_str(), |kind| kind.title)
    }
}

/// `gs1:name` for every form in which GS1's link types are written; other relations as they are.
pub fn normal_rel(rel: &str) -> String {
    match VOCABULARIES.iter().find_map(|start| rel.strip_prefix(start)) {
        Some(name) => format!("gs1:{name}"),
        None => rel.to_string(),
    }
}

/// The form that stands in documents: GS1's as absolute URI, others as they are.
fn long_rel(rel: &str) -> String {
    match normal_rel(rel).strip_prefix("gs1:") {
        Some(name) => format!("{VOCABULARY}{name}"),
        None => rel.to_string(),
    }
}

fn is_registered_rel(rel: &str) -> bool {
    !rel.is_empty() && rel.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// The schema of linksets lets only plain URIs be relations.
fn is_absolute_rel(rel: &str) -> bool {
    let rest = rel.strip_prefix("https://").or_else(|| rel.strip_prefix("http://"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'_');
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain))
}

/// Refuses what could break out of a `Link` header or lead to a script.
fn is_web_uri(uri: &str) -> bool {
    let rest = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"));
    let bad = |c: char| c.is_whitespace() || c.is_control() || "<>\"\\^`{}|".contains(c);
    let starts = |rest: &str| {
        rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '[' | '_'))
    };
    rest.is_some_and(starts) && !uri.contains(bad) && uri.is_ascii()
}

fn is_language(text: &str) -> bool {
    let two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    match text.split_once('-') {
        None => two(text),
        Some((language, region)) => two(language) && two(region),
    }
}

fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.bytes().all(allowed)
    };
    text.split_once('/').is_some_and(|(kind, rest)| token(kind) && token(rest))
}

/// The linkset document. Links of one relation stand together, in the order given.
pub fn linkset_json(contexts: &[LinkContext]) -> String {
    linkset_value(contexts).to_string()
}

/// The same document with its JSON-LD context, for who asks for `application/ld+json`.
pub fn linkset_json_ld(contexts: &[LinkContext]) -> String {
    let mut document = linkset_value(contexts);
    document["@context"] = json!(LINKSET_CONTEXT);
    document.to_string()
}

fn linkset_value(contexts: &[LinkContext]) -> Value {
    let contexts: Vec<Value> = contexts.iter().map(context_value).collect();
    json!({ "linkset": contexts })
}

fn context_value(context: &LinkContext) -> Value {
    let mut out = Map::new();
    out.insert("anchor".into(), json!(context.anchor));
    out.insert("itemDescription".into(), json!(context.description));
    for link in &context.links {
        let links = out.entry(long_rel(&link.rel)).or_insert_with(|| json!([]));
        links.as_array_mut().expect("no relation is called anchor").push(link_value(link));
    }
    Value::Object(out)
}

fn link_value(link: &Link) -> Value {
    let mut out = Map::new();
    out.insert("href".into(), json!(link.href));
    out.insert("title".into(), json!(link.title_or_default()));
    if !link.hreflang.is_empty() {
        out.insert("hreflang".into(), json!(link.hreflang));
    }
    if let Some(media_type) = &link.media_type {
        out.insert("type".into(), json!(media_type));
    }
    if !link.context.is_empty() {
        out.insert("context".into(), json!(link.context));
    }
    Value::Object(out)
}

/// The `Link` header value that every answer about an item has: where its linkset is. Listing all
/// links in the header instead was withdrawn with version 1.0 of the resolver standard.
pub fn linkset_header(anchor: &str) -> String {
    let separator = if anchor.contains('?') { '&' } else { '?' };
    format!("<{anchor}{separator}linkType=linkset>; rel=\"linkset\"; type=\"{LINKSET_MEDIA_TYPE}\"")
}

/// The `Link` header value that goes with a linkset document in JSON: its JSON-LD context.
pub fn json_ld_context_header() -> String {
    let rel = "http://www.w3.org/ns/json-ld#context";
    format!("<{LINKSET_CONTEXT}>; rel=\"{rel}\"; type=\"application/ld+json\"")
}

/// The links as one `Link` header value (RFC 8288), for a context whose links are few.
pub fn link_header(context: &LinkContext) -> String {
    let mut out = Vec::new();
    for link in &context.links {
        let mut text = format!("<{}>; rel=\"{}\"", link.href, long_rel(&link.rel));
        text += &format!("; anchor=\"{}\"", context.anchor);
        text += &title_parameter(link.title_or_default());
        for language in &link.hreflang {
            text += &format!("; hreflang=\"{language}\"");
        }
        if let Some(media_type) = &link.media_type {
            text += &format!("; type=\"{media_type}\"");
        }
        out.push(text);
    }
    out.join(", ")
}

/// Plain where it can be quoted, else in the extended form of RFC 8187.
fn title_parameter(title: &str) -> String {
    let plain = |byte: u8| (byte == b' ' || byte.is_ascii_graphic()) && !b"\"\\".contains(&byte);
    if title.bytes().all(plain) {
        return format!("; title=\"{title}\"");
    }
    let mut out = String::from("; title*=UTF-8''");
    percent::encode(&mut out, title).expect("writing to a String does not fail");
    out
}

/// What `/.well-known/gs1resolver` says: GTINs only, GS1's link types, the contexts in use.
pub fn resolver_description(root: &str, name: &str, contexts: &[&str]) -> String {
    let document = json!({
        "resolverRoot": root.trim_end_matches('/'),
        "name": name,
        "supportedPrimaryKeys": ["01"],
        "supportedLinkType": [{ "namespace": VOCABULARY, "prefix": "gs1:" }],
        "supportedContextValuesEnumerated": contexts,
        "linkTypeDefaultCanBeLinkset": false,
        "jsonLdContextLocation": LINKSET_CONTEXT,
    });
    document.to_string()
}

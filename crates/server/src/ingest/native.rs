//! Everbond's own form of a touch, as `POST /v1/touches` takes it: one object, a list of them, or
//! NDJSON. It is strict, because who writes it reads the answers: a field that is not known is
//! refused rather than lost. A touch without a `time` happened when it arrived.
//!
//! A touch with an `id` is counted once however often it is sent. Without one it is counted each
//! time, unless the request as a whole has an idempotency key.

use std::borrow::Cow;

mod quick;

use model::alias::{Alias, AliasKind};
use model::id::{Digest, Time};
use model::kind::Kind;
use model::limits;
use model::touch::{CHANNELS, Channel, Source, Touch};

use super::cursor::Cursor;
use super::json::{self, Fields, Items, Node, Place};
use super::{Bad, Parsed, Problem, parts};

/// What the way in says of every touch that comes through it.
#[derive(Clone, Copy, Debug)]
pub struct Defaults<'a> {
    pub source: Source,
    /// It came with a secret key: the company itself says so.
    pub trusted: bool,
    pub channel: Option<Channel>,
    /// Whose every touch is, whatever it says. Such touches may then not speak of aliases, traits,
    /// money or a product's state: their sender is a customer, not the company.
    pub aliases: Option<&'a [Alias]>,
    /// The only kinds that may come.
    pub kinds: Option<&'a [&'a str]>,
    /// Names the request, so that touches without an id are counted once, too.
    pub idempotency_key: Option<&'a str>,
}

impl Defaults<'_> {
    pub fn of(source: Source) -> Defaults<'static> {
        Defaults {
            source,
            trusted: false,
            channel: None,
            aliases: None,
            kinds: None,
            idempotency_key: None,
        }
    }
}

/// The fields of a touch, for hints and for the columns of a file.
pub const FIELDS: [&str; 16] = [
    "kind",
    "time",
    "id",
    "aliases",
    "person",
    "products",
    "gtin",
    "serial",
    "place",
    "campaign",
    "channel",
    "money",
    "location",
    "state",
    "properties",
    "traits",
];

const CUSTOMERS_MAY_NOT: [&str; 5] = ["aliases", "person", "traits", "money", "state"];

/// Reads a body. `content_type` only tells NDJSON from JSON, and is not needed for it.
pub fn parse(
    body: &[u8],
    content_type: Option<&str>,
    now: Time,
    defaults: &Defaults<'_>,
) -> Result<Parsed, Problem> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if is_ndjson(body, content_type) {
        return parse_lines(body, now, defaults);
    }
    let text = json::utf8(body)?.trim_ascii();
    match parse_quickly(text, body, now, defaults) {
        Some(parsed) => Ok(parsed),
        None => parse_with_care(text, body, now, defaults),
    }
}

fn parse_with_care(
    text: &str,
    body: &[u8],
    now: Time,
    defaults: &Defaults<'_>,
) -> Result<Parsed, Problem> {
    let items = if text.starts_with('[') {
        serde_json::from_str::<Items<'_>>(text).map_err(|e| json::unreadable(&e))?.0
    } else {
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|e| json::unreadable(&e))?;
        vec![text]
    };
    let mut place = Place::new(body);
    let mut parsed = Parsed { items: Vec::with_capacity(items.len()), write_key: None };
    for (index, item) in items.into_iter().enumerate() {
        let result = parse_item_with_care(item, index, now, defaults);
        parsed.items.push(result.map_err(|mut bad| {
            place.complete(&mut bad, item);
            bad
        }));
    }
    Ok(parsed)
}

/// A body in one pass. `None` if it is not JSON, too long, or one item that wants more care.
fn parse_quickly(text: &str, body: &[u8], now: Time, defaults: &Defaults<'_>) -> Option<Parsed> {
    if !quick::is_for(defaults) {
        return None;
    }
    let mut parsed = Parsed::default();
    let mut place = Place::new(body);
    let mut cursor = Cursor::new(text);
    if !cursor.next_is(b'[') {
        let touch = cursor.attempt(|cursor| quick::touch_at(cursor, 0, now, defaults))?;
        parsed.items.push(Ok(touch));
        return cursor.is_at_end().then_some(parsed);
    }
    cursor.items(|cursor, index, more| {
        if index == 1 {
            parsed.items.reserve(more);
        }
        let touch = cursor.attempt(|cursor| quick::touch_at(cursor, index, now, defaults));
        parsed.items.push(match touch {
            Some(touch) => Ok(touch),
            None => {
                let item = cursor.raw()?;
                parse_item_with_care(item, index, now, defaults).map_err(|mut bad| {
                    place.complete(&mut bad, item);
                    bad
                })
            }
        });
        Some(())
    })?;
    cursor.is_at_end().then_some(parsed)
}

/// NDJSON if the header says so, or if the first line is a whole object and something follows it.
fn is_ndjson(body: &[u8], content_type: Option<&str>) -> bool {
    const NAMES: [&str; 5] = ["ndjson", "x-ndjson", "jsonl", "x-jsonlines", "jsonlines"];
    let essence = content_type.unwrap_or("").split(';').next().unwrap_or("").trim();
    if let Some((kind, name)) = essence.split_once('/')
        && kind.eq_ignore_ascii_case("application")
        && NAMES.iter().any(|own| name.eq_ignore_ascii_case(own))
    {
        return true;
    }
    let body = body.trim_ascii();
    if body.first() != Some(&b'{') {
        return false;
    }
    let Some(end) = memchr::memchr(b'\n', body) else { return false };
    let whole = |line: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
    // A broken first line is recognised by the whole second one.
    whole(&body[..end]) || {
        let second = body[end + 1..].split(|byte| *byte == b'\n').next().unwrap_or(b"");
        second.trim_ascii_start().first() == Some(&b'{') && whole(second) && !whole(body)
    }
}

fn parse_lines(body: &[u8], now: Time, defaults: &Defaults<'_>) -> Result<Parsed, Problem> {
    let mut parsed = Parsed::default();
    for (number, line) in body.split(|byte| *byte == b'\n').enumerate() {
        let item = line.trim_ascii();
        if item.is_empty() {
            continue;
        }
        let index = parsed.items.len();
        if index == limits::BATCH_TOUCHES {
            let detail = format!("more than {index} touches in one request");
            let hint = "send them in several requests";
            return Err(Problem::new(413, "batch_too_large", detail, hint));
        }
        let indent = item.as_ptr() as usize - line.as_ptr() as usize;
        let result = match std::str::from_utf8(item) {
            Ok(text) => parse_item(text, index, now, defaults),
            Err(_) => {
                let bad = Bad::new("bad_text", format!("touches[{index}]"), "it is not UTF-8", "");
                Err(Bad { hint: "send this line as UTF-8".into(), ..bad }.with_raw(item))
            }
        };
        parsed.items.push(result.map_err(|bad| Bad {
            line: number + 1,
            column: bad.column.max(1) + indent,
            ..bad
        }));
    }
    Ok(parsed)
}

fn parse_item(item: &str, index: usize, now: Time, defaults: &Defaults<'_>) -> Result<Touch, Bad> {
    if quick::is_for(defaults) && item.len() <= limits::TOUCH_BYTES {
        let mut cursor = Cursor::new(item);
        let touch = quick::touch_at(&mut cursor, index, now, defaults);
        if let Some(touch) = touch.filter(|_| cursor.is_at_end()) {
            return Ok(touch);
        }
    }
    parse_item_with_care(item, index, now, defaults)
}

fn parse_item_with_care(
    item: &str,
    index: usize,
    now: Time,
    defaults: &Defaults<'_>,
) -> Result<Touch, Bad> {
    let read = || {
        hold_size(item.len())?;
        touch_of(json::read(item)?, index, now, defaults)
    };
    read().map_err(|bad: Bad| bad.under(&format!("touches[{index}]")).with_raw(item.as_bytes()))
}

pub(super) fn hold_size(len: usize) -> Result<(), Bad> {
    if len > limits::TOUCH_BYTES {
        let detail = format!("it has {len} bytes, {} are allowed", limits::TOUCH_BYTES);
        return Err(Bad::new("touch_too_large", "", detail, "leave out what nobody reads"));
    }
    Ok(())
}

/// One touch from its fields. `index` is its place in the request.
pub fn touch_of(
    node: Node<'_>,
    index: usize,
    now: Time,
    defaults: &Defaults<'_>,
) -> Result<Touch, Bad> {
    let Node::Map(fields) = node else {
        let detail = format!("a touch is an object, this is {}", node.type_name());
        return Err(Bad::new("not_an_object", "", detail, "write {\"kind\":\"product.used\",…}"));
    };
    let kind = kind_of(&fields, defaults)?;
    let mut touch = Touch::new(kind, now, defaults.source);
    touch.trusted = defaults.trusted;
    touch.channel = defaults.channel;
    if let Some(aliases) = defaults.aliases {
        touch.aliases = aliases.to_vec();
    }
    let (mut gtin, mut serial, mut id) = (Node::Null, Node::Null, Node::Null);
    for (name, node) in fields {
        if node.is_null() {
            continue;
        }
        if defaults.aliases.is_some() && CUSTOMERS_MAY_NOT.contains(&&*name) {
            let detail = "this field may not be set here";
            return Err(Bad::new("field_not_allowed", name, detail, "leave it out"));
        }
        match &*name {
            "gtin" => gtin = node,
            "serial" => serial = node,
            "id" => id = node,
            _ => set(&mut touch, name, node, now)?,
        }
    }
    if !gtin.is_null() {
        let subject = parts::subject_of_pair(&gtin, &serial, "")?;
        parts::add_product(&mut touch, subject, "gtin")?;
    } else if !serial.is_null() {
        let detail = "a serial says nothing without its GTIN";
        return Err(Bad::new("bad_product", "serial", detail, "give the gtin as well"));
    }
    parts::settle_aliases(&mut touch, "aliases")?;
    touch.id = id_of(&id, index, &touch, defaults)?;
    Ok(touch)
}

fn kind_of(fields: &Fields<'_>, defaults: &Defaults<'_>) -> Result<Kind, Bad> {
    let hint = "a kind is a noun and a verb in the past tense, such as product.used";
    let text = match json::get(fields, "kind") {
        Some(Node::Text(text)) => text,
        None | Some(Node::Null) => {
            return Err(Bad::new("bad_kind", "kind", "the kind is missing", hint));
        }
        Some(other) => {
            let detail = format!("the kind is {}, not a text", other.type_name());
            return Err(Bad::new("bad_kind", "kind", detail, hint));
        }
    };
    let kind = Kind::new(text).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        Bad::new("bad_kind", "kind", format!("{shown:?} is not the name of a kind"), hint)
    })?;
    match defaults.kinds {
        Some(kinds) if !kinds.contains(&kind.as_str()) => {
            let detail = format!("{kind} may not be sent here");
            let hint = format!("allowed are {}", kinds.join(", "));
            Err(Bad::new("kind_not_allowed", "kind", detail, hint))
        }
        _ => Ok(kind),
    }
}

fn set(touch: &mut Touch, name: Cow<'_, str>, node: Node<'_>, now: Time) -> Result<(), Bad> {
    match &*name {
        // Read before everything else.
        "kind" => {}
        "time" => touch.time = parts::time_of(&node, now, "time")?,
        "aliases" => add_aliases(touch, &node, "aliases")?,
        "person" => add_aliases(touch, &node, "person")?,
        "products" => add_products(touch, &node)?,
        "place" => touch.place = Some(parts::name_of(&node, "bad_place", "place")?),
        "campaign" => touch.campaign = Some(parts::name_of(&node, "bad_campaign", "campaign")?),
        "channel" => touch.channel = Some(channel_of(&node)?),
        "money" => touch.money = Some(parts::money_of(&node, "money")?),
        "location" => {
            touch.location = Some(parts::location_of(&node, ["lat", "lon"], "location")?);
        }
        "state" => touch.state = map_of(node, "state")?,
        "properties" => touch.properties = map_of(node, "properties")?,
        "traits" => touch.traits = map_of(node, "traits")?,
        _ => {
            let hint = format!("the fields are {}", FIELDS.join(", "));
            let name: String = name.chars().take(40).collect();
            let detail = "a touch has no such field";
            return Err(Bad::new("unknown_field", name, detail, hint));
        }
    }
    Ok(())
}

fn map_of(node: Node<'_>, at: &str) -> Result<model::value::Map, Bad> {
    match node {
        Node::Map(fields) => json::into_map(fields, at, 0),
        other => {
            let detail = format!("it is {}, not an object", other.type_name());
            Err(Bad::new("bad_type", at, detail, "write an object: {\"name\": value}"))
        }
    }
}

fn channel_of(node: &Node<'_>) -> Result<Channel, Bad> {
    node.text().and_then(Channel::named).ok_or_else(|| {
        let names = CHANNELS.map(|(_, name)| name).join(", ");
        let detail = "this is not a channel";
        Bad::new("bad_channel", "channel", detail, format!("it is one of {names}"))
    })
}

/// `"user:u1"`, `{"user":"u1","email":["a","b"]}`, or a list of the former.
fn add_aliases(touch: &mut Touch, node: &Node<'_>, at: &str) -> Result<(), Bad> {
    match node {
        Node::Text(text) => touch.aliases.push(parts::alias_of_pair(text, at)?),
        Node::List(list) => {
            for (index, node) in list.iter().enumerate() {
                let at = format!("{at}[{index}]");
                let Some(text) = node.text() else {
                    let detail = format!("it is {}, not a text", node.type_name());
                    return Err(Bad::new("bad_alias", at, detail, "write \"kind:value\""));
                };
                touch.aliases.push(parts::alias_of_pair(text, &at)?);
            }
        }
        Node::Map(fields) => {
            for (kind, node) in fields {
                add_alias_field(touch, kind, node, at)?;
            }
        }
        other => {
            let detail = format!("it is {}", other.type_name());
            let hint = "write {\"user\":\"u1\"} or \"user:u1\"";
            return Err(Bad::new("bad_alias", at, detail, hint));
        }
    }
    Ok(())
}

fn add_alias_field(touch: &mut Touch, kind: &str, node: &Node<'_>, at: &str) -> Result<(), Bad> {
    let Some(kind) = AliasKind::named(kind) else {
        let hint = format!("it is one of {}", AliasKind::names().collect::<Vec<_>>().join(", "));
        return Err(Bad::new("bad_alias", at, "a kind of alias is not known", hint));
    };
    let at = format!("{at}.{}", kind.name());
    match node {
        Node::Null => {}
        Node::List(list) => {
            for node in list {
                touch.aliases.push(parts::alias_of(kind, node, &at)?);
            }
        }
        node => touch.aliases.push(parts::alias_of(kind, node, &at)?),
    }
    Ok(())
}

fn add_products(touch: &mut Touch, node: &Node<'_>) -> Result<(), Bad> {
    let one = std::slice::from_ref(node);
    let list = match node {
        Node::List(list) => list.as_slice(),
        _ => one,
    };
    for (index, node) in list.iter().enumerate() {
        let at = format!("products[{index}]");
        let subject = match node {
            Node::Text(text) => parts::subject_of_link(text, &at)?,
            Node::Map(fields) => {
                let field = |name| json::get(fields, name).unwrap_or(&Node::Null);
                parts::subject_of_pair(field("gtin"), field("serial"), &at)?
            }
            other => {
                let detail = format!("a product is a link or an object, not {}", other.type_name());
                return Err(Bad::new("bad_product", at, detail, "write \"/01/GTIN/21/SERIAL\""));
            }
        };
        parts::add_product(touch, subject, "products")?;
    }
    Ok(())
}

/// Ids of a customer's own page count only for that customer, so that nobody can use up another's.
/// Those of a file count for their kind, because files are numbered 1, 2, 3.
fn id_of(
    id: &Node<'_>,
    index: usize,
    touch: &Touch,
    defaults: &Defaults<'_>,
) -> Result<Digest, Bad> {
    let source = defaults.source.name().as_bytes();
    let owner = defaults.aliases.and_then(|aliases| aliases.first()).map(Alias::to_string);
    let owner = owner.as_deref().unwrap_or("").as_bytes();
    let kind = if defaults.source == Source::File { touch.kind.as_str() } else { "" };
    if !id.is_null() {
        return if owner.is_empty() && kind.is_empty() {
            parts::message_id(&[source], id, "id")
        } else {
            parts::message_id(&[source, owner, kind.as_bytes()], id, "id")
        };
    }
    Ok(match defaults.idempotency_key {
        Some(key) => {
            let index = (index as u64).to_le_bytes();
            Digest::of(&[b"request", source, owner, key.as_bytes(), &index])
        }
        None => Digest(0),
    })
}

#[cfg(test)]
mod tests;

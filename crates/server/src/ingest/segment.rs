//! Segment's tracking API, as its SDKs and those of RudderStack speak it. It is lenient, because
//! nobody reads the answers: what can be understood is taken, an unusable part of an item (an
//! empty `userId`, a GTIN that is none) is left in the properties, and only an item without any
//! meaning is refused, alone.
//!
//! - `properties` of a call become those of the touch; what of `context` describes the situation
//!   (page, locale, device …) goes to `properties.context`. Not kept: `ip`, `userAgentData`,
//!   `library`, `integrations`, `_metadata`, which nothing here needs.
//! - A `gtin` and `serial` that are the touch's product are not kept among the properties as well.
//! - The `messageId` names the message. Without one, a digest of what the item says does, so that
//!   the same bytes sent twice count once; an item that names no time either counts each time.
//! - A client whose clock is off by more than a minute is corrected by Segment's own rule: time =
//!   arrival - (sentAt - timestamp). Not in imports, nor where the sender corrected it already.

use std::borrow::Cow;
use std::fmt;

use model::alias::{Alias, AliasKind, BadAlias};
use model::bytes::Writer;
use model::gs1::Subject;
use model::id::{Digest, Time};
use model::kind::Kind;
use model::limits;
use model::touch::{Channel, Money, Source, Touch};
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::cursor::Cursor;
use super::json::{self, Fields, Items, Name, Node, Place};
use super::mapping::Mapping;
use super::{Bad, Parsed, Problem, native, parts};

/// Clocks nearer than this are right: the difference is the way that the request took.
const SKEW_MS: i64 = 60_000;

/// What an endpoint, or the `type` of an item, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Identify,
    Track,
    Page,
    Screen,
    Group,
    Alias,
    Batch,
    Import,
}

/// Call, its name in paths and `type`, its name in the browser SDK's paths.
pub const CALLS: [(Call, &str, &str); 8] = [
    (Call::Identify, "identify", "i"),
    (Call::Track, "track", "t"),
    (Call::Page, "page", "p"),
    (Call::Screen, "screen", "s"),
    (Call::Group, "group", "g"),
    (Call::Alias, "alias", "a"),
    (Call::Batch, "batch", "b"),
    (Call::Import, "import", "import"),
];

impl Call {
    pub fn name(self) -> &'static str {
        CALLS[self as usize].1
    }

    /// From the last part of a path, `track` or `t`.
    pub fn named(name: &str) -> Option<Call> {
        CALLS.iter().find(|(_, long, short)| name == *long || name == *short).map(|row| row.0)
    }

    fn of_item(name: &str) -> Option<Call> {
        Call::named(name).filter(|call| call.name() == name && !call.is_many())
    }

    fn is_many(self) -> bool {
        matches!(self, Call::Batch | Call::Import)
    }
}

/// Reads a body, unpacked, that arrived at `now`.
pub fn parse(call: Call, body: &[u8], now: Time, mapping: &Mapping) -> Result<Parsed, Problem> {
    let text = json::utf8(body)?.trim_ascii();
    if !call.is_many() {
        return parse_one(call, text, now, mapping);
    }
    match parse_quickly(call, text, body, now, mapping) {
        Some(parsed) => Ok(parsed),
        None => parse_with_care(call, text, body, now, mapping),
    }
}

/// A batch in one pass. `None` if it is not JSON, too long, or not written as batches are: its list
/// once, and behind it nothing that has a list, so that what stands around the items is known
/// before they are read, on whichever side it stands.
fn parse_quickly(
    call: Call,
    text: &str,
    body: &[u8],
    now: Time,
    mapping: &Mapping,
) -> Option<Parsed> {
    let mut envelope = Envelope::default();
    let mut cursor = Cursor::new(text);
    let bare = cursor.next_is(b'[');
    if !bare {
        cursor.need(b'{')?;
        loop {
            let name = cursor.text()?;
            cursor.need(b':')?;
            if name == "batch" {
                break;
            }
            envelope.set(&name, &mut cursor)?;
            cursor.need(b',')?;
        }
        let mut tail = cursor.behind_last(b']')?;
        while tail.take(b',') {
            let name = tail.text()?;
            tail.need(b':')?;
            if name == "batch" {
                return None;
            }
            envelope.set(&name, &mut tail)?;
        }
        tail.need(b'}')?;
        if !tail.is_at_end() {
            return None;
        }
    }
    let around = envelope.around(call, now, mapping);
    let write_key = envelope.write_key.text().map(Box::from);
    let mut parsed = Parsed { items: Vec::new(), write_key };
    let mut place = Place::new(body);
    cursor.items(|cursor, index, more| {
        if index == 1 {
            parsed.items.reserve(more);
        }
        let (item, said) = cursor.with_raw(|cursor| said_at(cursor, None))?;
        let touch = said.and_then(|said| touch_of(said, &around).ok());
        parsed.items.push(match touch {
            Some(touch) => Ok(touch),
            None => parse_item(item, &around).map_err(|bad| placed(bad, index, item, &mut place)),
        });
        Some(())
    })?;
    // What was read as the tail must be what follows the list.
    let ended = if bare { cursor.is_at_end() } else { cursor.is_behind_last(b']') };
    ended.then_some(parsed)
}

fn placed(bad: Bad, index: usize, item: &str, place: &mut Place<'_>) -> Bad {
    let mut bad = bad.under(&format!("batch[{index}]"));
    place.complete(&mut bad, item);
    bad
}

fn parse_with_care(
    call: Call,
    text: &str,
    body: &[u8],
    now: Time,
    mapping: &Mapping,
) -> Result<Parsed, Problem> {
    let mut envelope = Envelope::default();
    if text.starts_with('[') {
        let items = serde_json::from_str::<Items<'_>>(text).map_err(|e| json::unreadable(&e))?;
        envelope.batch = Some(items.0);
    } else {
        envelope = serde_json::from_str(text).map_err(|e| json::unreadable(&e))?;
    }
    let Some(items) = envelope.batch.take() else {
        let detail = "the list `batch` is missing";
        let hint = "send {\"batch\":[{\"type\":\"track\",…}]}";
        return Err(Problem::new(400, "bad_json", detail, hint));
    };
    let around = envelope.around(call, now, mapping);
    let mut place = Place::new(body);
    let mut parsed = Parsed {
        items: Vec::with_capacity(items.len()),
        write_key: envelope.write_key.text().map(Box::from),
    };
    for (index, item) in items.into_iter().enumerate() {
        let touch = parse_item(item, &around);
        parsed.items.push(touch.map_err(|bad| placed(bad, index, item, &mut place)));
    }
    Ok(parsed)
}

fn parse_one(call: Call, text: &str, now: Time, mapping: &Mapping) -> Result<Parsed, Problem> {
    let around =
        Around { call: Some(call), import: false, context: &[], sent_at: None, now, mapping };
    let mut cursor = Cursor::new(text);
    if let Some(said) = cursor.attempt(|cursor| said_at(cursor, Some(call)))
        && cursor.is_at_end()
    {
        let write_key = said.write_key.text().map(Box::from);
        if let Ok(touch) = touch_of(said, &around) {
            return Ok(Parsed { items: vec![Ok(touch)], write_key });
        }
    }
    serde_json::from_str::<IgnoredAny>(text).map_err(|e| json::unreadable(&e))?;
    // Read once more for the key alone: a body is small, and the key is needed even if the item
    // is refused.
    let write_key = match json::read(text) {
        Ok(node) => node.get("writeKey").and_then(Node::text).map(Box::from),
        Err(_) => None,
    };
    Ok(Parsed { items: vec![parse_item(text, &around)], write_key })
}

/// Reads a refused item again, as it was kept. `arrived` is when it first came.
pub fn parse_refused(raw: &[u8], arrived: Time, mapping: &Mapping) -> Result<Touch, Bad> {
    let text = json::utf8(raw).map_err(|problem| Bad::new(problem.code, "", problem.detail, ""))?;
    let around =
        Around { call: None, import: true, context: &[], sent_at: None, now: arrived, mapping };
    parse_item(text.trim_ascii(), &around)
}

/// What stands around the items of a request.
struct Around<'c, 'a> {
    /// What the endpoint says; none where each item says it.
    call: Option<Call>,
    import: bool,
    context: &'c [(Cow<'a, str>, Node<'a>)],
    sent_at: Option<Time>,
    now: Time,
    mapping: &'c Mapping,
}

#[derive(Default)]
struct Envelope<'a> {
    batch: Option<Vec<&'a str>>,
    context: Node<'a>,
    sent_at: Node<'a>,
    write_key: Node<'a>,
}

impl<'a> Envelope<'a> {
    /// Reads the value of a field that is not the list.
    fn set(&mut self, name: &str, cursor: &mut Cursor<'a>) -> Option<()> {
        match name {
            "context" => self.context = cursor.node()?,
            "sentAt" => self.sent_at = cursor.node()?,
            "writeKey" => self.write_key = cursor.node()?,
            _ => drop(cursor.raw()?),
        }
        Some(())
    }

    fn around<'c>(&'c self, call: Call, now: Time, mapping: &'c Mapping) -> Around<'c, 'a> {
        Around {
            call: None,
            import: call == Call::Import,
            context: self.context.fields().unwrap_or(&[]),
            sent_at: json::time_of(&self.sent_at),
            now,
            mapping,
        }
    }
}

impl<'de> de::Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Envelope<'de>, D::Error> {
        struct EnvelopeVisitor;
        impl<'de> Visitor<'de> for EnvelopeVisitor {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the list `batch`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Self::Value, A::Error> {
                let mut envelope = Envelope::default();
                while let Some(Name(name)) = input.next_key()? {
                    match &*name {
                        "batch" => envelope.batch = Some(input.next_value::<Items<'de>>()?.0),
                        "context" => envelope.context = input.next_value()?,
                        "sentAt" => envelope.sent_at = input.next_value()?,
                        "writeKey" => envelope.write_key = input.next_value()?,
                        _ => {
                            input.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(envelope)
            }
        }
        input.deserialize_map(EnvelopeVisitor)
    }
}

fn parse_item(item: &str, around: &Around<'_, '_>) -> Result<Touch, Bad> {
    let read = || {
        native::hold_size(item.len())?;
        touch_of(Said::read(json::read(item)?, around.call)?, around)
    };
    read().map_err(|bad: Bad| bad.with_raw(&self_contained(item, around)))
}

/// The item with what stood around it, so that it can be understood again by itself.
fn self_contained<'i>(item: &'i str, around: &Around<'_, '_>) -> Cow<'i, [u8]> {
    let Some(rest) = item.strip_prefix('{') else { return item.as_bytes().into() };
    let mut out = String::from("{");
    if let Some(call) = around.call {
        out.push_str(&format!("\"type\":\"{}\",", call.name()));
    }
    if !around.context.is_empty() && !item.contains("\"context\"") {
        out.push_str("\"context\":");
        json::write_fields(&mut out, around.context);
        out.push(',');
    }
    if out.len() == 1 || rest.trim_start().starts_with('}') {
        return item.as_bytes().into();
    }
    (out + rest).into_bytes().into()
}

/// The fields of one item that mean something.
#[derive(Default)]
struct Said<'a> {
    call: Option<Call>,
    /// Only of a call that came alone.
    write_key: Node<'a>,
    message_id: Node<'a>,
    user_id: Node<'a>,
    anonymous_id: Node<'a>,
    previous_id: Node<'a>,
    group_id: Node<'a>,
    event: Node<'a>,
    name: Node<'a>,
    category: Node<'a>,
    channel: Node<'a>,
    timestamp: Node<'a>,
    original_timestamp: Node<'a>,
    sent_at: Node<'a>,
    properties: Fields<'a>,
    traits: Fields<'a>,
    context: Fields<'a>,
}

/// The item at the cursor, if it is said in an ordinary way.
fn said_at<'a>(cursor: &mut Cursor<'a>, call: Option<Call>) -> Option<Said<'a>> {
    let mut said = Said { call, ..Said::default() };
    cursor.object(|cursor, name| {
        let node = cursor.node()?;
        said.set(&name, node, call).ok()
    })?;
    Some(said)
}

impl<'a> Said<'a> {
    /// `call` is what the endpoint says.
    fn read(node: Node<'a>, call: Option<Call>) -> Result<Said<'a>, Bad> {
        let Node::Map(fields) = node else {
            let detail = format!("a call is an object, this is {}", node.type_name());
            return Err(Bad::new("not_an_object", "", detail, "send {\"type\":\"track\",…}"));
        };
        let mut said = Said { call, ..Said::default() };
        for (name, node) in fields {
            said.set(&name, node, call)?;
        }
        Ok(said)
    }

    fn set(&mut self, name: &str, node: Node<'a>, call: Option<Call>) -> Result<(), Bad> {
        match name {
            "type" if call.is_none() => self.call = node.text().and_then(Call::of_item),
            "writeKey" => self.write_key = node,
            "messageId" => self.message_id = node,
            "userId" => self.user_id = node,
            "anonymousId" => self.anonymous_id = node,
            "previousId" => self.previous_id = node,
            "groupId" => self.group_id = node,
            "event" => self.event = node,
            "name" => self.name = node,
            "category" => self.category = node,
            "channel" => self.channel = node,
            "timestamp" => self.timestamp = node,
            "originalTimestamp" => self.original_timestamp = node,
            "sentAt" => self.sent_at = node,
            "properties" => self.properties = object(node, "properties")?,
            "traits" => self.traits = object(node, "traits")?,
            "context" => self.context = object(node, "context")?,
            _ => {}
        }
        Ok(())
    }

    /// The times that it names: when it happened by the client's clock, and by ours.
    fn times(&self, around: &Around<'_, '_>) -> Result<(Option<Time>, Time), Bad> {
        let read = |node: &Node<'_>, at: &str| {
            let hint = "write 2026-11-22T10:00:00.000Z";
            let bad = || Bad::new("bad_time", at, "this is not a time", hint);
            if node.is_null() { Ok(None) } else { json::time_of(node).ok_or_else(bad).map(Some) }
        };
        let timestamp = read(&self.timestamp, "timestamp")?;
        let original = read(&self.original_timestamp, "originalTimestamp")?;
        // Only the clock is compared with it, so a broken one is no reason to refuse.
        let sent = json::time_of(&self.sent_at).or(around.sent_at);
        let Some(client) = original.or(timestamp) else { return Ok((sent, around.now)) };
        let corrected = original.and(timestamp);
        let time = match (corrected, sent) {
            (Some(corrected), _) => corrected,
            (None, Some(sent)) if !around.import && around.now.since(sent).abs() > SKEW_MS => {
                around.now.plus(client.since(sent))
            }
            _ => client,
        };
        Ok((Some(client), time))
    }
}

fn object<'a>(node: Node<'a>, at: &str) -> Result<Fields<'a>, Bad> {
    match node {
        Node::Null => Ok(Vec::new()),
        Node::Map(fields) => Ok(fields),
        // Some clients send an empty list where they have nothing, as PHP writes an empty array.
        Node::List(list) if list.is_empty() => Ok(Vec::new()),
        other => {
            let detail = format!("it is {}, not an object", other.type_name());
            Err(Bad::new("bad_type", at, detail, "send an object: {\"name\": value}"))
        }
    }
}

fn touch_of(mut said: Said<'_>, around: &Around<'_, '_>) -> Result<Touch, Bad> {
    let Some(call) = said.call else {
        let detail = "the type is missing or not known";
        let hint = "it is one of identify, track, page, screen, group, alias";
        return Err(Bad::new("bad_call", "type", detail, hint));
    };
    let (client_time, time) = said.times(around)?;
    let time = parts::hold_time(time, around.now, "timestamp")?;
    for (name, node) in around.context {
        if json::get(&said.context, name).is_none() {
            said.context.push((name.clone().into_owned().into(), node.to_owned_node()));
        }
    }
    let (kind, keep_name) = kind_of(call, &said, around.mapping)?;
    let mut touch = Touch::new(kind, time, Source::Segment);
    touch.channel = channel_of(call, &said);
    touch.campaign = campaign_of(&touch.kind, &said);
    touch.money = money_of(&touch.kind, &said.properties, around.mapping.currency);
    touch.place = json::get(&said.properties, "place_id")
        .and_then(Node::text)
        .filter(|text| parts::is_name(text))
        .map(Box::from);
    touch.location = said_location(&said.context);
    let own = product_of(&said.properties);
    touch.products = products_of(call, own, &said.properties);
    if own.is_some_and(|(unit, name)| name == "gtin" && said_twice(unit, &said.properties)) {
        said.properties.retain(|(name, _)| name != "gtin" && name != "serial");
    }
    add_aliases(&mut touch, call, &said)?;
    if touch.aliases.is_empty() && touch.products.is_empty() {
        let detail = "it names neither a person nor a product";
        return Err(Bad::new("no_person", "", detail, "send a userId or an anonymousId"));
    }
    let message_id = std::mem::take(&mut said.message_id);
    fill(&mut touch, call, said, keep_name)?;
    touch.id = match (&message_id, client_time) {
        (Node::Null, None) => Digest(0),
        (Node::Null, Some(client_time)) => content_id(&mut touch, client_time),
        (id, _) => parts::message_id(&[b"segment"], id, "messageId")?,
    };
    Ok(touch)
}

fn kind_of(call: Call, said: &Said<'_>, mapping: &Mapping) -> Result<(Kind, bool), Bad> {
    let name = match call {
        Call::Track => {
            let event = said.event.text().map(str::trim).filter(|event| !event.is_empty());
            let mapped = mapping.kind(event.ok_or_else(|| {
                let hint = "name what happened: \"event\": \"Order Completed\"";
                Bad::new("no_event", "event", "a track call without the name of its event", hint)
            })?);
            return Ok((mapped.kind, mapped.keep_name));
        }
        Call::Group if said.group_id.id().is_none_or(|id| id.trim().is_empty()) => {
            let hint = "send the account's id as groupId";
            return Err(Bad::new("no_group", "groupId", "a group call without a group", hint));
        }
        Call::Identify => "person.identified",
        Call::Page => "page.viewed",
        Call::Screen => "screen.viewed",
        Call::Group => "person.grouped",
        Call::Alias => "person.aliased",
        Call::Batch | Call::Import => {
            return Err(Bad::new("bad_call", "type", "a batch inside a batch", "send its items"));
        }
    };
    Ok((Kind::of(name), false))
}

/// Properties and traits, last, because the other parts were read from them.
fn fill(touch: &mut Touch, call: Call, said: Said<'_>, keep_name: bool) -> Result<(), Bad> {
    let Said { mut properties, mut traits, context, .. } = said;
    let mut add = |name: &'static str, node| adopt(&mut properties, name, node);
    match call {
        Call::Track if keep_name => add("event", said.event),
        Call::Page | Call::Screen => {
            add("name", said.name);
            add("category", said.category);
        }
        Call::Group => {
            add("account", said.group_id);
            if !traits.is_empty() {
                add("account_traits", Node::Map(std::mem::take(&mut traits)));
            }
        }
        Call::Alias => add("previous_id", said.previous_id),
        _ => {}
    }
    let has_url = call == Call::Page && json::get(&properties, "url").is_some();
    let mut kept = Vec::with_capacity(context.len());
    let mut own = Vec::new();
    for (name, node) in context {
        match (&*name, node) {
            ("ip" | "userAgentData" | "library", _) => {}
            // The SDK puts the same into the properties of a page call.
            ("page", _) if has_url => {}
            ("traits", Node::Map(fields)) => own = fields,
            ("location", Node::Map(mut fields)) => {
                if touch.location.is_some() {
                    fields.retain(|(name, _)| name != "latitude" && name != "longitude");
                }
                if !fields.is_empty() {
                    kept.push((name, Node::Map(fields)));
                }
            }
            (_, node) if is_empty(&node) => {}
            (_, node) => kept.push((name, node)),
        }
    }
    if !kept.is_empty() && json::get(&properties, "context").is_none() {
        properties.push(("context".into(), Node::Map(kept)));
    }
    own.append(&mut traits);
    touch.traits = json::into_map(own, "traits", 0)?;
    touch.properties = json::into_map(properties, "properties", 0)?;
    Ok(())
}

/// A field of the item becomes a property, unless there is one of this name.
fn adopt<'a>(properties: &mut Fields<'a>, name: &'static str, node: Node<'a>) {
    if !node.is_null() && json::get(properties, name).is_none() {
        properties.push((name.into(), node));
    }
}

fn is_empty(node: &Node<'_>) -> bool {
    match node {
        Node::Null => true,
        Node::Map(fields) => fields.is_empty(),
        Node::List(list) => list.is_empty(),
        _ => false,
    }
}

fn add_aliases(touch: &mut Touch, call: Call, said: &Said<'_>) -> Result<(), Bad> {
    let mut add = |kind: AliasKind, node: &Node<'_>, at: &str| -> Result<(), Bad> {
        let Some(text) = node.id() else { return Ok(()) };
        match Alias::new(kind, &text) {
            Ok(alias) => touch.aliases.push(alias),
            Err(BadAlias::Empty | BadAlias::Placeholder) => {}
            Err(error) => {
                let hint = "send a shorter, printable id";
                return Err(Bad::new("bad_alias", at, error.sentence(), hint));
            }
        }
        Ok(())
    };
    add(AliasKind::User, &said.user_id, "userId")?;
    add(AliasKind::Anonymous, &said.anonymous_id, "anonymousId")?;
    // The former id is nearly always the anonymous one. Where it is another user's id, the name
    // joins nobody by itself: two users become one only on purpose.
    if call == Call::Alias && said.previous_id.id() != said.user_id.id() {
        add(AliasKind::Anonymous, &said.previous_id, "previousId")?;
    }
    if call == Call::Identify {
        let trait_named = |name: &str| {
            let deep = json::get(&said.context, "traits").and_then(|traits| traits.get(name));
            json::get(&said.traits, name).filter(|node| !node.is_null()).or(deep)
        };
        if let Some(email) = trait_named("email").filter(|node| is_email(node)) {
            add(AliasKind::Email, email, "traits.email")?;
        }
        if let Some(phone) = trait_named("phone").filter(|node| is_phone(node)) {
            add(AliasKind::Phone, phone, "traits.phone")?;
        }
    }
    parts::settle_aliases(touch, "")
}

fn is_email(node: &Node<'_>) -> bool {
    let parts = node.text().and_then(|text| text.trim().split_once('@'));
    parts.is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !host.contains(['@', ' '])
    })
}

fn is_phone(node: &Node<'_>) -> bool {
    node.id().is_some_and(|text| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        (6..=15).contains(&digits) && !text.contains(char::is_alphabetic)
    })
}

/// Which channel an SDK speaks for, by its library's name, the first row that is contained.
const LIBRARIES: [(&str, Channel); 13] = [
    ("analytics.js", Channel::Web),
    ("javascript", Channel::Web),
    ("react-native", Channel::App),
    ("react_native", Channel::App),
    ("analytics-ios", Channel::App),
    ("analytics-swift", Channel::App),
    ("analytics-android", Channel::App),
    ("analytics-kotlin", Channel::App),
    ("flutter", Channel::App),
    ("unity", Channel::App),
    ("rudder-ios", Channel::App),
    ("rudder.android", Channel::App),
    ("rudder.ios", Channel::App),
];

fn channel_of(call: Call, said: &Said<'_>) -> Option<Channel> {
    match said.channel.text() {
        Some("browser") => return Some(Channel::Web),
        Some("mobile") => return Some(Channel::App),
        Some(name) if Channel::named(name).is_some() => return Channel::named(name),
        _ => {}
    }
    let library = json::get(&said.context, "library");
    let name = library.and_then(|library| library.get("name").and_then(Node::text));
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        let row = LIBRARIES.iter().find(|(part, _)| contains(name, part));
        return Some(row.map_or(Channel::Server, |row| row.1));
    }
    match call {
        Call::Page => Some(Channel::Web),
        Call::Screen => Some(Channel::App),
        _ => None,
    }
}

/// Whatever the case; `part` is in small letters. Made for short texts, of which there are many.
fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    let mut places = text.windows(part.len());
    places.any(|at| at[0] | 0x20 == part[0] && at.eq_ignore_ascii_case(part))
}

fn campaign_of(kind: &Kind, said: &Said<'_>) -> Option<Box<str>> {
    let own = |name: &str| json::get(&said.properties, name).and_then(Node::text);
    let campaign = json::get(&said.context, "campaign");
    let named = |name: &str| campaign.and_then(|campaign| campaign.get(name)?.text());
    let noun = kind.as_str().split('.').next();
    let of_kind = match noun {
        Some("campaign") => own("promotion_id"),
        Some("message") => own("campaign_name"),
        _ => None,
    };
    let page = json::get(&said.context, "page");
    let in_page = |name: &str| page.and_then(|page| page.get(name)?.text());
    let text = own("campaign_id").or(of_kind).or(named("id")).or(named("name"));
    let text = text.map(Cow::Borrowed).or_else(|| {
        [own("url"), in_page("url"), in_page("search")].into_iter().flatten().find_map(utm_campaign)
    })?;
    let text = text.trim();
    parts::is_name(text).then(|| text.into())
}

fn utm_campaign(url: &str) -> Option<Cow<'_, str>> {
    let (_, query) = url.split_once('?')?;
    let query = query.split('#').next().unwrap_or(query);
    let value = query.split('&').find_map(|pair| pair.strip_prefix("utm_campaign="))?;
    if value.is_empty() { None } else { Some(form_decode(value)) }
}

/// Undoes the encoding of forms; what is not encoded right stays as it is.
fn form_decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[at], pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn money_of(kind: &Kind, properties: &Fields<'_>, currency: [u8; 3]) -> Option<Money> {
    let amount = |name: &str| json::get(properties, name).and_then(parts::amount_of);
    let given = json::get(properties, "currency").and_then(Node::text).map(str::trim);
    let given = given.filter(|currency| !currency.is_empty());
    let revenue = amount("revenue");
    // `value` and `total` of an event that is not known may be anything but money.
    if revenue.is_none() && given.is_none() && Kind::standard(kind.as_str()).is_none() {
        return None;
    }
    let priced = || Some(amount("price")? * amount("quantity").unwrap_or(1.0));
    let major = revenue
        .or_else(|| amount("subtotal"))
        .or_else(|| amount("total"))
        .or_else(|| amount("value"))
        .or_else(priced)?;
    let currency = given.unwrap_or_else(|| std::str::from_utf8(&currency).unwrap_or("USD"));
    Money::from_major(major, currency)
}

fn said_location(context: &Fields<'_>) -> Option<model::touch::Location> {
    let location = json::get(context, "location")?;
    parts::location_of(location, ["latitude", "longitude"], "").ok()
}

/// What the properties say of products: themselves, each of `products`, and the page's address if
/// that is a Digital Link. What is none stays a property.
fn products_of(call: Call, own: Option<(Subject, &str)>, properties: &Fields<'_>) -> Vec<Subject> {
    let mut found = Vec::new();
    let mut add = |subject: Option<Subject>| {
        if let Some(subject) = subject
            && found.len() < limits::PRODUCTS_PER_TOUCH
            && !found.contains(&subject)
        {
            found.push(subject);
        }
    };
    add(own.map(|(subject, _)| subject));
    if let Some(Node::List(list)) = json::get(properties, "products") {
        for node in list {
            match node {
                Node::Map(fields) => add(product_of(fields).map(|(subject, _)| subject)),
                Node::Text(text) => add(linked(text)),
                _ => {}
            }
        }
    }
    if call == Call::Page {
        add(json::get(properties, "url").and_then(Node::text).and_then(linked));
    }
    found
}

/// Whether `serial`, if it is there, is that of the product which `gtin` named.
fn said_twice(unit: Subject, properties: &Fields<'_>) -> bool {
    unit.is_unit() || json::get(properties, "serial").is_none_or(is_empty)
}

/// The product that these fields name, and which of them does.
fn product_of(fields: &[(Cow<'_, str>, Node<'_>)]) -> Option<(Subject, &'static str)> {
    let field = |name: &&str| json::get(fields, name).filter(|node| !is_empty(node));
    let serial = ["serial", "serial_number", "serialNumber"].iter().find_map(field);
    let with_serial = |gtin: &Node<'_>| {
        let unit = parts::subject_of_pair(gtin, serial.unwrap_or(&Node::Null), "");
        // A serial that cannot be one leaves the model.
        unit.or_else(|_| parts::subject_of_pair(gtin, &Node::Null, "")).ok()
    };
    let named = ["gtin", "gtin14", "gtin13", "gtin12", "gtin8", "ean", "upc"];
    let found = named.into_iter().find_map(|name| Some((with_serial(field(&name)?)?, name)));
    if found.is_some() {
        return found;
    }
    for (name, digits_min) in [("product_id", 8), ("productId", 8), ("product", 8), ("sku", 12)] {
        let found = match field(&name) {
            Some(Node::Text(text)) if text.contains('/') => linked(text),
            Some(node @ Node::Text(text)) if text.trim().len() >= digits_min => with_serial(node),
            // A short number is more likely to be a row of a table than a GTIN-8.
            Some(node @ Node::Int(100_000_000_000..)) => with_serial(node),
            _ => None,
        };
        if let Some(found) = found {
            return Some((found, name));
        }
    }
    None
}

fn linked(text: &str) -> Option<Subject> {
    if text.contains("/01/") { parts::subject_of_link(text, "").ok() } else { None }
}

/// A digest of what the item says, by the client's own clock.
fn content_id(touch: &mut Touch, client_time: Time) -> Digest {
    let time = std::mem::replace(&mut touch.time, client_time);
    let (mut common, mut personal) = (Writer::new(), Writer::new());
    touch.write_common(Time(0), &mut common);
    touch.write_personal(&mut personal);
    touch.time = time;
    Digest::of(&[b"segment content", &common.into_bytes(), &personal.into_bytes()])
}

#[cfg(test)]
mod tests;

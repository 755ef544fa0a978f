//! The parts of a touch, each from the forms in which sources give it. What is wrong is said with
//! the place, never with the value: it may be somebody's.

use model::alias::{Alias, AliasKind};
use model::gs1::{DigitalLink, Gtin, ParseOptions, Serial, Subject};
use model::id::{Digest, Time};
use model::limits;
use model::touch::{Location, Money, Touch};

use super::Bad;
use super::json::{self, Node};

/// `/01/…/21/…`, or a whole Digital Link URI of any host.
pub fn subject_of_link(text: &str, at: &str) -> Result<Subject, Bad> {
    let text = text.trim();
    if let Some(subject) = Subject::of_plain_path(text) {
        return Ok(subject);
    }
    let hint = "write /01/GTIN, /01/GTIN/21/SERIAL or {\"gtin\":\"…\",\"serial\":\"…\"}";
    let options = ParseOptions::default();
    let link = if text.starts_with('/') {
        DigitalLink::parse_target(text, options)
    } else {
        DigitalLink::parse(text, options)
    };
    let link = link.map_err(|e| Bad::new("bad_product", at, e.to_string(), hint))?;
    link.subject().ok_or_else(|| {
        Bad::new("bad_product", at, "the link is of something that is not a product", hint)
    })
}

/// From a GTIN (text, or a number that lost its leading zeros) and a serial.
pub fn subject_of_pair(gtin: &Node<'_>, serial: &Node<'_>, at: &str) -> Result<Subject, Bad> {
    let field = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let gtin = gtin_of(gtin).map_err(|detail| {
        let hint = "give the GTIN with its 8, 12, 13 or 14 digits, as a text";
        Bad::new("bad_product", field("gtin"), detail, hint)
    })?;
    if serial.is_null() || serial.text() == Some("") {
        return Ok(Subject::model(gtin));
    }
    let detail = match serial.id() {
        Some(text) => match Serial::new(text.trim()) {
            Ok(serial) => return Ok(Subject::unit(gtin, serial)),
            Err(error) => error.to_string(),
        },
        None => format!("the serial is {}, not a text", serial.type_name()),
    };
    let hint = "1 to 20 letters, digits and !\"%&'()*+,-./:;<=>?_, or leave it out for the model";
    Err(Bad::new("bad_product", field("serial"), detail, hint))
}

fn gtin_of(node: &Node<'_>) -> Result<Gtin, String> {
    match node {
        Node::Text(text) => text.trim().parse::<Gtin>().map_err(|e| e.to_string()),
        Node::Int(int) => u64::try_from(*int)
            .map_err(|_| "a GTIN is not negative".to_owned())
            .and_then(|number| Gtin::from_u64(number).map_err(|e| e.to_string())),
        other => Err(format!("the GTIN is {}, not a text", other.type_name())),
    }
}

/// Adds a product once.
pub fn add_product(touch: &mut Touch, subject: Subject, at: &str) -> Result<(), Bad> {
    if touch.products.contains(&subject) {
        return Ok(());
    }
    if touch.products.len() == limits::PRODUCTS_PER_TOUCH {
        let detail = format!("more than {} products", limits::PRODUCTS_PER_TOUCH);
        return Err(Bad::new("too_many_products", at, detail, "send them in several touches"));
    }
    touch.products.push(subject);
    Ok(())
}

pub fn alias_of(kind: AliasKind, node: &Node<'_>, at: &str) -> Result<Alias, Bad> {
    let Some(text) = node.id() else {
        let detail = format!("an alias is a text, not {}", node.type_name());
        return Err(Bad::new("bad_alias", at, detail, "send the id as a text"));
    };
    Alias::new(kind, &text).map_err(|e| Bad::new("bad_alias", at, e.sentence(), "see the detail"))
}

/// `user:u1`
pub fn alias_of_pair(text: &str, at: &str) -> Result<Alias, Bad> {
    let kinds = || AliasKind::names().collect::<Vec<_>>().join(", ");
    let (kind, value) = text.split_once(':').unwrap_or((text, ""));
    let Some(kind) = AliasKind::named(kind.trim()) else {
        let hint = format!("write kind:value, the kind being one of {}", kinds());
        return Err(Bad::new("bad_alias", at, "the kind of this alias is not known", hint));
    };
    alias_of(kind, &Node::Text(value.into()), at)
}

/// Puts the aliases into their order and holds their number.
pub fn settle_aliases(touch: &mut Touch, at: &str) -> Result<(), Bad> {
    touch.settle_aliases();
    if touch.aliases.len() > limits::ALIASES_PER_TOUCH {
        let detail = format!("more than {} aliases", limits::ALIASES_PER_TOUCH);
        return Err(Bad::new("too_many_aliases", at, detail, "send the strongest ones"));
    }
    Ok(())
}

/// `{"amount":"49.90","currency":"EUR"}` or `"49.90 EUR"`.
pub fn money_of(node: &Node<'_>, at: &str) -> Result<Money, Bad> {
    let money = match node {
        Node::Text(text) => Money::parse(text),
        Node::Map(_) => {
            let currency = node.get("currency").and_then(Node::text);
            let amount = node.get("amount").and_then(amount_of);
            amount
                .zip(currency)
                .and_then(|(amount, currency)| Money::from_major(amount, currency.trim()))
        }
        _ => None,
    };
    money.ok_or_else(|| {
        let hint = "write {\"amount\":\"49.90\",\"currency\":\"EUR\"} or \"49.90 EUR\"";
        Bad::new("bad_money", at, "this is not an amount with a currency", hint)
    })
}

/// A number, or one as a text with a point.
pub fn amount_of(node: &Node<'_>) -> Option<f64> {
    let amount = match node {
        Node::Text(text) => text.trim().parse().ok()?,
        other => other.number()?,
    };
    amount.is_finite().then_some(amount)
}

/// `{"lat":52.5,"lon":13.4}`
pub fn location_of(node: &Node<'_>, names: [&str; 2], at: &str) -> Result<Location, Bad> {
    let axis = |name: &str| node.get(name).and_then(amount_of);
    let pair = axis(names[0]).zip(axis(names[1]));
    pair.and_then(|(lat, lon)| Location::degrees(lat, lon)).ok_or_else(|| {
        let hint = format!("give {} from -90 to 90 and {} from -180 to 180", names[0], names[1]);
        Bad::new("bad_location", at, "this is not a place on Earth", hint)
    })
}

/// The id of a place or campaign.
pub fn name_of(node: &Node<'_>, code: &'static str, at: &str) -> Result<Box<str>, Bad> {
    let Some(text) = node.id() else {
        let detail = format!("it is {}, not a text", node.type_name());
        return Err(Bad::new(code, at, detail, "give its id as a text"));
    };
    let text = text.trim();
    if !is_name(text) {
        let limit = limits::NAME_BYTES;
        let detail = format!("an id has 1 to {limit} bytes and no control characters");
        return Err(Bad::new(code, at, detail, "give the id under which it is registered"));
    }
    Ok(text.into())
}

pub fn is_name(text: &str) -> bool {
    (1..=limits::NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// A time, within what is believed of a time that is said at `now`.
pub fn time_of(node: &Node<'_>, now: Time, at: &str) -> Result<Time, Bad> {
    let time = json::time_of(node).ok_or_else(|| {
        let hint = "write 2026-11-22T10:00:00.000Z, or milliseconds since 1970";
        Bad::new("bad_time", at, "this is not a time", hint)
    })?;
    hold_time(time, now, at)
}

pub fn hold_time(time: Time, now: Time, at: &str) -> Result<Time, Bad> {
    let age = now.since(time);
    if !(-limits::TOUCH_AHEAD_MS..=limits::TOUCH_AGE_MS).contains(&age) {
        let detail = if age > 0 { "the time is too long ago" } else { "the time is yet to come" };
        let hint = "a touch is at most 20 years old and one day ahead; check the sender's clock";
        return Err(Bad::new("bad_time", at, detail, hint));
    }
    Ok(time)
}

/// What a message is remembered by, so that it is counted once. `realm` keeps the ids of one way
/// in from those of another: `1` in a file is not the `1` of a shop's server.
pub fn message_id(realm: &[&[u8]], id: &Node<'_>, at: &str) -> Result<Digest, Bad> {
    let Some(text) = id.id() else {
        let detail = format!("the id is {}, not a text", id.type_name());
        return Err(Bad::new("bad_id", at, detail, "send a text that names this one message"));
    };
    if text.is_empty() || text.len() > limits::ALIAS_BYTES {
        let detail = format!("an id has 1 to {} bytes", limits::ALIAS_BYTES);
        return Err(Bad::new("bad_id", at, detail, "send a UUID, or leave it out"));
    }
    Ok(match realm {
        [realm] => Digest::of(&[realm, text.as_bytes()]),
        _ => Digest::of(&[realm, &[text.as_bytes()]].concat()),
    })
}

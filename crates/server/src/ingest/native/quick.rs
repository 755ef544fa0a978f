//! One touch straight from its bytes, without a tree of its fields in between: half of what reading
//! a touch would cost. For whatever is not ordinary (a mistake, a field twice, a form that few
//! use) it gives `None`, and the item is read by `touch_of`, which has the words for it.
//!
//! Kept true: what it reads, `touch_of` reads to an equal touch; a test changes bytes at random and
//! compares.

use model::alias::{Alias, AliasKind};
use model::id::Time;
use model::kind::Kind;
use model::touch::Touch;

use super::super::cursor::Cursor;
use super::super::json::Node;
use super::super::parts;
use super::{Defaults, channel_of, id_of};

/// Whether what the way in says of its touches leaves anything to look at.
pub fn is_for(defaults: &Defaults<'_>) -> bool {
    defaults.aliases.is_none() && defaults.kinds.is_none()
}

/// The touch that stands at the cursor. `defaults` are such that [`is_for`] holds.
pub fn touch_at(
    cursor: &mut Cursor<'_>,
    index: usize,
    now: Time,
    defaults: &Defaults<'_>,
) -> Option<Touch> {
    // Every touch names its kind; this one stands there until it does.
    let mut touch = Touch::new(Kind::of("page.viewed"), now, defaults.source);
    touch.trusted = defaults.trusted;
    touch.channel = defaults.channel;
    let (mut gtin, mut serial, mut id) = (Node::Null, Node::Null, Node::Null);
    let mut seen = 0_u32;
    cursor.object(|cursor, name| {
        let bit = 1_u32 << super::FIELDS.iter().position(|field| **field == *name)?;
        if cursor.take_null() {
            return (&*name != "kind").then_some(());
        }
        if seen & bit != 0 {
            return None;
        }
        seen |= bit;
        match &*name {
            "gtin" => gtin = cursor.scalar()?,
            "serial" => serial = cursor.scalar()?,
            "id" => id = cursor.scalar()?,
            _ => set(&mut touch, &name, cursor, now)?,
        }
        Some(())
    })?;
    if seen & 1 == 0 {
        return None;
    }
    if !gtin.is_null() {
        let subject = parts::subject_of_pair(&gtin, &serial, "").ok()?;
        parts::add_product(&mut touch, subject, "gtin").ok()?;
    } else if !serial.is_null() {
        return None;
    }
    parts::settle_aliases(&mut touch, "aliases").ok()?;
    touch.id = id_of(&id, index, &touch, defaults).ok()?;
    Some(touch)
}

fn set(touch: &mut Touch, name: &str, cursor: &mut Cursor<'_>, now: Time) -> Option<()> {
    match name {
        "kind" => touch.kind = Kind::new(cursor.plain()?)?,
        "time" => touch.time = parts::time_of(&cursor.scalar()?, now, "time").ok()?,
        "aliases" | "person" => add_aliases(touch, cursor)?,
        "products" if cursor.next_is(b'[') => {
            cursor.list(|cursor| add_product(touch, cursor))?;
        }
        "products" => add_product(touch, cursor)?,
        "place" => touch.place = Some(parts::name_of(&cursor.scalar()?, "", "").ok()?),
        "campaign" => touch.campaign = Some(parts::name_of(&cursor.scalar()?, "", "").ok()?),
        "channel" => touch.channel = Some(channel_of(&cursor.scalar()?).ok()?),
        "money" => touch.money = Some(parts::money_of(&cursor.node()?, "").ok()?),
        "location" => {
            let node = cursor.node()?;
            touch.location = Some(parts::location_of(&node, ["lat", "lon"], "").ok()?);
        }
        "state" => touch.state = cursor.map()?,
        "properties" => touch.properties = cursor.map()?,
        "traits" => touch.traits = cursor.map()?,
        _ => return None,
    }
    Some(())
}

fn add_aliases(touch: &mut Touch, cursor: &mut Cursor<'_>) -> Option<()> {
    if cursor.next_is(b'"') {
        return add_pair(touch, cursor);
    }
    if cursor.next_is(b'[') {
        return cursor.list(|cursor| add_pair(touch, cursor));
    }
    cursor.object(|cursor, kind| {
        let kind = AliasKind::named(&kind)?;
        let mut add = |cursor: &mut Cursor<'_>| {
            let node = cursor.scalar()?;
            touch.aliases.push(Alias::new(kind, &node.id()?).ok()?);
            Some(())
        };
        if cursor.next_is(b'[') { cursor.list(add) } else { add(cursor) }
    })
}

fn add_pair(touch: &mut Touch, cursor: &mut Cursor<'_>) -> Option<()> {
    let text = cursor.text()?;
    touch.aliases.push(parts::alias_of_pair(&text, "").ok()?);
    Some(())
}

fn add_product(touch: &mut Touch, cursor: &mut Cursor<'_>) -> Option<()> {
    let subject = if cursor.next_is(b'"') {
        parts::subject_of_link(&cursor.text()?, "").ok()?
    } else {
        let (mut gtin, mut serial) = (Node::Null, Node::Null);
        cursor.object(|cursor, name| {
            match &*name {
                "gtin" => gtin = cursor.scalar()?,
                "serial" => serial = cursor.scalar()?,
                _ => return None,
            }
            Some(())
        })?;
        parts::subject_of_pair(&gtin, &serial, "").ok()?
    };
    parts::add_product(touch, subject, "").ok()
}

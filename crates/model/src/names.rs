//! Names of properties that tracking plans, shops and appliances use, each with a stored number:
//! such a name costs one byte in the log and no allocation in memory. It holds names of properties
//! only, never what they say of anybody, so a search for a person's data still finds it as text.

/// A name's number is its place. Numbers are stored for ever; new ones go to the end, 224 at most.
#[rustfmt::skip] // One name a line would be two hundred lines.
const NAMES: &[&str] = &[
    "action", "active", "address", "age", "amount", "app", "attempt", "avatar", "balance",
    "battery", "birthday", "brand", "browser", "button", "cart_id", "category", "channel",
    "checkout_id", "city", "code", "color", "company", "content", "context", "count", "country",
    "coupon", "created_at", "currency", "cycle", "cycles", "date", "day", "delivery", "description",
    "device", "discount", "distance", "door", "duration", "email", "energy", "error", "event",
    "experiment_name", "failed", "feature", "fault", "filters", "finished", "firmware",
    "first_name", "form", "format", "gender", "goal", "group", "height", "hours", "humidity", "id",
    "image_url", "index", "industry", "input", "interval", "item", "items", "kind", "kwh", "label",
    "lang", "language", "last_name", "level", "link", "list", "list_id", "liters", "locale",
    "location", "login_method", "medium", "message", "method", "minutes", "mode", "model",
    "model_name", "month", "name", "network", "ok", "operator", "option", "order_id",
    "order_number", "output", "page", "page_title", "path", "payment_method", "percent", "phone",
    "place", "plan", "platform", "position", "postal_code", "power", "pressure", "previous",
    "price", "product", "product_id", "products", "program", "progress", "promotion", "provider",
    "quantity", "query", "rating", "reason", "ref", "referrer", "region", "result", "revenue",
    "review", "role", "room", "route", "rpm", "runtime", "score", "screen", "search", "seconds",
    "sensor", "serial", "session", "session_id", "shipping", "shipping_method", "size", "sku",
    "software", "sort", "source", "speed", "stage", "start", "started", "state", "status", "step",
    "steps", "stop", "store", "street", "subject", "subtotal", "success", "tags", "target", "tax",
    "temp", "temperature", "term", "text", "theme", "time", "timestamp", "title", "token", "total",
    "type", "unit", "units", "until", "uptime", "url", "user", "user_id", "username", "value",
    "variant", "version", "video", "view", "visits", "voltage", "volume", "warning", "water",
    "watts", "website", "weight", "width", "year", "gtin", "guide", "ink_percent", "note", "pages", "phase",
    "remaining_minutes", "severity", "signal", "stock", "temp_c", "toner_percent", "tray",
    "uptime_s", "wifi",
];

/// How many numbers a byte has room for beside the lengths of other names.
const MOST: usize = 224;
const SLOTS: usize = 1024;

/// Open addressing: a name's number plus one at the first free slot from its hash on, 0 is free.
static TABLE: [u8; SLOTS] = table();

const fn table() -> [u8; SLOTS] {
    assert!(NAMES.len() <= MOST);
    let mut table = [0; SLOTS];
    let mut number = 0;
    while number < NAMES.len() {
        let mut slot = slot(NAMES[number].as_bytes());
        while table[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = number as u8 + 1;
        number += 1;
    }
    table
}

/// A name's place in the order of all of them.
static RANKS: [u8; NAMES.len()] = ranks();

const fn ranks() -> [u8; NAMES.len()] {
    let mut ranks = [0; NAMES.len()];
    let mut number = 0;
    while number < NAMES.len() {
        let mut other = 0;
        while other < NAMES.len() {
            if is_less(NAMES[other].as_bytes(), NAMES[number].as_bytes()) {
                ranks[number] += 1;
            }
            other += 1;
        }
        number += 1;
    }
    ranks
}

const fn is_less(one: &[u8], two: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < two.len() {
        if one[at] != two[at] {
            return one[at] < two[at];
        }
        at += 1;
    }
    one.len() < two.len()
}

/// Orders two numbers as their names are ordered.
pub(crate) fn is_before(one: u8, two: u8) -> bool {
    RANKS[usize::from(one)] < RANKS[usize::from(two)]
}

/// FNV-1a, folded.
const fn slot(name: &[u8]) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash ^ (hash >> 16)) as usize % SLOTS
}

pub(crate) fn number(name: &str) -> Option<u8> {
    let mut slot = slot(name.as_bytes());
    loop {
        let number = TABLE[slot].checked_sub(1)?;
        if NAMES[usize::from(number)] == name {
            return Some(number);
        }
        slot = (slot + 1) % SLOTS;
    }
}

pub(crate) fn name(number: u8) -> Option<&'static str> {
    NAMES.get(usize::from(number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Digest;

    #[test]
    fn every_name_has_its_number_and_others_have_none() {
        for (at, own) in NAMES.iter().enumerate() {
            assert_eq!(number(own), Some(at as u8), "{own}");
            assert_eq!(name(at as u8), Some(*own));
            for (other, theirs) in NAMES.iter().enumerate() {
                assert_eq!(is_before(at as u8, other as u8), own < theirs, "{own} {theirs}");
            }
        }
        for other in ["", "Name", "name ", "no such property", "é"] {
            assert_eq!(number(other), None);
        }
        assert_eq!(name(NAMES.len() as u8), None);
    }

    /// Appending is allowed, so the digest is over the names that were there first.
    #[test]
    fn numbers_never_change_their_meaning() {
        const FIRST: usize = 201;
        let parts: Vec<&[u8]> = NAMES[..FIRST].iter().map(|name| name.as_bytes()).collect();
        assert_eq!(Digest::of(&parts).0, 0x7f45_0fee_134b_86ec_b015_1591_d84d_016b);
    }
}

//! The one table of stored keys: a number for each kind of record in the store, its key's form
//! and what it holds. A number never changes its meaning and is never used again.
//! Keys that begin with 0 are the store's own: `\0hot` is how far its row files count.

/// number, name, key, what the record is
pub const TABLES: &[(u8, &str, &str, &str)] = &[
    (META, "meta", "-", "log position, log time, counters, the workspace's settings"),
    (
        PERSON,
        "person",
        "person u64",
        "a person: aliases, traits, consents, grants, bonds, timeline",
    ),
    (ALIAS, "alias", "digest, 12 bytes", "alias to person"),
    (TERM, "term", "number u64", "a name that the configuration uses: a stage, a step, an item"),
    (PRODUCT, "product", "subject", "a unit: registration, owner, state, timeline"),
    (MODEL, "model", "gtin u64", "a model: texts, content, price, links"),
    (CAMPAIGN, "campaign", "id", "a campaign"),
    (PLACE, "place", "id", "a place"),
    (JOURNEY, "journey", "name", "the versions of a journey"),
    (MAPPING, "mapping", "source name", "a company's own names for kinds"),
    (KEY, "key", "id", "a credential, hashed"),
    (TALLY, "tally", "what, id, stage, channel", "impressions, clicks, conversions, money"),
    (SEEN, "seen", "what, generation u32, number u32", "message ids that were counted"),
    (BLOCK, "block", "number u64", "older log entries of a timeline"),
    (TIMER, "timer", "due, person, subject, timer", "a journey's timer that waits"),
    (CODE, "code", "code", "an offer's code to its person"),
    (REFERRAL, "referral", "code", "a node of the tree of recommendations"),
    (DECISION, "decision", "id u64", "a decision to its log entry"),
    (RECEIPT, "receipt", "id u64", "a wipe: when, how many records, complete or not"),
    (PURGE, "purge", "receipt u64", "log entries that a wipe still has to overwrite"),
    (LOOSE, "loose", "digest u128", "log entries with a name that is nobody's yet"),
    (
        TOPIC,
        "topic",
        "kind, name",
        "the timeline of a campaign, a place, an inbox, mentions, looks",
    ),
];

/// The tables whose rows change all the time: nearly every touch changes one of each.
pub const HOT: [u8; 2] = [PERSON, PRODUCT];

pub const META: u8 = 1;
pub const PERSON: u8 = 2;
pub const ALIAS: u8 = 3;
pub const TERM: u8 = 4;
pub const PRODUCT: u8 = 5;
pub const MODEL: u8 = 6;
pub const CAMPAIGN: u8 = 7;
pub const PLACE: u8 = 8;
pub const JOURNEY: u8 = 9;
pub const MAPPING: u8 = 10;
pub const KEY: u8 = 11;
pub const TALLY: u8 = 12;
pub const SEEN: u8 = 13;
pub const BLOCK: u8 = 14;
pub const TIMER: u8 = 15;
pub const CODE: u8 = 16;
pub const REFERRAL: u8 = 17;
pub const DECISION: u8 = 18;
pub const RECEIPT: u8 = 19;
pub const PURGE: u8 = 20;
pub const LOOSE: u8 = 21;
pub const TOPIC: u8 = 22;

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_and_names_are_used_once() {
        for (at, row) in super::TABLES.iter().enumerate() {
            assert_eq!(usize::from(row.0), at + 1, "{}", row.1);
        }
    }
}

//! Bodies of 100 touches of 300 bytes, made once; before each sending only the digits of ids,
//! persons and units are written anew, so that the load costs little beside what it measures.

use crate::dice::Dice;
use crate::moment;

pub const GTIN: &str = "09506000134352";
pub const BATCH: u64 = 100;
pub const TOUCH_BYTES: usize = 300;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `POST /v1/touches`
    Native,
    /// `POST /v1/batch`, Segment's
    Segment,
}

impl Shape {
    pub fn path(self) -> &'static str {
        match self {
            Shape::Native => "/v1/touches",
            Shape::Segment => "/v1/batch",
        }
    }
}

/// Kind, the event's name in Segment's shape (the bench maps it to the kind), properties, state of
/// the unit.
const KINDS: &[(&str, &str, &str, &str)] = &[
    ("product.used", "Product Used", r#""pages":12,"program":"photo""#, r#""ink_percent":55"#),
    ("product.used", "Product Used", r#""pages":3,"program":"letter""#, r#""ink_percent":54"#),
    ("product.used", "Product Used", r#""pages":40,"program":"draft""#, r#""ink_percent":12"#),
    ("product.used", "Product Used", r#""pages":1,"program":"scan""#, r#""ink_percent":80"#),
    ("product.reported", "Product Reported", r#""uptime_s":86400"#, r#""error":"""#),
    ("product.reported", "Product Reported", r#""uptime_s":3600"#, r#""ink_percent":33"#),
    ("page.viewed", "Page Viewed", r#""kind":"about","seconds":41"#, ""),
    ("guide.viewed", "Guide Viewed", r#""guide":"paper","seconds":12"#, ""),
    ("product.failed", "Product Failed", r#""severity":3,"tray":2"#, r#""error":"paper_jam""#),
    ("product.fixed", "Product Fixed", r#""after_s":120"#, r#""error":"""#),
];

/// What people and machines write beside the figures: each of a batch's touches has another piece.
const NOTES: &str = "\
Loaded forty sheets of recycled paper and the rear tray pulled two at once. Kids drew a poster for \
school, margins looked fine after choosing borderless. Replaced cyan, magenta is next according to \
the panel. Scanned grandma's recipe book, sixty pages, feeder got stuck twice around page thirty. \
Firmware asked for a restart during lunch; queue resumed by itself. Switched from envelope size C5 \
to DL and forgot to move the guide, so every address sat too low. Humidity in the basement makes \
thick cards curl. Photo of the lake came out greenish until somebody picked the glossy preset. Our \
bookkeeper prints invoices each Friday, duplex saves about half a box per month. Quiet mode after \
nine, please, the baby sleeps next door. Cleaned both rollers with a damp cloth as shown in chapter \
four. Error light blinked amber, opened the flap, took out a torn corner, closed it, carried on. \
Label roll ends at roughly eight hundred pieces, reorder sent to purchasing. Tried the phone's \
shortcut instead of the laptop and it found the queue straight away. Toner smell went away once the \
window was open. Neighbour borrowed it for wedding invitations on cream stock, no jam whatsoever. \
Calibration sheet looked sharper than last spring, colours still a touch cold in the shadows. Power \
cut at half past six, job number seventeen was lost and had to be sent again from the archive. \
Maintenance box reports eleven percent, ordered two. Guest network cannot reach it, by design. ";
/// From one touch's piece to the next one's.
const NOTES_STEP: usize = 97;

/// Where the digits stand in the body.
struct Places {
    id: usize,
    person: usize,
    unit: usize,
}

pub struct Batch {
    body: Vec<u8>,
    places: Vec<Places>,
    people: u64,
    dice: Dice,
    next_id: u64,
}

const ID: &str = "@@@@@@@@@@@@";
const PERSON: &str = "########";
const UNIT: &str = "~~~~~~~~";

impl Batch {
    /// Ids count up from `next_id`, persons and units are even over `people`; each person uses
    /// the unit that is theirs.
    pub fn new(shape: Shape, people: u64, seed: u64, next_id: u64) -> Batch {
        let time = moment::now();
        let items: Vec<String> = (0..BATCH as usize)
            .map(|at| {
                let kind = &KINDS[at % KINDS.len()];
                let note = &NOTES[at * NOTES_STEP % (NOTES.len() - TOUCH_BYTES)..];
                match shape {
                    Shape::Native => native(kind, &time, note),
                    Shape::Segment => segment(kind, &time, note),
                }
            })
            .collect();
        let body = match shape {
            Shape::Native => format!("[{}]", items.join(",")),
            Shape::Segment => format!("{{\"batch\":[{}]}}", items.join(",")),
        };
        let at = |mark: &str| body.match_indices(mark).map(|(at, _)| at).collect::<Vec<_>>();
        let places = at(ID).into_iter().zip(at(PERSON)).zip(at(UNIT));
        let places = places.map(|((id, person), unit)| Places { id, person, unit }).collect();
        Batch { body: body.into_bytes(), places, people, dice: Dice(seed), next_id }
    }

    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// The next body.
    pub fn next(&mut self) -> &[u8] {
        for place in &self.places {
            let who = self.dice.below(self.people);
            digits(&mut self.body[place.id..place.id + ID.len()], self.next_id);
            digits(&mut self.body[place.person..place.person + PERSON.len()], who);
            digits(&mut self.body[place.unit..place.unit + UNIT.len()], who);
            self.next_id += 1;
        }
        &self.body
    }
}

fn digits(place: &mut [u8], mut number: u64) {
    for byte in place.iter_mut().rev() {
        *byte = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn native(
    (kind, _, properties, state): &(&str, &str, &str, &str),
    time: &str,
    note: &str,
) -> String {
    let begin = format!(
        r#"{{"kind":"{kind}","id":"{ID}","time":"{time}","aliases":{{"user":"u{PERSON}"}},"products":["/01/{GTIN}/21/S{UNIT}"],"channel":"device","state":{{{state}}},"properties":{{{properties},"note":""#
    );
    padded(begin, note, "\"}}")
}

fn segment((_, event, properties, _): &(&str, &str, &str, &str), time: &str, note: &str) -> String {
    let begin = format!(
        r#"{{"type":"track","messageId":"{ID}","userId":"u{PERSON}","event":"{event}","timestamp":"{time}","properties":{{"gtin":"{GTIN}","serial":"S{UNIT}",{properties},"note":""#
    );
    padded(begin, note, "\"}}")
}

fn padded(begin: String, note: &str, end: &str) -> String {
    let fill = TOUCH_BYTES.saturating_sub(begin.len() + end.len());
    format!("{begin}{}{end}", &note[..fill])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_touch_has_300_bytes_and_ids_of_its_own() {
        for shape in [Shape::Native, Shape::Segment] {
            let mut batch = Batch::new(shape, 1_000, 1, 7);
            let text = String::from_utf8(batch.next().to_vec()).unwrap();
            let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
            let items = if shape == Shape::Native { &parsed } else { &parsed["batch"] };
            assert_eq!(items.as_array().unwrap().len(), BATCH as usize);
            let around = if shape == Shape::Native { 2 } else { 12 };
            assert_eq!(text.len() - around, BATCH as usize * (TOUCH_BYTES + 1) - 1);
            let id = if shape == Shape::Native { "id" } else { "messageId" };
            assert_eq!(
                (&items[0][id], &items[99][id]),
                (&"000000000007".into(), &"000000000106".into())
            );
            assert_ne!(batch.next(), text.as_bytes());
        }
    }

    #[test]
    fn the_journey_has_20_moves_10_conditions_20_items_and_5_offers() {
        let text = include_str!("../journey.yaml");
        let part =
            |from: &str, to: &str| text.split_once(from).unwrap().1.split(to).next().unwrap();
        let count = |part: &str, word: &str| part.matches(word).count();
        let moves = part("\nmoves:", "\nsteps:");
        assert_eq!((count(moves, "{ on:"), count(moves, "when:")), (20, 10));
        let menu = part("\nmenu:", "\noffers:");
        assert_eq!((count(menu, "{ id:"), count(menu, "when:")), (20, 20));
        let offers = part("\noffers:", "\nend");
        assert_eq!((count(offers, "{ id:"), count(offers, "when:")), (5, 5));
    }
}

//! The decision: for this person, this product, here and now: the menu and the offers, and for
//! every item, shown or not, the reason and the data that it rests on.
//!
//! The items lie in four lists: a list of structures with texts in each would cost some hundred
//! allocations for every decision, most of which nobody ever asks about again. A fact that many
//! items read is there once.

use std::fmt;
use std::ops::Range;

use crate::bytes::{Corrupt, Reader, Writer};
use crate::context::Context;
use crate::gs1::Subject;
use crate::id::Time;
use crate::touch::{read_subject, write_subject};
use crate::value::Value;

#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Drawn by the edge; names this decision in clicks and in 'why'.
    pub id: u64,
    pub subject: Subject,
    pub journey: Box<str>,
    pub version: u32,
    pub stage: Box<str>,
    pub context: Context,
    pub items: Items,
}

/// What was looked at: the menu, then offers, then steps, the best of each first. Those with
/// `why.is_shown()` are what the person sees.
#[derive(Clone, Default)]
pub struct Items {
    rows: Vec<Row>,
    facts: Vec<Fact>,
    /// Places in `facts`: those that the first item used, then those of the second, and so on.
    used: Vec<u32>,
    /// Every text of rows and facts.
    text: String,
}

#[derive(Clone)]
struct Row {
    what: What,
    /// The reason's number.
    why: u8,
    id: Part,
    detail: Part,
    /// Within `used`.
    used: Part,
}

#[derive(Clone)]
struct Fact {
    /// That it was noted under; `NOWHERE` when it was read from bytes.
    number: u32,
    name: Part,
    value: Kept,
}

#[derive(Clone)]
enum Kept {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Part),
    Whole(Value),
}

/// From where to where.
#[derive(Clone, Copy, Default, PartialEq)]
struct Part(u32, u32);

impl Part {
    fn range(self) -> Range<usize> {
        self.0 as usize..self.1 as usize
    }
}

/// One item, lent from the lists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item<'a> {
    pub what: What,
    pub id: &'a str,
    pub why: Why<'a>,
    /// The data that the condition read, with the value it had.
    pub used: Used<'a>,
}

/// One item as it lies in the lists, for whoever wants to know little of it.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    items: &'a Items,
    row: &'a Row,
}

/// Names of facts and the values that they had, each once, in the order of reading.
#[derive(Clone, Copy)]
pub struct Used<'a> {
    items: &'a Items,
    places: &'a [u32],
}

/// A value that was used: plain where it is no list or map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Told<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    Whole(&'a Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum What {
    Menu = 1,
    Offer = 2,
    Step = 3,
}

/// Why an item is shown or not. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why<'a> {
    /// It belongs to the stage and has no condition.
    Stage,
    /// It is on every screen.
    Always,
    /// Its condition holds.
    Condition,
    /// The next step that the journey suggests.
    Suggested,
    /// A step that is done.
    Done,
    /// A later step, open to whoever wants it.
    Later,
    /// It belongs to other stages.
    OtherStage,
    /// Its condition does not hold.
    ConditionFails,
    /// Its condition could not be answered; says what was missing.
    ConditionUnknown(&'a str),
    /// It is for other roles.
    OtherRole,
    /// This person has had it as often as one may.
    CapPerson,
    /// Today's number is used up.
    CapDay,
    /// All are gone.
    CapTotal,
    /// The person has not given this permission.
    NoConsent(&'a str),
    /// A prescribed step before it is not done.
    Locked(&'a str),
    /// Its campaign has not begun or is over.
    CampaignOver,
}

impl<'a> Why<'a> {
    pub fn is_shown(&self) -> bool {
        is_shown(self.number())
    }

    /// The stable word for it in the API.
    pub fn code(&self) -> &'static str {
        match self {
            Why::Stage => "stage",
            Why::Always => "always",
            Why::Condition => "condition",
            Why::Suggested => "suggested",
            Why::Done => "done",
            Why::Later => "later",
            Why::OtherStage => "other_stage",
            Why::ConditionFails => "condition_fails",
            Why::ConditionUnknown(_) => "condition_unknown",
            Why::OtherRole => "other_role",
            Why::CapPerson => "cap_person",
            Why::CapDay => "cap_day",
            Why::CapTotal => "cap_total",
            Why::NoConsent(_) => "no_consent",
            Why::Locked(_) => "locked",
            Why::CampaignOver => "campaign_over",
        }
    }

    /// What was missing, which permission, which step: where the code alone does not say it.
    pub fn detail(&self) -> Option<&'a str> {
        match self {
            Why::ConditionUnknown(text) | Why::NoConsent(text) | Why::Locked(text) => Some(text),
            _ => None,
        }
    }

    fn number(&self) -> u8 {
        match self {
            Why::Stage => 1,
            Why::Always => 2,
            Why::Condition => 3,
            Why::Suggested => 4,
            Why::Done => 5,
            Why::Later => 6,
            Why::OtherStage => 20,
            Why::ConditionFails => 21,
            Why::ConditionUnknown(_) => 22,
            Why::OtherRole => 23,
            Why::CapPerson => 24,
            Why::CapDay => 25,
            Why::CapTotal => 26,
            Why::NoConsent(_) => 27,
            Why::Locked(_) => 28,
            Why::CampaignOver => 29,
        }
    }

    /// `None` if no reason has the number. Only some have a detail.
    fn of(number: u8, detail: &'a str) -> Option<Why<'a>> {
        Some(match number {
            1 => Why::Stage,
            2 => Why::Always,
            3 => Why::Condition,
            4 => Why::Suggested,
            5 => Why::Done,
            6 => Why::Later,
            20 => Why::OtherStage,
            21 => Why::ConditionFails,
            22 => Why::ConditionUnknown(detail),
            23 => Why::OtherRole,
            24 => Why::CapPerson,
            25 => Why::CapDay,
            26 => Why::CapTotal,
            27 => Why::NoConsent(detail),
            28 => Why::Locked(detail),
            29 => Why::CampaignOver,
            _ => return None,
        })
    }
}

/// Of a reason's number.
fn is_shown(why: u8) -> bool {
    why <= 6
}

impl What {
    fn read(input: &mut Reader<'_>) -> Result<What, Corrupt> {
        Ok(match input.u8()? {
            1 => What::Menu,
            2 => What::Offer,
            3 => What::Step,
            _ => return Err(Corrupt("a decision has an unknown item")),
        })
    }
}

impl Decision {
    pub fn shown(&self, what: What) -> impl Iterator<Item = Item<'_>> {
        let items = &self.items;
        let shown = items.rows.iter().filter(move |row| row.what == what && is_shown(row.why));
        shown.map(|row| items.item(row))
    }

    pub fn time(&self) -> Time {
        self.context.time
    }

    pub fn write(&self, out: &mut Writer) {
        out.u8(1);
        out.u64_be(self.id);
        write_subject(self.subject, out);
        out.text(&self.journey);
        out.uint(u64::from(self.version));
        out.text(&self.stage);
        self.context.write(out);
        self.items.write(out);
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Decision, Corrupt> {
        if input.u8()? != 1 {
            return Err(Corrupt("a decision has an unknown version"));
        }
        Ok(Decision {
            id: input.u64_be()?,
            subject: read_subject(input)?,
            journey: input.text()?.into(),
            version: input.uint()? as u32,
            stage: input.text()?.into(),
            context: Context::read(input)?,
            items: Items::read(input)?,
        })
    }
}

impl Items {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn iter(&self) -> Iter<'_> {
        Iter { items: self, rows: self.rows.iter() }
    }

    /// Those of one kind, which lie together.
    pub fn of(&self, what: What) -> impl ExactSizeIterator<Item = Entry<'_>> {
        let from = self.rows.partition_point(|row| row.what < what);
        let to = self.rows.partition_point(|row| row.what <= what);
        self.rows[from..to].iter().map(|row| Entry { items: self, row })
    }

    /// Whether they are the items of `blank`, each at its place.
    pub fn are_over(&self, blank: &Items) -> bool {
        let mut pairs = self.rows.iter().zip(&blank.rows);
        self.rows.len() == blank.rows.len()
            && self.text.starts_with(&blank.text)
            && pairs.all(|(row, other)| row.what == other.what && row.id == other.id)
    }

    /// Every fact that some item used, in the order of [`Used::places`].
    /// First the number that it was noted under, which is lost in bytes and then no number at all.
    pub fn facts(&self) -> impl ExactSizeIterator<Item = (usize, &str, Told<'_>)> {
        self.facts.iter().map(|fact| self.numbered(fact))
    }

    fn numbered<'a>(&'a self, fact: &'a Fact) -> (usize, &'a str, Told<'a>) {
        let (name, told) = self.told(fact);
        (fact.number as usize, name, told)
    }

    /// The same items, those for which `other` has a reason with that one.
    pub fn with_reasons<'w>(&self, other: impl Fn(&Item<'_>) -> Option<Why<'w>>) -> Items {
        let mut items = self.clone();
        for (at, item) in self.iter().enumerate() {
            if let Some(why) = other(&item) {
                let detail = items.keep(why.detail().unwrap_or_default());
                let row = &mut items.rows[at];
                (row.why, row.detail) = (why.number(), detail);
            }
        }
        items
    }

    fn item<'a>(&'a self, row: &'a Row) -> Item<'a> {
        Entry { items: self, row }.item()
    }

    fn told<'a>(&'a self, fact: &'a Fact) -> (&'a str, Told<'a>) {
        let told = match &fact.value {
            Kept::Null => Told::Null,
            Kept::Bool(bool) => Told::Bool(*bool),
            Kept::Int(int) => Told::Int(*int),
            Kept::Float(float) => Told::Float(*float),
            Kept::Text(part) => Told::Text(&self.text[part.range()]),
            Kept::Whole(value) => Told::Whole(value),
        };
        (&self.text[fact.name.range()], told)
    }

    fn keep(&mut self, text: &str) -> Part {
        let from = self.text.len() as u32;
        self.text.push_str(text);
        Part(from, self.text.len() as u32)
    }

    /// Its place.
    fn keep_fact(&mut self, number: u32, name: &str, told: Told<'_>) -> u32 {
        let value = match told {
            Told::Null => Kept::Null,
            Told::Bool(bool) => Kept::Bool(bool),
            Told::Int(int) => Kept::Int(int),
            Told::Float(float) => Kept::Float(float),
            Told::Text(text) => Kept::Text(self.keep(text)),
            Told::Whole(value) => Kept::Whole(value.clone()),
        };
        self.keep_whole(number, name, value)
    }

    fn keep_whole(&mut self, number: u32, name: &str, value: Kept) -> u32 {
        let name = self.keep(name);
        self.facts.push(Fact { number, name, value });
        self.facts.len() as u32 - 1
    }

    /// Its used facts are those in `used` from `open` on.
    fn keep_row(&mut self, what: What, id: &str, why: Why<'_>, open: usize) {
        let id = self.keep(id);
        let detail = why.detail().map_or(Part::default(), |detail| self.keep(detail));
        let used = Part(open as u32, self.used.len() as u32);
        self.rows.push(Row { what, why: why.number(), id, detail, used });
    }

    fn write(&self, out: &mut Writer) {
        // Many items use the same facts: each is put into bytes once.
        let mut facts = Writer::onto(Vec::with_capacity(self.text.len() + 4 * self.facts.len()));
        let mut ends = Vec::with_capacity(self.facts.len());
        for (_, name, told) in self.facts() {
            facts.text(name);
            told.write(&mut facts);
            ends.push(facts.as_bytes().len());
        }
        out.uint(self.rows.len() as u64);
        for item in self {
            out.u8(item.what as u8);
            out.text(item.id);
            out.u8(item.why.number());
            if let Some(detail) = item.why.detail() {
                out.text(detail);
            }
            out.uint(item.used.len() as u64);
            for place in item.used.places().iter().map(|place| *place as usize) {
                let from = place.checked_sub(1).map_or(0, |before| ends[before]);
                out.raw(&facts.as_bytes()[from..ends[place]]);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Items, Corrupt> {
        let mut items = Items::default();
        for _ in 0..input.len()? {
            let (what, id, number) = (What::read(input)?, input.text()?, input.u8()?);
            let why = Why::of(number, "").ok_or(Corrupt("a decision has an unknown reason"))?;
            let detail = if why.detail().is_some() { input.text()? } else { "" };
            let why = Why::of(number, detail).unwrap_or(why);
            let open = items.used.len();
            for _ in 0..input.len()? {
                let name = input.text()?;
                let fact = match Value::read_text(input)? {
                    Some(text) => items.keep_fact(NOWHERE, name, Told::Text(text)),
                    None => items.keep_fact(NOWHERE, name, Told::of(&Value::read(input)?)),
                };
                items.used.push(fact);
            }
            items.keep_row(what, id, why, open);
        }
        Ok(items)
    }
}

impl<'a> Entry<'a> {
    pub fn what(self) -> What {
        self.row.what
    }

    pub fn id(self) -> &'a str {
        &self.items.text[self.row.id.range()]
    }

    pub fn is_shown(self) -> bool {
        is_shown(self.row.why)
    }

    pub fn why(self) -> Why<'a> {
        let Part(from, to) = self.row.detail;
        let detail = if from == to { "" } else { &self.items.text[self.row.detail.range()] };
        Why::of(self.row.why, detail).expect("only such are kept")
    }

    pub fn used(self) -> Used<'a> {
        Used { items: self.items, places: &self.items.used[self.row.used.range()] }
    }

    pub fn item(self) -> Item<'a> {
        Item { what: self.row.what, id: self.id(), why: self.why(), used: self.used() }
    }
}

/// One item after the other.
pub struct Iter<'a> {
    items: &'a Items,
    rows: std::slice::Iter<'a, Row>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        self.rows.next().map(|row| self.items.item(row))
    }
}

impl<'a> IntoIterator for &'a Items {
    type Item = Item<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// What they say counts, not whether a fact that several items used is there once.
impl PartialEq for Items {
    fn eq(&self, other: &Items) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Used<'a> {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Told<'a>)> + use<'a> {
        let items = self.items;
        self.places.iter().map(move |place| items.told(&items.facts[*place as usize]))
    }

    /// One of them, as among [`Items::facts`].
    pub fn fact(&self, at: usize) -> (usize, &'a str, Told<'a>) {
        self.items.numbered(&self.items.facts[self.places[at] as usize])
    }

    /// Where they are among [`Items::facts`].
    pub fn places(&self) -> &'a [u32] {
        self.places
    }
}

impl PartialEq for Used<'_> {
    fn eq(&self, other: &Used<'_>) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Used<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Told<'a> {
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Told::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(self) -> Option<bool> {
        match self {
            Told::Bool(bool) => Some(bool),
            _ => None,
        }
    }

    pub fn as_i64(self) -> Option<i64> {
        match self {
            Told::Int(int) => Some(int),
            _ => None,
        }
    }

    pub fn as_f64(self) -> Option<f64> {
        match self {
            Told::Int(int) => Some(int as f64),
            Told::Float(float) => Some(float),
            _ => None,
        }
    }

    pub fn is_null(self) -> bool {
        matches!(self, Told::Null)
    }

    pub fn to_value(self) -> Value {
        match self {
            Told::Null => Value::Null,
            Told::Bool(bool) => Value::Bool(bool),
            Told::Int(int) => Value::Int(int),
            Told::Float(float) => Value::Float(float),
            Told::Text(text) => Value::from(text),
            Told::Whole(value) => value.clone(),
        }
    }

    pub fn of(value: &'a Value) -> Told<'a> {
        match value {
            Value::Null => Told::Null,
            Value::Bool(bool) => Told::Bool(*bool),
            Value::Int(int) => Told::Int(*int),
            Value::Float(float) => Told::Float(*float),
            Value::Text(text) => Told::Text(text),
            Value::List(_) | Value::Map(_) => Told::Whole(value),
        }
    }

    /// As the value itself is written.
    fn write(&self, out: &mut Writer) {
        match self {
            Told::Null => Value::Null.write(out),
            Told::Bool(bool) => Value::Bool(*bool).write(out),
            Told::Int(int) => Value::Int(*int).write(out),
            Told::Float(float) => Value::Float(*float).write(out),
            Told::Text(text) => Value::write_text(out, text),
            Told::Whole(value) => value.write(out),
        }
    }
}

/// The items of a decision while it is made: facts are noted, then comes the item that used them.
#[derive(Default)]
pub struct Sheet {
    items: Items,
    /// The place of the present item.
    at: usize,
    /// Where its facts begin.
    open: usize,
    known: Vec<Known>,
}

/// A fact, under the number that the caller has for it.
#[derive(Clone, Copy)]
struct Known {
    /// `NOWHERE`: it was not noted yet.
    place: u32,
    /// The place of the item that noted it last.
    item: u32,
}

const NOWHERE: u32 = u32::MAX;
const UNKNOWN: Known = Known { place: NOWHERE, item: NOWHERE };

impl Sheet {
    /// All items as they are when they are passed over: because of the stage, which is the fact of
    /// number 0.
    pub fn blank<'a>(stage: &str, items: impl Iterator<Item = (What, &'a str)>) -> Items {
        let mut sheet = Sheet::default();
        sheet.note(0, stage, Told::Null);
        for (what, id) in items {
            sheet.push(what, id, Why::OtherStage);
        }
        let mut items = sheet.into_items();
        items.rows.iter_mut().for_each(|row| row.used = Part(0, 1));
        items
    }

    /// Begins with items that are `blank` but for the name of the stage, and has room for facts of
    /// so many numbers.
    pub fn over(blank: &Items, stage: &str, facts: usize) -> Sheet {
        let rows = blank.rows.clone();
        let mut items = Items {
            facts: Vec::with_capacity(facts),
            used: Vec::with_capacity(4 * rows.len()),
            text: String::with_capacity(blank.text.len() + stage.len() + 32 * facts),
            rows,
        };
        items.text.push_str(&blank.text);
        let value = Kept::Text(items.keep(stage));
        items.facts.extend(blank.facts.iter().map(|fact| Fact { value: value.clone(), ..*fact }));
        items.used.push(0);
        let mut known = vec![UNKNOWN; facts.max(1)];
        known[0].place = 0;
        Sheet { items, at: 0, open: 1, known }
    }

    /// Leaves the present item as it is.
    pub fn pass(&mut self) {
        self.at += 1;
    }

    /// Takes so many items out, from the present one on.
    pub fn leave_out(&mut self, count: usize) {
        self.items.rows.drain(self.at..self.at + count);
    }

    /// Notes a fact for the present item. Its value is the same for all items, and the first that
    /// notes it says what it is.
    pub fn note(&mut self, number: usize, name: &str, told: Told<'_>) {
        if !self.note_known(number) {
            let place = self.items.keep_fact(number as u32, name, told);
            self.note_at(number, place);
        }
    }

    /// The same for a list or a map that was made for it.
    pub fn note_whole(&mut self, number: usize, name: &str, value: Value) {
        if !self.note_known(number) {
            let place = self.items.keep_whole(number as u32, name, Kept::Whole(value));
            self.note_at(number, place);
        }
    }

    fn note_at(&mut self, number: usize, place: u32) {
        if self.known.len() <= number {
            self.known.resize(number + 1, UNKNOWN);
        }
        self.known[number] = Known { place, item: self.at as u32 };
        self.items.used.push(place);
    }

    /// Notes a fact that was noted before, whoever for; `false` if it was not.
    pub fn note_known(&mut self, number: usize) -> bool {
        let item = self.at as u32;
        let Some(known) = self.known.get_mut(number).filter(|known| known.place != NOWHERE) else {
            return false;
        };
        if known.item != item {
            known.item = item;
            self.items.used.push(known.place);
        }
        true
    }

    /// What is noted for the present item.
    pub fn noted(&self) -> Used<'_> {
        Used { items: &self.items, places: &self.items.used[self.open..] }
    }

    /// Ends the present item, or a new one behind those that are there.
    pub fn push(&mut self, what: What, id: &str, why: Why<'_>) {
        let detail = why.detail().map_or(Part::default(), |detail| self.items.keep(detail));
        self.end(what, id, why, detail);
    }

    /// Ends it as one whose condition has no answer; `say` writes why.
    pub fn push_unknown(&mut self, what: What, id: &str, say: impl FnOnce(&mut String)) {
        let text = &mut self.items.text;
        let from = text.len() as u32;
        say(text);
        let detail = Part(from, text.len() as u32);
        self.end(what, id, Why::ConditionUnknown(""), detail);
    }

    fn end(&mut self, what: What, id: &str, why: Why<'_>, detail: Part) {
        let used = Part(self.open as u32, self.items.used.len() as u32);
        match self.items.rows.get_mut(self.at) {
            Some(row) => (row.why, row.detail, row.used) = (why.number(), detail, used),
            None => {
                let id = self.items.keep(id);
                self.items.rows.push(Row { what, why: why.number(), id, detail, used });
            }
        }
        self.open = self.items.used.len();
        self.at += 1;
    }

    pub fn into_items(self) -> Items {
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gs1::Gtin;

    fn decision() -> Decision {
        let gtin: Gtin = "09506000134352".parse().unwrap();
        let mut sheet = Sheet::default();
        let list = Value::List(vec![Value::Int(1), Value::from("ü")].into());
        sheet.note(0, "bond.stage", Told::Text("support"));
        sheet.push(What::Menu, "guides", Why::Stage);
        assert!(!sheet.note_known(1) && sheet.noted().is_empty());
        sheet.note(0, "bond.stage", Told::Text("support"));
        sheet.note(1, "product.state.list", Told::Whole(&list));
        assert!(sheet.note_known(0) && sheet.note_known(1));
        sheet.note(2, "context.hour", Told::Int(7));
        assert_eq!(sheet.noted().places(), [0, 1, 2]);
        sheet.push(What::Offer, "ten", Why::NoConsent("marketing"));
        sheet.push_unknown(What::Offer, "two", |out| out.push_str("context.hour is not known"));
        Decision {
            id: 7,
            subject: Subject::model(gtin),
            journey: "printer".into(),
            version: 3,
            stage: "support".into(),
            context: Context::default(),
            items: sheet.into_items(),
        }
    }

    #[test]
    fn what_was_used_is_there_once() {
        let decision = decision();
        let items: Vec<Item<'_>> = decision.items.iter().collect();
        assert_eq!((items.len(), items[0].id, items[1].id), (3, "guides", "ten"));
        assert_eq!(items[2].why.detail(), Some("context.hour is not known"));
        assert_eq!(items[1].why, Why::NoConsent("marketing"));
        let used: Vec<(&str, Value)> =
            items[1].used.iter().map(|(name, told)| (name, told.to_value())).collect();
        let list = Value::List(vec![Value::Int(1), Value::from("ü")].into());
        assert_eq!(used[0], ("bond.stage", Value::from("support")));
        assert_eq!(used[1], ("product.state.list", list));
        assert_eq!(used[2], ("context.hour", Value::Int(7)));
        assert_eq!(decision.items.facts().len(), 3);
        assert_eq!(decision.shown(What::Menu).count(), 1);
    }

    #[test]
    fn bytes_go_there_and_back_and_cut_ones_are_refused() {
        let decision = decision();
        let mut out = Writer::new();
        decision.write(&mut out);
        let bytes = out.into_bytes();
        let mut input = Reader::new(&bytes);
        assert_eq!(Decision::read(&mut input), Ok(decision));
        assert!(input.is_empty());
        for len in 0..bytes.len() {
            assert!(Decision::read(&mut Reader::new(&bytes[..len])).is_err(), "{len}");
        }
    }

    #[test]
    fn a_reason_is_changed_and_nothing_else() {
        let before = decision().items;
        let other = |item: &Item<'_>| (item.id == "ten").then_some(Why::CapTotal);
        let after = before.with_reasons(other);
        assert_eq!(after.iter().nth(1).map(|item| item.why), Some(Why::CapTotal));
        let used =
            |items: &Items| format!("{:?}", items.iter().map(|i| i.used).collect::<Vec<_>>());
        assert_eq!(used(&after), used(&before));
    }
}

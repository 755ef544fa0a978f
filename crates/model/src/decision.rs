//! The decision: for this person, this product, here and now: the menu and the offers, and for
//! every item, shown or not, the reason and the data that it rests on.
//!
//! The items are kept as the bytes that the log has for them. They are written once, while the
//! decision is made, and read in place: a list of structures with a text in each would cost some
//! hundred allocations for every decision, most of which nobody ever asks about again.

use std::fmt;

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

/// What was looked at, best first; those with `why.is_shown()` are what the person sees.
#[derive(Clone, PartialEq)]
pub struct Items {
    count: usize,
    /// One after the other, each as [`Item`] is read; checked when they come from outside.
    bytes: Vec<u8>,
}

/// One item, lent from the bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item<'a> {
    pub what: What,
    pub id: &'a str,
    pub why: Why<'a>,
    /// The data that the condition read, with the value it had.
    pub used: Used<'a>,
}

/// Names of facts and the values that they had, each once, in the order of reading.
#[derive(Clone, Copy, PartialEq)]
pub struct Used<'a> {
    count: usize,
    bytes: &'a [u8],
}

/// A value that was used: plain where it is no list or map.
#[derive(Clone, Debug, PartialEq)]
pub enum Told<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    Whole(Value),
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
        self.number() <= 6
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

    fn write(&self, out: &mut Writer) {
        out.u8(self.number());
        if let Some(detail) = self.detail() {
            out.text(detail);
        }
    }

    fn read(input: &mut Reader<'a>) -> Result<Why<'a>, Corrupt> {
        Ok(match input.u8()? {
            1 => Why::Stage,
            2 => Why::Always,
            3 => Why::Condition,
            4 => Why::Suggested,
            5 => Why::Done,
            6 => Why::Later,
            20 => Why::OtherStage,
            21 => Why::ConditionFails,
            22 => Why::ConditionUnknown(input.text()?),
            23 => Why::OtherRole,
            24 => Why::CapPerson,
            25 => Why::CapDay,
            26 => Why::CapTotal,
            27 => Why::NoConsent(input.text()?),
            28 => Why::Locked(input.text()?),
            29 => Why::CampaignOver,
            _ => return Err(Corrupt("a decision has an unknown reason number")),
        })
    }
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
        self.items.iter().filter(move |item| item.what == what && item.why.is_shown())
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
        out.uint(self.items.count as u64);
        out.raw(&self.items.bytes);
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
    pub const NONE: Items = Items { count: 0, bytes: Vec::new() };

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> Iter<'_> {
        Iter { left: self.count, input: Reader::new(&self.bytes) }
    }

    /// The same items, those for which `other` has a reason with that one.
    pub fn with_reasons<'w>(&self, other: impl Fn(&Item<'_>) -> Option<Why<'w>>) -> Items {
        let mut sheet = Sheet::default();
        for item in self.iter() {
            sheet.push(item.what, item.id, other(&item).unwrap_or(item.why), item.used);
        }
        sheet.into_items()
    }

    fn read(input: &mut Reader<'_>) -> Result<Items, Corrupt> {
        let count = input.len()?;
        let before = input.left();
        for _ in 0..count {
            Item::read(input)?;
        }
        let len = before.len() - input.left().len();
        Ok(Items { count, bytes: before[..len].to_vec() })
    }
}

/// One item after the other.
pub struct Iter<'a> {
    left: usize,
    input: Reader<'a>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        self.left = self.left.checked_sub(1)?;
        Some(Item::read(&mut self.input).expect(CHECKED))
    }
}

impl<'a> IntoIterator for &'a Items {
    type Item = Item<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

const CHECKED: &str = "it was written by us, or checked when it was read";

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Item<'a> {
    fn read(input: &mut Reader<'a>) -> Result<Item<'a>, Corrupt> {
        Ok(Item {
            what: What::read(input)?,
            id: input.text()?,
            why: Why::read(input)?,
            used: Used::read(input)?,
        })
    }
}

impl<'a> Used<'a> {
    pub const NONE: Used<'static> = Used { count: 0, bytes: &[] };

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Told<'a>)> + use<'a> {
        let mut input = Reader::new(self.bytes);
        (0..self.count).map(move |_| {
            let name = input.text().expect(CHECKED);
            (name, Told::read(&mut input).expect(CHECKED))
        })
    }

    fn read(input: &mut Reader<'a>) -> Result<Used<'a>, Corrupt> {
        let count = input.len()?;
        let before = input.left();
        for _ in 0..count {
            input.text()?;
            Told::read(input)?;
        }
        let len = before.len() - input.left().len();
        Ok(Used { count, bytes: &before[..len] })
    }
}

impl fmt::Debug for Used<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Told<'a> {
    pub fn as_str(&self) -> Option<&'a str> {
        match self {
            Told::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Told::Bool(bool) => Some(*bool),
            _ => None,
        }
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Told::Int(int) => Some(*int),
            _ => None,
        }
    }

    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Told::Int(int) => Some(*int as f64),
            Told::Float(float) => Some(*float),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Told::Null)
    }

    pub fn to_value(&self) -> Value {
        match self {
            Told::Null => Value::Null,
            Told::Bool(bool) => Value::Bool(*bool),
            Told::Int(int) => Value::Int(*int),
            Told::Float(float) => Value::Float(*float),
            Told::Text(text) => Value::from(*text),
            Told::Whole(value) => value.clone(),
        }
    }

    fn read(input: &mut Reader<'a>) -> Result<Told<'a>, Corrupt> {
        // Texts are most of what is used and the only plain values that are worth lending.
        if let Some(text) = Value::read_text(input)? {
            return Ok(Told::Text(text));
        }
        Ok(match Value::read(input)? {
            Value::Null => Told::Null,
            Value::Bool(bool) => Told::Bool(bool),
            Value::Int(int) => Told::Int(int),
            Value::Float(float) => Told::Float(float),
            whole => Told::Whole(whole),
        })
    }
}

/// The items of a decision while it is made.
#[derive(Default)]
pub struct Sheet {
    count: usize,
    out: Writer,
}

impl Sheet {
    /// With room for so many bytes.
    pub fn with_room(bytes: usize) -> Sheet {
        Sheet { count: 0, out: Writer::onto(Vec::with_capacity(bytes)) }
    }

    pub fn push(&mut self, what: What, id: &str, why: Why<'_>, used: Used<'_>) {
        self.count += 1;
        self.out.u8(what as u8);
        self.out.text(id);
        why.write(&mut self.out);
        self.out.uint(used.count as u64);
        self.out.raw(used.bytes);
    }

    pub fn into_items(self) -> Items {
        Items { count: self.count, bytes: self.out.into_bytes() }
    }
}

/// What an item's reason has read so far. One is used again and again.
#[derive(Default)]
pub struct Notes {
    out: Writer,
    /// Where each name stands in the bytes.
    names: Vec<(u32, u32)>,
}

impl Notes {
    pub fn has(&self, name: &str) -> bool {
        let bytes = self.out.as_bytes();
        self.names.iter().any(|(from, to)| bytes[*from as usize..*to as usize] == *name.as_bytes())
    }

    /// Notes a fact; `write` writes its value as [`Value::write`] would. The caller knows that it
    /// is not noted yet.
    pub fn note(&mut self, name: &str, write: impl FnOnce(&mut Writer)) {
        self.out.text(name);
        let to = self.out.as_bytes().len();
        self.names.push(((to - name.len()) as u32, to as u32));
        write(&mut self.out);
    }

    pub fn used(&self) -> Used<'_> {
        Used { count: self.names.len(), bytes: self.out.as_bytes() }
    }

    pub fn clear(&mut self) {
        self.out.clear();
        self.names.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gs1::Gtin;

    fn decision() -> Decision {
        let gtin: Gtin = "09506000134352".parse().unwrap();
        let mut sheet = Sheet::default();
        let mut notes = Notes::default();
        sheet.push(What::Menu, "guides", Why::Stage, notes.used());
        notes.note("bond.stage", |out| Value::write_text(out, "support"));
        let list = Value::List(vec![Value::Int(1), Value::from("ü")].into());
        notes.note("product.state.list", |out| list.write(out));
        notes.note("context.hour", |out| Value::Int(7).write(out));
        assert!(notes.has("context.hour") && !notes.has("context.hou"));
        sheet.push(What::Offer, "ten", Why::NoConsent("marketing"), notes.used());
        notes.clear();
        assert!(!notes.has("context.hour"));
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
    fn what_was_used_is_read_in_place() {
        let decision = decision();
        let items: Vec<Item<'_>> = decision.items.iter().collect();
        assert_eq!((items.len(), items[0].id, items[1].id), (2, "guides", "ten"));
        assert_eq!(items[1].why, Why::NoConsent("marketing"));
        let used: Vec<(&str, Value)> =
            items[1].used.iter().map(|(name, told)| (name, told.to_value())).collect();
        let list = Value::List(vec![Value::Int(1), Value::from("ü")].into());
        assert_eq!(used[0], ("bond.stage", Value::from("support")));
        assert_eq!(used[1], ("product.state.list", list));
        assert_eq!(used[2], ("context.hour", Value::Int(7)));
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

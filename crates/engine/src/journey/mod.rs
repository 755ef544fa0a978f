//! A journey: stages, moves, steps, timers, messages, menu, offers and permissions of a bond, as a
//! company writes them in one YAML or JSON file. This reads and checks the file; it runs nothing.
//!
//! Kept true: what is here refers to nothing that is not there (stages are numbers of stages,
//! `send` names a message), conditions are compiled, ids are unique, limits are kept. A file with
//! a mistake gives no journey, but all its mistakes, each with line, column and path.

mod read;
#[cfg(test)]
mod tests;
mod units;
mod yaml;

use std::fmt;
use std::sync::Arc;

use model::decision::Items;
use model::gs1::Gtin;
pub use model::texts::Texts;
use model::touch::Money;

use crate::condition::Condition;

/// What bounds a journey file; its size is in `model::limits`.
pub mod limits {
    pub const STAGES: usize = 64;
    pub const MOVES: usize = 256;
    pub const STEPS: usize = 128;
    pub const TIMERS: usize = 64;
    pub const MESSAGES: usize = 128;
    pub const MENU: usize = 256;
    pub const OFFERS: usize = 256;
    pub const PERMISSIONS: usize = 32;
    /// Kinds of one `on`, models, roles, entries of a map of stages.
    pub const LIST: usize = 1024;
    pub const LOCALES: usize = 64;
    pub const TITLE_CHARS: usize = 120;
    pub const TEXT_CHARS: usize = 2_000;
    pub const ID_CHARS: usize = 64;
    pub const OPEN_BYTES: usize = 1_024;
    /// Nesting of the file itself.
    pub const DEPTH: usize = 12;
    /// Mistakes reported at once.
    pub const MISTAKES: usize = 100;
    /// A timer's and a code's longest time: ten years.
    pub const DURATION_MS: i64 = 10 * 366 * 86_400_000;
}

/// How long an offer's code holds if the file does not say.
pub const OFFER_VALID_MS: i64 = 14 * 86_400_000;

/// The purpose that needs no permission beyond the bond itself.
pub const SERVICE: &str = "service";

/// The word for 'no stage yet' in `from`, `carry_over` and `bond.stage`.
pub const NONE: &str = "none";

/// The place of a stage in [`Journey::stages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageNo(pub u8);

#[derive(Clone, Debug, PartialEq)]
pub struct Journey {
    pub name: String,
    pub applies_to: AppliesTo,
    pub kind: Kind,
    pub stages: Vec<Stage>,
    /// The first that matches wins.
    pub moves: Vec<Move>,
    /// In order. Guided: the first that is not done is suggested. Prescribed: the later ones are
    /// locked until the earlier ones are done.
    pub steps: Vec<Step>,
    pub timers: Vec<Timer>,
    pub messages: Vec<Message>,
    pub menu: Vec<MenuItem>,
    pub offers: Vec<Offer>,
    /// Places in `menu` and in `offers`, the highest rank first; equal ranks keep the file's order.
    pub menu_by_rank: Vec<u16>,
    pub offers_by_rank: Vec<u16>,
    pub carry: Carry,
    pub permissions: Vec<Permission>,
    /// What decisions may note, each under its number; it begins with [`facts::FIRST`].
    pub facts: Vec<Arc<str>>,
    /// What decisions begin with: menu and offers by rank and the steps, none of them looked at.
    pub blank: Items,
}

/// Numbers of facts that every decision may note.
pub mod facts {
    pub const STAGE: usize = 0;
    /// The role that one looks in; a condition reads the bond's own.
    pub const ROLE: usize = 1;
    /// No condition reads the second.
    pub const FIRST: [&str; 2] = ["bond.stage", ""];
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliesTo {
    /// Sorted, each once.
    pub models: Vec<Gtin>,
    pub all: bool,
}

impl AppliesTo {
    pub fn applies(&self, gtin: Gtin) -> bool {
        self.all || self.models.binary_search(&gtin).is_ok()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    AdHoc,
    Prescribed,
    Guided,
    SelfLearning,
    Intent,
}

impl Kind {
    pub const ALL: [Kind; 5] =
        [Kind::AdHoc, Kind::Prescribed, Kind::Guided, Kind::SelfLearning, Kind::Intent];

    pub fn name(self) -> &'static str {
        match self {
            Kind::AdHoc => "ad_hoc",
            Kind::Prescribed => "prescribed",
            Kind::Guided => "guided",
            Kind::SelfLearning => "self_learning",
            Kind::Intent => "intent",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    pub name: String,
    /// Empty if the file gives none.
    pub title: Texts,
    pub text: Texts,
    /// The id of the step or menu item that this stage puts first.
    pub suggest: Option<String>,
}

/// One entry of an `on`: a kind, or all kinds of a noun (`parcel.*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    Kind(model::kind::Kind),
    /// With the dot: `parcel.`.
    Under(Box<str>),
}

impl On {
    pub fn matches(&self, kind: &model::kind::Kind) -> bool {
        match self {
            On::Kind(own) => own == kind,
            On::Under(noun) => kind.as_str().starts_with(&**noun),
        }
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            On::Kind(kind) => f.write_str(kind.as_str()),
            On::Under(noun) => write!(f, "{noun}*"),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    pub on: Vec<On>,
    pub to: StageNo,
    /// `None`: from any stage and from none. In the list, `None` is 'no stage yet'.
    pub from: Option<Vec<Option<StageNo>>>,
    pub when: Option<Condition>,
}

impl Move {
    /// Whether it may start at `from`; kind and condition are the caller's to ask.
    pub fn starts_at(&self, from: Option<StageNo>) -> bool {
        self.from.as_ref().is_none_or(|stages| stages.contains(&from))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub id: String,
    pub title: Texts,
    pub text: Texts,
    /// Empty: it is done only by a `step.done` touch that names it.
    pub done_on: Vec<On>,
    /// Whether the step is for this person and product at all.
    pub when: Option<Condition>,
    pub open: Option<String>,
    /// Empty: all.
    pub in_stages: Vec<StageNo>,
}

/// After `after_ms` in `in_stage` without leaving it.
#[derive(Clone, Debug, PartialEq)]
pub struct Timer {
    pub id: String,
    pub in_stage: StageNo,
    pub after_ms: i64,
    pub when: Option<Condition>,
    /// The id of a message.
    pub send: Option<String>,
    /// The kind of a touch to record.
    pub touch: Option<model::kind::Kind>,
    pub to: Option<StageNo>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub id: String,
    pub title: Texts,
    pub text: Texts,
    pub open: Option<String>,
    /// The permission that it needs.
    pub purpose: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MenuItem {
    pub id: String,
    /// Empty: all.
    pub in_stages: Vec<StageNo>,
    pub when: Option<Condition>,
    pub title: Texts,
    pub text: Texts,
    pub icon: Option<String>,
    pub open: String,
    /// Higher comes first.
    pub rank: i32,
    /// On every screen, whatever the stage.
    pub always: bool,
    /// Empty: all.
    pub role: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    pub id: String,
    /// Empty: all.
    pub in_stages: Vec<StageNo>,
    pub when: Option<Condition>,
    pub title: Texts,
    pub text: Texts,
    pub value: OfferValue,
    pub cap: Cap,
    /// How long a code holds; [`OFFER_VALID_MS`] if not given.
    pub valid_ms: Option<i64>,
    pub campaign: Option<String>,
    /// The permission that it needs.
    pub needs_consent: Option<String>,
    /// The number of `person.consents.` and that permission.
    pub consent_fact: Option<usize>,
    /// Higher comes first.
    pub rank: i32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum OfferValue {
    Off(Money),
    /// Above 0, at most 100.
    Percent(f64),
    Gift(Texts),
    Points(i64),
}

/// How often an offer is given; `None` is without bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cap {
    pub per_person: Option<u32>,
    pub per_day: Option<u32>,
    pub total: Option<u32>,
}

/// What becomes of bonds that are in an older version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Carry {
    /// A stage of the same name stays; one that is gone becomes no stage.
    #[default]
    Keep,
    /// All begin again without a stage.
    Restart,
    /// Old name to new stage; names that are not in it are kept as under `Keep`.
    Map(Vec<(String, Option<StageNo>)>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Permission {
    pub purpose: String,
    pub title: Texts,
    /// What the person gets in return.
    pub gives: Texts,
    /// Given unless withdrawn.
    pub default: bool,
}

/// One mistake of a journey file; line and column count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMistake {
    pub file: String,
    pub line: u32,
    pub column: u32,
    /// `offers[0].when`; empty for the file as a whole.
    pub path: String,
    pub message: String,
    /// What to write instead.
    pub suggestion: Option<String>,
}

impl fmt::Display for FileMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {suggestion}?"),
            None => Ok(()),
        }
    }
}

/// Reads a file; `file_name` is for the mistakes only. At most `limits::MISTAKES` are reported,
/// in the order of the file.
pub fn parse(file_name: &str, text: &str) -> Result<Journey, Vec<FileMistake>> {
    read::read(file_name, text)
}

pub fn matches_kind(on: &[On], kind: &model::kind::Kind) -> bool {
    on.iter().any(|on| on.matches(kind))
}

impl Journey {
    pub fn stage_no(&self, name: &str) -> Option<StageNo> {
        let at = self.stages.iter().position(|stage| stage.name == name)?;
        Some(StageNo(at as u8))
    }

    pub fn stage(&self, number: StageNo) -> Option<&Stage> {
        self.stages.get(usize::from(number.0))
    }

    /// The stage's name; `none` without one.
    pub fn stage_name(&self, number: Option<StageNo>) -> &str {
        number.and_then(|number| self.stage(number)).map_or(NONE, |stage| &stage.name)
    }

    /// Where somebody who was in the stage `old` of another version stands in this one.
    pub fn carry(&self, old: &str) -> Option<StageNo> {
        match &self.carry {
            Carry::Restart => None,
            Carry::Keep => self.stage_no(old),
            Carry::Map(pairs) => pairs
                .iter()
                .find(|(name, _)| name == old)
                .map_or_else(|| self.stage_no(old), |(_, new)| *new),
        }
    }

    pub fn message(&self, id: &str) -> Option<&Message> {
        self.messages.iter().find(|message| message.id == id)
    }

    pub fn offer(&self, id: &str) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.id == id)
    }

    pub fn menu_item(&self, id: &str) -> Option<&MenuItem> {
        self.menu.iter().find(|item| item.id == id)
    }

    pub fn timer(&self, id: &str) -> Option<&Timer> {
        self.timers.iter().find(|timer| timer.id == id)
    }
}

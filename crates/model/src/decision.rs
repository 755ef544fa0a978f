//! The decision: for this person, this product, here and now: the menu and the offers, and for
//! every item, shown or not, the reason and the data that it rests on.

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
    pub items: Vec<Item>,
}

/// What was looked at; those with `why.is_shown()` are what the person sees, best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub what: What,
    pub id: Box<str>,
    pub why: Why,
    /// The data that the condition read, with the value it had.
    pub used: Vec<(Box<str>, Value)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum What {
    Menu = 1,
    Offer = 2,
    Step = 3,
}

/// Why an item is shown or not. The numbers are stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
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
    ConditionUnknown(Box<str>),
    /// It is for other roles.
    OtherRole,
    /// This person has had it as often as one may.
    CapPerson,
    /// Today's number is used up.
    CapDay,
    /// All are gone.
    CapTotal,
    /// The person has not given this permission.
    NoConsent(Box<str>),
    /// A prescribed step before it is not done.
    Locked(Box<str>),
    /// Its campaign has not begun or is over.
    CampaignOver,
}

impl Why {
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
    pub fn detail(&self) -> Option<&str> {
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

    fn read(input: &mut Reader<'_>) -> Result<Why, Corrupt> {
        Ok(match input.u8()? {
            1 => Why::Stage,
            2 => Why::Always,
            3 => Why::Condition,
            4 => Why::Suggested,
            5 => Why::Done,
            6 => Why::Later,
            20 => Why::OtherStage,
            21 => Why::ConditionFails,
            22 => Why::ConditionUnknown(input.text()?.into()),
            23 => Why::OtherRole,
            24 => Why::CapPerson,
            25 => Why::CapDay,
            26 => Why::CapTotal,
            27 => Why::NoConsent(input.text()?.into()),
            28 => Why::Locked(input.text()?.into()),
            29 => Why::CampaignOver,
            _ => return Err(Corrupt("a decision has an unknown reason number")),
        })
    }
}

impl Decision {
    pub fn shown(&self, what: What) -> impl Iterator<Item = &Item> {
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
        out.list(self.items.iter(), |out, item| {
            out.u8(item.what as u8);
            out.text(&item.id);
            item.why.write(out);
            out.list(item.used.iter(), |out, (path, value)| {
                out.text(path);
                value.write(out);
            });
        });
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
            items: input.list(|input| {
                Ok(Item {
                    what: match input.u8()? {
                        1 => What::Menu,
                        2 => What::Offer,
                        3 => What::Step,
                        _ => return Err(Corrupt("a decision has an unknown item")),
                    },
                    id: input.text()?.into(),
                    why: Why::read(input)?,
                    used: input.list(|input| Ok((input.text()?.into(), Value::read(input)?)))?,
                })
            })?,
        })
    }
}

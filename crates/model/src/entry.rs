//! The entry: what the log holds. Its body has a stored number (the tag) and two byte parts:
//! common and personal, of which the second is overwritten when the person is wiped.

use crate::alias::Alias;
use crate::bytes::{Corrupt, Reader, Writer};
use crate::decision::Decision;
use crate::id::{Digest, PersonId, Time};
use crate::things::{Campaign, Model, Place, Product};
use crate::touch::{Source, Touch};

/// The place of an entry in the log: 1, 2, 3, …
pub type Seq = u64;

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub seq: Seq,
    /// Log time: when it was appended; never smaller than that of the entry before.
    pub time: Time,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Touch(Touch),
    /// Nothing happened but time.
    Tick,
    PutModel(Model),
    PutProduct(Product),
    PutCampaign(Campaign),
    PutPlace(Place),
    PutJourney {
        source: Box<str>,
    },
    /// A company's own names for kinds: (name as the source says it, kind).
    PutMapping {
        pairs: Vec<(Box<str>, Box<str>)>,
    },
    PutKey(Key),
    DropKey {
        id: Box<str>,
    },
    Merge {
        keep: PersonId,
        gone: PersonId,
        reason: Box<str>,
    },
    Split {
        person: PersonId,
        what: SplitWhat,
        reason: Box<str>,
    },
    Wipe {
        person: PersonId,
        receipt: u64,
    },
    /// A decision that was shown. `seed` makes the codes of offers that it grants.
    Decided {
        decision: Decision,
        by: Alias,
        seed: u64,
    },
    /// The purge that a wipe asked for is complete: this many log records were overwritten.
    Purged {
        receipt: u64,
        records: u64,
    },
    /// What came in and was not understood, as it came, with the reason.
    Refused {
        source: Source,
        code: Box<str>,
        reason: Box<str>,
        raw: Box<[u8]>,
    },
    /// A refused item was retried with success, or thrown away.
    RefusedDone {
        seq: Seq,
    },
    /// Somebody of the company looked at a person's data: with which key, at what.
    Looked {
        person: PersonId,
        who: Box<str>,
        what: Box<str>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum SplitWhat {
    Aliases(Vec<Alias>),
    /// Undo the merge that happened at this entry.
    Merge(Seq),
}

/// A credential of the server API. Only the secret's hash is ever stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub id: Box<str>,
    pub name: Box<str>,
    pub scope: KeyScope,
    pub hash: Digest,
    pub made: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum KeyScope {
    /// Ingest only; may be public.
    Write = 1,
    /// The server API.
    Secret = 2,
}

impl Body {
    pub fn as_touch(&self) -> Option<&Touch> {
        match self {
            Body::Touch(touch) => Some(touch),
            _ => None,
        }
    }

    /// Writes both parts and gives the tag. `at` is the entry's time.
    pub fn write(&self, at: Time, common: &mut Writer, personal: &mut Writer) -> u8 {
        match self {
            Body::Touch(touch) => {
                touch.write_common(at, common);
                touch.write_personal(personal);
                1
            }
            Body::Tick => 2,
            Body::PutModel(model) => {
                model.write(common);
                3
            }
            Body::PutProduct(product) => {
                product.write(common);
                4
            }
            Body::PutCampaign(campaign) => {
                campaign.write(common);
                5
            }
            Body::PutPlace(place) => {
                place.write(common);
                6
            }
            Body::PutJourney { source } => {
                common.text(source);
                7
            }
            Body::PutMapping { pairs } => {
                common.list(pairs.iter(), |out, (name, kind)| {
                    out.text(name);
                    out.text(kind);
                });
                8
            }
            Body::PutKey(key) => {
                key.write(common);
                9
            }
            Body::DropKey { id } => {
                common.text(id);
                10
            }
            Body::Merge { keep, gone, reason } => {
                common.uint(keep.0);
                common.uint(gone.0);
                personal.text(reason);
                11
            }
            Body::Split { person, what, reason } => {
                common.uint(person.0);
                match what {
                    SplitWhat::Aliases(aliases) => {
                        common.uint(0);
                        personal.list(aliases.iter(), |out, alias| alias.write(out));
                    }
                    SplitWhat::Merge(seq) => {
                        common.uint(*seq);
                        personal.list([].iter(), |_, _: &Alias| {});
                    }
                }
                personal.text(reason);
                12
            }
            Body::Wipe { person, receipt } => {
                common.uint(person.0);
                common.u64_be(*receipt);
                13
            }
            Body::Decided { decision, by, seed } => {
                personal.u64_be(*seed);
                by.write(personal);
                decision.write(personal);
                14
            }
            Body::Purged { receipt, records } => {
                common.u64_be(*receipt);
                common.uint(*records);
                15
            }
            Body::Refused { source, code, reason, raw } => {
                common.u8(*source as u8);
                common.text(code);
                common.text(reason);
                personal.blob(raw);
                16
            }
            Body::RefusedDone { seq } => {
                common.uint(*seq);
                17
            }
            Body::Looked { person, who, what } => {
                personal.uint(person.0);
                personal.text(who);
                personal.text(what);
                18
            }
        }
    }

    /// `at` is the entry's time. `personal` is empty for a record whose personal part was wiped;
    /// what cannot be without it reads as a `Tick`: nothing happened but time.
    pub fn read(at: Time, tag: u8, common: &[u8], personal: &[u8]) -> Result<Body, Corrupt> {
        let mut input = Reader::new(common);
        let mut own = Reader::new(personal);
        Ok(match tag {
            1 => Body::Touch(Touch::read(at, common, personal)?),
            2 => Body::Tick,
            3 => Body::PutModel(Model::read(&mut input)?),
            4 => Body::PutProduct(Product::read(&mut input)?),
            5 => Body::PutCampaign(Campaign::read(&mut input)?),
            6 => Body::PutPlace(Place::read(&mut input)?),
            7 => Body::PutJourney { source: input.text()?.into() },
            8 => Body::PutMapping {
                pairs: input.list(|input| Ok((input.text()?.into(), input.text()?.into())))?,
            },
            9 => Body::PutKey(Key::read(&mut input)?),
            10 => Body::DropKey { id: input.text()?.into() },
            11..=12 | 14 | 18 if personal.is_empty() => Body::Tick,
            11 => Body::Merge {
                keep: PersonId(input.uint()?),
                gone: PersonId(input.uint()?),
                reason: own.text()?.into(),
            },
            12 => {
                let person = PersonId(input.uint()?);
                let merge = input.uint()?;
                let aliases = own.list(Alias::read)?;
                let what =
                    if merge == 0 { SplitWhat::Aliases(aliases) } else { SplitWhat::Merge(merge) };
                Body::Split { person, what, reason: own.text()?.into() }
            }
            13 => Body::Wipe { person: PersonId(input.uint()?), receipt: input.u64_be()? },
            14 => {
                let seed = own.u64_be()?;
                let by = Alias::read(&mut own)?;
                Body::Decided { decision: Decision::read(&mut own)?, by, seed }
            }
            15 => Body::Purged { receipt: input.u64_be()?, records: input.uint()? },
            16 => Body::Refused {
                source: Source::read(&mut input)?,
                code: input.text()?.into(),
                reason: input.text()?.into(),
                raw: if personal.is_empty() { Box::default() } else { own.blob()?.into() },
            },
            17 => Body::RefusedDone { seq: input.uint()? },
            18 => Body::Looked {
                person: PersonId(own.uint()?),
                who: own.text()?.into(),
                what: own.text()?.into(),
            },
            _ => return Err(Corrupt("an entry has an unknown tag")),
        })
    }
}

impl Key {
    pub fn write(&self, out: &mut Writer) {
        out.text(&self.id);
        out.text(&self.name);
        out.u8(self.scope as u8);
        out.raw(&self.hash.0.to_be_bytes());
        out.int(self.made.0);
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Key, Corrupt> {
        Ok(Key {
            id: input.text()?.into(),
            name: input.text()?.into(),
            scope: match input.u8()? {
                1 => KeyScope::Write,
                2 => KeyScope::Secret,
                _ => return Err(Corrupt("a key has an unknown scope")),
            },
            hash: Digest(u128::from_be_bytes(input.array()?)),
            made: Time(input.int()?),
        })
    }
}

//! The records of the state and their byte forms: persons, bonds, products, grants, referrals,
//! receipts. Each begins with its version number.

use model::alias::{Alias, AliasKind};
use model::bytes::{Corrupt, Reader, Writer};
use model::entry::{Key as ApiKey, Seq};
use model::fields::Fields;
use model::gs1::{Gtin, Subject};
use model::id::{Digest, PersonId, Time};
use model::things;
use model::touch::{Channel, Money, put_subject, read_subject, take_subject, write_subject};
use model::value::Map;

use crate::lazy::{Lazy, Part};
pub use crate::moves::{Moved, Moves};
use crate::table::{Key, Record};
use crate::terms::Term;
use crate::timeline::{Timeline, Topic};

/// Somebody. What is known of them is the fold of their touches in order; only what they were
/// *given* (grants, links, permissions are touches) cannot be computed again.
///
/// It derefs to [`PersonMore`]: what most touches do not ask for, and so stays packed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
    pub first_seen: Time,
    pub last_seen: Time,
    pub touches: u64,
    pub timeline: Timeline,
    pub bonds: Vec<Bond>,
    pub aliases: Lazy<Vec<Known>>,
    pub traits: Lazy<Map>,
    pub more: Lazy<PersonMore>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersonMore {
    pub consents: Vec<Consent>,
    pub merges: Vec<Merged>,
    /// Persons that the company said are somebody else: never joined by a touch again.
    pub apart: Vec<PersonId>,
    pub clicks: Vec<Click>,
    pub grants: Vec<Grant>,
    pub links: Vec<PersonalLink>,
    /// The friends' links that this person came by, one per model at most.
    pub referred_by: Vec<(Gtin, Box<str>)>,
}

impl std::ops::Deref for Person {
    type Target = PersonMore;

    fn deref(&self) -> &PersonMore {
        &self.more
    }
}

impl std::ops::DerefMut for Person {
    fn deref_mut(&mut self) -> &mut PersonMore {
        &mut self.more
    }
}

/// An alias with why it is believed to be this person's.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub alias: Alias,
    pub seq: Seq,
    pub since: Time,
    pub because: Because,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Because {
    /// The first touch of this person came with it.
    First,
    /// It came in the same touch as this other alias.
    With(Alias),
    /// A member of staff merged two persons.
    Merge,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Consent {
    pub purpose: Box<str>,
    pub given: bool,
    pub time: Time,
    pub seq: Seq,
}

/// A merge that can be undone.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    pub seq: Seq,
    pub gone: PersonId,
    pub time: Time,
    /// The names that it brought, as they were known then.
    pub aliases: Vec<Known>,
    /// By a touch that carried names of both, or by staff.
    pub by_staff: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Click {
    pub campaign: Box<str>,
    pub time: Time,
    pub channel: Option<Channel>,
}

/// An offer given to this person.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub subject: Subject,
    pub journey: Box<str>,
    pub offer: Box<str>,
    pub code: Box<str>,
    pub time: Time,
    pub until: Time,
    pub redeemed: Option<Time>,
    pub stage: Box<str>,
    pub channel: Option<Channel>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PersonalLink {
    pub gtin: Gtin,
    pub code: Box<str>,
}

/// The relation of one person and one product, or a model before there is a unit. It derefs to
/// [`BondMore`], which stays packed until somebody asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Bond {
    pub subject: Subject,
    pub journey: Term,
    pub version: u32,
    /// [`Term::NONE`]: the stage `none`.
    pub stage: Term,
    pub since: Time,
    pub begun: Time,
    pub role: Role,
    pub touches: u64,
    pub steps_done: Vec<Term>,
    pub more: Lazy<BondMore>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct BondMore {
    /// The last one that was clicked.
    pub campaign: Option<Box<str>>,
    pub moves: Moves,
    pub timers: Vec<(Time, Term)>,
    pub messages: Vec<Message>,
    /// Items that were shown in this stage: an impression is counted once a stage.
    pub shown: Vec<(u8, Term)>,
    pub referred: Option<Box<str>>,
}

impl std::ops::Deref for Bond {
    type Target = BondMore;

    fn deref(&self) -> &BondMore {
        &self.more
    }
}

impl std::ops::DerefMut for Bond {
    fn deref_mut(&mut self) -> &mut BondMore {
        &mut self.more
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    #[default]
    Prospect = 1,
    Buyer = 2,
    Owner = 3,
    Former = 4,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Prospect => "prospect",
            Role::Buyer => "buyer",
            Role::Owner => "owner",
            Role::Former => "former",
        }
    }
}

/// What a timer sent; the companion shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub id: Term,
    pub time: Time,
    pub read: bool,
}

/// One unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Product {
    pub registered: Option<Time>,
    pub made: Option<Time>,
    pub claim: Option<u128>,
    pub attributes: Lazy<Map>,
    pub owner: Option<PersonId>,
    pub owned_since: Option<Time>,
    pub state: Lazy<Map>,
    pub first_seen: Option<Time>,
    pub last_seen: Option<Time>,
    pub touches: u64,
    pub claim_failures: u32,
    pub claim_failed: Time,
    pub timeline: Timeline,
}

/// A published journey: its sources by version, the last is the one in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JourneyVersions {
    pub versions: Vec<(Seq, Time, Box<str>)>,
}

/// What happened to one item in one stage on one channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    pub impressions: u64,
    pub clicks: u64,
    pub conversions: u64,
    pub grants: u64,
    pub money: Vec<Money>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TallyKey {
    pub what: TallyOf,
    /// A campaign's id; `journey/item` for offers and menu items.
    pub id: Box<str>,
    pub stage: Box<str>,
    pub channel: Option<Channel>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TallyOf {
    Campaign = 1,
    Menu = 2,
    Offer = 3,
    /// Grants of an offer on one UTC day: the stage holds the day's number.
    OfferDay = 4,
}

/// A timer that waits: when, whose, which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKey {
    pub due: Time,
    pub person: PersonId,
    pub subject: Subject,
    pub id: Term,
}

/// A node of the tree of recommendations. It stays when its person is wiped, without a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Referral {
    pub person: Option<PersonId>,
    pub gtin: Gtin,
    pub parent: Option<Box<str>>,
    pub made: Time,
    pub visits: u64,
    pub orders: u64,
    pub money: Vec<Money>,
    /// The same over all generations below, this node's own not among them.
    pub orders_below: u64,
    pub money_below: Vec<Money>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    pub wiped: Time,
    pub aliases: u64,
    pub bonds: u64,
    pub touches: u64,
    /// Log records overwritten, and when the last of them was.
    pub purged: Option<(Time, u64)>,
}

/// Log entries that a wipe still has to overwrite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Purge {
    pub seqs: Vec<Seq>,
}

pub fn add_money(sums: &mut Vec<Money>, money: Money) {
    match sums.binary_search_by_key(&money.currency, |sum| sum.currency) {
        Ok(at) => sums[at].minor = sums[at].minor.saturating_add(money.minor),
        Err(at) => sums.insert(at, money),
    }
}

impl Person {
    pub fn alias(&self, alias: &Alias) -> Option<&Known> {
        self.aliases.iter().find(|known| known.alias == *alias)
    }

    pub fn is_known(&self) -> bool {
        let any = || self.aliases.iter().any(|known| known.alias.kind.is_known());
        self.aliases.written(is_known_in).unwrap_or_else(any)
    }

    /// Hands out the digest of each name.
    pub(crate) fn each_name(&self, each: &mut dyn FnMut(Digest)) {
        if self.aliases.written(|names| each_name_in(names, each)).is_none() {
            self.aliases.iter().for_each(|known| each(known.alias.digest()));
        }
    }

    pub fn consent(&self, purpose: &str) -> Option<&Consent> {
        self.consents.iter().find(|consent| &*consent.purpose == purpose)
    }

    pub fn grant(&self, subject: Subject, journey: &str, offer: &str) -> Option<&Grant> {
        self.grants.iter().rev().find(|grant| {
            grant.subject == subject && &*grant.journey == journey && &*grant.offer == offer
        })
    }

    pub fn bond(&self, subject: Subject) -> Option<&Bond> {
        self.bonds.iter().find(|bond| bond.subject == subject)
    }

    pub fn bond_mut(&mut self, subject: Subject) -> Option<&mut Bond> {
        self.bonds.iter_mut().find(|bond| bond.subject == subject)
    }

    /// The units and models that this person has a bond with.
    pub fn subjects(&self) -> impl DoubleEndedIterator<Item = Subject> + ExactSizeIterator {
        self.bonds.iter().map(|bond| bond.subject)
    }
}

/// Beside a bond's role, what else is written of it: since when it has been in its stage, if not
/// from its beginning, and what is not empty.
mod bond_has {
    pub const MOVED: u8 = 128;
    pub const STEPS: u8 = 64;
    pub const MORE: u8 = 32;
}

/// The same of a person.
mod person_has {
    pub const SEEN_AGAIN: u8 = 1;
    pub const TRAITS: u8 = 2;
    pub const MORE: u8 = 4;
    pub const ALL: u8 = 7;
}

/// A flag for whoever writes it.
#[inline]
fn flag(is_there: bool, flag: u8) -> u8 {
    if is_there { flag } else { 0 }
}

impl Bond {
    pub fn new(subject: Subject, time: Time) -> Bond {
        Bond {
            subject,
            journey: Term::NONE,
            version: 0,
            stage: Term::NONE,
            since: time,
            begun: time,
            role: Role::Prospect,
            touches: 0,
            steps_done: Vec::new(),
            more: Lazy::default(),
        }
    }

    fn write(&self, out: &mut Writer) {
        let flags = flag(self.since != self.begun, bond_has::MOVED)
            | flag(!self.steps_done.is_empty(), bond_has::STEPS)
            | flag(!self.more.is_none(), bond_has::MORE);
        out.fields(|out| {
            put_subject(self.subject, out);
            self.journey.put(out);
            out.uint(u64::from(self.version));
            self.stage.put(out);
            out.int48(self.begun.0);
            out.u8(self.role as u8 | flags);
            if flags & bond_has::MOVED != 0 {
                out.int48(self.since.0);
            }
            out.uint(self.touches);
        });
        if flags & bond_has::STEPS != 0 {
            out.list(self.steps_done.iter(), |out, step| step.write(out));
        }
        if flags & bond_has::MORE != 0 {
            self.more.write(out);
        }
    }

    #[inline]
    fn read_again(&mut self, input: &mut Fields<'_>) -> Result<(), Corrupt> {
        self.subject = take_subject(input, self.subject);
        self.journey = Term::take(input);
        self.version = input.uint() as u32;
        self.stage = Term::take(input);
        self.begun = Time(input.int48());
        let role = input.u8();
        let has = |flag: u8| role & flag != 0;
        self.since = if has(bond_has::MOVED) { Time(input.int48()) } else { self.begun };
        self.role = match role & !(bond_has::MOVED | bond_has::STEPS | bond_has::MORE) {
            1 => Role::Prospect,
            2 => Role::Buyer,
            3 => Role::Owner,
            4 => Role::Former,
            _ => return Err(Corrupt("a bond has an unknown role")),
        };
        self.touches = input.uint();
        self.steps_done.clear();
        if has(bond_has::STEPS) {
            for _ in 0..input.count()? {
                self.steps_done.push(Term::take(input));
            }
        }
        self.more.keep_if(has(bond_has::MORE), input);
        Ok(())
    }
}

fn check_version(input: &mut Reader<'_>, what: &'static str) -> Result<(), Corrupt> {
    check_number(input, 1, what)
}

fn check_number(input: &mut Reader<'_>, number: u8, what: &'static str) -> Result<(), Corrupt> {
    if input.u8()? == number { Ok(()) } else { Err(Corrupt(what)) }
}

fn text(input: &mut Reader<'_>) -> Result<Box<str>, Corrupt> {
    Ok(input.text()?.into())
}

fn time(input: &mut Reader<'_>) -> Result<Time, Corrupt> {
    Ok(Time(input.int()?))
}

fn write_time(out: &mut Writer, time: Time) {
    out.int(time.0);
}

fn write_text(out: &mut Writer, text: &str) {
    out.text(text);
}

fn person(input: &mut Reader<'_>) -> Result<PersonId, Corrupt> {
    Ok(PersonId(input.uint()?))
}

fn gtin(input: &mut Reader<'_>) -> Result<Gtin, Corrupt> {
    Gtin::from_u64(input.uint()?).map_err(|_| Corrupt("a GTIN is not one"))
}

fn channel(input: &mut Reader<'_>) -> Result<Option<Channel>, Corrupt> {
    input.option(Channel::read)
}

fn write_channel(out: &mut Writer, channel: Option<Channel>) {
    out.option(channel, |out, channel| out.u8(channel as u8));
}

fn write_money(out: &mut Writer, money: &[Money]) {
    out.list(money.iter(), |out, money| money.write(out));
}

impl Because {
    fn write(&self, out: &mut Writer) {
        match self {
            Because::First => out.u8(1),
            Because::With(alias) => {
                out.u8(2);
                alias.write(out);
            }
            Because::Merge => out.u8(3),
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Because, Corrupt> {
        match input.u8()? {
            1 => Ok(Because::First),
            2 => Ok(Because::With(Alias::read(input)?)),
            3 => Ok(Because::Merge),
            _ => Err(Corrupt("an alias has an unknown reason")),
        }
    }
}

impl Known {
    fn write(&self, out: &mut Writer) {
        self.alias.write(out);
        out.uint(self.seq);
        write_time(out, self.since);
        self.because.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Known, Corrupt> {
        Ok(Known {
            alias: Alias::read(input)?,
            seq: input.uint()?,
            since: time(input)?,
            because: Because::read(input)?,
        })
    }
}

impl Grant {
    fn write(&self, out: &mut Writer) {
        write_subject(self.subject, out);
        out.text(&self.journey);
        out.text(&self.offer);
        out.text(&self.code);
        write_time(out, self.time);
        write_time(out, self.until);
        out.option(self.redeemed, write_time);
        out.text(&self.stage);
        write_channel(out, self.channel);
    }

    fn read(input: &mut Reader<'_>) -> Result<Grant, Corrupt> {
        Ok(Grant {
            subject: read_subject(input)?,
            journey: text(input)?,
            offer: text(input)?,
            code: text(input)?,
            time: time(input)?,
            until: time(input)?,
            redeemed: input.option(time)?,
            stage: text(input)?,
            channel: channel(input)?,
        })
    }
}

impl Record for Person {
    const HEAP: usize = 280;

    fn near(&self) -> u64 {
        let bond = self.bonds.last().map_or(0, |bond| bond.touches);
        self.touches.wrapping_add(bond)
    }

    fn write(&self, out: &mut Writer) {
        let flags = flag(self.last_seen != self.first_seen, person_has::SEEN_AGAIN)
            | flag(!self.traits.is_none(), person_has::TRAITS)
            | flag(!self.more.is_none(), person_has::MORE);
        out.fields(|out| {
            out.u8(2);
            out.u8(flags);
            out.int48(self.first_seen.0);
            if flags & person_has::SEEN_AGAIN != 0 {
                out.int48(self.last_seen.0);
            }
            out.uint(self.touches);
            self.timeline.write(out);
            out.uint(self.bonds.len() as u64);
        });
        self.bonds.iter().for_each(|bond| bond.write(out));
        self.aliases.write(out);
        if flags & person_has::TRAITS != 0 {
            self.traits.write(out);
        }
        if flags & person_has::MORE != 0 {
            self.more.write(out);
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Person, Corrupt> {
        let mut person = Person::default();
        person.read_again(input)?;
        Ok(person)
    }

    fn read_again(&mut self, input: &mut Reader<'_>) -> Result<(), Corrupt> {
        let input = &mut Fields::new(input.rest());
        if input.u8() != 2 {
            return Err(Corrupt("a person has an unknown version"));
        }
        let flags = input.u8();
        if flags & !person_has::ALL != 0 {
            return Err(Corrupt("a person has an unknown flag"));
        }
        let has = |flag: u8| flags & flag != 0;
        self.first_seen = Time(input.int48());
        self.last_seen =
            if has(person_has::SEEN_AGAIN) { Time(input.int48()) } else { self.first_seen };
        self.touches = input.uint();
        self.timeline.read_again(input);
        let bonds = input.count()?;
        if bonds != self.bonds.len() {
            self.bonds.reserve_exact(bonds.saturating_sub(self.bonds.len()));
            let none = || Bond::new(Subject::model(Gtin::NONE), Time(0));
            self.bonds.resize_with(bonds, none);
        }
        for bond in &mut self.bonds {
            bond.read_again(input)?;
        }
        self.aliases.keep(input);
        self.traits.keep_if(has(person_has::TRAITS), input);
        self.more.keep_if(has(person_has::MORE), input);
        input.end()
    }
}

/// Names that a person has: the numbers and times as differences, and the name that one came with
/// by its place in the list.
impl Record for Vec<Known> {
    fn write(&self, out: &mut Writer) {
        let (mut seq, mut since) = (0_i64, Time(0));
        out.list(self.iter(), |out, known| {
            known.alias.write(out);
            out.int(known.seq as i64 - seq);
            out.int(known.since.since(since));
            (seq, since) = (known.seq as i64, known.since);
            match &known.because {
                Because::First => out.uint(1),
                Because::Merge => out.uint(3),
                Because::With(alias) => match self.iter().position(|own| own.alias == *alias) {
                    Some(place) => out.uint(4 + place as u64),
                    None => {
                        out.uint(2);
                        alias.write(out);
                    }
                },
            }
        });
    }

    fn read(input: &mut Reader<'_>) -> Result<Vec<Known>, Corrupt> {
        let (mut seq, mut since) = (0_i64, Time(0));
        let mut places = Vec::new();
        let mut list = input.list(|input| {
            let alias = Alias::read(input)?;
            seq = seq.wrapping_add(input.int()?);
            since = since.plus(input.int()?);
            let mut place = None;
            let because = match input.uint()? {
                1 => Because::First,
                2 => Because::With(Alias::read(input)?),
                3 => Because::Merge,
                number => {
                    place = Some(number.wrapping_sub(4) as usize);
                    Because::First
                }
            };
            places.push(place);
            Ok(Known { alias, seq: seq as Seq, since, because })
        })?;
        for (at, place) in places.into_iter().enumerate() {
            let Some(place) = place else { continue };
            let with: &Known = list.get(place).ok_or(Corrupt("an alias has no reason"))?;
            list[at].because = Because::With(with.alias.clone());
        }
        Ok(list)
    }
}

/// Whether one of these written names says who it is.
fn is_known_in(names: &mut Reader<'_>) -> Result<bool, Corrupt> {
    for _ in 0..names.len()? {
        if read_past_known(names)?.0.is_known() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn each_name_in(names: &mut Reader<'_>, each: &mut dyn FnMut(Digest)) -> Result<(), Corrupt> {
    for _ in 0..names.len()? {
        let (kind, value) = read_past_known(names)?;
        each(Alias::digest_of(kind, value));
    }
    Ok(())
}

/// A written name's kind and value.
fn read_past_known<'a>(names: &mut Reader<'a>) -> Result<(AliasKind, &'a [u8]), Corrupt> {
    let name = Alias::read_past(names)?;
    names.int()?;
    names.int()?;
    if names.uint()? == 2 {
        Alias::read_past(names)?;
    }
    Ok(name)
}

impl Part for Vec<Known> {
    fn none() -> &'static Vec<Known> {
        const { &Vec::new() }
    }
}

impl Part for PersonMore {
    fn none() -> &'static PersonMore {
        static NONE: PersonMore = PersonMore {
            consents: Vec::new(),
            merges: Vec::new(),
            apart: Vec::new(),
            clicks: Vec::new(),
            grants: Vec::new(),
            links: Vec::new(),
            referred_by: Vec::new(),
        };
        &NONE
    }
}

impl Record for PersonMore {
    fn write(&self, out: &mut Writer) {
        out.u8(2);
        out.list(self.consents.iter(), |out, consent| {
            out.text(&consent.purpose);
            out.bool(consent.given);
            write_time(out, consent.time);
            out.uint(consent.seq);
        });
        out.list(self.merges.iter(), |out, merged| {
            out.uint(merged.seq);
            out.uint(merged.gone.0);
            write_time(out, merged.time);
            out.list(merged.aliases.iter(), |out, known| known.write(out));
            out.bool(merged.by_staff);
        });
        out.list(self.apart.iter(), |out, person| out.uint(person.0));
        out.list(self.clicks.iter(), |out, click| {
            out.text(&click.campaign);
            write_time(out, click.time);
            write_channel(out, click.channel);
        });
        out.list(self.grants.iter(), |out, grant| grant.write(out));
        out.list(self.links.iter(), |out, link| {
            out.uint(link.gtin.as_u64());
            out.text(&link.code);
        });
        out.list(self.referred_by.iter(), |out, (gtin, code)| {
            out.uint(gtin.as_u64());
            out.text(code);
        });
    }

    fn read(input: &mut Reader<'_>) -> Result<PersonMore, Corrupt> {
        check_number(input, 2, "what is known of a person has an unknown version")?;
        Ok(PersonMore {
            consents: input.list(|input| {
                Ok(Consent {
                    purpose: text(input)?,
                    given: input.bool()?,
                    time: time(input)?,
                    seq: input.uint()?,
                })
            })?,
            merges: input.list(|input| {
                Ok(Merged {
                    seq: input.uint()?,
                    gone: person(input)?,
                    time: time(input)?,
                    aliases: input.list(Known::read)?,
                    by_staff: input.bool()?,
                })
            })?,
            apart: input.list(person)?,
            clicks: input.list(|input| {
                Ok(Click { campaign: text(input)?, time: time(input)?, channel: channel(input)? })
            })?,
            grants: input.list(Grant::read)?,
            links: input
                .list(|input| Ok(PersonalLink { gtin: gtin(input)?, code: text(input)? }))?,
            referred_by: input.list(|input| Ok((gtin(input)?, text(input)?)))?,
        })
    }
}

impl Part for BondMore {
    fn none() -> &'static BondMore {
        static NONE: BondMore = BondMore {
            campaign: None,
            moves: Moves::NONE,
            timers: Vec::new(),
            messages: Vec::new(),
            shown: Vec::new(),
            referred: None,
        };
        &NONE
    }
}

impl Record for BondMore {
    fn write(&self, out: &mut Writer) {
        out.u8(2);
        out.option(self.campaign.as_deref(), write_text);
        self.moves.write(out);
        out.list(self.timers.iter(), |out, (due, id)| {
            write_time(out, *due);
            id.write(out);
        });
        out.list(self.messages.iter(), |out, message| {
            message.id.write(out);
            write_time(out, message.time);
            out.bool(message.read);
        });
        out.list(self.shown.iter(), |out, (what, id)| {
            out.u8(*what);
            id.write(out);
        });
        out.option(self.referred.as_deref(), write_text);
    }

    fn read(input: &mut Reader<'_>) -> Result<BondMore, Corrupt> {
        let mut more = BondMore::default();
        more.read_again(input)?;
        Ok(more)
    }

    fn read_again(&mut self, input: &mut Reader<'_>) -> Result<(), Corrupt> {
        check_number(input, 2, "a bond has an unknown version")?;
        self.campaign = input.option(text)?;
        self.moves.read_again(input)?;
        input.list_into(&mut self.timers, |input| Ok((time(input)?, Term::read(input)?)))?;
        input.list_into(&mut self.messages, |input| {
            Ok(Message { id: Term::read(input)?, time: time(input)?, read: input.bool()? })
        })?;
        input.list_into(&mut self.shown, |input| Ok((input.u8()?, Term::read(input)?)))?;
        self.referred = input.option(text)?;
        Ok(())
    }
}

/// Which of a unit's fields are there; the usual ones take one byte.
mod has {
    pub const REGISTERED: u64 = 1;
    pub const CLAIM: u64 = 2;
    pub const OWNER: u64 = 4;
    pub const SEEN: u64 = 8;
    /// Last at another time than first.
    pub const SEEN_AGAIN: u64 = 16;
    pub const ATTRIBUTES: u64 = 32;
    pub const STATE: u64 = 64;
    pub const OWNED_SINCE: u64 = 128;
    pub const MADE: u64 = 256;
    pub const CLAIM_FAILED: u64 = 512;
    pub const ALL: u64 = 1023;
}

impl Record for Product {
    const HEAP: usize = 32;

    fn near(&self) -> u64 {
        self.touches
    }

    fn write(&self, out: &mut Writer) {
        let again = self.last_seen.filter(|_| self.last_seen != self.first_seen);
        let flag = |is_there: bool, flag: u64| if is_there { flag } else { 0 };
        let flags = flag(self.registered.is_some(), has::REGISTERED)
            | flag(self.made.is_some(), has::MADE)
            | flag(self.claim.is_some(), has::CLAIM)
            | flag(self.owner.is_some(), has::OWNER)
            | flag(self.owned_since.is_some(), has::OWNED_SINCE)
            | flag(self.first_seen.is_some(), has::SEEN)
            | flag(again.is_some(), has::SEEN_AGAIN)
            | flag(self.claim_failures != 0, has::CLAIM_FAILED)
            | flag(!self.attributes.is_none(), has::ATTRIBUTES)
            | flag(!self.state.is_none(), has::STATE);
        out.fields(|out| {
            out.u8(2);
            out.uint(flags);
            let times = [self.registered, self.made, self.owned_since];
            times.into_iter().flatten().for_each(|time| out.int48(time.0));
            if let Some(claim) = self.claim {
                out.raw_of(&claim.to_be_bytes(), 16);
            }
            if let Some(owner) = self.owner {
                out.uint(owner.0);
            }
            if let Some(first) = self.first_seen {
                out.int48(first.0);
            }
            if let Some(again) = again {
                out.int48(again.0);
            }
            if self.claim_failures != 0 {
                out.uint(u64::from(self.claim_failures));
                out.int(self.claim_failed.0);
            }
            out.uint(self.touches);
            self.timeline.write(out);
        });
        if flags & has::ATTRIBUTES != 0 {
            self.attributes.write(out);
        }
        if flags & has::STATE != 0 {
            self.state.write(out);
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Product, Corrupt> {
        let mut product = Product::default();
        product.read_again(input)?;
        Ok(product)
    }

    fn read_again(&mut self, input: &mut Reader<'_>) -> Result<(), Corrupt> {
        let input = &mut Fields::new(input.rest());
        if input.u8() != 2 {
            return Err(Corrupt("a product has an unknown version"));
        }
        let flags = input.uint();
        if flags & !has::ALL != 0 {
            return Err(Corrupt("a product has an unknown flag"));
        }
        let has = |flag: u64| flags & flag != 0;
        let time_if = |flag: u64, input: &mut Fields<'_>| has(flag).then(|| Time(input.int48()));
        self.registered = time_if(has::REGISTERED, input);
        self.made = time_if(has::MADE, input);
        self.owned_since = time_if(has::OWNED_SINCE, input);
        self.claim = has(has::CLAIM).then(|| {
            let mut claim = [0; 16];
            input.raw_into(&mut claim, 16);
            u128::from_be_bytes(claim)
        });
        self.owner = has(has::OWNER).then(|| PersonId(input.uint()));
        self.first_seen = time_if(has::SEEN, input);
        self.last_seen = time_if(has::SEEN_AGAIN, input).or(self.first_seen);
        (self.claim_failures, self.claim_failed) = match has(has::CLAIM_FAILED) {
            true => (input.uint() as u32, Time(input.int())),
            false => (0, Time(0)),
        };
        self.touches = input.uint();
        self.timeline.read_again(input);
        self.attributes.keep_if(has(has::ATTRIBUTES), input);
        self.state.keep_if(has(has::STATE), input);
        input.end()
    }
}

impl Part for Map {
    fn none() -> &'static Map {
        const { &Map::EMPTY }
    }
}

impl Record for Map {
    fn write(&self, out: &mut Writer) {
        Map::write(self, out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Map, Corrupt> {
        Map::read(input)
    }
}

impl Record for JourneyVersions {
    fn write(&self, out: &mut Writer) {
        out.u8(1);
        out.list(self.versions.iter(), |out, (seq, time, source)| {
            out.uint(*seq);
            write_time(out, *time);
            out.text(source);
        });
    }

    fn read(input: &mut Reader<'_>) -> Result<JourneyVersions, Corrupt> {
        check_version(input, "a journey has an unknown version")?;
        let versions = input.list(|input| Ok((input.uint()?, time(input)?, text(input)?)))?;
        Ok(JourneyVersions { versions })
    }
}

impl Record for Counts {
    fn write(&self, out: &mut Writer) {
        out.u8(1);
        out.uint(self.impressions);
        out.uint(self.clicks);
        out.uint(self.conversions);
        out.uint(self.grants);
        write_money(out, &self.money);
    }

    fn read(input: &mut Reader<'_>) -> Result<Counts, Corrupt> {
        check_version(input, "a tally has an unknown version")?;
        Ok(Counts {
            impressions: input.uint()?,
            clicks: input.uint()?,
            conversions: input.uint()?,
            grants: input.uint()?,
            money: input.list(Money::read)?,
        })
    }
}

impl Record for Referral {
    fn write(&self, out: &mut Writer) {
        out.u8(1);
        out.option(self.person, |out, person| out.uint(person.0));
        out.uint(self.gtin.as_u64());
        out.option(self.parent.as_deref(), write_text);
        write_time(out, self.made);
        out.uint(self.visits);
        out.uint(self.orders);
        write_money(out, &self.money);
        out.uint(self.orders_below);
        write_money(out, &self.money_below);
    }

    fn read(input: &mut Reader<'_>) -> Result<Referral, Corrupt> {
        check_version(input, "a referral has an unknown version")?;
        Ok(Referral {
            person: input.option(person)?,
            gtin: gtin(input)?,
            parent: input.option(text)?,
            made: time(input)?,
            visits: input.uint()?,
            orders: input.uint()?,
            money: input.list(Money::read)?,
            orders_below: input.uint()?,
            money_below: input.list(Money::read)?,
        })
    }
}

impl Record for Receipt {
    fn write(&self, out: &mut Writer) {
        out.u8(1);
        write_time(out, self.wiped);
        out.uint(self.aliases);
        out.uint(self.bonds);
        out.uint(self.touches);
        out.option(self.purged, |out, (time, records)| {
            write_time(out, time);
            out.uint(records);
        });
    }

    fn read(input: &mut Reader<'_>) -> Result<Receipt, Corrupt> {
        check_version(input, "a receipt has an unknown version")?;
        Ok(Receipt {
            wiped: time(input)?,
            aliases: input.uint()?,
            bonds: input.uint()?,
            touches: input.uint()?,
            purged: input.option(|input| Ok((time(input)?, input.uint()?)))?,
        })
    }
}

impl Record for Purge {
    fn write(&self, out: &mut Writer) {
        out.u8(1);
        write_seqs(&self.seqs, out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Purge, Corrupt> {
        check_version(input, "a purge has an unknown version")?;
        Ok(Purge { seqs: read_seqs(input)? })
    }
}

/// Ascending sequence numbers as differences.
pub fn write_seqs(seqs: &[Seq], out: &mut Writer) {
    out.uint(seqs.len() as u64);
    let mut last = 0;
    for seq in seqs {
        out.uint(seq - last);
        last = *seq;
    }
}

pub fn read_seqs(input: &mut Reader<'_>) -> Result<Vec<Seq>, Corrupt> {
    let len = input.len()?;
    let mut seqs = Vec::with_capacity(len);
    let mut last: Seq = 0;
    for _ in 0..len {
        last = last.checked_add(input.uint()?).ok_or(Corrupt("a sequence number is too large"))?;
        seqs.push(last);
    }
    Ok(seqs)
}

/// The models and registrations keep the byte form that the log has for them.
macro_rules! records_as_in_the_log {
    ($($thing:ty),*) => {
        $(impl Record for $thing {
            fn write(&self, out: &mut Writer) {
                <$thing>::write(self, out);
            }

            fn read(input: &mut Reader<'_>) -> Result<$thing, Corrupt> {
                <$thing>::read(input)
            }
        })*
    };
}

records_as_in_the_log!(things::Model, things::Campaign, things::Place, ApiKey);

impl Record for Box<str> {
    fn write(&self, out: &mut Writer) {
        out.raw(self.as_bytes());
    }

    fn read(input: &mut Reader<'_>) -> Result<Box<str>, Corrupt> {
        Key::read(input)
    }
}

impl Record for () {
    fn write(&self, out: &mut Writer) {
        out.u8(1);
    }

    fn read(input: &mut Reader<'_>) -> Result<(), Corrupt> {
        check_version(input, "a mark has an unknown version")
    }
}

impl Key for PersonId {
    fn write(&self, out: &mut Writer) {
        out.u64_be(self.0);
    }

    fn read(input: &mut Reader<'_>) -> Result<PersonId, Corrupt> {
        Ok(PersonId(input.u64_be()?))
    }
}

impl Key for Subject {
    fn write(&self, out: &mut Writer) {
        out.raw(&self.to_bytes());
    }

    fn read(input: &mut Reader<'_>) -> Result<Subject, Corrupt> {
        Subject::from_bytes(input.rest()).map_err(|_| Corrupt("a key is no product"))
    }
}

/// Texts within a key end with a zero byte, which no id may contain.
fn write_part(out: &mut Writer, text: &str) {
    out.raw(text.as_bytes());
    out.u8(0);
}

fn read_part(input: &mut Reader<'_>) -> Result<Box<str>, Corrupt> {
    let mut bytes = Vec::new();
    loop {
        match input.u8()? {
            0 => break,
            byte => bytes.push(byte),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| Corrupt("a key is not UTF-8"))?;
    Ok(text.into())
}

impl Key for TallyKey {
    fn write(&self, out: &mut Writer) {
        out.u8(self.what as u8);
        write_part(out, &self.id);
        write_part(out, &self.stage);
        out.u8(self.channel.map_or(0, |channel| channel as u8));
    }

    fn read(input: &mut Reader<'_>) -> Result<TallyKey, Corrupt> {
        Ok(TallyKey {
            what: match input.u8()? {
                1 => TallyOf::Campaign,
                2 => TallyOf::Menu,
                3 => TallyOf::Offer,
                4 => TallyOf::OfferDay,
                _ => return Err(Corrupt("a tally of something unknown")),
            },
            id: read_part(input)?,
            stage: read_part(input)?,
            channel: match input.rest() {
                [0] => None,
                number => Some(Channel::read(&mut Reader::new(number))?),
            },
        })
    }
}

impl Key for Topic {
    fn write(&self, out: &mut Writer) {
        match self {
            Topic::Campaign(id) => {
                out.u8(3);
                out.raw(id.as_bytes());
            }
            Topic::Place(id) => {
                out.u8(4);
                out.raw(id.as_bytes());
            }
            Topic::Refused => out.u8(5),
            Topic::Inbox => out.u8(6),
            Topic::Mention(person) => {
                out.u8(7);
                out.u64_be(person.0);
            }
            Topic::Look(person) => {
                out.u8(8);
                out.u64_be(person.0);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Topic, Corrupt> {
        Ok(match input.u8()? {
            3 => Topic::Campaign(Key::read(input)?),
            4 => Topic::Place(Key::read(input)?),
            5 => Topic::Refused,
            6 => Topic::Inbox,
            7 => Topic::Mention(Key::read(input)?),
            8 => Topic::Look(Key::read(input)?),
            _ => return Err(Corrupt("a timeline of something unknown")),
        })
    }
}

impl Key for TimerKey {
    fn write(&self, out: &mut Writer) {
        // Flipped sign bit: times before 1970 sort first.
        out.u64_be(self.due.0 as u64 ^ 1 << 63);
        out.u64_be(self.person.0);
        out.u64_be(self.subject.gtin.as_u64());
        write_part(out, self.subject.serial.as_str());
        self.id.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Result<TimerKey, Corrupt> {
        let due = Time((input.u64_be()? ^ 1 << 63) as i64);
        let person = PersonId(input.u64_be()?);
        let gtin = Gtin::from_u64(input.u64_be()?).map_err(|_| Corrupt("no GTIN"))?;
        let serial = read_part(input)?;
        let subject = if serial.is_empty() {
            Subject::model(gtin)
        } else {
            let serial = serial.parse().map_err(|_| Corrupt("no serial number"))?;
            Subject::unit(gtin, serial)
        };
        Ok(TimerKey { due, person, subject, id: Term::read(input)? })
    }
}

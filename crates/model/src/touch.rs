//! The touch: one thing that happened, and its byte form in two parts. The *common* part stays
//! with the product and the counters when a person is wiped; the *personal* part is overwritten.

use crate::alias::Alias;
use crate::bytes::{Corrupt, Reader, Writer};
use crate::gs1::{Gtin, Serial, Subject};
use crate::id::{Digest, Time};
use crate::kind::Kind;
use crate::value::Map;

/// Through what a person and a company meet. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Channel {
    Web = 1,
    App = 2,
    Companion = 3,
    Shop = 4,
    Email = 5,
    Sms = 6,
    Push = 7,
    Call = 8,
    Chat = 9,
    Post = 10,
    Watch = 11,
    Device = 12,
    Partner = 13,
    Server = 14,
}

pub const CHANNELS: [(Channel, &str); 14] = [
    (Channel::Web, "web"),
    (Channel::App, "app"),
    (Channel::Companion, "companion"),
    (Channel::Shop, "shop"),
    (Channel::Email, "email"),
    (Channel::Sms, "sms"),
    (Channel::Push, "push"),
    (Channel::Call, "call"),
    (Channel::Chat, "chat"),
    (Channel::Post, "post"),
    (Channel::Watch, "watch"),
    (Channel::Device, "device"),
    (Channel::Partner, "partner"),
    (Channel::Server, "server"),
];

impl Channel {
    pub fn name(self) -> &'static str {
        CHANNELS[self as usize - 1].1
    }

    pub fn named(name: &str) -> Option<Channel> {
        CHANNELS.iter().find(|(_, own)| *own == name).map(|(channel, _)| *channel)
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Channel, Corrupt> {
        let number = usize::from(input.u8()?);
        let row = CHANNELS.get(number.wrapping_sub(1)).ok_or(Corrupt("unknown channel number"))?;
        Ok(row.0)
    }
}

/// Which way in it took. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Source {
    Native = 1,
    Segment = 2,
    File = 3,
    Companion = 4,
    /// Made by the engine itself, such as a timer that fired.
    Engine = 5,
    Resolver = 6,
}

impl Source {
    const ALL: [(Source, &'static str); 6] = [
        (Source::Native, "native"),
        (Source::Segment, "segment"),
        (Source::File, "file"),
        (Source::Companion, "companion"),
        (Source::Engine, "engine"),
        (Source::Resolver, "resolver"),
    ];

    pub fn name(self) -> &'static str {
        Source::ALL[self as usize - 1].1
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Source, Corrupt> {
        let number = usize::from(input.u8()?);
        let row =
            Source::ALL.get(number.wrapping_sub(1)).ok_or(Corrupt("unknown source number"))?;
        Ok(row.0)
    }
}

/// WGS 84, in units of 1e-7 degrees (about 1 cm), so that it is exact and compact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    pub lat_e7: i32,
    pub lon_e7: i32,
}

impl Location {
    /// Degrees; `None` outside -90..=90 and -180..=180.
    pub fn degrees(lat: f64, lon: f64) -> Option<Location> {
        let inside = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
        inside.then(|| Location {
            lat_e7: libm::round(lat * 1e7) as i32,
            lon_e7: libm::round(lon * 1e7) as i32,
        })
    }

    pub fn lat(self) -> f64 {
        f64::from(self.lat_e7) / 1e7
    }

    pub fn lon(self) -> f64 {
        f64::from(self.lon_e7) / 1e7
    }

    pub fn write(self, out: &mut Writer) {
        out.int(i64::from(self.lat_e7));
        out.int(i64::from(self.lon_e7));
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Location, Corrupt> {
        let mut axis = || i32::try_from(input.int()?).map_err(|_| Corrupt("a location is off"));
        Ok(Location { lat_e7: axis()?, lon_e7: axis()? })
    }
}

/// An amount in the currency's minor unit (cents), as ISO 4217 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money {
    pub minor: i64,
    pub currency: [u8; 3],
}

impl Money {
    /// Digits after the point for `currency`; 2 for all but the ones ISO 4217 lists otherwise.
    pub fn exponent(currency: [u8; 3]) -> u32 {
        match &currency {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG"
            | b"RWF" | b"UGX" | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }

    /// From an amount in major units (49.9) and a code ("EUR"); `None` if either makes no sense.
    pub fn from_major(amount: f64, currency: &str) -> Option<Money> {
        let mut currency: [u8; 3] = currency.as_bytes().try_into().ok()?;
        currency.make_ascii_uppercase();
        let units = [1.0, 10.0, 100.0, 1_000.0, 10_000.0][Money::exponent(currency) as usize];
        let minor = libm::round(amount * units);
        let good = currency.iter().all(u8::is_ascii_uppercase)
            && minor.is_finite()
            && libm::fabs(minor) < 9.0e15;
        good.then_some(Money { minor: minor as i64, currency })
    }

    /// "49.90 EUR"
    pub fn parse(text: &str) -> Option<Money> {
        let (amount, currency) = text.trim().split_once(' ')?;
        Money::from_major(amount.parse().ok()?, currency.trim())
    }

    pub fn major(self) -> f64 {
        self.minor as f64 / libm::pow(10.0, f64::from(Money::exponent(self.currency)))
    }

    pub fn currency_str(&self) -> &str {
        std::str::from_utf8(&self.currency).unwrap_or("???")
    }

    pub fn write(self, out: &mut Writer) {
        out.int(self.minor);
        out.raw(&self.currency);
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Money, Corrupt> {
        Ok(Money { minor: input.int()?, currency: input.array()? })
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = Money::exponent(self.currency) as usize;
        write!(f, "{:.digits$} {}", self.major(), self.currency_str())
    }
}

/// One thing that happened. What it came with, before anybody asks whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Touch {
    pub kind: Kind,
    /// When it happened, as the source says.
    pub time: Time,
    pub source: Source,
    /// It came with a secret key: the company itself says so. Only such a touch, or a claim, can
    /// tie a unit to a person.
    pub trusted: bool,
    pub channel: Option<Channel>,
    pub products: Vec<Subject>,
    pub place: Option<Box<str>>,
    pub campaign: Option<Box<str>>,
    /// What it was worth: an order's total without shipping where the source tells them apart.
    pub money: Option<Money>,
    /// What the *product* said of itself: laid over its state, and kept when a person is wiped.
    pub state: Map,
    /// Names this message, so that a retry is not counted again.
    pub id: Digest,
    /// Strongest first, each once.
    pub aliases: Vec<Alias>,
    pub location: Option<Location>,
    pub properties: Map,
    /// What is now known of the person (Segment's traits); laid over what was known.
    pub traits: Map,
}

impl Touch {
    pub fn new(kind: Kind, time: Time, source: Source) -> Touch {
        Touch {
            kind,
            time,
            source,
            trusted: false,
            channel: None,
            products: Vec::new(),
            place: None,
            campaign: None,
            money: None,
            state: Map::EMPTY,
            id: Digest(0),
            aliases: Vec::new(),
            location: None,
            properties: Map::EMPTY,
            traits: Map::EMPTY,
        }
    }

    /// Puts the aliases into their order; an edge calls it once after filling them in.
    pub fn settle_aliases(&mut self) {
        self.aliases.sort_by(|a, b| b.cmp(a));
        self.aliases.dedup();
    }

    pub fn write_common(&self, out: &mut Writer) {
        out.u8(TOUCH_VERSION);
        self.kind.write(out);
        out.int(self.time.0);
        out.u8(self.source as u8);
        let flags = u8::from(self.channel.is_some())
            | u8::from(self.place.is_some()) << 1
            | u8::from(self.campaign.is_some()) << 2
            | u8::from(self.money.is_some()) << 3
            | u8::from(!self.state.is_empty()) << 4
            | u8::from(self.trusted) << 5;
        out.u8(flags);
        if let Some(channel) = self.channel {
            out.u8(channel as u8);
        }
        if let Some(place) = &self.place {
            out.text(place);
        }
        if let Some(campaign) = &self.campaign {
            out.text(campaign);
        }
        if let Some(money) = self.money {
            money.write(out);
        }
        if !self.state.is_empty() {
            self.state.write(out);
        }
        out.list(self.products.iter(), |out, subject| write_subject(*subject, out));
    }

    pub fn write_personal(&self, out: &mut Writer) {
        if self.aliases.is_empty() && self.traits.is_empty() && self.properties.is_empty() {
            // A device's plain report has nothing personal but its message id, which may be long
            // gone from the index of seen ones; its record is then as short as it can be.
            if self.id == Digest(0) && self.location.is_none() {
                return;
            }
        }
        out.raw(&self.id.0.to_be_bytes());
        out.list(self.aliases.iter(), |out, alias| alias.write(out));
        out.option(self.location, |out, location| location.write(out));
        self.properties.write(out);
        self.traits.write(out);
    }

    /// `personal` is empty for a record whose personal part was wiped.
    pub fn read(common: &[u8], personal: &[u8]) -> Result<Touch, Corrupt> {
        let mut input = Reader::new(common);
        if input.u8()? != TOUCH_VERSION {
            return Err(Corrupt("a touch has an unknown version"));
        }
        let mut touch =
            Touch::new(Kind::read(&mut input)?, Time(input.int()?), Source::read(&mut input)?);
        let flags = input.u8()?;
        touch.trusted = flags & 32 != 0;
        if flags & 1 != 0 {
            touch.channel = Some(Channel::read(&mut input)?);
        }
        if flags & 2 != 0 {
            touch.place = Some(input.text()?.into());
        }
        if flags & 4 != 0 {
            touch.campaign = Some(input.text()?.into());
        }
        if flags & 8 != 0 {
            touch.money = Some(Money::read(&mut input)?);
        }
        if flags & 16 != 0 {
            touch.state = Map::read(&mut input)?;
        }
        touch.products = input.list(read_subject)?;
        if !personal.is_empty() {
            let mut input = Reader::new(personal);
            touch.id = Digest(u128::from_be_bytes(input.array()?));
            touch.aliases = input.list(Alias::read)?;
            touch.location = input.option(Location::read)?;
            touch.properties = Map::read(&mut input)?;
            touch.traits = Map::read(&mut input)?;
        }
        Ok(touch)
    }
}

const TOUCH_VERSION: u8 = 1;

pub fn write_subject(subject: Subject, out: &mut Writer) {
    out.uint(subject.gtin.as_u64());
    out.text(subject.serial.as_str());
}

pub fn read_subject(input: &mut Reader<'_>) -> Result<Subject, Corrupt> {
    let gtin = Gtin::from_u64(input.uint()?).map_err(|_| Corrupt("a GTIN is not one"))?;
    let serial = input.text()?;
    if serial.is_empty() {
        return Ok(Subject::model(gtin));
    }
    let serial = Serial::new(serial).map_err(|_| Corrupt("a serial number is not one"))?;
    Ok(Subject::unit(gtin, serial))
}

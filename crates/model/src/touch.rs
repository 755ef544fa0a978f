//! The touch: one thing that happened, and its byte form in two parts. The *common* part stays
//! with the product and the counters when a person is wiped; the *personal* part is overwritten.

use crate::alias::Alias;
use crate::bytes::{Corrupt, Reader, Writer};
use crate::fields::{Fields, Room};
use crate::gs1::key::SERIAL_CHARS_MAX;
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
        Channel::numbered(input.u8()?)
    }

    fn numbered(number: u8) -> Result<Channel, Corrupt> {
        let row = CHANNELS.get(usize::from(number).wrapping_sub(1));
        row.map(|row| row.0).ok_or(Corrupt("unknown channel number"))
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
        Source::numbered(input.u8()?)
    }

    fn numbered(number: u8) -> Result<Source, Corrupt> {
        let row = Source::ALL.get(usize::from(number).wrapping_sub(1));
        row.map(|row| row.0).ok_or(Corrupt("unknown source number"))
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
    /// Names this message, so that a retry is not counted again. The log keeps its half
    /// ([`Digest::half`]), so nothing may hang on the other one.
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
        self.digest_aliases();
    }

    /// So that the fold, which is one thread, finds the digests computed.
    pub fn digest_aliases(&self) {
        self.aliases.iter().for_each(|alias| {
            alias.digest();
        });
    }

    /// A number without meaning: to compute it brings the touch near the processor.
    pub fn near(&self) -> u64 {
        let names = self.aliases.iter().filter_map(|alias| alias.value.as_bytes().first());
        let names: u64 = names.copied().map(u64::from).sum();
        let unit = self.products.first().is_some_and(|subject| subject.is_unit());
        names + u64::from(unit) + self.properties.near()
    }

    /// `at` is the log time, near which the touch's own time usually is.
    ///
    /// ```text
    /// kind
    /// time       how far before `at`
    /// source     low three bits; above them the channel's number, 0 without one
    /// flags      1 trusted, 2 place, 4 campaign, 8 money, 16 state, 32 and 64 number of products,
    ///            3 when it follows at their place
    /// then       place, campaign, money, state, products, as far as they are there
    /// ```
    pub fn write_common(&self, at: Time, out: &mut Writer) {
        self.kind.write(out);
        out.int(at.0.wrapping_sub(self.time.0));
        out.u8(self.source as u8 | self.channel.map_or(0, |channel| channel as u8) << SOURCE_BITS);
        let products = self.products.len().min(PRODUCTS_MANY);
        let flags = u8::from(self.trusted)
            | u8::from(self.place.is_some()) << 1
            | u8::from(self.campaign.is_some()) << 2
            | u8::from(self.money.is_some()) << 3
            | u8::from(!self.state.is_empty()) << 4
            | (products as u8) << PRODUCTS_SHIFT;
        out.u8(flags);
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
        if products == PRODUCTS_MANY {
            out.uint(self.products.len() as u64);
        }
        self.products.iter().for_each(|subject| write_subject(*subject, out));
    }

    /// Nothing at all when there is nothing personal: a device's plain report is as short as it can
    /// be.
    ///
    /// ```text
    /// flags      1 id, 2 location, 4 properties, 8 traits; the high four bits are the number of
    ///            aliases, 15 when it follows at their place
    /// then       id (8 bytes), aliases, location, properties, traits, as far as they are there
    /// ```
    pub fn write_personal(&self, out: &mut Writer) {
        let aliases = self.aliases.len().min(ALIASES_MANY);
        let flags = u8::from(self.id.half() != 0)
            | u8::from(self.location.is_some()) << 1
            | u8::from(!self.properties.is_empty()) << 2
            | u8::from(!self.traits.is_empty()) << 3
            | (aliases as u8) << 4;
        if flags == 0 {
            return;
        }
        out.u8(flags);
        if self.id.half() != 0 {
            out.u64_be(self.id.half());
        }
        if aliases == ALIASES_MANY {
            out.uint(self.aliases.len() as u64);
        }
        self.aliases.iter().for_each(|alias| alias.write(out));
        if let Some(location) = self.location {
            location.write(out);
        }
        if !self.properties.is_empty() {
            self.properties.write_packed(out);
        }
        // What is known of a person stays as it is: a search through the bytes finds it.
        if !self.traits.is_empty() {
            self.traits.write(out);
        }
    }

    /// `personal` is empty for a record whose personal part was wiped.
    pub fn read(at: Time, common: &[u8], personal: &[u8]) -> Result<Touch, Corrupt> {
        let mut input = Reader::new(common);
        let kind = Kind::read(&mut input)?;
        let time = Time(at.0.wrapping_sub(input.int()?));
        let [way, flags] = input.array()?;
        let source = Source::numbered(way & ((1 << SOURCE_BITS) - 1))?;
        let mut touch = Touch::new(kind, time, source);
        if way >> SOURCE_BITS != 0 {
            touch.channel = Some(Channel::numbered(way >> SOURCE_BITS)?);
        }
        if flags & 128 != 0 {
            return Err(Corrupt("a touch has an unknown flag"));
        }
        touch.trusted = flags & 1 != 0;
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
        let products = usize::from(flags >> PRODUCTS_SHIFT & 3);
        touch.products = read_counted(&mut input, products, PRODUCTS_MANY, read_subject)?;
        touch.read_personal(personal)?;
        Ok(touch)
    }

    fn read_personal(&mut self, personal: &[u8]) -> Result<(), Corrupt> {
        if personal.is_empty() {
            return Ok(());
        }
        let mut input = Reader::new(personal);
        let flags = input.u8()?;
        if flags & 1 != 0 {
            self.id = Digest::of_half(input.u64_be()?);
        }
        let aliases = usize::from(flags >> 4);
        self.aliases = read_counted(&mut input, aliases, ALIASES_MANY, Alias::read)?;
        if flags & 2 != 0 {
            self.location = Some(Location::read(&mut input)?);
        }
        if flags & 4 != 0 {
            self.properties = Map::read(&mut input)?;
        }
        if flags & 8 != 0 {
            self.traits = Map::read(&mut input)?;
        }
        Ok(())
    }
}

const SOURCE_BITS: u8 = 3;
const PRODUCTS_SHIFT: u8 = 5;
/// Instead of a count that has no room in the flags.
const PRODUCTS_MANY: usize = 3;
const ALIASES_MANY: usize = 15;

/// A list whose count stands in flags unless it is `many`.
fn read_counted<'a, T>(
    input: &mut Reader<'a>,
    count: usize,
    many: usize,
    read: impl Fn(&mut Reader<'a>) -> Result<T, Corrupt>,
) -> Result<Vec<T>, Corrupt> {
    let count = if count == many { input.len()? } else { count };
    let mut items = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        items.push(read(input)?);
    }
    Ok(items)
}

/// GTIN without its check digit and the serial's length in six bytes, then the serial as it is: one
/// number, since 10^13 GTINs times 21 lengths are fewer than 2^48.
pub fn write_subject(subject: Subject, out: &mut Writer) {
    let len = subject.serial.as_bytes().len();
    let both = subject.gtin.as_u64() / 10 * SERIAL_LENGTHS + len as u64;
    out.raw_of(&(both << 16).to_be_bytes(), 6);
    out.raw_of(subject.serial.padded(), len);
}

pub fn read_subject(input: &mut Reader<'_>) -> Result<Subject, Corrupt> {
    let mut both = [0; 8];
    both[2..].copy_from_slice(input.raw(6)?);
    let both = u64::from_be_bytes(both);
    let gtin = Gtin::from_body(both / SERIAL_LENGTHS).map_err(|_| Corrupt("a GTIN is not one"))?;
    let len = (both % SERIAL_LENGTHS) as usize;
    if len == 0 {
        return Ok(Subject::model(gtin));
    }
    let serial = Serial::of_bytes(input.raw(len)?);
    Ok(Subject::unit(gtin, serial.map_err(|_| Corrupt("a serial number is not one"))?))
}

/// [`write_subject`] among the fields of a record.
#[inline]
pub fn put_subject(subject: Subject, out: &mut Room<'_>) {
    let len = subject.serial.as_bytes().len();
    let both = subject.gtin.as_u64() / 10 * SERIAL_LENGTHS + len as u64;
    out.raw_of(&(both << 16).to_be_bytes(), 6);
    out.raw_of(subject.serial.padded(), len);
}

/// The reverse; `near` may be the same subject or of the same model.
#[inline]
pub fn take_subject(input: &mut Fields<'_>, near: Subject) -> Subject {
    let both = input.uint48_be();
    let gtin = match both / SERIAL_LENGTHS {
        body if body == near.gtin.as_u64() / 10 => near.gtin,
        body => Gtin::from_body(body).unwrap_or_else(|_| {
            input.spoil();
            near.gtin
        }),
    };
    let len = (both % SERIAL_LENGTHS) as usize;
    if len == 0 {
        return Subject::model(gtin);
    }
    let serial = Serial::of_stored(input.raw(len));
    let serial = serial.unwrap_or_else(|| {
        input.spoil();
        Serial::NONE
    });
    Subject::unit(gtin, serial)
}

const SERIAL_LENGTHS: u64 = SERIAL_CHARS_MAX as u64 + 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    const AT: Time = Time(1_767_225_600_000);

    fn bytes(touch: &Touch) -> [Vec<u8>; 2] {
        let (mut common, mut personal) = (Writer::new(), Writer::new());
        touch.write_common(AT, &mut common);
        touch.write_personal(&mut personal);
        [common.into_bytes(), personal.into_bytes()]
    }

    fn there_and_back(touch: &Touch) -> [usize; 2] {
        let [common, personal] = bytes(touch);
        assert_eq!(Touch::read(AT, &common, &personal).as_ref(), Ok(touch));
        [common.len(), personal.len()]
    }

    #[test]
    fn what_is_not_there_costs_nothing() {
        let touch = Touch::new(Kind::of("product.reported"), AT, Source::Native);
        assert_eq!(there_and_back(&touch), [4, 0]);
    }

    #[test]
    fn any_combination_comes_back() {
        let gtin: Gtin = "09506000134352".parse().expect("a GTIN");
        let text = |len: usize| Value::text("x".repeat(len));
        for bits in 0..1024_u32 {
            let has = |bit: u32| bits & 1 << bit != 0;
            let time = [AT, AT.plus(-5000), AT.plus(1 << 40), Time(i64::MIN)][bits as usize % 4];
            let mut touch =
                Touch::new(Kind::of("page.viewed"), time, Source::ALL[bits as usize % 6].0);
            touch.trusted = has(0);
            touch.place = has(1).then(|| "shop".into());
            touch.campaign = has(2).then(|| "spring".into());
            touch.money = has(3).then_some(Money { minor: -499, currency: *b"EUR" });
            touch.location = has(4).then_some(Location { lat_e7: -5, lon_e7: 1_800_000_000 });
            touch.channel = (bits % 15 > 0).then(|| CHANNELS[bits as usize % 15 - 1].0);
            touch.id = Digest::of_half(if has(5) { u64::from(bits) } else { 0 });
            for (map, bit) in
                [(&mut touch.state, 6), (&mut touch.properties, 7), (&mut touch.traits, 8)]
            {
                if has(bit) {
                    map.insert("temp", Value::Int(40));
                    map.insert("own words", text(bits as usize % 90));
                }
            }
            for n in 0..bits as usize % 5 {
                let serial = "S0123456789012345678";
                let serial = Serial::new(&serial[..1 + n * 4]).expect("a serial");
                touch.products.push(Subject::unit(gtin, serial));
                touch.products.push(Subject::model(gtin));
            }
            for n in 0..bits % 18 {
                let value = format!("{n:03}").into();
                touch.aliases.push(Alias::plain(crate::alias::AliasKind::Email, value));
            }
            there_and_back(&touch);
        }
    }

    #[test]
    fn the_largest_gtin_and_serial_fit_into_their_six_bytes() {
        let gtin = Gtin::from_body(9_999_999_999_999).expect("thirteen digits");
        let serial = Serial::new(&"Z".repeat(SERIAL_CHARS_MAX)).expect("a serial");
        for subject in [Subject::model(gtin), Subject::unit(gtin, serial)] {
            let mut out = Writer::new();
            write_subject(subject, &mut out);
            assert_eq!(out.as_bytes().len(), 6 + subject.serial.as_bytes().len());
            assert_eq!(read_subject(&mut Reader::new(out.as_bytes())), Ok(subject));
        }
        assert!(read_subject(&mut Reader::new(&[255; 30])).is_err());
    }

    #[test]
    fn cut_or_changed_bytes_are_an_error_or_another_touch_but_no_panic() {
        let mut touch = Touch::new(Kind::of("page.viewed"), AT, Source::Native);
        touch.state.insert("temp", Value::Float(41.5));
        touch.products.push(Subject::model("09506000134352".parse().expect("a GTIN")));
        touch.id = Digest::of_half(7);
        touch.traits.insert("city", Value::text("Oslo"));
        let [common, personal] = bytes(&touch);
        for len in 0..common.len() {
            assert!(Touch::read(AT, &common[..len], &personal).is_err());
        }
        for len in 1..personal.len() {
            assert!(Touch::read(AT, &common, &personal[..len]).is_err());
        }
        for bit in 0..common.len() * 8 {
            let mut common = common.clone();
            common[bit / 8] ^= 1 << (bit % 8);
            let _ = Touch::read(AT, &common, &personal);
        }
    }
}

//! What a company registers: models, products, campaigns, places. Plain data with a byte form;
//! what the edges read from JSON and the engine keeps.

use crate::bytes::{Corrupt, Reader, Writer};
use crate::gs1::{Gtin, Subject};
use crate::id::{Digest, Time};
use crate::texts::Texts;
use crate::touch::{Location, Money, read_subject, write_subject};
use crate::value::Map;

/// A class of products: what every unit with this GTIN has in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub gtin: Gtin,
    pub name: Texts,
    pub brand: Box<str>,
    pub image: Option<Box<str>>,
    pub price: Option<Money>,
    pub attributes: Map,
    /// Guides, trainings, manuals, supplies: shown by the companion, not read by the fold.
    pub content: Map,
    pub links: Vec<Link>,
}

/// One target of the resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// A CURIE or URI of the link type, `gs1:pip`.
    pub rel: Box<str>,
    pub href: Box<str>,
    pub title: Box<str>,
    pub media_type: Option<Box<str>>,
    pub languages: Vec<Box<str>>,
}

/// One unit, as its maker registers it.
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    pub subject: Subject,
    pub made: Option<Time>,
    /// SHA-256 of the code on the card in the box, never the code.
    pub claim: Option<Digest>,
    pub attributes: Map,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    pub id: Box<str>,
    pub name: Box<str>,
    /// Models or single products.
    pub subjects: Vec<Subject>,
    /// The lifecycle stage that it stands for.
    pub stage: Option<Box<str>>,
    pub starts: Option<Time>,
    pub ends: Option<Time>,
    pub cost: Option<Money>,
    /// Where a click leads.
    pub target: Option<Box<str>>,
    /// How long after a click an order still counts as its conversion.
    pub window_ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub id: Box<str>,
    pub name: Box<str>,
    /// shop, home, depot, station …
    pub kind: Box<str>,
    pub area: Area,
    pub zone: Option<Box<str>>,
    pub hours: Vec<Hours>,
    pub beacons: Vec<Box<str>>,
    /// Models sold or served here; empty means all.
    pub models: Vec<Gtin>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Area {
    /// Nothing is known of where it is.
    Nowhere,
    Circle {
        center: Location,
        radius_m: u32,
    },
    /// Corners in order; the last joins the first.
    Polygon(Vec<Location>),
}

/// Open from minute to minute of the local day; `to` may pass midnight (above 1440).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// 1 = Monday … 7 = Sunday
    pub weekday: u8,
    pub from_min: u16,
    pub to_min: u16,
}

fn version(input: &mut Reader<'_>, what: &'static str) -> Result<(), Corrupt> {
    if input.u8()? == 1 { Ok(()) } else { Err(Corrupt(what)) }
}

fn text(input: &mut Reader<'_>) -> Result<Box<str>, Corrupt> {
    Ok(input.text()?.into())
}

fn time(input: &mut Reader<'_>) -> Result<Time, Corrupt> {
    Ok(Time(input.int()?))
}

fn gtin(input: &mut Reader<'_>) -> Result<Gtin, Corrupt> {
    Gtin::from_u64(input.uint()?).map_err(|_| Corrupt("a GTIN is not one"))
}

fn write_text(out: &mut Writer, text: &str) {
    out.text(text);
}

impl Model {
    pub fn write(&self, out: &mut Writer) {
        out.u8(1);
        out.uint(self.gtin.as_u64());
        self.name.write(out);
        out.text(&self.brand);
        out.option(self.image.as_deref(), write_text);
        out.option(self.price, |out, money| money.write(out));
        self.attributes.write(out);
        self.content.write(out);
        out.list(self.links.iter(), |out, link| {
            out.text(&link.rel);
            out.text(&link.href);
            out.text(&link.title);
            out.option(link.media_type.as_deref(), write_text);
            out.list(link.languages.iter(), |out, tag| out.text(tag));
        });
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Model, Corrupt> {
        version(input, "a model has an unknown version")?;
        Ok(Model {
            gtin: gtin(input)?,
            name: Texts::read(input)?,
            brand: text(input)?,
            image: input.option(text)?,
            price: input.option(Money::read)?,
            attributes: Map::read(input)?,
            content: Map::read(input)?,
            links: input.list(|input| {
                Ok(Link {
                    rel: text(input)?,
                    href: text(input)?,
                    title: text(input)?,
                    media_type: input.option(text)?,
                    languages: input.list(text)?,
                })
            })?,
        })
    }
}

impl Product {
    pub fn write(&self, out: &mut Writer) {
        out.u8(1);
        write_subject(self.subject, out);
        out.option(self.made, |out, time| out.int(time.0));
        out.option(self.claim, |out, claim| out.raw(&claim.0.to_be_bytes()));
        self.attributes.write(out);
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Product, Corrupt> {
        version(input, "a product has an unknown version")?;
        Ok(Product {
            subject: read_subject(input)?,
            made: input.option(time)?,
            claim: input.option(|input| Ok(Digest(u128::from_be_bytes(input.array()?))))?,
            attributes: Map::read(input)?,
        })
    }
}

impl Campaign {
    /// 30 days, what most advertising systems use for clicks.
    pub const WINDOW_MS: i64 = 30 * Time::DAY_MS;

    pub fn write(&self, out: &mut Writer) {
        out.u8(1);
        out.text(&self.id);
        out.text(&self.name);
        out.list(self.subjects.iter(), |out, subject| write_subject(*subject, out));
        out.option(self.stage.as_deref(), write_text);
        out.option(self.starts, |out, time| out.int(time.0));
        out.option(self.ends, |out, time| out.int(time.0));
        out.option(self.cost, |out, money| money.write(out));
        out.option(self.target.as_deref(), write_text);
        out.int(self.window_ms);
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Campaign, Corrupt> {
        version(input, "a campaign has an unknown version")?;
        Ok(Campaign {
            id: text(input)?,
            name: text(input)?,
            subjects: input.list(read_subject)?,
            stage: input.option(text)?,
            starts: input.option(time)?,
            ends: input.option(time)?,
            cost: input.option(Money::read)?,
            target: input.option(text)?,
            window_ms: input.int()?,
        })
    }
}

impl Place {
    pub fn write(&self, out: &mut Writer) {
        out.u8(1);
        out.text(&self.id);
        out.text(&self.name);
        out.text(&self.kind);
        match &self.area {
            Area::Nowhere => out.u8(0),
            Area::Circle { center, radius_m } => {
                out.u8(1);
                center.write(out);
                out.uint(u64::from(*radius_m));
            }
            Area::Polygon(corners) => {
                out.u8(2);
                out.list(corners.iter(), |out, corner| corner.write(out));
            }
        }
        out.option(self.zone.as_deref(), write_text);
        out.list(self.hours.iter(), |out, hours| {
            out.u8(hours.weekday);
            out.uint(u64::from(hours.from_min));
            out.uint(u64::from(hours.to_min));
        });
        out.list(self.beacons.iter(), |out, beacon| out.text(beacon));
        out.list(self.models.iter(), |out, gtin| out.uint(gtin.as_u64()));
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Place, Corrupt> {
        version(input, "a place has an unknown version")?;
        let minute = |input: &mut Reader<'_>| {
            u16::try_from(input.uint()?).map_err(|_| Corrupt("a minute of the day is off"))
        };
        Ok(Place {
            id: text(input)?,
            name: text(input)?,
            kind: text(input)?,
            area: match input.u8()? {
                0 => Area::Nowhere,
                1 => Area::Circle {
                    center: Location::read(input)?,
                    radius_m: u32::try_from(input.uint()?)
                        .map_err(|_| Corrupt("a radius is too large"))?,
                },
                2 => Area::Polygon(input.list(Location::read)?),
                _ => return Err(Corrupt("an area has an unknown form")),
            },
            zone: input.option(text)?,
            hours: input.list(|input| {
                Ok(Hours { weekday: input.u8()?, from_min: minute(input)?, to_min: minute(input)? })
            })?,
            beacons: input.list(text)?,
            models: input.list(gtin)?,
        })
    }
}

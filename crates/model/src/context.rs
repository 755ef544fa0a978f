//! The context of a decision: where, when and how the person and the company meet just now.

use crate::bytes::{Corrupt, Reader, Writer};
use crate::id::Time;
use crate::touch::{Channel, Location};
use crate::value::Map;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// The moment that the decision is for.
    pub time: Time,
    /// Given by name, or found from `location` by the engine.
    pub place: Option<Box<str>>,
    pub location: Option<Location>,
    pub channel: Option<Channel>,
    /// home, shop, in_line, car, office, elsewhere
    pub setting: Option<Box<str>>,
    /// BCP 47, lower case.
    pub locale: Option<Box<str>>,
    /// IANA name. Where a place is known its zone counts; then this; then UTC.
    pub zone: Option<Box<str>>,
    /// `condition` (clear, rain, snow …) and `temp_c`.
    pub weather: Map,
    pub role: Option<Box<str>>,
    pub near_product: Option<bool>,
    pub campaign: Option<Box<str>>,
}

impl Context {
    pub fn write(&self, out: &mut Writer) {
        out.u8(1);
        out.int(self.time.0);
        let texts =
            [&self.place, &self.setting, &self.locale, &self.zone, &self.role, &self.campaign];
        for text in texts {
            out.option(text.as_deref(), |out, text| out.text(text));
        }
        out.option(self.location, |out, location| location.write(out));
        out.option(self.channel, |out, channel| out.u8(channel as u8));
        out.option(self.near_product, |out, near| out.bool(near));
        self.weather.write(out);
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Context, Corrupt> {
        if input.u8()? != 1 {
            return Err(Corrupt("a context has an unknown version"));
        }
        let time = Time(input.int()?);
        let mut text = || input.option(|input| Ok(Box::<str>::from(input.text()?)));
        let (place, setting, locale) = (text()?, text()?, text()?);
        let (zone, role, campaign) = (text()?, text()?, text()?);
        Ok(Context {
            time,
            place,
            setting,
            locale,
            zone,
            role,
            campaign,
            location: input.option(Location::read)?,
            channel: input.option(Channel::read)?,
            near_product: input.option(Reader::bool)?,
            weather: Map::read(input)?,
        })
    }
}

//! What conditions read: the state's own records, behind the names of the schema.

use std::cell::OnceCell;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::context::Context;
use model::gs1::Subject;
use model::id::Time;
use model::things::{Model, Place};
use model::touch::Touch;
use model::value::{Map, Value};

use crate::condition::{Fact, Facts, Field, Path, zone};
use crate::places;
use crate::record::{Bond, Person, Product};
use crate::state::State;

static NOTHING: &Map = &Map::EMPTY;

/// Everything that a condition may ask about, at one moment.
pub struct View<'a> {
    pub state: &'a State,
    pub subject: Subject,
    pub person: Option<&'a Person>,
    pub product: Option<&'a Product>,
    pub model: Option<&'a Model>,
    pub bond: Option<&'a Bond>,
    /// The stage as the journey in force has it; empty is `none`.
    pub stage: &'a str,
    pub journey: &'a str,
    pub now: Time,
    pub touch: Option<(&'a Touch, Time)>,
    pub here: &'a Here<'a>,
    /// Put together at most once, when a condition asks.
    pub consents: OnceCell<Map>,
    pub steps_done: OnceCell<Vec<Value>>,
}

/// The context with what follows from it: the place, how far, the local time.
pub struct Here<'a> {
    pub context: &'a Context,
    pub place: Option<Near<'a>>,
    local: OnceCell<Local>,
    /// Texts that are made at most once, when a condition asks.
    date: OnceCell<String>,
    gtin: OnceCell<String>,
}

#[derive(Clone, Copy)]
pub struct Near<'a> {
    pub place: &'a Place,
    /// Metres to its edge, 0 inside; `None` if one of the two is nowhere.
    pub distance_m: Option<f64>,
}

struct Local {
    weekday: u8,
    hour: u8,
    minute: u8,
    date: Date,
}

impl<'a> Here<'a> {
    /// The place that the context names; else the nearest one around that has the model.
    pub fn find(state: &'a State, context: &'a Context, subject: Subject) -> Here<'a> {
        let place = match &context.place {
            Some(id) => state.place(id).map(|place| {
                let away = context.location.and_then(|here| places::distance_m(&place.area, here));
                // Who says that they are at a place is inside it, unless the location says more.
                Near { place, distance_m: Some(away.unwrap_or(0.0)) }
            }),
            None => context.location.and_then(|here| {
                let around = state.grid.around(here).filter_map(|id| state.place(id));
                let sells = around.filter(|place| {
                    place.models.is_empty() || place.models.contains(&subject.gtin)
                });
                sells
                    .filter_map(|place| Some((place, places::distance_m(&place.area, here)?)))
                    .min_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.id.cmp(&b.0.id)))
                    .map(|(place, metres)| Near { place, distance_m: Some(metres) })
            }),
        };
        let (local, date, gtin) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Here { context, place, local, date, gtin }
    }

    fn local(&self) -> &Local {
        self.local.get_or_init(|| {
            let near = self.place.filter(|near| near.distance_m.is_none_or(|m| m < 2_000.0));
            let name = near.and_then(|near| near.place.zone.as_deref());
            let name = name.or(self.context.zone.as_deref());
            let zone = name.and_then(zone).unwrap_or(TimeZone::UTC);
            let moment = Timestamp::from_millisecond(self.context.time.0).unwrap_or_default();
            let local = moment.to_zoned(zone);
            Local {
                weekday: local.weekday().to_monday_one_offset() as u8,
                hour: local.hour() as u8,
                minute: local.minute() as u8,
                date: local.date(),
            }
        })
    }

    fn date(&self) -> &str {
        self.date.get_or_init(|| self.local().date.to_string())
    }

    fn gtin(&self, subject: Subject) -> &str {
        self.gtin.get_or_init(|| subject.gtin.to_string())
    }

    fn open(&self) -> Option<bool> {
        let local = self.local();
        let minute = u16::from(local.hour) * 60 + u16::from(local.minute);
        places::is_open(self.place?.place, local.weekday, minute)
    }
}

impl<'a> View<'a> {
    fn days_in_stage(&self) -> Option<i64> {
        self.bond.map(|bond| self.now.since(bond.since).div_euclid(Time::DAY_MS))
    }

    fn consents(&self) -> &Map {
        self.consents.get_or_init(|| {
            let consents = self.person.map_or(&[][..], |person| &person.consents);
            consents.iter().map(|c| (c.purpose.clone(), Value::Bool(c.given))).collect()
        })
    }

    /// One purpose is what is mostly asked for; the map is for whoever asks for all.
    fn consents_at(&self, rest: &[Box<str>]) -> Fact<'_> {
        match rest {
            [purpose] => {
                let consent = self.person.and_then(|person| person.consent(purpose));
                flag(consent.map(|consent| consent.given))
            }
            rest => Fact::at(self.consents(), rest),
        }
    }

    fn steps_done(&self) -> &[Value] {
        self.steps_done.get_or_init(|| {
            let steps = self.bond.map_or(&[][..], |bond| &bond.steps_done);
            steps.iter().map(|step| Value::text(self.state.text(*step))).collect()
        })
    }

    fn touch_place(&self) -> Option<&'a Place> {
        self.state.place(self.touch?.0.place.as_deref()?)
    }
}

fn int(number: Option<u64>) -> Fact<'static> {
    number.map_or(Fact::Missing, |number| Fact::Int(number as i64))
}

fn flag(bool: Option<bool>) -> Fact<'static> {
    bool.map_or(Fact::Missing, Fact::Bool)
}

fn at(time: Option<Time>) -> Fact<'static> {
    Fact::time(time.map(|time| time.0))
}

fn float(float: Option<f64>) -> Fact<'static> {
    float.map_or(Fact::Missing, Fact::Float)
}

impl Facts for View<'_> {
    fn fact(&self, path: &Path) -> Fact<'_> {
        use Field::*;
        let (person, product, bond) = (self.person, self.product, self.bond);
        let (touch, context) = (self.touch.map(|(touch, _)| touch), self.here.context);
        let near = self.here.place;
        match path.field {
            TouchKind => Fact::text(touch.map(|touch| touch.kind.as_str())),
            TouchTime => at(touch.map(|touch| touch.time)),
            TouchProperties => {
                touch.map_or(Fact::Missing, |touch| Fact::at(&touch.properties, &path.rest))
            }
            TouchCampaign => Fact::text(touch.and_then(|touch| touch.campaign.as_deref())),
            TouchChannel => Fact::text(touch.and_then(|touch| touch.channel).map(|c| c.name())),
            TouchPlaceId => Fact::text(touch.and_then(|touch| touch.place.as_deref())),
            TouchPlaceKind => Fact::text(self.touch_place().map(|place| &*place.kind)),
            TouchPlaceName => Fact::text(self.touch_place().map(|place| &*place.name)),
            TouchRecorded => at(self.touch.map(|(_, recorded)| recorded)),

            PersonKnown => Fact::Bool(person.is_some_and(Person::is_known)),
            PersonRole => Fact::text(person.and_then(|person| person.traits.text("role"))),
            PersonTraits => person.map_or(Fact::Missing, |person| person.traits.fact(&path.rest)),
            PersonLocale => Fact::text(
                context
                    .locale
                    .as_deref()
                    .or_else(|| person.and_then(|person| person.traits.text("locale"))),
            ),
            PersonConsents => self.consents_at(&path.rest),
            PersonPoints => person.map_or(Fact::Missing, |_| Fact::Int(0)),
            PersonFirstSeen => at(person.map(|person| person.first_seen)),
            PersonLastSeen => at(person.map(|person| person.last_seen)),
            PersonTouches => int(person.map(|person| person.touches)),
            PersonBonds => int(person.map(|person| person.bonds.len() as u64)),

            ProductGtin => Fact::Text(self.here.gtin(self.subject)),
            ProductSerial if self.subject.is_unit() => Fact::Text(self.subject.serial.as_str()),
            ProductSerial => Fact::Missing,
            ProductModel => Fact::text(self.model.map(|model| model.name.get("en"))),
            ProductState => match product {
                Some(product) => product.state.fact(&path.rest),
                None => Fact::at(NOTHING, &path.rest),
            },
            ProductAttributes => {
                self.model.map_or(Fact::Missing, |model| Fact::at(&model.attributes, &path.rest))
            }
            ProductOwned => flag(product.map(|product| product.owner.is_some())),
            ProductRegistered => at(product.and_then(|product| product.registered)),
            ProductTouches => int(product.map(|product| product.touches)),

            BondStage if self.stage.is_empty() => Fact::Text("none"),
            BondStage => Fact::Text(self.stage),
            BondRole => Fact::text(bond.map(|bond| bond.role.name())),
            BondSince => at(bond.map(|bond| bond.since)),
            BondBegun => at(bond.map(|bond| bond.begun)),
            BondDaysInStage => self.days_in_stage().map_or(Fact::Missing, Fact::Int),
            BondTouches => int(bond.map(|bond| bond.touches)),
            BondCampaign => Fact::text(bond.and_then(|bond| bond.campaign.as_deref())),
            BondJourney => Fact::Text(self.journey),
            BondStepsDone => Fact::List(self.steps_done()),
            BondIntent => Fact::Missing,
            BondReferred => flag(bond.map(|bond| bond.referred.is_some())),

            ContextTime => Fact::Time(context.time.0),
            ContextHour => Fact::Int(i64::from(self.here.local().hour)),
            ContextMinute => Fact::Int(i64::from(self.here.local().minute)),
            ContextWeekday => Fact::Int(i64::from(self.here.local().weekday)),
            ContextWeekend => Fact::Bool(self.here.local().weekday >= 6),
            ContextDate => Fact::Text(self.here.date()),
            ContextPlaceId => Fact::text(near.map(|near| &*near.place.id)),
            ContextPlaceKind => Fact::text(near.map(|near| &*near.place.kind)),
            ContextPlaceName => Fact::text(near.map(|near| &*near.place.name)),
            ContextPlaceDistanceM => float(near.and_then(|near| near.distance_m)),
            ContextPlaceInside => {
                flag(near.and_then(|near| near.distance_m).map(|metres| metres <= 0.0))
            }
            ContextPlaceOpen => flag(self.here.open()),
            ContextPlaceLoad => Fact::Missing,
            ContextLocationLat => float(context.location.map(|location| location.lat())),
            ContextLocationLon => float(context.location.map(|location| location.lon())),
            ContextWeatherCondition => Fact::text(context.weather.text("condition")),
            ContextWeatherTempC => float(context.weather.get("temp_c").and_then(Value::as_f64)),
            ContextSetting => Fact::text(context.setting.as_deref()),
            ContextChannel => Fact::text(context.channel.map(|channel| channel.name())),
            ContextLocale => Fact::text(context.locale.as_deref()),
            ContextNearProduct => flag(context.near_product),
            ContextRole => Fact::text(context.role.as_deref()),
            ContextStaff => Fact::Bool(context.role.as_deref() == Some("staff")),
            ContextCampaign => Fact::text(context.campaign.as_deref()),
        }
    }
}

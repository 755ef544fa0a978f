//! What an answer says of a journey's items whatever was decided: titles, texts, where they lead,
//! as JSON that is put together once for each language of the journey and then only copied.
//!
//! Kept true: what is prepared is of the very journey that is asked for, which never changes; at
//! most `JOURNEYS` are kept, each in the languages that its own texts have.

use std::sync::{Arc, OnceLock, RwLock};

use engine::journey::{Journey, OfferValue};
use model::decision::{Entry, What};
use model::texts::Texts;

use super::words;
use crate::json;
use crate::json::write::Out;

/// The oldest goes first.
const JOURNEYS: usize = 64;

#[derive(Default)]
pub struct Prepared(RwLock<Vec<Arc<Languages>>>);

/// One journey.
struct Languages {
    journey: Arc<Journey>,
    /// In lower case, each once.
    tags: Vec<Box<str>>,
    /// One for each tag, the last for whoever reads none of them.
    sheets: Vec<OnceLock<Arc<Sheet>>>,
}

/// One journey in one language.
pub struct Sheet {
    /// In the order of rank.
    menu: Vec<Ready>,
    /// In the order of rank.
    offers: Vec<Ready>,
    steps: Vec<Ready>,
    /// By the numbers that decisions note them under.
    facts: Vec<ReadyFact>,
}

/// What is said of a fact whatever its value is.
pub struct ReadyFact {
    name: Box<str>,
    /// As JSON, up to the value.
    pub opening: Box<str>,
    pub about: u8,
}

/// The fields of an item that never change, behind the brace that opens it.
pub struct Ready {
    id: Box<str>,
    /// As a person sees it.
    pub shown: Box<str>,
    /// As it stands among all that was looked at.
    pub looked_at: Box<str>,
}

impl Prepared {
    pub fn of(&self, journey: &Arc<Journey>, locale: &str) -> Arc<Sheet> {
        let kept = self.0.read().expect("nobody panics while holding it");
        let own = kept.iter().find(|own| Arc::ptr_eq(&own.journey, journey)).cloned();
        drop(kept);
        own.unwrap_or_else(|| self.keep(journey)).in_language(locale)
    }

    fn keep(&self, journey: &Arc<Journey>) -> Arc<Languages> {
        let languages = Arc::new(Languages::new(journey.clone()));
        let mut kept = self.0.write().expect("nobody panics while holding it");
        // Versions of the same name are no longer asked for.
        kept.retain(|own| own.journey.name != journey.name);
        if kept.len() >= JOURNEYS {
            kept.remove(0);
        }
        kept.push(languages.clone());
        languages
    }
}

impl Languages {
    fn new(journey: Arc<Journey>) -> Languages {
        let menu = journey.menu.iter().flat_map(|own| [&own.title, &own.text]);
        let offers = journey.offers.iter().flat_map(|own| {
            let gift = match &own.value {
                OfferValue::Gift(texts) => Some(texts),
                _ => None,
            };
            [&own.title, &own.text].into_iter().chain(gift)
        });
        let steps = journey.steps.iter().flat_map(|own| [&own.title, &own.text]);
        let texts = menu.chain(offers).chain(steps).flat_map(Texts::iter);
        let mut tags: Vec<Box<str>> =
            texts.map(|(tag, _)| tag.to_ascii_lowercase().into()).collect();
        tags.sort();
        tags.dedup();
        let sheets = (0..=tags.len()).map(|_| OnceLock::new()).collect();
        Languages { journey, tags, sheets }
    }

    /// Every locale of which `Texts::get` makes the same has the same sheet.
    fn in_language(&self, locale: &str) -> Arc<Sheet> {
        let tag = |text: &str| self.tags.iter().position(|own| own.eq_ignore_ascii_case(text));
        let language = || locale.split(['-', '_']).next().unwrap_or_default();
        let at = tag(locale).or_else(|| tag(language()));
        let sheet = &self.sheets[at.unwrap_or(self.tags.len())];
        let locale = at.map_or(locale, |at| &self.tags[at]);
        sheet.get_or_init(|| Arc::new(Sheet::new(&self.journey, locale))).clone()
    }
}

impl Sheet {
    fn new(journey: &Journey, locale: &str) -> Sheet {
        let menu = journey.menu_by_rank.iter().map(|at| {
            let own = &journey.menu[usize::from(*at)];
            ready((What::Menu, &own.id), (&own.title, &own.text), locale, |out| {
                out.key("icon").text_or_null(own.icon.as_deref());
                out.key("open").text(&own.open);
                out.key("rank").int(own.rank.into());
            })
        });
        let offers = journey.offers_by_rank.iter().map(|at| {
            let own = &journey.offers[usize::from(*at)];
            ready((What::Offer, &own.id), (&own.title, &own.text), locale, |out| {
                write_offer_value(&own.value, locale, out.key("value"));
            })
        });
        let steps = journey.steps.iter().map(|own| {
            ready((What::Step, &own.id), (&own.title, &own.text), locale, |out| {
                out.key("open").text_or_null(own.open.as_deref());
            })
        });
        let facts = journey.facts.iter().map(|name| {
            let mut opening = Out::with_room(64);
            opening.raw("{\"name\":").text(name);
            opening.raw(",\"value\":");
            let about = words::about_of(name);
            ReadyFact { name: (&**name).into(), opening: opening.into_text().into(), about }
        });
        Sheet {
            menu: menu.collect(),
            offers: offers.collect(),
            steps: steps.collect(),
            facts: facts.collect(),
        }
    }

    pub fn fact(&self, number: usize, name: &str) -> Option<&ReadyFact> {
        self.facts.get(number).filter(|own| *own.name == *name)
    }

    /// What is prepared for an item: the one at this place among its like, if it `is_there` for
    /// certain or has this id, else any that has it.
    pub fn ready(&self, entry: Entry<'_>, place: usize, is_there: bool) -> Option<&Ready> {
        let all = match entry.what() {
            What::Menu => &self.menu,
            What::Offer => &self.offers,
            What::Step => &self.steps,
        };
        let is_it = |own: &&Ready| is_there || *own.id == *entry.id();
        all.get(place).filter(is_it).or_else(|| all.iter().find(is_it))
    }
}

pub fn name_of(what: What) -> &'static str {
    match what {
        What::Menu => "menu",
        What::Offer => "offer",
        What::Step => "step",
    }
}

fn ready(
    (what, id): (What, &str),
    (title, text): (&Texts, &Texts),
    locale: &str,
    more: impl FnOnce(&mut Out),
) -> Ready {
    let mut shown = Out::with_room(256);
    shown.raw("{\"id\":").text(id);
    shown.key("title").text(title.get(locale));
    shown.key("text").text(text.get(locale));
    more(&mut shown);
    let mut looked_at = Out::with_room(128);
    looked_at.raw("{\"what\":").text(name_of(what));
    looked_at.key("id").text(id);
    looked_at.key("title").text(title.get(locale));
    let (shown, looked_at) = (shown.into_text().into(), looked_at.into_text().into());
    Ready { id: id.into(), shown, looked_at }
}

fn write_offer_value(value: &OfferValue, locale: &str, out: &mut Out) {
    let (kind, amount) = match value {
        OfferValue::Off(money) => ("off", json::amount(*money)),
        OfferValue::Percent(percent) => ("percent", percent.to_string()),
        OfferValue::Points(points) => ("points", points.to_string()),
        OfferValue::Gift(texts) => {
            return out.object(|out| {
                out.key("kind").text("gift");
                out.key("text").text(texts.get(locale));
            });
        }
    };
    out.object(|out| {
        out.key("kind").text(kind);
        out.key("amount").text(&amount);
        if let OfferValue::Off(money) = value {
            out.key("currency").text(money.currency_str());
        }
    });
}

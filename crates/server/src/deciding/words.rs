//! Why an item is shown or not, in words for whoever it is about: English, and German for those
//! who read it. No condition is quoted; what it read is said instead. The words go straight into
//! the answer that is being written.

use std::borrow::Cow;
use std::fmt::{Arguments, Write as _};

use engine::State;
use engine::journey::{Journey, NONE};
use model::decision::{Decision, Item, Told, Why};
use model::texts::Texts;

use crate::json::write::Text;

/// What the reasons of one decision have in common, and what the present item has read.
pub struct Reasons<'a> {
    decision: &'a Decision,
    journey: &'a Journey,
    state: &'a State,
    locale: &'a str,
    german: bool,
    title_of_stage: Option<Cow<'a, str>>,
    product: &'a str,
    used: Vec<(&'a str, Told<'a>)>,
}

fn is_german(locale: &str) -> bool {
    locale.get(..2).is_some_and(|language| language.eq_ignore_ascii_case("de"))
}

impl<'a> Reasons<'a> {
    pub fn new(
        decision: &'a Decision,
        journey: &'a Journey,
        state: &'a State,
        locale: &'a str,
    ) -> Reasons<'a> {
        let german = is_german(locale);
        let stage = journey.stage_no(&decision.stage).and_then(|no| journey.stage(no));
        let model = state.model(decision.subject.gtin);
        let product = model.map(|model| model.name.get(locale)).filter(|name| !name.is_empty());
        Reasons {
            decision,
            journey,
            state,
            locale,
            german,
            title_of_stage: stage.map(|stage| title(&stage.title, &stage.name, locale)),
            product: product.unwrap_or(if german { "Produkt" } else { "product" }),
            used: Vec::new(),
        }
    }

    /// One sentence in the language of the reader.
    pub fn write(&mut self, out: &mut Text<'_>, item: &Item<'a>) {
        self.used.clear();
        match item.why {
            Why::Stage => self.stage(out),
            Why::Always => self.plain(out, "It is always here for you.", "Das ist immer da."),
            Why::Condition => {
                self.used.extend(item.used.iter());
                self.condition(out);
            }
            Why::Suggested => {
                self.plain(out, "This is a good next step.", "Das ist ein guter nächster Schritt.");
            }
            Why::Done => self.plain(out, "This is done.", "Das ist geschafft."),
            Why::Later => {
                self.plain(out, "You can do this whenever you like.", "Das geht jederzeit.");
            }
            why => self.not_shown(out, why),
        }
    }

    fn plain(&self, out: &mut Text<'_>, english: &str, german: &str) {
        out.push(if self.german { german } else { english });
    }

    /// Only the language that is read is put together.
    fn say(&self, out: &mut Text<'_>, english: Arguments<'_>, german: Arguments<'_>) {
        out.write_fmt(if self.german { german } else { english }).expect("a text takes everything");
    }

    fn used(&self, path: &str) -> Option<&Told<'a>> {
        let found = self.used.iter().find(|(own, _)| *own == path);
        found.map(|(_, told)| told).filter(|told| !told.is_null())
    }

    fn uses(&self, start: &str) -> bool {
        self.used.iter().any(|(path, _)| path.starts_with(start))
    }

    fn stage(&self, out: &mut Text<'_>) {
        let product = self.product;
        match &self.title_of_stage {
            Some(title) => self.say(
                out,
                format_args!("Because of where you are now: {title}."),
                format_args!("Passend zum jetzigen Stand: {title}."),
            ),
            None => self.say(
                out,
                format_args!("Because you are looking at “{product}”."),
                format_args!("Weil es hier um „{product}“ geht."),
            ),
        }
    }

    /// The first of what was read that means most to a person.
    fn condition(&self, out: &mut Text<'_>) {
        let told = self.product_state(out)
            || self.place(out)
            || self.weather(out)
            || self.setting(out)
            || self.person(out)
            || self.bond(out)
            || self.moment(out);
        if !told {
            self.stage(out);
        }
    }

    fn place(&self, out: &mut Text<'_>) -> bool {
        if !self.uses("context.place") && !self.uses("context.location") {
            return false;
        }
        let id = self.decision.context.place.as_deref();
        let Some(place) = id.and_then(|id| self.state.place(id)) else {
            self.plain(out, "Because of where you are.", "Weil der Ort gerade passt.");
            return true;
        };
        let name = &place.name;
        let metres = self.used("context.place.distance_m").and_then(Told::as_f64);
        let inside = self.used("context.place.inside").and_then(Told::as_bool);
        match metres {
            _ if inside == Some(true) || metres == Some(0.0) => self.say(
                out,
                format_args!("Because you are at {name}."),
                format_args!("Weil du gerade hier bist: {name}."),
            ),
            Some(metres) => {
                let far = distance(metres, self.german);
                self.say(
                    out,
                    format_args!("Because you are near {name} ({far})."),
                    format_args!("Weil {name} ganz in der Nähe ist ({far})."),
                );
            }
            None => self.say(
                out,
                format_args!("Because you are near {name}."),
                format_args!("Weil {name} ganz in der Nähe ist."),
            ),
        }
        true
    }

    fn product_state(&self, out: &mut Text<'_>) -> bool {
        let told = self.used.iter().find(|(path, told)| {
            path.starts_with("product.state.") && !told.is_null() && told.as_str() != Some("")
        });
        let Some((_, told)) = told else { return false };
        let (product, value) = (self.product, in_words(told));
        if value.is_empty() {
            self.say(
                out,
                format_args!("Because of what “{product}” tells about itself."),
                format_args!("Wegen dessen, was „{product}“ von sich meldet."),
            );
        } else {
            self.say(
                out,
                format_args!("Because “{product}” reports: {value}."),
                format_args!("Weil „{product}“ meldet: {value}."),
            );
        }
        true
    }

    fn weather(&self, out: &mut Text<'_>) -> bool {
        if !self.uses("context.weather") {
            return false;
        }
        let weather = &self.decision.context.weather;
        let condition = weather.text("condition").map(|word| self.weather_word(word).to_owned());
        let degrees = weather.get("temp_c").and_then(model::value::Value::as_f64);
        let parts = [condition, degrees.map(|degrees| format!("{degrees:.0} °C"))];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let parts = parts.join(", ");
        self.say(
            out,
            format_args!("Because of the weather ({parts})."),
            format_args!("Wegen des Wetters ({parts})."),
        );
        true
    }

    fn weather_word<'w>(&self, word: &'w str) -> &'w str {
        const WORDS: [(&str, &str); 6] = [
            ("clear", "klar"),
            ("clouds", "bewölkt"),
            ("rain", "Regen"),
            ("snow", "Schnee"),
            ("storm", "Sturm"),
            ("fog", "Nebel"),
        ];
        let own = WORDS.iter().find(|(english, _)| self.german && *english == word);
        own.map_or(word, |(_, german)| german)
    }

    fn setting(&self, out: &mut Text<'_>) -> bool {
        if self.used("context.near_product").is_some() {
            let product = self.product;
            self.say(
                out,
                format_args!("Because you are next to “{product}”."),
                format_args!("Weil „{product}“ gerade in Reichweite ist."),
            );
            return true;
        }
        let (english, german) = match self.used("context.setting").and_then(Told::as_str) {
            Some("home") => ("at home", "zu Hause"),
            Some("shop") => ("in a shop", "im Laden"),
            Some("in_line") => ("in a queue", "in der Schlange"),
            Some("car") => ("on the road", "unterwegs"),
            Some("office") => ("at work", "bei der Arbeit"),
            _ => return false,
        };
        self.say(
            out,
            format_args!("Because you are {english}."),
            format_args!("Weil du gerade {german} bist."),
        );
        true
    }

    fn person(&self, out: &mut Text<'_>) -> bool {
        let found = self.used.iter().find_map(|(path, told)| {
            let name = path.strip_prefix("person.traits.").filter(|_| !told.is_null())?;
            Some((name, in_words(told)))
        });
        if let Some((name, value)) = found {
            let about = name.replace(['_', '.'], " ");
            self.say(
                out,
                format_args!("Because of what you told us ({about}: {value})."),
                format_args!("Wegen deiner Angaben ({about}: {value})."),
            );
            return true;
        }
        let purpose = self.used.iter().find_map(|(path, told)| {
            let given = told.as_bool() == Some(true);
            path.strip_prefix("person.consents.").filter(|_| given)
        });
        let Some(purpose) = purpose else { return false };
        let title = self.permission(purpose);
        self.say(
            out,
            format_args!("Because you allowed it: {title}."),
            format_args!("Weil du es erlaubt hast: {title}."),
        );
        true
    }

    fn bond(&self, out: &mut Text<'_>) -> bool {
        let flag = |path: &str| self.used(path).and_then(Told::as_bool) == Some(true);
        if flag("bond.referred") {
            self.plain(
                out,
                "Because a friend recommended it to you.",
                "Weil es Ihnen empfohlen wurde.",
            );
            return true;
        }
        let campaign = self.used("context.campaign").or_else(|| self.used("bond.campaign"));
        if let Some(id) = campaign.and_then(Told::as_str) {
            let name = self.state.campaign(id).map_or(id, |campaign| &*campaign.name);
            self.say(
                out,
                format_args!("Because you came through “{name}”."),
                format_args!("Weil du über „{name}“ gekommen bist."),
            );
            return true;
        }
        if let Some(days) = self.used("bond.days_in_stage").and_then(Told::as_i64) {
            match days {
                0 => self.plain(out, "Because this began today.", "Weil das heute begonnen hat."),
                1 => self.plain(
                    out,
                    "Because this began a day ago.",
                    "Weil das seit einem Tag so ist.",
                ),
                _ => self.say(
                    out,
                    format_args!("Because it has been so for {days} days."),
                    format_args!("Weil das seit {days} Tagen so ist."),
                ),
            }
            return true;
        }
        if self.uses("bond.steps_done") {
            self.plain(
                out,
                "Because of the steps you have done.",
                "Wegen der erledigten Schritte.",
            );
            return true;
        }
        false
    }

    fn moment(&self, out: &mut Text<'_>) -> bool {
        const TIMES: [&str; 6] = ["time", "hour", "minute", "weekday", "weekend", "date"];
        let is_time = |(path, told): &(&str, Told<'_>)| {
            let name = path.strip_prefix("context.").filter(|_| !told.is_null());
            name.is_some_and(|name| TIMES.contains(&name))
        };
        if self.used.iter().any(is_time) {
            self.plain(out, "Because of the time.", "Weil der Zeitpunkt passt.");
        } else if self.uses("context.channel") {
            self.plain(out, "Because of how you reach us.", "Weil es zum Weg hierher passt.");
        } else if self.uses("product.") {
            let product = self.product;
            self.say(
                out,
                format_args!("Because it goes with “{product}”."),
                format_args!("Weil es zu „{product}“ passt."),
            );
        } else {
            return false;
        }
        true
    }

    fn permission(&self, purpose: &str) -> Cow<'a, str> {
        let own = self.journey.permissions.iter().find(|own| own.purpose == purpose);
        own.map_or_else(
            || purpose.replace('_', " ").into(),
            |own| title(&own.title, &own.purpose, self.locale),
        )
    }

    fn not_shown(&self, out: &mut Text<'_>, why: Why<'_>) {
        match why {
            Why::NoConsent(purpose) => {
                let title = self.permission(purpose);
                self.say(
                    out,
                    format_args!("Not shown, because you have not allowed it: {title}."),
                    format_args!("Nicht gezeigt, weil die Erlaubnis fehlt: {title}."),
                );
            }
            Why::Locked(step) => {
                let own = self.journey.steps.iter().find(|own| *own.id == *step);
                let name =
                    own.map_or(Cow::Borrowed(step), |own| title(&own.title, &own.id, self.locale));
                self.say(
                    out,
                    format_args!("This comes after “{name}”."),
                    format_args!("Das kommt nach „{name}“."),
                );
            }
            Why::OtherStage => self.other_stage(out),
            other => {
                let (english, german) = plain_reason(other);
                self.plain(out, english, german);
            }
        }
    }

    fn other_stage(&self, out: &mut Text<'_>) {
        let own = self.decision.stage.as_ref();
        match self.title_of_stage.as_ref().filter(|_| !own.is_empty() && own != NONE) {
            Some(title) => self.say(
                out,
                format_args!("Not now; it is for another time than “{title}”."),
                format_args!("Nicht jetzt; es gehört nicht zu „{title}“."),
            ),
            None => self.plain(out, "Not yet; it is for later.", "Noch nicht; das kommt später."),
        }
    }
}

/// What needs nothing filled in, in English and German.
fn plain_reason(why: Why<'_>) -> (&'static str, &'static str) {
    match why {
        Why::ConditionFails => ("It does not fit just now.", "Das passt gerade nicht."),
        Why::ConditionUnknown(_) => {
            ("It is not known yet whether this fits.", "Ob das passt, ist noch nicht bekannt.")
        }
        Why::OtherRole => ("It is for other people.", "Das ist für andere gedacht."),
        Why::CapPerson => ("You have had this offer.", "Dieses Angebot hattest du schon."),
        Why::CapDay => (
            "Today's are all gone. There are new ones tomorrow.",
            "Für heute sind alle vergeben. Morgen gibt es neue.",
        ),
        Why::CapTotal => ("All of these are gone.", "Davon sind alle vergeben."),
        Why::CampaignOver => ("It is not on at the moment.", "Das läuft gerade nicht."),
        _ => ("It does not fit just now.", "Das passt gerade nicht."),
    }
}

fn title<'t>(texts: &'t Texts, name: &'t str, locale: &str) -> Cow<'t, str> {
    match texts.get(locale) {
        "" => spaced(name, &['_', '-']),
        title => title.into(),
    }
}

fn spaced<'t>(text: &'t str, marks: &[char]) -> Cow<'t, str> {
    if text.contains(marks) { text.replace(marks, " ").into() } else { text.into() }
}

/// A value as a person reads it; nothing for what is no single word or number.
fn in_words<'t>(told: &Told<'t>) -> Cow<'t, str> {
    match told {
        Told::Text(text) => spaced(text, &['_']),
        Told::Int(int) => int.to_string().into(),
        Told::Float(float) => float.to_string().into(),
        _ => Cow::Borrowed(""),
    }
}

/// Rounded as one would say it.
fn distance(metres: f64, german: bool) -> String {
    if metres < 1_000.0 {
        return format!("{:.0} m", (metres / 10.0).round().max(1.0) * 10.0);
    }
    let km = format!("{:.1} km", metres / 1_000.0);
    if german { km.replace('.', ",") } else { km }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_said_as_people_say_them() {
        assert_eq!(distance(3.0, false), "10 m");
        assert_eq!(distance(118.2, false), "120 m");
        assert_eq!(distance(1_260.0, true), "1,3 km");
        assert!(is_german("de-AT") && !is_german("en") && !is_german("d"));
    }
}

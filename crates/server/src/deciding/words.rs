//! Why an item is shown or not, in words for whoever it is about: English, and German for those
//! who read it. No condition is quoted; what it read is said instead. The words go straight into
//! the answer that is being written.

use std::borrow::Cow;
use std::cell::OnceCell;

use engine::State;
use engine::journey::{Journey, NONE};
use model::decision::{Decision, Told, Used, Why};
use model::texts::Texts;

use super::prepared::Sheet;
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
    /// What many items say, once it was said.
    here: OnceCell<String>,
    /// Of each fact, what can be said of it: some of [`about`].
    about: Vec<u8>,
}

/// What the facts of a condition are about, from what means most to a person.
mod about {
    pub const STATE: u8 = 1;
    pub const PLACE: u8 = 2;
    pub const WEATHER: u8 = 4;
    pub const SETTING: u8 = 8;
    pub const PERSON: u8 = 16;
    pub const BOND: u8 = 32;
    pub const MOMENT: u8 = 64;
}

pub fn about_of(path: &str) -> u8 {
    if let Some(field) = path.strip_prefix("product.") {
        about::MOMENT | if field.starts_with("state.") { about::STATE } else { 0 }
    } else if let Some(field) = path.strip_prefix("context.") {
        match field {
            _ if field.starts_with("place") || field.starts_with("location") => about::PLACE,
            _ if field.starts_with("weather") => about::WEATHER,
            "near_product" | "setting" => about::SETTING,
            "campaign" => about::BOND,
            _ => about::MOMENT,
        }
    } else if path.starts_with("person.traits.") || path.starts_with("person.consents.") {
        about::PERSON
    } else if let Some(field) = path.strip_prefix("bond.") {
        let known = field.starts_with("referred")
            || field.starts_with("campaign")
            || field.starts_with("days_in_stage")
            || field.starts_with("steps_done");
        if known { about::BOND } else { 0 }
    } else {
        0
    }
}

fn is_german(locale: &str) -> bool {
    locale.get(..2).is_some_and(|language| language.eq_ignore_ascii_case("de"))
}

impl<'a> Reasons<'a> {
    pub fn new(
        decision: &'a Decision,
        journey: &'a Journey,
        state: &'a State,
        prepared: &Sheet,
        locale: &'a str,
    ) -> Reasons<'a> {
        let german = is_german(locale);
        let stage = journey.stage_no(&decision.stage).and_then(|no| journey.stage(no));
        let model = state.model(decision.subject.gtin);
        let about = |(number, path, _): (usize, &str, Told<'_>)| {
            prepared.fact(number, path).map_or_else(|| about_of(path), |ready| ready.about)
        };
        let product = model.map(|model| model.name.get(locale)).filter(|name| !name.is_empty());
        Reasons {
            decision,
            journey,
            state,
            locale,
            german,
            title_of_stage: stage.map(|stage| title(&stage.title, &stage.name, locale)),
            product: product.unwrap_or(if german { "Produkt" } else { "product" }),
            here: OnceCell::new(),
            about: decision.items.facts().map(about).collect(),
        }
    }

    /// One sentence in the language of the reader.
    pub fn write(&self, out: &mut Text<'_>, why: Why<'_>, used: Used<'_>) {
        match why {
            Why::Stage => self.stage(out),
            Why::Always => self.plain(out, "It is always here for you.", "Das ist immer da."),
            Why::Condition => self.condition(out, used),
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

    fn plain(&self, out: &mut Text<'_>, english: &'static str, german: &'static str) {
        out.plain(if self.german { german } else { english });
    }

    fn say(&self, out: &mut Text<'_>, english: &[&str], german: &[&str]) {
        let parts = if self.german { german } else { english };
        parts.iter().for_each(|part| out.push(part));
    }

    fn stage(&self, out: &mut Text<'_>) {
        let product = self.product;
        out.again(&self.here, |out| match &self.title_of_stage {
            Some(title) => self.say(
                out,
                &["Because of where you are now: ", title, "."],
                &["Passend zum jetzigen Stand: ", title, "."],
            ),
            None => self.say(
                out,
                &["Because you are looking at “", product, "”."],
                &["Weil es hier um „", product, "“ geht."],
            ),
        });
    }

    /// The first of what was read that means most to a person.
    fn condition(&self, out: &mut Text<'_>, used: Used<'_>) {
        let about = used.places().iter().fold(0, |all, at| all | self.about[*at as usize]);
        let is = |what: u8| about & what != 0;
        let told = is(about::STATE) && self.product_state(out, used)
            || is(about::PLACE) && self.place(out, used)
            || is(about::WEATHER) && self.weather(out)
            || is(about::SETTING) && self.setting(out, used)
            || is(about::PERSON) && self.person(out, used)
            || is(about::BOND) && self.bond(out, used)
            || is(about::MOMENT) && self.moment(out, used);
        if !told {
            self.stage(out);
        }
    }

    fn place(&self, out: &mut Text<'_>, used: Used<'_>) -> bool {
        let id = self.decision.context.place.as_deref();
        let Some(place) = id.and_then(|id| self.state.place(id)) else {
            self.plain(out, "Because of where you are.", "Weil der Ort gerade passt.");
            return true;
        };
        let name = &place.name;
        let metres = told_of(used, "context.place.distance_m").and_then(Told::as_f64);
        let inside = told_of(used, "context.place.inside").and_then(Told::as_bool);
        match metres {
            _ if inside == Some(true) || metres == Some(0.0) => self.say(
                out,
                &["Because you are at ", name, "."],
                &["Weil du gerade hier bist: ", name, "."],
            ),
            Some(metres) => {
                let far = distance(metres, self.german);
                self.say(
                    out,
                    &["Because you are near ", name, " (", &far, ")."],
                    &["Weil ", name, " ganz in der Nähe ist (", &far, ")."],
                );
            }
            None => self.say(
                out,
                &["Because you are near ", name, "."],
                &["Weil ", name, " ganz in der Nähe ist."],
            ),
        }
        true
    }

    fn product_state(&self, out: &mut Text<'_>, used: Used<'_>) -> bool {
        let told = used.iter().find(|(path, told)| {
            path.starts_with("product.state.") && !told.is_null() && told.as_str() != Some("")
        });
        let Some((_, told)) = told else { return false };
        let (product, value) = (self.product, in_words(told));
        if value.is_empty() {
            self.say(
                out,
                &["Because of what “", product, "” tells about itself."],
                &["Wegen dessen, was „", product, "“ von sich meldet."],
            );
        } else {
            self.say(
                out,
                &["Because “", product, "” reports: ", &value, "."],
                &["Weil „", product, "“ meldet: ", &value, "."],
            );
        }
        true
    }

    fn weather(&self, out: &mut Text<'_>) -> bool {
        let weather = &self.decision.context.weather;
        let condition = weather.text("condition").map(|word| self.weather_word(word).to_owned());
        let degrees = weather.get("temp_c").and_then(model::value::Value::as_f64);
        let parts = [condition, degrees.map(|degrees| format!("{degrees:.0} °C"))];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let parts = parts.join(", ");
        self.say(
            out,
            &["Because of the weather (", &parts, ")."],
            &["Wegen des Wetters (", &parts, ")."],
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

    fn setting(&self, out: &mut Text<'_>, used: Used<'_>) -> bool {
        if told_of(used, "context.near_product").is_some() {
            let product = self.product;
            self.say(
                out,
                &["Because you are next to “", product, "”."],
                &["Weil „", product, "“ gerade in Reichweite ist."],
            );
            return true;
        }
        let (english, german) = match told_of(used, "context.setting").and_then(Told::as_str) {
            Some("home") => ("at home", "zu Hause"),
            Some("shop") => ("in a shop", "im Laden"),
            Some("in_line") => ("in a queue", "in der Schlange"),
            Some("car") => ("on the road", "unterwegs"),
            Some("office") => ("at work", "bei der Arbeit"),
            _ => return false,
        };
        self.say(out, &["Because you are ", english, "."], &["Weil du gerade ", german, " bist."]);
        true
    }

    fn person(&self, out: &mut Text<'_>, used: Used<'_>) -> bool {
        let found = used.iter().find_map(|(path, told)| {
            let name = path.strip_prefix("person.traits.").filter(|_| !told.is_null())?;
            Some((name, in_words(told)))
        });
        if let Some((name, value)) = found {
            let about = name.replace(['_', '.'], " ");
            self.say(
                out,
                &["Because of what you told us (", &about, ": ", &value, ")."],
                &["Wegen deiner Angaben (", &about, ": ", &value, ")."],
            );
            return true;
        }
        let purpose = used.iter().find_map(|(path, told)| {
            let given = told.as_bool() == Some(true);
            path.strip_prefix("person.consents.").filter(|_| given)
        });
        let Some(purpose) = purpose else { return false };
        let title = self.permission(purpose);
        self.say(
            out,
            &["Because you allowed it: ", &title, "."],
            &["Weil du es erlaubt hast: ", &title, "."],
        );
        true
    }

    fn bond(&self, out: &mut Text<'_>, used: Used<'_>) -> bool {
        let flag = |path: &str| told_of(used, path).and_then(Told::as_bool) == Some(true);
        if flag("bond.referred") {
            self.plain(
                out,
                "Because a friend recommended it to you.",
                "Weil es Ihnen empfohlen wurde.",
            );
            return true;
        }
        let campaign = told_of(used, "context.campaign").or_else(|| told_of(used, "bond.campaign"));
        if let Some(id) = campaign.and_then(Told::as_str) {
            let name = self.state.campaign(id).map_or(id, |campaign| &*campaign.name);
            self.say(
                out,
                &["Because you came through “", name, "”."],
                &["Weil du über „", name, "“ gekommen bist."],
            );
            return true;
        }
        if let Some(days) = told_of(used, "bond.days_in_stage").and_then(Told::as_i64) {
            match days {
                0 => self.plain(out, "Because this began today.", "Weil das heute begonnen hat."),
                1 => self.plain(
                    out,
                    "Because this began a day ago.",
                    "Weil das seit einem Tag so ist.",
                ),
                _ => self.say(
                    out,
                    &["Because it has been so for ", &days.to_string(), " days."],
                    &["Weil das seit ", &days.to_string(), " Tagen so ist."],
                ),
            }
            return true;
        }
        if reads(used, "bond.steps_done") {
            self.plain(
                out,
                "Because of the steps you have done.",
                "Wegen der erledigten Schritte.",
            );
            return true;
        }
        false
    }

    fn moment(&self, out: &mut Text<'_>, used: Used<'_>) -> bool {
        const TIMES: [&str; 6] = ["time", "hour", "minute", "weekday", "weekend", "date"];
        let is_time = |(path, told): (&str, Told<'_>)| {
            let name = path.strip_prefix("context.").filter(|_| !told.is_null());
            name.is_some_and(|name| TIMES.contains(&name))
        };
        if used.iter().any(is_time) {
            self.plain(out, "Because of the time.", "Weil der Zeitpunkt passt.");
        } else if reads(used, "context.channel") {
            self.plain(out, "Because of how you reach us.", "Weil es zum Weg hierher passt.");
        } else if reads(used, "product.") {
            let product = self.product;
            self.say(
                out,
                &["Because it goes with “", product, "”."],
                &["Weil es zu „", product, "“ passt."],
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
                    &["Not shown, because you have not allowed it: ", &title, "."],
                    &["Nicht gezeigt, weil die Erlaubnis fehlt: ", &title, "."],
                );
            }
            Why::Locked(step) => {
                let own = self.journey.steps.iter().find(|own| *own.id == *step);
                let name =
                    own.map_or(Cow::Borrowed(step), |own| title(&own.title, &own.id, self.locale));
                self.say(
                    out,
                    &["This comes after “", &name, "”."],
                    &["Das kommt nach „", &name, "“."],
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
        let title = self.title_of_stage.as_ref().filter(|_| !own.is_empty() && own != NONE);
        match title {
            Some(title) => self.say(
                out,
                &["Not now; it is for another time than “", title, "”."],
                &["Nicht jetzt; es gehört nicht zu „", title, "“."],
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

/// What is known of a path that was read.
fn told_of<'t>(used: Used<'t>, path: &str) -> Option<Told<'t>> {
    let found = used.iter().find(|(own, _)| *own == path);
    found.map(|(_, told)| told).filter(|told| !told.is_null())
}

fn reads(used: Used<'_>, start: &str) -> bool {
    used.iter().any(|(path, _)| path.starts_with(start))
}

fn title<'t>(texts: &'t Texts, name: &'t str, locale: &str) -> Cow<'t, str> {
    match texts.get(locale) {
        "" => spaced(name, b"_-"),
        title => title.into(),
    }
}

fn spaced<'t>(text: &'t str, marks: &[u8]) -> Cow<'t, str> {
    if !text.bytes().any(|byte| marks.contains(&byte)) {
        return text.into();
    }
    text.replace(|c: char| marks.iter().any(|mark| char::from(*mark) == c), " ").into()
}

/// A value as a person reads it; nothing for what is no single word or number.
fn in_words(told: Told<'_>) -> Cow<'_, str> {
    match told {
        Told::Text(text) => spaced(text, b"_"),
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

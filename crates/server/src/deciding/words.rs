//! Why an item is shown or not, in words for whoever it is about: English, and German for those
//! who read it. No condition is quoted; what it read is said instead.

use engine::State;
use engine::journey::{Journey, NONE};
use model::decision::{Decision, Item, Why};
use model::texts::Texts;
use model::value::Value;

/// One sentence in the language of `locale`.
pub fn reason_text(
    decision: &Decision,
    item: &Item,
    journey: &Journey,
    state: &State,
    locale: &str,
) -> String {
    let said = Said { decision, item, journey, state, locale, german: is_german(locale) };
    match &item.why {
        Why::Stage => said.stage(),
        Why::Always => said.either("It is always here for you.", "Das ist immer da."),
        Why::Condition => said.condition(),
        Why::Suggested => {
            said.either("This is a good next step.", "Das ist ein guter nächster Schritt.")
        }
        Why::Done => said.either("This is done.", "Das ist geschafft."),
        Why::Later => said.either("You can do this whenever you like.", "Das geht jederzeit."),
        why => said.not_shown(why),
    }
}

fn is_german(locale: &str) -> bool {
    locale.get(..2).is_some_and(|language| language.eq_ignore_ascii_case("de"))
}

struct Said<'a> {
    decision: &'a Decision,
    item: &'a Item,
    journey: &'a Journey,
    state: &'a State,
    locale: &'a str,
    german: bool,
}

impl Said<'_> {
    fn either(&self, english: &str, german: &str) -> String {
        if self.german { german.to_owned() } else { english.to_owned() }
    }

    fn used(&self, path: &str) -> Option<&Value> {
        let found = self.item.used.iter().find(|(own, _)| **own == *path);
        found.map(|(_, value)| value).filter(|value| !value.is_null())
    }

    fn uses(&self, start: &str) -> bool {
        self.item.used.iter().any(|(path, _)| path.starts_with(start))
    }

    fn title_of_stage(&self) -> Option<String> {
        let stage = self.journey.stage_no(&self.decision.stage)?;
        let stage = self.journey.stage(stage)?;
        Some(title(&stage.title, &stage.name, self.locale))
    }

    fn product(&self) -> String {
        let model = self.state.model(self.decision.subject.gtin);
        let name = model.map(|model| model.name.get(self.locale)).filter(|name| !name.is_empty());
        let name = name.map(str::to_owned);
        name.unwrap_or_else(|| self.either("product", "Produkt"))
    }

    fn stage(&self) -> String {
        match self.title_of_stage() {
            Some(title) => self.either(
                &format!("Because of where you are now: {title}."),
                &format!("Passend zum jetzigen Stand: {title}."),
            ),
            None => self.either(
                &format!("Because you are looking at “{}”.", self.product()),
                &format!("Weil es hier um „{}“ geht.", self.product()),
            ),
        }
    }

    /// The first of what was read that means most to a person.
    fn condition(&self) -> String {
        let told = [
            self.product_state(),
            self.place(),
            self.weather(),
            self.setting(),
            self.person(),
            self.bond(),
            self.moment(),
        ];
        told.into_iter().flatten().next().unwrap_or_else(|| self.stage())
    }

    fn place(&self) -> Option<String> {
        if !self.uses("context.place") && !self.uses("context.location") {
            return None;
        }
        let id = self.decision.context.place.as_deref();
        let Some(place) = id.and_then(|id| self.state.place(id)) else {
            return Some(self.either("Because of where you are.", "Weil der Ort gerade passt."));
        };
        let name = &place.name;
        let metres = self.used("context.place.distance_m").and_then(Value::as_f64);
        let inside = self.used("context.place.inside").and_then(Value::as_bool);
        Some(match metres {
            _ if inside == Some(true) || metres == Some(0.0) => self.either(
                &format!("Because you are at {name}."),
                &format!("Weil du gerade hier bist: {name}."),
            ),
            Some(metres) => {
                let far = distance(metres, self.german);
                self.either(
                    &format!("Because you are near {name} ({far})."),
                    &format!("Weil {name} ganz in der Nähe ist ({far})."),
                )
            }
            None => self.either(
                &format!("Because you are near {name}."),
                &format!("Weil {name} ganz in der Nähe ist."),
            ),
        })
    }

    fn product_state(&self) -> Option<String> {
        let (_, value) = self.item.used.iter().find(|(path, value)| {
            let told = !value.is_null() && value.as_str() != Some("");
            path.starts_with("product.state.") && told
        })?;
        let (product, value) = (self.product(), plain(value));
        Some(if value.is_empty() {
            self.either(
                &format!("Because of what “{product}” tells about itself."),
                &format!("Wegen dessen, was „{product}“ von sich meldet."),
            )
        } else {
            self.either(
                &format!("Because “{product}” reports: {value}."),
                &format!("Weil „{product}“ meldet: {value}."),
            )
        })
    }

    fn weather(&self) -> Option<String> {
        if !self.uses("context.weather") {
            return None;
        }
        let weather = &self.decision.context.weather;
        let condition = weather.text("condition").map(|word| self.weather_word(word));
        let degrees = weather.get("temp_c").and_then(Value::as_f64);
        let parts = [condition, degrees.map(|degrees| format!("{degrees:.0} °C"))];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        Some(self.either(
            &format!("Because of the weather ({}).", parts.join(", ")),
            &format!("Wegen des Wetters ({}).", parts.join(", ")),
        ))
    }

    fn weather_word(&self, word: &str) -> String {
        const WORDS: [(&str, &str); 6] = [
            ("clear", "klar"),
            ("clouds", "bewölkt"),
            ("rain", "Regen"),
            ("snow", "Schnee"),
            ("storm", "Sturm"),
            ("fog", "Nebel"),
        ];
        let own = WORDS.iter().find(|(english, _)| *english == word);
        self.either(word, own.map_or(word, |(_, german)| german))
    }

    fn setting(&self) -> Option<String> {
        if self.used("context.near_product").is_some() {
            return Some(self.either(
                &format!("Because you are next to “{}”.", self.product()),
                &format!("Weil „{}“ gerade in Reichweite ist.", self.product()),
            ));
        }
        let (english, german) = match self.used("context.setting").and_then(Value::as_str) {
            Some("home") => ("at home", "zu Hause"),
            Some("shop") => ("in a shop", "im Laden"),
            Some("in_line") => ("in a queue", "in der Schlange"),
            Some("car") => ("on the road", "unterwegs"),
            Some("office") => ("at work", "bei der Arbeit"),
            _ => return None,
        };
        Some(self.either(
            &format!("Because you are {english}."),
            &format!("Weil du gerade {german} bist."),
        ))
    }

    fn person(&self) -> Option<String> {
        let found = self.item.used.iter().find_map(|(path, value)| {
            let told = !value.is_null();
            path.strip_prefix("person.traits.").filter(|_| told).map(|name| (name, plain(value)))
        });
        if let Some((name, value)) = found {
            let about = name.replace(['_', '.'], " ");
            return Some(self.either(
                &format!("Because of what you told us ({about}: {value})."),
                &format!("Wegen deiner Angaben ({about}: {value})."),
            ));
        }
        let purpose = self.item.used.iter().find_map(|(path, value)| {
            let given = value.as_bool() == Some(true);
            path.strip_prefix("person.consents.").filter(|_| given)
        })?;
        let title = self.permission(purpose);
        Some(self.either(
            &format!("Because you allowed it: {title}."),
            &format!("Weil du es erlaubt hast: {title}."),
        ))
    }

    fn bond(&self) -> Option<String> {
        let flag = |path: &str| self.used(path).and_then(Value::as_bool) == Some(true);
        if flag("bond.referred") {
            return Some(self.either(
                "Because a friend recommended it to you.",
                "Weil es Ihnen empfohlen wurde.",
            ));
        }
        let campaign = self.used("context.campaign").or_else(|| self.used("bond.campaign"));
        if let Some(id) = campaign.and_then(Value::as_str) {
            let name = self.state.campaign(id).map_or(id, |campaign| &*campaign.name);
            return Some(self.either(
                &format!("Because you came through “{name}”."),
                &format!("Weil du über „{name}“ gekommen bist."),
            ));
        }
        if let Some(days) = self.used("bond.days_in_stage").and_then(Value::as_i64) {
            return Some(match days {
                0 => self.either("Because this began today.", "Weil das heute begonnen hat."),
                1 => {
                    self.either("Because this began a day ago.", "Weil das seit einem Tag so ist.")
                }
                _ => self.either(
                    &format!("Because it has been so for {days} days."),
                    &format!("Weil das seit {days} Tagen so ist."),
                ),
            });
        }
        self.uses("bond.steps_done").then(|| {
            self.either("Because of the steps you have done.", "Wegen der erledigten Schritte.")
        })
    }

    fn moment(&self) -> Option<String> {
        const TIMES: [&str; 6] = ["time", "hour", "minute", "weekday", "weekend", "date"];
        if TIMES.iter().any(|name| self.used(&format!("context.{name}")).is_some()) {
            return Some(self.either("Because of the time.", "Weil der Zeitpunkt passt."));
        }
        if self.uses("context.channel") {
            return Some(
                self.either("Because of how you reach us.", "Weil es zum Weg hierher passt."),
            );
        }
        self.uses("product.").then(|| {
            self.either(
                &format!("Because it goes with “{}”.", self.product()),
                &format!("Weil es zu „{}“ passt.", self.product()),
            )
        })
    }

    fn permission(&self, purpose: &str) -> String {
        let own = self.journey.permissions.iter().find(|own| own.purpose == purpose);
        own.map_or_else(
            || purpose.replace('_', " "),
            |own| title(&own.title, &own.purpose, self.locale),
        )
    }

    fn not_shown(&self, why: &Why) -> String {
        match why {
            Why::NoConsent(purpose) => {
                let title = self.permission(purpose);
                self.either(
                    &format!("Not shown, because you have not allowed it: {title}."),
                    &format!("Nicht gezeigt, weil die Erlaubnis fehlt: {title}."),
                )
            }
            Why::Locked(step) => {
                let own = self.journey.steps.iter().find(|own| *own.id == **step);
                let name = own.map_or_else(
                    || step.to_string(),
                    |own| title(&own.title, &own.id, self.locale),
                );
                self.either(
                    &format!("This comes after “{name}”."),
                    &format!("Das kommt nach „{name}“."),
                )
            }
            Why::OtherStage => self.other_stage(),
            other => {
                let (english, german) = plain_reason(other);
                self.either(english, german)
            }
        }
    }

    fn other_stage(&self) -> String {
        let own = self.decision.stage.as_ref();
        let now = self.title_of_stage();
        match now.filter(|_| !own.is_empty() && own != NONE) {
            Some(title) => self.either(
                &format!("Not now; it is for another time than “{title}”."),
                &format!("Nicht jetzt; es gehört nicht zu „{title}“."),
            ),
            None => self.either("Not yet; it is for later.", "Noch nicht; das kommt später."),
        }
    }
}

/// What needs nothing filled in, in English and German.
fn plain_reason(why: &Why) -> (&'static str, &'static str) {
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

fn title(texts: &Texts, name: &str, locale: &str) -> String {
    let title = texts.get(locale);
    if title.is_empty() { name.replace(['_', '-'], " ") } else { title.to_owned() }
}

/// A value as a person reads it; nothing for what is no single word or number.
fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.replace('_', " "),
        Value::Int(int) => int.to_string(),
        Value::Float(float) => float.to_string(),
        _ => String::new(),
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

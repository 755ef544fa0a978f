//! The words of the model as JSON, as the API writes them. Inner types know nothing of JSON.

pub mod write;

use std::fmt;

use model::context::Context;
use model::gs1::Subject;
use model::id::Time;
use model::texts::Texts;
use model::touch::{Location, Money};
use model::value::{Map, Value};
use serde_json::{Value as Json, json};

/// RFC 3339 in UTC with milliseconds: `2026-11-22T10:00:00.000Z`.
pub fn time_text(time: Time) -> String {
    let mut text = String::with_capacity(24);
    write_time(&mut text, time);
    text
}

/// The same, into a text that is being written.
pub fn write_time(out: &mut impl fmt::Write, time: Time) {
    if let Some(text) = short_time(time) {
        let text = std::str::from_utf8(&text).expect("digits are text");
        return out.write_str(text).expect("texts take everything");
    }
    let moment = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
    write!(out, "{moment:.3}").expect("texts take everything");
}

/// From 1970 until a day before the library's end, which is when nearly everything happens.
fn short_time(time: Time) -> Option<[u8; 24]> {
    let (days, ms) = (time.0.div_euclid(Time::DAY_MS), time.0.rem_euclid(Time::DAY_MS));
    if !(0..2_932_894).contains(&days) {
        return None;
    }
    // Days since 0000-03-01, in years that begin in March and spans of 400 years.
    let days = days + 719_468;
    let (span, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = span * 400 + year + i64::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, len: usize, mut number: i64| {
        for digit in text[at..at + len].iter_mut().rev() {
            *digit += (number % 10) as u8;
            number /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, ms / 3_600_000);
    put(14, 2, ms / 60_000 % 60);
    put(17, 2, ms / 1_000 % 60);
    put(20, 3, ms % 1_000);
    Some(text)
}

pub fn time(time: Time) -> Json {
    Json::String(time_text(time))
}

pub fn time_or_null(moment: Option<Time>) -> Json {
    moment.map_or(Json::Null, time)
}

/// `{"amount":"299.00","currency":"USD"}`: a text, so that no reader rounds it.
pub fn money(money: Money) -> Json {
    json!({ "amount": amount(money), "currency": money.currency_str() })
}

pub fn money_or_null(amount: Option<Money>) -> Json {
    amount.map_or(Json::Null, money)
}

pub fn monies(sums: &[Money]) -> Json {
    sums.iter().map(|sum| money(*sum)).collect()
}

/// In major units, exactly: no amount goes through a float.
pub fn amount(money: Money) -> String {
    let digits = Money::exponent(money.currency) as usize;
    let sign = if money.minor < 0 { "-" } else { "" };
    let minor = format!("{:0width$}", money.minor.unsigned_abs(), width = digits + 1);
    let (whole, rest) = minor.split_at(minor.len() - digits);
    if digits == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest}") }
}

/// `{"en":"…","de":"…"}`
pub fn texts(texts: &Texts) -> Json {
    texts.iter().map(|(tag, text)| (tag.to_owned(), Json::from(text))).collect()
}

pub fn location(location: Location) -> Json {
    json!({ "lat": location.lat(), "lon": location.lon() })
}

pub fn map(map: &Map) -> Json {
    map.iter().map(|(name, own)| (name.to_owned(), value(own))).collect()
}

pub fn value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(bool) => Json::from(*bool),
        Value::Int(int) => Json::from(*int),
        Value::Float(float) => Json::from(*float),
        Value::Text(text) => Json::from(&**text),
        Value::List(list) => list.iter().map(self::value).collect(),
        Value::Map(own) => map(own),
    }
}

/// `{"gtin":…,"serial":…|null,"link":"/01/…"}`
pub fn subject(subject: Subject) -> Json {
    json!({
        "gtin": subject.gtin.to_string(),
        "serial": serial(subject),
        "link": subject.path(),
    })
}

pub fn serial(subject: Subject) -> Json {
    if subject.is_unit() { Json::from(subject.serial.as_str()) } else { Json::Null }
}

/// Where, when and how somebody was, as a decision saw it.
pub fn write_context(out: &mut write::Out, context: &Context) {
    out.open("{\"time\":").time(context.time);
    out.raw(",\"place\":").text_or_null(context.place.as_deref());
    match context.location {
        None => drop(out.raw(",\"location\":null")),
        Some(location) => {
            out.raw(",\"location\":{\"lat\":").float(location.lat());
            out.raw(",\"lon\":").float(location.lon());
            out.raw("}");
        }
    }
    out.raw(",\"channel\":").text_or_null(context.channel.map(|channel| channel.name()));
    out.raw(",\"setting\":").text_or_null(context.setting.as_deref());
    out.raw(",\"locale\":").text_or_null(context.locale.as_deref());
    out.raw(",\"tz\":").text_or_null(context.zone.as_deref());
    out.raw(",\"weather\":").map(&context.weather);
    out.raw(",\"role\":").text_or_null(context.role.as_deref());
    out.raw(match context.near_product {
        None => ",\"near_product\":null",
        Some(true) => ",\"near_product\":true",
        Some(false) => ",\"near_product\":false",
    });
    out.raw(",\"campaign\":").text_or_null(context.campaign.as_deref());
    out.close("}");
}

/// The same as a value, for the answers that are asked for seldom.
pub fn context(context: &Context) -> Json {
    let mut out = write::Out::with_room(256);
    write_context(&mut out, context);
    serde_json::from_str(&out.into_text()).expect("it was written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_says_all_that_a_decision_saw() {
        let full = Context {
            time: Time(1_795_348_800_000),
            place: Some("mitte".into()),
            location: Location::degrees(52.5, -13.25),
            channel: Some(model::touch::Channel::App),
            setting: Some("home".into()),
            locale: Some("de".into()),
            zone: Some("Europe/Berlin".into()),
            weather: [("condition", Value::from("rain"))].into_iter().collect(),
            role: Some("staff \"a\"".into()),
            near_product: Some(true),
            campaign: Some("spring".into()),
        };
        assert_eq!(
            context(&full),
            json!({
                "time": "2026-11-22T12:00:00.000Z", "place": "mitte",
                "location": { "lat": 52.5, "lon": -13.25 }, "channel": "app", "setting": "home",
                "locale": "de", "tz": "Europe/Berlin", "weather": { "condition": "rain" },
                "role": "staff \"a\"", "near_product": true, "campaign": "spring",
            })
        );
        let all = context(&Context::default());
        assert!(all["near_product"].is_null() && all["location"].is_null());
    }

    #[test]
    fn times_and_amounts_have_one_form() {
        assert_eq!(time_text(Time(1_795_348_800_000)), "2026-11-22T12:00:00.000Z");
        assert_eq!(time_text(Time(1)), "1970-01-01T00:00:00.001Z");
        // The library's word on every day, and on what is beyond.
        let ends = [-1, 253_402_300_799_999, 253_402_300_800_000, i64::MIN, i64::MAX];
        let days = (0..2_932_900).map(|day| day * 86_400_000 + day * 7_919 % 86_400_000);
        for ms in days.step_by(11).chain(ends) {
            let moment = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
            assert_eq!(time_text(Time(ms)), format!("{moment:.3}"), "{ms}");
        }
        let text = |minor, currency: &[u8; 3]| amount(Money { minor, currency: *currency });
        assert_eq!(text(29_900, b"USD"), "299.00");
        assert_eq!(text(-5, b"EUR"), "-0.05");
        assert_eq!(text(500, b"JPY"), "500");
        assert_eq!(text(1, b"BHD"), "0.001");
        assert_eq!(text(i64::MIN, b"EUR"), "-92233720368547758.08");
    }
}

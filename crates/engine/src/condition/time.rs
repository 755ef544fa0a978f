//! Times and durations as texts, and the parts of a time in a zone. Zones come from the database
//! that is compiled in, never from the machine's files: every replica must agree.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z.
const FIRST_MS: i64 = -62_135_596_800_000;
const LAST_MS: i64 = 253_402_300_799_999;

pub fn in_range(ms: i64) -> bool {
    (FIRST_MS..=LAST_MS).contains(&ms)
}

/// RFC 3339 to milliseconds; what is finer is cut off.
pub fn read_time(text: &str) -> Option<i64> {
    // The library reads more than RFC 3339; a `[zone]` behind it would be one more way to say it.
    if !text.as_bytes().get(10).is_some_and(|b| matches!(b, b'T' | b't')) || text.contains('[') {
        return None;
    }
    let ms = text.parse::<Timestamp>().ok()?.as_nanosecond().div_euclid(1_000_000);
    i64::try_from(ms).ok().filter(|ms| in_range(*ms))
}

pub fn time_text(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// Signed numbers with the units h, m, s, ms, us, ns, one after the other: `1h30m`, `-1.5s`.
pub fn read_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_len);
        let unit_len = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        let scale: i128 = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" | "μs" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        nanos = nanos.checked_add(scaled(number, scale)?)?;
        rest = after;
    }
    let ms = i64::try_from(nanos / 1_000_000).ok()?;
    Some(if negative { -ms } else { ms })
}

/// `1.5` times `scale`, in whole units.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() > 18 || fraction.len() > 18 || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse().ok() };
    let whole: i128 = digits(whole)?;
    let parts: i128 = digits(fraction)?;
    Some(whole * scale + parts * scale / 10_i128.pow(fraction.len() as u32))
}

/// Seconds, as the language writes durations: `5400s`, `0.25s`.
pub fn duration_text(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    let fraction = format!("{:03}", ms % 1000);
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{dot}{fraction}s", ms / 1000)
}

/// `Europe/Berlin`, `UTC`, `+02:00`, `-08:00`.
pub fn zone(name: &str) -> Option<TimeZone> {
    if let Some(offset) = read_offset(name) {
        return Some(TimeZone::fixed(offset));
    }
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    TimeZoneDatabase::bundled().get(name).ok()
}

fn read_offset(name: &str) -> Option<Offset> {
    let (sign, digits) = match name.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, name.strip_prefix('+').unwrap_or(name)),
    };
    let (hours, minutes) = digits.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..=23).contains(&hours) || !(0..=59).contains(&minutes) {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// A part of a time, or of a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Part {
    pub fn named(name: &str) -> Option<Part> {
        Some(match name {
            "getFullYear" => Part::FullYear,
            "getMonth" => Part::Month,
            "getDate" => Part::Date,
            "getDayOfMonth" => Part::DayOfMonth,
            "getDayOfWeek" => Part::DayOfWeek,
            "getDayOfYear" => Part::DayOfYear,
            "getHours" => Part::Hours,
            "getMinutes" => Part::Minutes,
            "getSeconds" => Part::Seconds,
            "getMilliseconds" => Part::Milliseconds,
            _ => return None,
        })
    }

    /// Of a duration, too.
    pub fn has_duration(self) -> bool {
        matches!(self, Part::Hours | Part::Minutes | Part::Seconds | Part::Milliseconds)
    }

    pub fn of_time(self, ms: i64, zone: &TimeZone) -> Option<i64> {
        let time = zone.to_datetime(Timestamp::from_millisecond(ms).ok()?);
        Some(match self {
            Part::FullYear => time.year().into(),
            Part::Month => i64::from(time.month()) - 1,
            Part::Date => time.day().into(),
            Part::DayOfMonth => i64::from(time.day()) - 1,
            Part::DayOfWeek => time.weekday().to_sunday_zero_offset().into(),
            Part::DayOfYear => i64::from(time.day_of_year()) - 1,
            Part::Hours => time.hour().into(),
            Part::Minutes => time.minute().into(),
            Part::Seconds => time.second().into(),
            Part::Milliseconds => time.millisecond().into(),
        })
    }

    /// The whole duration in the unit, but milliseconds only those within the second.
    pub fn of_duration(self, ms: i64) -> Option<i64> {
        Some(match self {
            Part::Hours => ms / 3_600_000,
            Part::Minutes => ms / 60_000,
            Part::Seconds => ms / 1000,
            Part::Milliseconds => ms % 1000,
            _ => return None,
        })
    }
}

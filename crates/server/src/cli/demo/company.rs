//! The company of the demo and of `load`: one model of printer, units with claim codes, a campaign,
//! shops in a city, a journey. All of it is registered over the server's own HTTP interface.

use serde_json::{Value, json};

use super::super::Failed;
use super::super::http::Client;

pub const GTIN: &str = "09506000134352";
pub const CAMPAIGN: &str = "spring";
/// The unit that whoever tries the demo can make theirs.
pub const YOURS: &str = "PB-0001";
/// The unit of the person in the story.
pub const STORY_UNIT: &str = "PB-0002";
/// The first unit that other lives buy.
pub const OTHERS_FROM: u32 = 3;
pub const UNITS: u32 = 300;
const UNITS_PER_CALL: u32 = 2_000;

const MODEL: &str = include_str!("printer.json");
const JOURNEY: &str = include_str!("../../../../../journeys/printer.yaml");

/// Id, name, latitude, longitude. The company and its shops are invented, the city is not.
pub const SHOPS: [(&str, &str, f64, f64); 5] = [
    ("shop-mitte", "Paperbird Mitte", 52.5219, 13.4132),
    ("shop-kreuzberg", "Paperbird Kreuzberg", 52.4990, 13.4180),
    ("shop-charlottenburg", "Paperbird Charlottenburg", 52.5050, 13.3320),
    ("shop-neukoelln", "Paperbird Neukölln", 52.4810, 13.4350),
    ("shop-wedding", "Paperbird Wedding", 52.5490, 13.3590),
];

pub fn serial(number: u32) -> String {
    format!("PB-{number:04}")
}

/// What is printed on the card in the unit's box. Whoever has the demo's seed has all of them.
pub fn claim_code(seed: u64, number: u32) -> String {
    const LETTERS: &[u8; 31] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
    let digest = model::id::Digest::of(&[b"demo", &seed.to_be_bytes(), &number.to_be_bytes()]).0;
    let letter = |at: u32| char::from(LETTERS[(digest >> (at * 5)) as usize % LETTERS.len()]);
    let half = |from: u32| (from..from + 4).map(letter).collect::<String>();
    format!("{}-{}", half(0), half(4))
}

/// Registers everything, with so many units; repeating it changes nothing.
pub async fn register(api: &mut Client, seed: u64, units: u32) -> Result<(), Failed> {
    let model: Value = serde_json::from_str(MODEL)?;
    api.send("PUT", &format!("/v1/models/{GTIN}"), &model).await?.success()?;
    for from in (1..=units).step_by(UNITS_PER_CALL as usize) {
        let mut lines = String::new();
        for number in from..=units.min(from + UNITS_PER_CALL - 1) {
            let unit = json!({
                "gtin": GTIN,
                "serial": serial(number),
                "claim_code": claim_code(seed, number),
                "attributes": {"colour": if number % 3 == 0 { "white" } else { "graphite" }},
            });
            lines.push_str(&unit.to_string());
            lines.push('\n');
        }
        let kind = "application/x-ndjson";
        api.call("POST", "/v1/products", kind, lines.into()).await?.success()?;
    }
    api.call("PUT", "/v1/journeys/printer", "application/yaml", JOURNEY.into()).await?.success()?;
    let campaign = json!({
        "name": "Spring cleaning for your photos",
        "models": [GTIN],
        "stage": "interested",
        "cost": {"amount": "1200.00", "currency": "USD"},
        "window_days": 30,
    });
    api.send("PUT", &format!("/v1/campaigns/{CAMPAIGN}"), &campaign).await?.success()?;
    for (id, name, lat, lon) in SHOPS {
        let place = json!({
            "name": name,
            "kind": "shop",
            "circle": {"lat": lat, "lon": lon, "radius_m": 60},
            "zone": "Europe/Berlin",
            "hours": [{"days": [1, 2, 3, 4, 5, 6], "from": "10:00", "to": "20:00"}],
            "models": [GTIN],
        });
        api.send("PUT", &format!("/v1/places/{id}"), &place).await?.success()?;
    }
    Ok(())
}

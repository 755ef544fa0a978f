//! Receipts of wipes: for anybody who has the id, without a word about whom.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use engine::record::Receipt;
use model::id::Time;
use serde_json::{Value as Json, json};

use super::call::{self, object, row};
use crate::app::App;
use crate::json;
use crate::problem::Problem;
use crate::route::{Route, Who};

pub fn routes() -> Vec<Route> {
    vec![Route {
        who: Who::Public,
        answer: (
            200,
            object(json!({ "id": "r_0011223344556677",
            "wiped_at": "2026-11-22T10:00:00.000Z", "records": 12,
            "purged_at": "2026-11-22T10:00:01.000Z", "complete": true,
            "backups_gone_by": "2026-12-22T10:00:01.000Z", "statement": "…",
            "signature": { "alg": "Ed25519", "key": "…", "value": "…", "signed": "…" } })),
        ),
        problems: &["not_found"],
        ..row(
            "get",
            "/v1/receipts/{id}",
            "Persons",
            "The receipt of a wipe",
            "A statement, signed with the company's key. It is complete once every log record of \
             the person is overwritten. Names nobody.",
            get(one),
        )
    }]
}

/// `r_` and 16 hex digits.
pub fn name(receipt: u64) -> String {
    format!("r_{receipt:016x}")
}

fn named(name: &str) -> Option<u64> {
    let hex = name.strip_prefix("r_").unwrap_or(name);
    (hex.len() == 16).then(|| u64::from_str_radix(hex, 16).ok()).flatten()
}

async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let none = || Problem::new("not_found", "there is no such receipt");
    let id = named(&id).ok_or_else(none)?;
    let state = app.engine.state();
    let receipt = state.receipt(id).ok_or_else(none)?;
    Ok(call::ok(&receipt_json(&app, id, &receipt)))
}

fn receipt_json(app: &App, id: u64, receipt: &Receipt) -> Json {
    let statement = statement(app, id, receipt);
    let gone = receipt.purged.map(|(time, _)| backups_gone(app, time));
    json!({
        "id": name(id),
        "wiped_at": json::time(receipt.wiped),
        "aliases": receipt.aliases,
        "bonds": receipt.bonds,
        "touches": receipt.touches,
        "records": receipt.purged.map(|(_, records)| records),
        "purged_at": json::time_or_null(receipt.purged.map(|(time, _)| time)),
        "complete": receipt.purged.is_some(),
        "backups_gone_by": json::time_or_null(gone),
        "statement": statement,
        "signature": {
            "alg": "Ed25519",
            "key": app.signer.public(),
            "value": app.signer.sign(&statement),
            "signed": statement,
        },
    })
}

fn backups_gone(app: &App, purged: Time) -> Time {
    purged.plus(i64::from(app.settings.backup_days) * Time::DAY_MS)
}

/// What is signed: the same words whenever the same is true.
fn statement(app: &App, id: u64, receipt: &Receipt) -> String {
    let company = &app.settings.company;
    let Receipt { aliases, bonds, touches, .. } = receipt;
    let wiped = json::time_text(receipt.wiped);
    let first = format!(
        "Receipt {}: {company} wiped one person at {wiped}: {}, {}, {}.",
        name(id),
        count(*aliases, "name", "names"),
        count(*bonds, "bond", "bonds"),
        count(*touches, "touch", "touches"),
    );
    match receipt.purged {
        Some((time, records)) => {
            let (purged, gone) = (json::time_text(time), json::time_text(backups_gone(app, time)));
            format!(
                "{first} The wipe is complete: {} overwritten by {purged}; no file of the running system leads back to the person. Backups that \
                 were made before are deleted by {gone}.",
                count(records, "log record was", "log records were")
            )
        }
        None => format!("{first} Their log records are still being overwritten."),
    }
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

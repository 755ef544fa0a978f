//! Errors of the HTTP interface: one table of codes, sentences and hints, answered as RFC 9457
//! `application/problem+json`. Nothing personal goes into an error.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// What a call was refused for.
#[derive(Debug)]
pub struct Problem {
    code: &'static str,
    detail: String,
    at: Option<Value>,
    retry_after_s: Option<u32>,
    more: Map<String, Value>,
}

/// Code, status, title, what to do about it. A code never changes its meaning.
pub const PROBLEMS: &[(&str, u16, &str, &str)] = &[
    ("bad_request", 400, "The request cannot be understood", "Compare it with /docs."),
    ("bad_json", 400, "The body is not valid JSON", "Look at the place that is named."),
    ("bad_link", 400, "This is not a valid GS1 Digital Link", "Check the part that is named."),
    ("no_key", 401, "A key or session is needed", "Send 'Authorization: Bearer <key>'."),
    ("bad_key", 401, "This key is not known", "Make one with 'everbond keys new'."),
    ("not_allowed", 403, "This credential may not do that", "Use a secret key."),
    ("csrf", 403, "The call did not come from our page", "Send the header 'X-Everbond: 1'."),
    ("claim_code_wrong", 403, "The code is not the one from the box", "Look at the card again."),
    ("claim_not_offered", 403, "This product cannot be claimed", "Ask the company."),
    ("not_owner", 403, "Only the owner can do that", "Claim the product first."),
    ("not_found", 404, "There is nothing here", "Check the address."),
    ("no_such_person", 404, "There is no such person", "They may have been wiped or merged."),
    ("no_such_product", 404, "No such product is registered", "Check GTIN and serial number."),
    ("no_such_model", 404, "No such model is registered", "Check the GTIN."),
    ("method_not_allowed", 405, "This address does not take this method", "See /docs."),
    ("already_owned", 409, "The product already has an owner", "The owner has to part first."),
    ("conflict", 409, "The request conflicts with what is there", "Read it again first."),
    ("too_large", 413, "The request is too large", "Send it in smaller parts."),
    ("bad_encoding", 415, "The content encoding is not known", "Use gzip, zstd or none."),
    ("invalid", 422, "Something in the request is not valid", "Look at the place that is named."),
    ("bad_journey", 422, "The journey has mistakes", "Each is listed with line and column."),
    ("refused", 422, "The request was refused", "The detail says why."),
    ("claim_locked", 429, "Too many wrong codes", "Try again tomorrow."),
    ("too_many", 429, "Too many requests", "Wait for the time in Retry-After."),
    ("busy", 503, "Too much waits already", "Wait for the time in Retry-After."),
    ("disk_full", 503, "There is no space left", "Free some space; nothing was lost."),
    ("stopping", 503, "The program is stopping", "Try again in a moment."),
    ("internal", 500, "Something went wrong here", "It is in the log under the request's id."),
];

impl Problem {
    /// `code` is one of [`PROBLEMS`]; a refusal of the engine that is not becomes `refused` with
    /// its own word beside it.
    pub fn new(code: &str, detail: impl Into<String>) -> Problem {
        let mut more = Map::new();
        let known = PROBLEMS.iter().find(|row| row.0 == code);
        let code = known.map_or_else(
            || {
                more.insert("reason".into(), json!(code));
                "refused"
            },
            |row| row.0,
        );
        Problem { code, detail: detail.into(), at: None, retry_after_s: None, more }
    }

    /// Where in the request it went wrong: `{"path": …}`, `{"line": …, "column": …}`.
    pub fn at(mut self, at: Value) -> Problem {
        self.at = Some(at);
        self
    }

    pub fn retry_after(mut self, seconds: u32) -> Problem {
        self.retry_after_s = Some(seconds);
        self
    }

    pub fn with(mut self, name: &str, value: Value) -> Problem {
        self.more.insert(name.into(), value);
        self
    }

    pub fn code(&self) -> &'static str {
        self.code
    }

    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.row().1).expect("the table has valid statuses")
    }

    fn row(&self) -> &'static (&'static str, u16, &'static str, &'static str) {
        let own = PROBLEMS.iter().find(|row| row.0 == self.code);
        own.expect("new only takes codes of the table")
    }

    pub fn to_json(&self) -> Value {
        let (code, status, title, hint) = *self.row();
        let mut body = json!({
            "type": format!("https://everbond.dev/problems/{code}"),
            "code": code,
            "status": status,
            "title": title,
            "detail": self.detail,
            "hint": hint,
            // Segment's SDKs read this one.
            "message": title,
        });
        let fields = body.as_object_mut().expect("made as an object");
        if let Some(at) = &self.at {
            fields.insert("at".into(), at.clone());
        }
        fields.extend(self.more.clone());
        body
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.to_json().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<runtime::Busy> for Problem {
    fn from(busy: runtime::Busy) -> Problem {
        match busy {
            runtime::Busy::Full { retry_after_s } => {
                Problem::new("busy", "more is waiting for the log than it can take")
                    .retry_after(retry_after_s)
            }
            runtime::Busy::DiskFull => {
                Problem::new("disk_full", "the log cannot grow").retry_after(30)
            }
            runtime::Busy::Stopped => {
                Problem::new("stopping", "the log takes no more").retry_after(2)
            }
        }
    }
}

impl From<model::outcome::Refusal> for Problem {
    fn from(refusal: model::outcome::Refusal) -> Problem {
        Problem::new(refusal.code, refusal.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_there_once_and_has_a_valid_status() {
        for (at, row) in PROBLEMS.iter().enumerate() {
            assert!(PROBLEMS[..at].iter().all(|other| other.0 != row.0), "{}", row.0);
            assert!(StatusCode::from_u16(row.1).is_ok());
        }
    }

    #[test]
    fn a_refusal_keeps_its_own_word() {
        let problem = Problem::new("too_many_places", "there are 100,000");
        assert_eq!(problem.to_json()["reason"], "too_many_places");
        assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
}

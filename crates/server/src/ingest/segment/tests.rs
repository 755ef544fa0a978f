use std::path::PathBuf;

use model::alias::AliasKind;
use model::touch::Channel;
use model::value::Value;

use super::super::spoil::{Dice, spoil};
use super::*;

/// 2026-11-22T12:00:00Z
const NOON: Time = Time(1_795_348_800_000);

fn parse_as(call: Call, body: &str) -> Parsed {
    parse(call, body.as_bytes(), NOON, &Mapping::default()).expect("the body is JSON")
}

/// One call that is understood.
fn one(call: Call, body: &str) -> Touch {
    let mut items = parse_as(call, body).items;
    assert_eq!(items.len(), 1);
    items.remove(0).expect("the call is understood")
}

fn bad(call: Call, body: &str) -> Bad {
    parse_as(call, body).items.remove(0).expect_err("the call is refused")
}

fn track(properties: &str) -> Touch {
    let body = format!(
        r#"{{"userId":"u1","event":"Order Completed","messageId":"m","properties":{properties}}}"#
    );
    one(Call::Track, &body)
}

fn aliases(touch: &Touch) -> Vec<String> {
    touch.aliases.iter().map(Alias::to_string).collect()
}

#[test]
fn identify_says_who_and_what() {
    let touch = one(
        Call::Identify,
        r#"{"userId":"u1","anonymousId":"a1","context":{"traits":{"email":"Old@x.example","city":"Ulm"}},
            "traits":{"email":"Ann@X.example","phone":"+49 30 123456","plan":"gold"}}"#,
    );
    assert_eq!(touch.kind.as_str(), "person.identified");
    assert_eq!(
        aliases(&touch),
        ["user:u1", "email:ann@x.example", "phone:+4930123456", "anonymous:a1"]
    );
    assert_eq!(touch.traits.text("email"), Some("Ann@X.example"));
    assert_eq!(touch.traits.text("city"), Some("Ulm"));
    assert!(touch.properties.is_empty());
}

#[test]
fn only_identify_makes_an_email_an_alias() {
    let body = r#"{"userId":"u1","event":"X","context":{"traits":{"email":"a@x.example"}}}"#;
    assert_eq!(aliases(&one(Call::Track, body)), ["user:u1"]);
    for email in ["\"nobody\"", "\"a@b\"", "7", "\"@x.example\""] {
        let body = format!(r#"{{"userId":"u1","traits":{{"email":{email}}}}}"#);
        assert_eq!(aliases(&one(Call::Identify, &body)), ["user:u1"], "{email}");
    }
}

#[test]
fn ids_may_be_numbers_null_or_placeholders() {
    let touch = one(Call::Track, r#"{"userId":17,"anonymousId":null,"event":"X"}"#);
    assert_eq!(aliases(&touch), ["user:17"]);
    let touch = one(Call::Track, r#"{"userId":"undefined","anonymousId":"a","event":"X"}"#);
    assert_eq!(aliases(&touch), ["anonymous:a"]);
    assert_eq!(bad(Call::Track, r#"{"userId":"null","event":"X"}"#).code, "no_person");
    let long = format!(r#"{{"userId":"{}","event":"X"}}"#, "x".repeat(300));
    let bad = bad(Call::Track, &long);
    assert_eq!((bad.code, bad.at.as_str()), ("bad_alias", "userId"));
    assert!(!bad.detail.contains("xxx"));
}

#[test]
fn alias_names_both_and_equal_ids_join_nobody() {
    let touch = one(Call::Alias, r#"{"userId":"u1","previousId":"a1"}"#);
    assert_eq!(touch.kind.as_str(), "person.aliased");
    assert_eq!(aliases(&touch), ["user:u1", "anonymous:a1"]);
    assert_eq!(touch.properties.text("previous_id"), Some("a1"));
    let touch = one(Call::Alias, r#"{"userId":"u1","previousId":"u1"}"#);
    assert_eq!(aliases(&touch), ["user:u1"]);
}

#[test]
fn group_speaks_of_the_account_not_of_the_person() {
    let touch = one(
        Call::Group,
        r#"{"userId":"u1","groupId":"acct-1","traits":{"name":"Initech","employees":329}}"#,
    );
    assert_eq!(touch.kind.as_str(), "person.grouped");
    assert_eq!(touch.properties.text("account"), Some("acct-1"));
    let employees = touch.properties.get_in(["account_traits", "employees"]);
    assert_eq!(employees, Some(&Value::Int(329)));
    assert!(touch.traits.is_empty());
    assert_eq!(bad(Call::Group, r#"{"userId":"u1"}"#).code, "no_group");
}

#[test]
fn pages_and_screens_keep_their_names() {
    let touch = one(
        Call::Page,
        r#"{"anonymousId":"a","name":"Landing","category":"Docs","properties":{
            "url":"https://x.example/p?utm_source=mail&utm_campaign=Spring+Sale%21#top"},
            "context":{"page":{"url":"https://x.example/other"},"locale":"de-DE","ip":"203.0.113.9",
            "userAgent":"Mozilla","campaign":{}}}"#,
    );
    assert_eq!(touch.kind.as_str(), "page.viewed");
    assert_eq!(touch.properties.text("name"), Some("Landing"));
    assert_eq!(touch.properties.text("category"), Some("Docs"));
    assert_eq!(touch.campaign.as_deref(), Some("Spring Sale!"));
    assert_eq!(touch.channel, Some(Channel::Web));
    let context = touch.properties.get("context").and_then(Value::as_map).expect("kept");
    assert_eq!(context.text("locale"), Some("de-DE"));
    let kept: Vec<&str> = context.iter().map(|(name, _)| name).collect();
    assert_eq!(kept, ["locale", "userAgent"]);
    let touch = one(Call::Screen, r#"{"anonymousId":"a","name":"Home","properties":null}"#);
    assert_eq!((touch.kind.as_str(), touch.channel), ("screen.viewed", Some(Channel::App)));
}

#[test]
fn what_is_not_in_the_table_keeps_its_name() {
    let touch = one(Call::Track, r#"{"userId":"u","event":"Coffee Brewed"}"#);
    assert_eq!(touch.kind.as_str(), "event.coffee_brewed");
    assert_eq!(touch.properties.text("event"), Some("Coffee Brewed"));
    let mapping = Mapping::new([("Coffee Brewed", "product.used")]).expect("valid");
    let body = br#"{"userId":"u","event":"Coffee Brewed"}"#;
    let parsed = parse(Call::Track, body, NOON, &mapping).expect("JSON");
    assert_eq!(parsed.items[0].as_ref().expect("understood").kind.as_str(), "product.used");
    assert!(track("{}").properties.is_empty());
    assert_eq!(bad(Call::Track, r#"{"userId":"u","event":" "}"#).code, "no_event");
}

#[test]
fn products_are_found_where_shops_put_them() {
    let found = |properties: &str| -> Vec<String> {
        track(properties).products.iter().map(|subject| subject.to_string()).collect()
    };
    let unit = "/01/09506000134352/21/A1";
    assert_eq!(found(r#"{"gtin":"9506000134352","serial":"A1"}"#), [unit]);
    assert_eq!(found(r#"{"product_id":9506000134352,"serial_number":"A1"}"#), [unit]);
    assert_eq!(found(r#"{"product_id":"https://id.x.example/01/09506000134352/21/A1"}"#), [unit]);
    assert_eq!(found(r#"{"sku":"09506000134352"}"#), ["/01/09506000134352"]);
    assert_eq!(
        found(r#"{"gtin":"9506000134352","serial":"not a serial"}"#),
        ["/01/09506000134352"]
    );
    assert_eq!(
        found(
            r#"{"products":[{"product_id":"507f1f77bcf86cd799439011","sku":"45790-32"},
            {"ean":"9506000134352","serial":"A1"},{"gtin":"9506000134352","serial":"A1"},
            "/01/09506000134352/21/B2",7]}"#
        ),
        [unit, "/01/09506000134352/21/B2"]
    );
    let none = ["507f", "12345678", "45790-32", "G-32", "9506000134353"];
    for id in none {
        let sku = format!(r#"{{"sku":"{id}"}}"#);
        assert!(found(&sku).is_empty(), "{id}");
    }
    assert!(found(r#"{"product_id":12345670}"#).is_empty());
    let page = r#"{"anonymousId":"a","properties":{"url":"https://x.example/01/09506000134352"}}"#;
    assert_eq!(one(Call::Page, page).products.len(), 1);
}

#[test]
fn what_became_the_product_is_not_kept_among_the_properties() {
    let left = |properties: &str| {
        let left = track(properties).properties;
        ["gtin", "serial", "tray"].map(|name| left.get(name).is_some())
    };
    assert_eq!(left(r#"{"gtin":"9506000134352","serial":"A1","tray":2}"#), [false, false, true]);
    assert_eq!(left(r#"{"gtin":9506000134352,"serial":null,"tray":2}"#), [false, false, true]);
    assert_eq!(left(r#"{"gtin":"9506000134352","serial":"not a serial"}"#), [true, true, false]);
    assert_eq!(left(r#"{"gtin":"9506000134353","serial":"A1"}"#), [true, true, false]);
    assert_eq!(left(r#"{"serial":"A1","tray":2}"#), [false, true, true]);
}

#[test]
fn a_product_is_enough_without_a_person() {
    let body = r#"{"event":"product.failed","properties":{"gtin":"9506000134352","serial":"A1"}}"#;
    let touch = one(Call::Track, body);
    assert!(touch.aliases.is_empty());
    assert_eq!(touch.kind.as_str(), "product.failed");
}

#[test]
fn money_is_the_revenue_and_dollars_are_assumed() {
    let money = |properties: &str| track(properties).money.map(|money| money.to_string());
    let all = r#"{"total":27.5,"subtotal":22.5,"revenue":"25","currency":"eur"}"#;
    assert_eq!(money(all).as_deref(), Some("25.00 EUR"));
    assert_eq!(money(r#"{"total":27.5,"subtotal":22.5}"#).as_deref(), Some("22.50 USD"));
    assert_eq!(money(r#"{"total":9.99}"#).as_deref(), Some("9.99 USD"));
    assert_eq!(money(r#"{"price":3,"quantity":2,"currency":"JPY"}"#).as_deref(), Some("6 JPY"));
    assert_eq!(money(r#"{"total":"free"}"#), None);
    assert_eq!(money(r#"{"total":5,"currency":"Euro"}"#), None);
    let odd = |properties: &str| {
        let body = format!(r#"{{"userId":"u","event":"Dial Turned","properties":{properties}}}"#);
        one(Call::Track, &body).money.map(|money| money.to_string())
    };
    assert_eq!(odd(r#"{"value":5}"#), None);
    assert_eq!(odd(r#"{"value":5,"currency":"USD"}"#).as_deref(), Some("5.00 USD"));
}

#[test]
fn campaign_place_and_location() {
    let touch = one(
        Call::Track,
        r#"{"userId":"u","event":"Promotion Clicked","properties":{"promotion_id":"promo_1",
            "place_id":"shop-1"},"context":{"campaign":{"name":"spring","source":"mail"},
            "location":{"latitude":52.5,"longitude":13.4,"city":"Berlin"}}}"#,
    );
    assert_eq!(touch.kind.as_str(), "campaign.clicked");
    assert_eq!(touch.campaign.as_deref(), Some("promo_1"));
    assert_eq!(touch.place.as_deref(), Some("shop-1"));
    assert_eq!(touch.location.map(|location| location.lat()), Some(52.5));
    let city = touch.properties.get_in(["context", "location", "city"]);
    assert_eq!(city.and_then(Value::as_str), Some("Berlin"));
    assert_eq!(touch.properties.get_in(["context", "location", "latitude"]), None);
    let named = r#"{"userId":"u","event":"X","context":{"campaign":{"name":"spring"},
        "location":{"latitude":1000,"longitude":0}}}"#;
    let touch = one(Call::Track, named);
    assert_eq!((touch.campaign.as_deref(), touch.location), (Some("spring"), None));
    assert!(touch.properties.get_in(["context", "location", "latitude"]).is_some());
}

#[test]
fn the_library_tells_the_channel() {
    let channel = |library: &str| {
        let body = format!(
            r#"{{"userId":"u","event":"X","context":{{"library":{{"name":"{library}"}}}}}}"#
        );
        one(Call::Track, &body).channel
    };
    assert_eq!(channel("analytics.js"), Some(Channel::Web));
    assert_eq!(channel("RudderLabs JavaScript SDK"), Some(Channel::Web));
    assert_eq!(channel("analytics-react-native"), Some(Channel::App));
    assert_eq!(channel("analytics-kotlin"), Some(Channel::App));
    assert_eq!(channel("@segment/analytics-node"), Some(Channel::Server));
    assert_eq!(channel("analytics-python"), Some(Channel::Server));
    assert_eq!(one(Call::Track, r#"{"userId":"u","event":"X"}"#).channel, None);
    let said = r#"{"userId":"u","event":"X","channel":"mobile"}"#;
    assert_eq!(one(Call::Track, said).channel, Some(Channel::App));
}

#[test]
fn a_clock_that_is_off_is_corrected_by_segments_rule() {
    let time =
        |fields: &str| one(Call::Track, &format!(r#"{{"userId":"u","event":"X",{fields}}}"#));
    let offset = |fields: &str| time(fields).time.since(NOON);
    assert_eq!(offset(r#""context":{}"#), 0);
    // Right within a minute: taken as it is said.
    let near = r#""timestamp":"2026-11-22T11:00:00Z","sentAt":"2026-11-22T11:59:58Z""#;
    assert_eq!(offset(near), -3_600_000);
    // An hour slow, and an hour fast: it happened two seconds before it was sent.
    let slow = r#""timestamp":"2026-11-22T10:59:58Z","sentAt":"2026-11-22T11:00:00Z""#;
    assert_eq!(offset(slow), -2_000);
    let fast = r#""originalTimestamp":"2026-11-22T12:59:58Z","sentAt":"2026-11-22T13:00:00Z""#;
    assert_eq!(offset(fast), -2_000);
    // Somebody on the way did it already.
    let done = r#""originalTimestamp":"2026-11-22T10:59:58Z","timestamp":"2026-11-22T11:59:57Z",
        "sentAt":"2026-11-22T11:00:00Z""#;
    assert_eq!(offset(done), -3_000);
    let item = r#"{"type":"track","userId":"u","event":"X","timestamp":"2020-01-01T00:00:00Z"}"#;
    let body = format!(r#"{{"batch":[{item}],"sentAt":"2026-11-22T11:00:00Z"}}"#);
    assert_eq!(one(Call::Batch, &body).time, Time(1_577_836_800_000 + 3_600_000));
    assert_eq!(one(Call::Import, &body).time, Time(1_577_836_800_000));
}

#[test]
fn times_that_cannot_be_are_refused() {
    for time in ["\"soon\"", "true", "\"1970-01-01\"", "\"2027-11-22\""] {
        let body = format!(r#"{{"userId":"u","event":"X","timestamp":{time}}}"#);
        let bad = bad(Call::Track, &body);
        assert_eq!((bad.code, bad.at.as_str()), ("bad_time", "timestamp"), "{time}");
    }
    let odd = r#"{"userId":"u","event":"X","timestamp":"2026-11-22T11:00:00","sentAt":"soon"}"#;
    assert_eq!(one(Call::Track, odd).time.since(NOON), -3_600_000);
}

#[test]
fn a_retry_has_the_same_id_however_it_was_sent() {
    let item = |sent: &str, more: &str| {
        let body = format!(r#"{{"userId":"u","event":"X","sentAt":"{sent}"{more}}}"#);
        one(Call::Track, &body).id
    };
    let named = r#","messageId":"m1""#;
    let first = item("2026-11-22T12:00:00Z", named);
    assert_eq!(first, item("2026-11-22T09:00:00Z", named));
    assert_ne!(first, item("2026-11-22T12:00:00Z", r#","messageId":"m2""#));
    let timed = r#","timestamp":"2026-11-22T11:00:00Z""#;
    let first = item("2026-11-22T12:00:00Z", timed);
    assert_ne!(first, Digest(0));
    assert_eq!(first, item("2026-11-22T09:00:00Z", timed));
    assert_ne!(first, item("2026-11-22T12:00:00Z", r#","timestamp":"2026-11-22T11:00:01Z""#));
    // The same bytes again are the same message; a later one with no time at all is not.
    let sent = item("2026-11-22T12:00:00Z", "");
    assert_eq!(sent, item("2026-11-22T12:00:00Z", ""));
    assert_ne!(sent, item("2026-11-22T12:00:01Z", ""));
    assert_eq!(one(Call::Track, r#"{"userId":"u","event":"X"}"#).id, Digest(0));
}

#[test]
fn one_bad_item_does_not_spoil_its_neighbours() {
    let body = r#"{"writeKey":"wk_1","batch":[
  {"type":"track","userId":"u","event":"A"},
  {"type":"nonsense","userId":"u"},
  7,
  {"type":"track","userId":"u","event":"B","properties":[1]},
  {"type":"track","userId":"u","event":"C","properties":[]},
  {"type":"track","event":"D"}
],"context":{"locale":"de"}}"#;
    let parsed = parse_as(Call::Batch, body);
    assert_eq!(parsed.write_key.as_deref(), Some("wk_1"));
    let codes: Vec<&str> =
        parsed.items.iter().map(|item| item.as_ref().map_or_else(|bad| bad.code, |_| "")).collect();
    assert_eq!(codes, ["", "bad_call", "not_an_object", "bad_type", "", "no_person"]);
    let bad = parsed.items[3].as_ref().expect_err("refused");
    assert_eq!((bad.at.as_str(), bad.line, bad.column), ("batch[3].properties", 5, 3));
    let good = parsed.items[0].as_ref().expect("understood");
    let locale = good.properties.get_in(["context", "locale"]);
    assert_eq!(locale.and_then(Value::as_str), Some("de"));
}

#[test]
fn a_refused_item_can_be_read_again_by_itself() {
    let body = br#"{"batch":[{"type":"track","event":"D"}],"context":{"locale":"d\"e"}}"#;
    let bad = parse(Call::Batch, body, NOON, &Mapping::default()).expect("JSON").items.remove(0);
    let raw = bad.expect_err("no person").raw;
    let text = std::str::from_utf8(&raw).expect("UTF-8");
    assert_eq!(text, r#"{"context":{"locale":"d\"e"},"type":"track","event":"D"}"#);
    assert_eq!(
        parse_refused(&raw, NOON, &Mapping::default()).expect_err("still").code,
        "no_person"
    );
    let mended = text.replace("\"event\"", "\"userId\":\"u\",\"event\"");
    let touch = parse_refused(mended.as_bytes(), NOON, &Mapping::default()).expect("mended");
    assert_eq!(touch.kind.as_str(), "event.d");
    let bad = self::bad(Call::Track, r#"{"userId":"u"}"#);
    assert_eq!(&*bad.raw, br#"{"type":"track","userId":"u"}"#);
}

#[test]
fn whole_bodies_that_are_no_json_are_a_problem() {
    let problem = |call, body: &[u8]| {
        let problem = parse(call, body, NOON, &Mapping::default()).expect_err("a problem");
        (problem.status, problem.code)
    };
    assert_eq!(problem(Call::Batch, b""), (400, "bad_json"));
    assert_eq!(problem(Call::Batch, b"{\"batch\":[{]}"), (400, "bad_json"));
    assert_eq!(problem(Call::Batch, b"{\"batch\":{}}"), (400, "bad_json"));
    assert_eq!(problem(Call::Batch, b"{}"), (400, "bad_json"));
    assert_eq!(problem(Call::Track, b"{\"event\":"), (400, "bad_json"));
    assert_eq!(problem(Call::Track, b"\xff"), (400, "bad_text"));
    let many = |count: usize| format!("{{\"batch\":[{}1]}}", "1,".repeat(count - 1));
    let too_many = many(limits::BATCH_TOUCHES + 1);
    assert_eq!(problem(Call::Batch, too_many.as_bytes()), (413, "batch_too_large"));
    assert_eq!(parse_as(Call::Batch, &many(limits::BATCH_TOUCHES)).items.len(), 10_000);
}

#[test]
fn limits_refuse_the_item_alone() {
    let long =
        format!(r#"{{"type":"track","userId":"u","event":"X","x":"{}"}}"#, "y".repeat(33_000));
    let deep = format!(
        r#"{{"type":"track","userId":"u","event":"X","properties":{{"a":{}1{}}}}}"#,
        "[".repeat(20),
        "]".repeat(20)
    );
    let wide: Vec<String> = (0..300).map(|at| format!("\"k{at}\":1")).collect();
    let wide = format!(
        r#"{{"type":"track","userId":"u","event":"X","properties":{{{}}}}}"#,
        wide.join(",")
    );
    let good = r#"{"type":"track","userId":"u","event":"X"}"#;
    let parsed = parse_as(Call::Batch, &format!(r#"{{"batch":[{long},{deep},{wide},{good}]}}"#));
    let codes: Vec<&str> =
        parsed.items.iter().map(|item| item.as_ref().map_or_else(|bad| bad.code, |_| "")).collect();
    assert_eq!(codes, ["touch_too_large", "too_deep", "too_many_properties", ""]);
    let kept = &parsed.items[0].as_ref().expect_err("refused").raw;
    assert_eq!(kept.len(), limits::TOUCH_BYTES);
}

fn fixtures() -> Option<PathBuf> {
    let folder =
        std::env::var_os("EVERBOND_FIXTURES").map(|path| PathBuf::from(path).join("segment"));
    if folder.is_none() {
        eprintln!("skipped: EVERBOND_FIXTURES is not set, recorded requests are not read");
    }
    folder
}

fn read_json(path: &std::path::Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).expect("the file can be read");
    serde_json::from_str(&text).expect("the file is JSON")
}

#[test]
fn every_recorded_request_is_understood() {
    let Some(folder) = fixtures() else { return };
    let mut counts = Vec::new();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("one").path())
        .collect();
    folders.sort();
    for folder in folders.into_iter().filter(|path| path.is_dir()) {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(&folder).expect("a folder").map(|e| e.expect("one").path()).collect();
        files.sort();
        let mut touches = Vec::new();
        for file in files {
            let recorded = read_json(&file);
            if recorded["method"] != "POST" {
                continue;
            }
            let url = recorded["url"].as_str().expect("a url");
            let call = Call::named(url.rsplit('/').next().expect("a path")).expect("a known path");
            let body = recorded["body"].to_string();
            let parsed = parse_as(call, &body);
            let expected = recorded["body"]["batch"].as_array().map_or(1, Vec::len);
            assert_eq!((parsed.items.len(), parsed.refused()), (expected, 0), "{file:?}");
            touches.extend(parsed.items.into_iter().map(|item| item.expect("not refused")));
        }
        let mut ids: Vec<Digest> = touches.iter().map(|touch| touch.id).collect();
        ids.sort();
        ids.dedup();
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        counts.push((name, touches.len(), ids.len()));
    }
    let expected = [
        ("rudder-sdk-node-3.0.13", 6, 6),
        ("segment-analytics-next-1.84.3-batching", 6, 6),
        ("segment-analytics-next-1.84.3-std", 6, 6),
        ("segment-analytics-node-3.1.0", 7, 7),
        ("segment-analytics-node-3.1.0-retry429", 2, 1),
        ("segment-analytics-node-3.1.0-retry500", 3, 1),
        ("segment-analytics-python-2.4.0-gzip", 7, 7),
        ("segment-analytics-python-2.4.0-retry", 3, 1),
    ];
    let counts: Vec<_> =
        counts.iter().map(|(name, all, ids)| (name.as_str(), *all, *ids)).collect();
    assert_eq!(counts, expected);
}

#[test]
fn every_call_of_the_published_spec_is_understood() {
    let Some(folder) = fixtures() else { return };
    let calls = read_json(&folder.join("segment_docs_calls.json"));
    let calls = calls.as_array().expect("a list");
    assert_eq!(calls.len(), 31);
    let mut events = 0;
    for row in calls {
        let call = Call::named(row["call"].as_str().expect("a call")).expect("a known call");
        let args = row["args"].as_array().expect("a list");
        let text = |at: usize| args.get(at).filter(|arg| arg.is_string());
        let object = args.iter().find(|arg| arg.is_object()).cloned().unwrap_or_default();
        let mut body = serde_json::json!({"anonymousId": "a1", "messageId": "m1"});
        let field = match call {
            Call::Track => "event",
            Call::Group => "groupId",
            Call::Page => "category",
            _ => "userId",
        };
        if let Some(text) = text(0) {
            body[field] = text.clone();
        }
        let map = if matches!(call, Call::Track | Call::Page) { "properties" } else { "traits" };
        body[map] = object;
        let touch = one(call, &body.to_string());
        if row["doc"] == "ecommerce/v2.md" {
            events += 1;
            assert!(Kind::standard(touch.kind.as_str()).is_some(), "{} is unmapped", body["event"]);
            assert!(!touch.kind.as_str().starts_with("event."));
            assert_eq!(touch.properties.get("event"), None);
        }
        assert!(touch.aliases.iter().any(|alias| alias.kind == AliasKind::Anonymous));
    }
    assert_eq!(events, 25);
}

const TYPICAL: &str = r#"{"timestamp":"2026-11-22T06:01:44.922Z","integrations":{},
"event":"Order Completed","type":"track","properties":{"order_id":"50314b8e","total":27.5,
"currency":"USD","products":[{"product_id":"9506000134352","serial":"A1","sku":"45790-32",
"name":"Monopoly: 3rd Edition","price":19,"quantity":1}]},"context":{"ip":"203.0.113.9",
"userAgent":"Mozilla/5.0","locale":"de-DE","library":{"name":"@segment/analytics-node",
"version":"3.1.0"}},"userId":"u-1001","anonymousId":"507f191e810c19729de860ea",
"messageId":"node-next-1795327304922-f3f3f4ae-0d32-4a05-a688-2f5b199144ef","_metadata":
{"nodeVersion":"v20.20.2","jsRuntime":"node"}}"#;

#[test]
fn no_input_panics() {
    let whole = format!(r#"{{"batch":[{TYPICAL},{TYPICAL}],"sentAt":"2026-11-22T06:01:45Z"}}"#);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..4_000 {
        let body = spoil(&mut dice, whole.as_bytes());
        for call in [Call::Batch, Call::Track] {
            if let Ok(parsed) = parse(call, &body, NOON, &Mapping::default()) {
                read += 1;
                refused += parsed.refused();
            }
        }
        let defaults = native::Defaults::of(Source::Native);
        let _ = native::parse(&body, None, NOON, &defaults);
    }
    assert!(read > 500 && refused > 100, "{read} bodies read, {refused} items refused");
}

#[test]
fn what_is_read_quickly_is_read_with_care_to_the_same() {
    let mapping = Mapping::new([("Order Completed", "order.updated")]).expect("a mapping");
    let page = r#"{"type":"page","name":"Home","anonymousId":"a\u00e4","messageId":"m1",
        "properties":{"url":"https://shop.example/01/09506000134352?utm_campaign=spring",
        "value":12.50,"deep":{"b":[1,-0.0,1e3,"x"],"a":null}},"context":{"page":{"search":""},
        "location":{"latitude":52.52000659999,"longitude":13.4},"library":{"name":"analytics.js"}}}"#;
    let bodies = [
        format!(r#"{{"batch":[{TYPICAL},{page}],"sentAt":"2026-11-22T06:01:45Z"}}"#),
        format!(r#"{{"context":{{"locale":"de"}},"writeKey":"wk_1","batch":[{page},{page}]}}"#),
        format!("[{TYPICAL},{page}]"),
    ];
    let mut dice = Dice(7);
    let (mut same, mut left, mut refused) = (0, 0, 0);
    for round in 0..30_000 {
        let whole = bodies[round % bodies.len()].as_bytes();
        let body = if round < 3 { whole.to_vec() } else { spoil(&mut dice, whole) };
        let Ok(text) = json::utf8(&body) else { continue };
        let text = text.trim_ascii();
        for call in [Call::Batch, Call::Import] {
            let Some(quick) = parse_quickly(call, text, &body, NOON, &mapping) else {
                assert!(round >= 3);
                left += 1;
                continue;
            };
            let careful = parse_with_care(call, text, &body, NOON, &mapping);
            let careful = careful.unwrap_or_else(|problem| panic!("{problem:?}: {text}"));
            assert_eq!(quick.items, careful.items, "{text}");
            assert_eq!(quick.write_key, careful.write_key, "{text}");
            same += 1;
            refused += quick.refused();
        }
    }
    assert!(same > 2_000 && left > 5_000 && refused > 500, "{same} {left} {refused}");
}

#[test]
fn a_call_alone_is_read_as_one_in_a_batch() {
    let mut dice = Dice(11);
    let mut same = 0;
    for _ in 0..10_000 {
        let body = spoil(&mut dice, TYPICAL.as_bytes());
        let alone = parse(Call::Track, &body, NOON, &Mapping::default());
        let Some(Ok(touch)) = alone.ok().and_then(|parsed| parsed.items.into_iter().next()) else {
            continue;
        };
        let text = json::utf8(&body).expect("it was read").trim_ascii();
        let around = Around {
            call: Some(Call::Track),
            import: false,
            context: &[],
            sent_at: None,
            now: NOON,
            mapping: &Mapping::default(),
        };
        assert_eq!(parse_item(text, &around), Ok(touch), "{text}");
        same += 1;
    }
    assert!(same > 1_000, "{same}");
}

/// Run by hand, in release: `cargo test --release -p server -- --ignored --nocapture parse_speed`
#[test]
#[ignore = "a measurement"]
fn parse_speed() {
    let batch = format!(r#"{{"batch":[{}],"sentAt":"2026-11-22T12:00:00Z"}}"#, {
        vec![TYPICAL; 100].join(",")
    });
    let mapping = Mapping::default();
    let rounds = 2_000;
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        let parsed = parse(Call::Batch, batch.as_bytes(), NOON, &mapping).expect("JSON");
        assert_eq!((parsed.items.len(), parsed.refused()), (100, 0));
        std::hint::black_box(&parsed);
    }
    let each = start.elapsed().as_nanos() / (rounds * 100);
    eprintln!("{each} ns a touch, {} bytes each", TYPICAL.len());
}

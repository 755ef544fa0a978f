use model::value::Value;

use super::super::spoil::{Dice, spoil};
use super::*;

/// 2026-11-22T12:00:00Z
const NOON: Time = Time(1_795_348_800_000);

fn native() -> Defaults<'static> {
    Defaults::of(Source::Native)
}

fn parse_all(body: &str) -> Parsed {
    parse(body.as_bytes(), None, NOON, &native()).expect("the body is JSON")
}

fn one(body: &str) -> Touch {
    parse_all(body).items.remove(0).expect("the touch is understood")
}

fn bad(body: &str) -> (&'static str, String) {
    let bad = parse_all(body).items.remove(0).expect_err("the touch is refused");
    assert!(!bad.detail.is_empty() && !bad.hint.is_empty(), "{bad:?}");
    (bad.code, bad.at)
}

#[test]
fn every_field_finds_its_place() {
    let touch = one(r#"{"kind":"order.placed","time":"2026-11-22T11:00:00Z","id":"m1",
        "aliases":{"user":"u1","email":["A@x.example","b@x.example"],"anonymous":null},
        "products":["/01/09506000134352/21/A1",{"gtin":"9506000134352","serial":"B2"}],
        "gtin":"9506000134352","place":"shop-1","campaign":"spring","channel":"shop",
        "money":{"amount":"299.00","currency":"USD"},"location":{"lat":52.5,"lon":13.4},
        "state":{"error":"jam"},"properties":{"kind":"fan","n":1},"traits":{"city":"Ulm"}}"#);
    assert_eq!((touch.kind.as_str(), touch.time), ("order.placed", NOON.plus(-3_600_000)));
    let aliases: Vec<String> = touch.aliases.iter().map(Alias::to_string).collect();
    assert_eq!(aliases, ["user:u1", "email:b@x.example", "email:a@x.example"]);
    let products: Vec<String> = touch.products.iter().map(|subject| subject.to_string()).collect();
    assert_eq!(
        products,
        ["/01/09506000134352/21/A1", "/01/09506000134352/21/B2", "/01/09506000134352"]
    );
    assert_eq!(
        (touch.place.as_deref(), touch.campaign.as_deref()),
        (Some("shop-1"), Some("spring"))
    );
    assert_eq!((touch.channel, touch.source), (Some(Channel::Shop), Source::Native));
    assert_eq!(touch.money.map(|money| money.to_string()).as_deref(), Some("299.00 USD"));
    assert_eq!(touch.location.map(|location| location.lon()), Some(13.4));
    assert_eq!(touch.state.text("error"), Some("jam"));
    assert_eq!(touch.properties.get("n"), Some(&Value::Int(1)));
    assert_eq!(touch.traits.text("city"), Some("Ulm"));
    assert!(touch.id != Digest(0) && !touch.trusted);
}

#[test]
fn short_forms() {
    let touch = one(r#"{"kind":"page.viewed","person":"user:u:1"}"#);
    assert_eq!(touch.aliases[0].to_string(), "user:u:1");
    assert_eq!((touch.time, touch.id), (NOON, Digest(0)));
    let touch = one(r#"{"kind":"page.viewed","person":["user:u1","email:a@x.example"]}"#);
    assert_eq!(touch.aliases.len(), 2);
    let touch =
        one(r#"{"kind":"product.used","gtin":9506000134352,"serial":"A1","money":"49.9 EUR",
            "products":"https://x.example/01/09506000134352/21/A1","time":1795348800}"#);
    assert_eq!((touch.products.len(), touch.time), (1, NOON));
}

#[test]
fn mistakes_say_what_and_where() {
    let cases = [
        (r#"{}"#, "bad_kind", "kind"),
        (r#"{"kind":"Order Placed"}"#, "bad_kind", "kind"),
        (r#"{"kind":7}"#, "bad_kind", "kind"),
        (r#"{"kind":"a.b","time":"soon"}"#, "bad_time", "time"),
        (r#"{"kind":"a.b","time":"2027-11-22"}"#, "bad_time", "time"),
        (r#"{"kind":"a.b","id":""}"#, "bad_id", "id"),
        (r#"{"kind":"a.b","id":[]}"#, "bad_id", "id"),
        (r#"{"kind":"a.b","aliases":{"user":"null"}}"#, "bad_alias", "aliases.user"),
        (r#"{"kind":"a.b","aliases":{"nick":"x"}}"#, "bad_alias", "aliases"),
        (r#"{"kind":"a.b","person":"p12"}"#, "bad_alias", "person"),
        (r#"{"kind":"a.b","person":["user:a",1]}"#, "bad_alias", "person[1]"),
        (r#"{"kind":"a.b","products":["/01/09506000134353"]}"#, "bad_product", "products[0]"),
        (r#"{"kind":"a.b","products":[{"gtin":"1"}]}"#, "bad_product", "products[0].gtin"),
        (r#"{"kind":"a.b","serial":"A1"}"#, "bad_product", "serial"),
        (r#"{"kind":"a.b","gtin":"9506000134352","serial":"a b"}"#, "bad_product", "serial"),
        (r#"{"kind":"a.b","place":""}"#, "bad_place", "place"),
        (r#"{"kind":"a.b","campaign":{}}"#, "bad_campaign", "campaign"),
        (r#"{"kind":"a.b","channel":"fax"}"#, "bad_channel", "channel"),
        (r#"{"kind":"a.b","money":5}"#, "bad_money", "money"),
        (r#"{"kind":"a.b","location":{"lat":91,"lon":0}}"#, "bad_location", "location"),
        (r#"{"kind":"a.b","properties":[]}"#, "bad_type", "properties"),
        (r#"{"kind":"a.b","prodcts":[]}"#, "unknown_field", "prodcts"),
    ];
    for (body, code, at) in cases {
        assert_eq!(bad(body), (code, format!("touches[0].{at}")), "{body}");
    }
    assert_eq!(bad("7"), ("not_an_object", "touches[0]".to_owned()));
    let many = format!(r#"{{"kind":"a.b","aliases":{{"email":[{}"x@y.z"]}}}}"#, {
        (0..8).map(|at| format!("\"a{at}@x.example\",")).collect::<String>()
    });
    assert_eq!(bad(&many).0, "too_many_aliases");
}

#[test]
fn the_place_is_that_in_the_body() {
    let parsed = parse_all("[{\"kind\":\"a.b\"},\n  {\"kind\":\"a.b\",\"time\":1e999},\n {}]");
    let first = parsed.items[1].as_ref().expect_err("refused");
    assert_eq!((first.code, first.line, first.at.as_str()), ("bad_json", 2, "touches[1]"));
    let second = parsed.items[2].as_ref().expect_err("refused");
    assert_eq!((second.line, second.column), (3, 2));
    assert_eq!(&*second.raw, b"{}");
}

#[test]
fn a_broken_line_refuses_only_itself() {
    let body = "{\"kind\":\"a.b\"}\r\n\n {\"kind\":}\n{\"kind\":\"c.d\"}\n";
    for content_type in [None, Some("application/x-ndjson; charset=utf-8")] {
        let parsed = parse(body.as_bytes(), content_type, NOON, &native()).expect("readable");
        let kinds: Vec<_> = parsed
            .items
            .iter()
            .map(|item| item.as_ref().map(|touch| touch.kind.to_string()))
            .collect();
        assert_eq!(kinds.len(), 3);
        assert_eq!((kinds[0].as_deref(), kinds[2].as_deref()), (Ok("a.b"), Ok("c.d")));
        let bad = parsed.items[1].as_ref().expect_err("refused");
        assert_eq!((bad.code, bad.line, bad.column), ("bad_json", 3, 10));
    }
    let first = "{\"kind\":\n{\"kind\":\"c.d\"}\n{\"kind\":\"e.f\"}";
    let parsed = parse_all(first);
    assert_eq!((parsed.items.len(), parsed.refused()), (3, 1));
    let bytes = b"{\"kind\":\"a.b\"}\n{\"kind\":\"\xff\"}";
    let parsed = parse(bytes, None, NOON, &native()).expect("readable");
    assert_eq!(parsed.items[1].as_ref().expect_err("refused").code, "bad_text");
}

#[test]
fn one_object_over_several_lines_is_one_touch() {
    for body in ["{\n \"kind\":\n \"a.b\"\n}\n", "{\"kind\":\"a.b\",\n\"properties\":\n{\"x\":1}}"]
    {
        assert_eq!(parse_all(body).items.len(), 1);
        one(body);
    }
    assert!(parse(b"{\"kind\":\"a.b\"", None, NOON, &native()).is_err());
    assert!(parse(b"", None, NOON, &native()).is_err());
    assert_eq!(parse_all("[]").items.len(), 0);
}

#[test]
fn ids_name_messages() {
    let id = |body: &str, defaults: &Defaults<'_>| {
        let parsed = parse(body.as_bytes(), None, NOON, defaults).expect("readable");
        parsed.items.into_iter().map(|item| item.expect("understood").id).collect::<Vec<_>>()
    };
    let named = r#"{"kind":"a.b","id":"1"}"#;
    let other_kind = r#"{"kind":"a.c","id":1}"#;
    assert_eq!(id(named, &native()), id(other_kind, &native()));
    let file = Defaults::of(Source::File);
    assert_ne!(id(named, &native()), id(named, &file));
    assert_ne!(id(named, &file), id(other_kind, &file));
    let twice = r#"[{"kind":"a.b"},{"kind":"a.b"}]"#;
    assert_eq!(id(twice, &native()), [Digest(0), Digest(0)]);
    let keyed = Defaults { idempotency_key: Some("k"), ..native() };
    let ids = id(twice, &keyed);
    assert!(ids[0] != ids[1] && ids == id(twice, &keyed));
    assert_ne!(ids, id(twice, &Defaults { idempotency_key: Some("l"), ..native() }));
}

#[test]
fn a_customer_speaks_only_for_themselves() {
    let session = [Alias::new(AliasKind::Device, "d1").expect("valid")];
    let other = [Alias::new(AliasKind::Device, "d2").expect("valid")];
    let companion = Defaults {
        channel: Some(Channel::Companion),
        aliases: Some(&session),
        kinds: Some(&["guide.viewed"]),
        ..Defaults::of(Source::Companion)
    };
    let parse = |body: &str, defaults: &Defaults<'_>| {
        parse(body.as_bytes(), None, NOON, defaults).expect("readable").items.remove(0)
    };
    let touch = parse(r#"{"kind":"guide.viewed","id":"1"}"#, &companion).expect("understood");
    assert_eq!(touch.aliases, session);
    assert_eq!(touch.channel, Some(Channel::Companion));
    let others = Defaults { aliases: Some(&other), ..companion };
    let theirs = parse(r#"{"kind":"guide.viewed","id":"1"}"#, &others).expect("understood");
    assert_ne!(touch.id, theirs.id);
    let code = |body: &str| parse(body, &companion).expect_err("refused").code;
    assert_eq!(code(r#"{"kind":"order.placed"}"#), "kind_not_allowed");
    for field in CUSTOMERS_MAY_NOT {
        let body = format!(r#"{{"kind":"guide.viewed","{field}":{{}}}}"#);
        assert_eq!(code(&body), "field_not_allowed");
    }
}

#[test]
fn the_largest_batch_is_read_and_one_more_is_not() {
    let line = "{\"kind\":\"product.used\",\"gtin\":\"9506000134352\",\"serial\":\"A1\"}";
    let lines = vec![line; limits::BATCH_TOUCHES];
    assert_eq!(parse_all(&lines.join("\n")).items.len(), limits::BATCH_TOUCHES);
    assert_eq!(parse_all(&format!("[{}]", lines.join(","))).refused(), 0);
    for body in [lines.join("\n") + "\n" + line, format!("[{},{line}]", lines.join(","))] {
        let problem = parse(body.as_bytes(), None, NOON, &native()).expect_err("too many");
        assert_eq!((problem.status, problem.code), (413, "batch_too_large"));
    }
}

#[test]
fn what_is_read_quickly_is_read_with_care_to_the_same() {
    let one = r#"{"kind":"product.used","id":"0b1f-7","time":"2026-11-22T10:00:00.000Z",
        "aliases":{"user":"u1","email":["Ann@Example.com","b@example.com"],"phone":"+49 30 1"},
        "products":["/01/09506000134352/21/A-1",{"gtin":"9506000134352","serial":"B2"}],
        "channel":"device","place":"berlin","money":{"amount":"49.90","currency":"eur"},
        "location":{"lat":52.52000659999,"lon":13},"properties":{"pages":12,"b":{"c":[1,"x"]},
        "a":"\u00e4\/"},"traits":{"plan":null},"state":{"ink":0.5}}"#;
    let two = r#"{"kind":"coffee.brewed","aliases":"user:u2","gtin":9506000134352,"serial":"C",
        "time":1795348800000,"campaign":"spring","money":"5 USD","place":null}"#;
    let bodies = [format!("[{one},{two}]"), format!(" [ {two} ,{one} ] "), two.to_owned()];
    let mut dice = Dice(13);
    let (mut same, mut left, mut refused) = (0, 0, 0);
    for round in 0..40_000 {
        let whole = bodies[round % bodies.len()].as_bytes();
        let body = if round < 3 { whole.to_vec() } else { spoil(&mut dice, whole) };
        let Ok(text) = json::utf8(&body) else { continue };
        let text = text.trim_ascii();
        let mut defaults = Defaults::of(Source::Native);
        defaults.trusted = round % 2 == 0;
        defaults.idempotency_key = (round % 5 == 0).then_some("key");
        let careful = parse_with_care(text, &body, NOON, &defaults);
        match parse_quickly(text, &body, NOON, &defaults) {
            Some(quick) => {
                let careful = careful.unwrap_or_else(|problem| panic!("{problem:?}: {text}"));
                assert_eq!(quick.items, careful.items, "{text}");
                same += 1;
                refused += quick.refused();
                assert!(round >= 3 || quick.refused() == 0, "{quick:?}");
            }
            None => {
                assert!(round >= 3);
                left += 1;
            }
        }
        let lines = text.replace('\n', " ");
        for line in lines.split("},{") {
            let careful = parse_item_with_care(line, 3, NOON, &defaults);
            assert_eq!(parse_item(line, 3, NOON, &defaults), careful, "{line}");
        }
    }
    assert!(same > 2_000 && left > 5_000 && refused > 500, "{same} {left} {refused}");
}

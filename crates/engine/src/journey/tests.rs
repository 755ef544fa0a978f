//! Files in, journeys or mistakes out.

use expect_test::{Expect, expect};
use model::kind::Kind as TouchKind;
use proptest::prelude::*;

use super::*;

const DESIGN: &str = r#"
journey: printer
applies_to: { models: ["09506000134352"] }
kind: guided                # ad_hoc | prescribed | guided | self_learning | intent
stages: [interested, engaged, awaiting_delivery, installing, support, advocate, parted]
moves:                      # from any stage unless `from` says otherwise; the first that matches wins
  - { on: campaign.clicked, to: interested, from: [none] }
  - { on: page.viewed, to: engaged, when: 'touch.properties.kind == "fan"' }
  - { on: order.placed, to: awaiting_delivery }
  - { on: [parcel.delivered, product.powered_on], to: installing }
  - { on: product.installed, to: support }
timers:
  - { in: installing, after: 3d, send: install-help }
menu:
  - { id: track, in: [awaiting_delivery], title: {en: "Where is my printer?", de: "Wo ist mein Drucker?"}, open: /track }
  - { id: fix-jam, in: [support], when: 'product.state.error == "paper_jam"', title: {en: "Clear the paper jam"}, open: /guides/jam, rank: 100 }
  - { id: human, title: {en: "Talk to a person"}, open: /chat, always: true }
offers:
  - { id: shop-50, in: [engaged], when: 'context.place.kind == "shop" && context.place.distance_m < 200', value: {off: "50.00 USD"}, cap: {per_person: 1, per_day: 1000} }
"#;

/// The least that is a journey; what follows is added to it.
const LEAST: &str = "journey: j\napplies_to: all\nkind: guided\nstages: [new, old]\n";

fn mistakes(text: &str) -> String {
    match parse("j.yaml", text) {
        Ok(_) => "none\n".into(),
        Err(mistakes) => mistakes.iter().map(|mistake| format!("{mistake}\n")).collect(),
    }
}

/// Mistakes of `LEAST` and then `text`, whose first line is number 5.
#[track_caller]
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&mistakes(&format!("{LEAST}{text}")));
}

#[track_caller]
fn check_whole(text: &str, expected: Expect) {
    expected.assert_eq(&mistakes(text));
}

fn good(text: &str) -> Journey {
    parse("j.yaml", text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

fn fits(own: &Move, from: Option<StageNo>, kind: &TouchKind) -> bool {
    own.starts_at(from) && matches_kind(&own.on, kind)
}

#[test]
fn the_example_of_the_design() {
    let journey = good(DESIGN);
    assert_eq!(journey.name, "printer");
    assert_eq!(journey.kind, Kind::Guided);
    assert!(journey.applies_to.applies("09506000134352".parse().expect("a GTIN")));
    assert!(!journey.applies_to.applies("4006381333931".parse().expect("a GTIN")));
    assert_eq!(journey.stages.len(), 7);
    let stage = |name| journey.stage_no(name);
    let viewed = TouchKind::of("page.viewed");
    let clicked = TouchKind::of("campaign.clicked");
    assert!(fits(&journey.moves[0], None, &clicked));
    assert!(!fits(&journey.moves[0], stage("support"), &clicked));
    assert!(fits(&journey.moves[1], stage("support"), &viewed));
    assert_eq!(Some(journey.moves[1].to), stage("engaged"));
    assert_eq!(journey.moves[3].on.len(), 2);
    let timer = &journey.timers[0];
    assert_eq!((timer.id.as_str(), timer.after_ms), ("installing-3d", 3 * 86_400_000));
    assert_eq!(timer.send.as_deref(), Some("install-help"));
    assert_eq!(journey.menu[0].title.get("de-AT"), "Wo ist mein Drucker?");
    assert_eq!(journey.menu[1].rank, 100);
    assert!(journey.menu[2].always && journey.menu[2].in_stages.is_empty());
    let offer = journey.offer("shop-50").expect("it is there");
    let fifty = Money { minor: 5000, currency: *b"USD" };
    assert_eq!(offer.value, OfferValue::Off(fifty));
    assert_eq!(offer.cap, Cap { per_person: Some(1), per_day: Some(1000), total: None });
}

#[test]
fn the_journeys_that_come_along() {
    let printer = good(include_str!("../../../../journeys/printer.yaml"));
    assert_eq!(printer.kind, Kind::Guided);
    assert_eq!(printer.stages.len(), 7);
    assert_eq!(printer.steps.len(), 4);
    let subscription = printer.offer("ink-subscription").expect("it is there");
    assert_eq!(subscription.valid_ms, Some(2_592_000_000));
    let pump = good(include_str!("../../../../journeys/infusion-pump.yaml"));
    assert_eq!(pump.kind, Kind::Prescribed);
    assert_eq!(pump.carry("testing"), pump.stage_no("commissioning"));
    for journey in [&printer, &pump] {
        let titles = journey.menu.iter().map(|item| &item.title);
        let titles = titles.chain(journey.messages.iter().flat_map(|one| [&one.title, &one.text]));
        let titles = titles.chain(journey.steps.iter().flat_map(|step| [&step.title, &step.text]));
        for text in titles {
            assert!(text.get("de") != text.get("en"), "{} is not translated", text.get("en"));
        }
    }
}

#[test]
fn json_is_read_too() {
    let journey = good(
        r#"{ "journey": "j", "applies_to": {"all": true}, "kind": "ad_hoc",
             "stages": ["a", {"name": "b", "title": "B"}],
             "moves": [{"on": ["parcel.*"], "to": "b", "from": "none", "when": null}] }"#,
    );
    assert!(fits(&journey.moves[0], None, &TouchKind::of("parcel.scanned")));
    assert!(!fits(&journey.moves[0], None, &TouchKind::of("page.viewed")));
    assert_eq!(journey.stages[1].title.get("fr"), "B");
}

#[test]
fn values_of_offers() {
    let journey = good(&format!(
        "{LEAST}{}",
        r#"offers:
  - { id: a, value: { percent: 12.5 } }
  - { id: b, value: { gift: { en: Cup, de: Tasse } }, valid: P3D }
  - { id: c, value: { points: 100 }, cap: { total: 5 }, rank: -3 }
  - { id: d, value: { off: 500 JPY } }
"#
    ));
    let values: Vec<&OfferValue> = journey.offers.iter().map(|offer| &offer.value).collect();
    assert_eq!(values[0], &OfferValue::Percent(12.5));
    assert!(matches!(values[1], OfferValue::Gift(texts) if texts.get("de") == "Tasse"));
    assert_eq!(values[2], &OfferValue::Points(100));
    assert_eq!(values[3], &OfferValue::Off(Money { minor: 500, currency: *b"JPY" }));
    assert_eq!(journey.offers[1].valid_ms, Some(3 * 86_400_000));
    assert_eq!((journey.offers[2].cap.total, journey.offers[2].rank), (Some(5), -3));
}

#[test]
fn every_key_arrives() {
    let journey = good(&format!(
        "{LEAST}{}",
        r#"messages:
  - { id: m, title: M, text: T, open: /m, purpose: marketing }
  - { id: plain, title: P }
menu:
  - { id: i, in: new, when: person.known, title: I, text: T, icon: bell, open: /i, role: staff }
steps:
  - { id: s, in: [new, old], title: S, text: T, done_on: [step.done, guide.*], when: person.known, open: /s }
timers:
  - { in: old, after: 1d12h, when: person.known, send: m, touch: timer.fired, to: new }
offers:
  - { id: o, title: O, text: T, value: { points: 1 }, campaign: c, needs_consent: marketing, cap: { per_day: 2 } }
"#
    ));
    let [marketing, plain] = journey.messages.as_slice() else { panic!("two messages") };
    assert_eq!((marketing.purpose.as_str(), plain.purpose.as_str()), ("marketing", SERVICE));
    assert_eq!(marketing.open.as_deref(), Some("/m"));
    let item = journey.menu_item("i").expect("it is there");
    assert_eq!((item.icon.as_deref(), item.role.as_slice()), (Some("bell"), &["staff".into()][..]));
    assert_eq!(item.in_stages, [StageNo(0)]);
    assert_eq!(item.when.as_ref().map(Condition::source), Some("person.known"));
    let step = &journey.steps[0];
    assert_eq!((step.in_stages.len(), step.open.as_deref()), (2, Some("/s")));
    assert!(matches_kind(&step.done_on, &TouchKind::of("guide.viewed")) && step.when.is_some());
    let timer = &journey.timers[0];
    assert_eq!(
        (timer.in_stage, timer.to, timer.after_ms),
        (StageNo(1), Some(StageNo(0)), 129_600_000)
    );
    assert_eq!(
        (timer.send.as_deref(), &timer.touch),
        (Some("m"), &Some(TouchKind::of("timer.fired")))
    );
    assert!(timer.when.is_some());
    let offer = journey.offer("o").expect("it is there");
    assert_eq!(offer.campaign.as_deref(), Some("c"));
    assert_eq!(offer.needs_consent.as_deref(), Some("marketing"));
    assert_eq!((offer.cap.per_day, offer.valid_ms, offer.title.get("en")), (Some(2), None, "O"));
}

#[test]
fn people_are_carried_over_by_the_rule() {
    let carry = |rule: &str, old: &str| {
        let journey = good(&format!("{LEAST}{rule}"));
        journey.stage_name(journey.carry(old)).to_string()
    };
    assert_eq!(carry("", "old"), "old");
    assert_eq!(carry("", "gone"), "none");
    assert_eq!(carry("carry_over: keep", "new"), "new");
    assert_eq!(carry("carry_over: restart", "old"), "none");
    let map = "carry_over: { gone: old, new: none }";
    assert_eq!(carry(map, "gone"), "old");
    assert_eq!(carry(map, "new"), "none");
    assert_eq!(carry(map, "old"), "old");
    assert_eq!(carry(map, "elsewhere"), "none");
}

#[test]
fn mistakes_of_the_whole_file() {
    check_whole(
        "",
        expect![[r#"
        j.yaml:1:1: the file is empty
    "#]],
    );
    check_whole(
        "- a\n- b\n",
        expect![[r#"
        j.yaml:1:1: here should be a map with journey, applies_to, kind, stages, moves, steps, timers, messages, menu, offers, carry_over, permissions, not a list
    "#]],
    );
    check_whole(
        "a: [1, 2\nb: 3\n",
        expect![[r#"
        j.yaml:2:2: not YAML: illegal placement of ':' indicator
    "#]],
    );
    check_whole(
        "journey: j\n---\njourney: k\n",
        expect![[r#"
        j.yaml:3:1: a file holds one journey
    "#]],
    );
    check_whole(
        "journey: &x j\nkind: *x\n",
        expect![[r#"
        j.yaml:1:10: anchors (&name) are not used here
    "#]],
    );
    check_whole(
        "journey: !!str j\n",
        expect![[r#"
        j.yaml:1:10: tags (!name) are not used here
    "#]],
    );
    check_whole(
        "journey: j\nkind: guidd\nstagse: [a]\n",
        expect![[r#"
        j.yaml:1:1: stages is missing
        j.yaml:1:1: applies_to is missing
        j.yaml:2:7: kind: there is no kind of journey guidd; did you mean guided?
        j.yaml:3:1: there is no key stagse; did you mean stages?
    "#]],
    );
    check_whole(
        "journey: My Journey\napplies_to: {}\nkind: self_learning\nstages: []\n",
        expect![[r#"
            j.yaml:1:10: journey: a name has 1 to 64 small letters, digits, _ and -; did you mean my-journey?
            j.yaml:2:13: applies_to: say which models, or all: true
            j.yaml:3:7: kind: this version does not run self_learning journeys yet; did you mean guided?
            j.yaml:4:9: stages: a journey has at least one stage
        "#]],
    );
    check_whole(
        "journey: j\napplies_to: { models: [\"09506000134353\", 12, x] }\nkind: intent\n\
         stages: [a, none, a, { name: b, titel: B }]\nstages: [c]\n",
        expect![[r#"
            j.yaml:2:24: applies_to.models[0]: 09506000134353: the last digit of this GTIN should be 2, not 3; one of its digits is mistyped
            j.yaml:2:42: applies_to.models[1]: 12: a GTIN has 8, 12, 13 or 14 digits, this one has 2
            j.yaml:2:46: applies_to.models[2]: x: a GTIN has digits only, but byte 0 is 'x'; take it out
            j.yaml:3:7: kind: this version does not run intent journeys yet; did you mean guided?
            j.yaml:4:13: stages[1]: none is the word for no stage; name this one otherwise
            j.yaml:4:19: stages[2]: the stage a is there twice
            j.yaml:4:33: stages[3]: there is no key titel; did you mean title?
            j.yaml:5:1: stages is there twice
        "#]],
    );
    check_whole(
        &"[".repeat(40),
        expect![[r#"
        j.yaml:1:13: the file is nested deeper than 12
    "#]],
    );
}

#[test]
fn mistakes_of_moves_and_timers() {
    check(
        r#"moves:
  - { on: order.placd, to: old }
  - { on: order, to: odl }
  - { on: parcl.*, to: old, from: [non, new] }
  - { to: old, from: [] }
  - { on: [], too: old }
  - order.placed
timers:
  - { in: new, after: 3 days, send: hello }
  - { in: [new], after: 0s, to: none }
  - { in: new, after: 3d }
  - { id: a, in: new, after: 3d, to: old }
  - { id: a, in: old, after: 900w, touch: Hello }
"#,
        expect![[r#"
            j.yaml:6:11: moves[0].on: order.placd is nearly a known kind; did you mean order.placed?
            j.yaml:7:11: moves[1].on: a kind of touch is written noun.verb in small letters, as in order.placed
            j.yaml:7:22: moves[1].to: there is no stage odl; did you mean old?
            j.yaml:8:11: moves[2].on: parcl.* is nearly a known kind; did you mean parcel.*?
            j.yaml:8:36: moves[2].from[0]: there is no stage non; did you mean none?
            j.yaml:9:5: moves[3]: on is missing
            j.yaml:9:22: moves[3].from: an empty list lets nobody move; leave it out
            j.yaml:10:5: moves[4]: to is missing
            j.yaml:10:11: moves[4].on: the list of kinds is empty
            j.yaml:10:15: moves[4]: there is no key too; did you mean to?
            j.yaml:11:5: moves[5]: here should be a map with on, to, from, when, not a text or number
            j.yaml:13:23: timers[0].after: a time is written as 3d, 1d12h, 30m, 90s, 1w or P3D
            j.yaml:14:11: timers[1].in: here should be a text, not a list
            j.yaml:14:25: timers[1].after: a time is longer than nothing and at most ten years
            j.yaml:14:33: timers[1].to: there is no stage none; there are new, old
            j.yaml:15:5: timers[2]: a timer does something: give it send, touch or to
            j.yaml:17:30: timers[4].after: a time is longer than nothing and at most ten years
            j.yaml:17:43: timers[4].touch: a kind of touch is written noun.verb in small letters, as in order.placed
        "#]],
    );
}

#[test]
fn mistakes_of_menu_and_offers() {
    check(
        r#"menu:
  - { id: Big One, title: X, open: chat }
  - { id: b, title: {}, open: "javascript:alert(1)", always: yes, rank: high }
  - { id: b, title: { english: Hi, de: "" }, open: /b, in: [nwe], icno: x }
  - { id: b, title: T, open: /b, title: U }
offers:
  - { id: o, value: { off: 50.00 }, cap: { per_persn: 1, total: 0 } }
  - { id: p, value: { off: 50.00 UDS, percent: 5 } }
  - { id: q, value: { off: 5.123 EUR } }
  - { id: r, value: { percent: 101 } }
  - { id: s, value: { off: 5.00 EUUR } }
  - { id: t, value: 5 EUR, valid: forever }
  - { id: u }
"#,
        expect![[r#"
            j.yaml:6:11: menu[0].id: a name has 1 to 64 small letters, digits, _ and -; did you mean big-one?
            j.yaml:6:36: menu[0].open: open takes a page (/guides/…) or a https, tel or mailto link; did you mean /chat?
            j.yaml:7:21: menu[1].title: give the text in at least one language
            j.yaml:7:31: menu[1].open: open takes a page (/guides/…) or a https, tel or mailto link
            j.yaml:7:62: menu[1].always: here should be true or false; did you mean true?
            j.yaml:7:73: menu[1].rank: here should be a whole number from -1000000 to 1000000
            j.yaml:8:5: menu[2]: b is there twice; one needs another name
            j.yaml:8:23: menu[2].title: english is no language tag such as en or de-AT
            j.yaml:8:40: menu[2].title.de: the text is empty
            j.yaml:8:61: menu[2].in[0]: there is no stage nwe; did you mean new?
            j.yaml:8:67: menu[2]: there is no key icno; did you mean icon?
            j.yaml:9:34: menu[3]: title is there twice
            j.yaml:11:28: offers[0].value.off: an amount is written as in "50.00 USD"
            j.yaml:11:44: offers[0].cap: there is no key per_persn; did you mean per_person?
            j.yaml:11:65: offers[0].cap.total: here should be a whole number from 1 to 4294967295
            j.yaml:12:21: offers[1].value: a value is one of off, percent, gift, points
            j.yaml:13:28: offers[2].value.off: this currency has 2 digits behind the point
            j.yaml:14:32: offers[3].value.percent: a percentage is a number above 0 and up to 100
            j.yaml:15:28: offers[4].value.off: EUUR is no currency of ISO 4217; did you mean EUR?
            j.yaml:16:21: offers[5].value: here should be a map with off, percent, gift, points, not a text or number
            j.yaml:16:35: offers[5].valid: a time is written as 3d, 1d12h, 30m, 90s, 1w or P3D
            j.yaml:17:5: offers[6]: value is missing
        "#]],
    );
}

#[test]
fn mistakes_of_what_is_referred_to() {
    check(
        r#"permissions:
  - { purpose: marketing, title: M, gives: G }
messages:
  - { id: hello, title: H, purpose: marketng }
  - { id: hello, title: H }
timers:
  - { in: new, after: 3d, send: helo }
offers:
  - { id: o, value: { points: 5 }, needs_consent: location }
carry_over: { x: nw }
"#,
        expect![[r#"
            j.yaml:8:37: messages[0].purpose: there is no permission marketng; did you mean marketing?
            j.yaml:9:5: messages[1]: hello is there twice; one needs another name
            j.yaml:11:33: timers[0].send: there is no message helo; did you mean hello?
            j.yaml:13:51: offers[0].needs_consent: there is no permission location; there are marketing, service
            j.yaml:14:18: carry_over.x: there is no stage nw; did you mean new?
        "#]],
    );
    check_whole(
        "journey: j\napplies_to: all\nkind: ad_hoc\nstages: [{ name: a, suggest: chta }]\n\
         menu: [{ id: chat, title: C, open: /c }]\nsteps: [{ id: s, title: S }]\ncarry_over: kep\n",
        expect![[r#"
            j.yaml:3:7: kind: an ad_hoc journey has no steps; did you mean guided?
            j.yaml:4:30: stages[0].suggest: there is no step or menu item chta; did you mean chat?
            j.yaml:7:13: carry_over: there is no rule for carrying over kep; did you mean keep?
        "#]],
    );
}

/// The place is where the word stands in the file, however the condition is written.
#[test]
fn mistakes_inside_conditions() {
    check(
        r#"menu:
  - { id: a, title: A, open: /a, when: bond.stgae == "new" }
  - { id: b, title: B, open: /b, when: 'bond.stage == ''nwe''' }
  - { id: c, title: C, open: /c, when: "bond.stage == \"old\" && person.nmae == 'x'" }
  - id: d
    title: D
    open: /d
    when: >-
      bond.stage == "old"
      && person.points > "3"
  - id: e
    title: E
    open: /e
    when: |
      bond.stage == "old"
        && product.eror == 1
  - { id: f, title: F, open: /f, when: 'bond.stage == "old" && touch.kind == "x"' }
  - { id: g, title: G, open: /g, when: true }
  - { id: h, title: H, open: /h, when: "" }
  - { id: i, title: I, open: /i, when: [true] }
  - { id: j, title: J, open: /j, when: "context.place.dist < 2" }
  - { id: k, title: Ä, open: /k, when: 'ä' }
moves:
  - { on: page.viewed, to: old, when: 'touch.kind = "x"' }
  - { on: page.viewed, to: old, when: 'touch.kind.matches("(")' }
"#,
        expect![[r#"
            j.yaml:6:45: menu[0].when: bond has no stgae; did you mean bond.stage?
            j.yaml:7:55: menu[1].when: bond.stage is never "nwe"; did you mean "new"?
            j.yaml:8:73: menu[2].when: person has no nmae; did you mean person.traits.nmae?
            j.yaml:14:24: menu[3].when: > compares int with text; did you mean 3?
            j.yaml:20:20: menu[4].when: product has no eror; did you mean product.state.eror?
            j.yaml:21:64: menu[5].when: there is no touch when this is asked; only moves read it
            j.yaml:23:41: menu[7].when: the condition is empty; leave it out if it always holds
            j.yaml:24:40: menu[8].when: here should be a text, not a list
            j.yaml:25:55: menu[9].when: context.place has no dist; it has id, kind, name, distance_m, inside, open, load
            j.yaml:26:41: menu[10].when: `ä` has no meaning here
            j.yaml:28:51: moves[0].when: one `=` does not compare; did you mean ==?
            j.yaml:29:59: moves[1].when: this is no regular expression: found open group without closing ')'
        "#]],
    );
}

#[test]
fn limits_are_kept() {
    let many = |count: usize, line: &str| -> String {
        (0..count).map(|at| line.replace('#', &at.to_string())).collect()
    };
    let stages =
        format!("journey: j\napplies_to: all\nkind: guided\nstages:\n{}", many(65, "  - s#\n"));
    check_whole(
        &stages,
        expect![[r#"
        j.yaml:5:3: stages: there are at most 64 of these
    "#]],
    );
    check(
        &format!("moves:\n{}", many(257, "  - { on: page.viewed, to: old }\n")),
        expect![[r#"
        j.yaml:6:3: moves: there are at most 256 of these
    "#]],
    );
    check(
        &format!("menu:\n  - {{ id: a, title: {}, open: /a }}\n", "x".repeat(121)),
        expect![[r#"
        j.yaml:6:21: menu[0].title: this text has 121 characters, at most 120 fit
    "#]],
    );
    check_whole(
        &"# long\n".repeat(40_000),
        expect![[r#"
        j.yaml:1:1: a journey has at most 262144 bytes
    "#]],
    );
    let all_wrong = mistakes(&format!("{LEAST}menu:\n{}", many(200, "  - { idd: # }\n")));
    assert_eq!(all_wrong.lines().count(), limits::MISTAKES);
}

#[test]
fn timers_without_ids_are_told_apart() {
    check(
        r#"timers:
  - { in: new, after: 3d, to: old }
  - { in: new, after: 4d, to: old }
  - { in: new, after: 3d, touch: timer.fired }
"#,
        expect![[r#"
            j.yaml:8:5: timers[2]: new-3d is there twice; one needs another name
        "#]],
    );
}

/// Whatever part of a good file is cut off or doubled, there is an answer and no panic.
#[test]
fn broken_files_make_no_panic() {
    let chars: Vec<char> = DESIGN.chars().collect();
    for at in (0..chars.len()).step_by(3) {
        let head: String = chars[..at].iter().collect();
        let tail: String = chars[at..].iter().collect();
        let _ = (parse("head", &head), parse("tail", &tail));
        let doubled = format!("{head}{}{tail}", chars[at]);
        let _ = parse("doubled", &doubled);
    }
}

const SOUP: &[&str] = &[
    "menu:",
    "- ",
    "\n",
    "  ",
    "{ ",
    " }",
    "[",
    "]",
    ", ",
    "id: a",
    "when: ",
    "|",
    ">-",
    "'",
    "\"",
    "bond.stage == ",
    "title: ",
    "ä",
    "# ",
    "offers:",
    "value: ",
    "off: ",
    "5 EUR",
    ": ",
    "\t",
    "\\",
    "cap: ",
    "? ",
    "&a ",
    "*a",
    "<<: ",
    "%YAML",
    "---",
    "...",
    "stages: [new]",
    "journey: j",
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_is_a_journey_or_mistakes(
        tokens in prop::collection::vec(prop::sample::select(SOUP), 0..40)
    ) {
        let text = format!("{LEAST}{}", tokens.concat());
        if let Err(mistakes) = parse("soup", &text) {
            let lines = text.lines().count() as u32 + 1;
            prop_assert!(mistakes.iter().all(|one| (1..=lines).contains(&one.line)), "{text}");
        }
    }
}

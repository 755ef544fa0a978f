//! Files in, journeys or mistakes out.

use expect_test::{Expect, expect};
use model::kind::Kind as TouchKind;

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
    assert!(journey.moves[0].fits(None, &clicked));
    assert!(!journey.moves[0].fits(stage("support"), &clicked));
    assert!(journey.moves[1].fits(stage("support"), &viewed));
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
fn a_file_is_needed() {
    check_whole(
        "",
        expect![[r#"
            j.yaml:1:1: the file is empty
        "#]],
    );
    check(
        "",
        expect![[r#"
        none
    "#]],
    );
}

//! Lives of products and what their people are shown.

use expect_test::{Expect, expect};
use model::context::Context;
use model::touch::Channel;

use super::{World, here, subject};

const GUIDED: &str = include_str!("../../tests/guided.yaml");
const PRESCRIBED: &str = include_str!("../../tests/prescribed.yaml");

fn check(journey: &str, script: &str, expected: Expect) -> World {
    let mut world = World::new(journey);
    expected.assert_eq(&world.play(script));
    assert_eq!(world.state.hash(), world.replayed().hash());
    world
}

#[test]
fn the_whole_life() {
    let mut world = check(
        GUIDED,
        "
        device:d1 | campaign.clicked campaign=spring channel=web
        device:d1 | page.viewed of=model kind=fan
        +1d !user:u1 device:d1 email:a@example.com | order.placed of=model money=299.00
        +1d !user:u1 | parcel.scanned of=A1
        +1d !user:u1 | parcel.delivered of=A1
        - | product.powered_on of=A1
        - | product.installed of=A1
        +9d - | product.failed of=A1 state.error=paper_jam
        - | product.fixed of=A1
        device:d1 | product.recommended of=A1
        +9d device:d1 | product.resold of=A1
        ",
        expect![[r#"
            device:d1 | campaign.clicked campaign=spring channel=web
              p7 model prospect interested
            device:d1 | page.viewed of=model kind=fan
              p7 model prospect engaged
            !user:u1 device:d1 email:a@example.com | order.placed of=model money=299.00
              p7 model buyer awaiting_delivery
            !user:u1 | parcel.scanned of=A1
              p7 A1 owner awaiting_delivery
            !user:u1 | parcel.delivered of=A1
              p7 A1 owner installing
            - | product.powered_on of=A1
            - | product.installed of=A1
            - | product.failed of=A1 state.error=paper_jam
            - | product.fixed of=A1
            device:d1 | product.recommended of=A1
              p7 A1 owner advocate
            device:d1 | product.resold of=A1
              p7 A1 former parted
        "#]],
    );
    expect![[r#"
        menu - fix-jam other_stage
        menu - track other_stage
        menu + human always
        offers - shop-50 other_stage
        steps + power done
        steps + install done
    "#]]
    .assert_eq(&world.sees("device:d1", "A1", Context::default()));
    expect![[r#"
        Campaign spring awaiting_delivery web: 0 seen, 0 clicked, 1 converted, 0 given 299.00 USD
        Campaign spring interested web: 0 seen, 1 clicked, 0 converted, 0 given 
        Menu thing/human parted -: 1 seen, 0 clicked, 0 converted, 0 given 
    "#]]
    .assert_eq(&world.tallies());
}

#[test]
fn a_stranger_who_scans_does_not_own() {
    check(
        GUIDED,
        "
        device:d1 | product.scanned of=A1
        device:d1 | product.claimed of=A1 code_of=wrong
        device:d1 | product.claimed of=A1 code_of=A1
        device:d2 | product.claimed of=A1 code_of=A1
        device:d2 | product.resold of=A1
        device:d1 | product.resold of=A1
        device:d2 | product.claimed of=A1 code_of=A1
        ",
        expect![[r#"
            device:d1 | product.scanned of=A1
              p7 model prospect none
            device:d1 | product.claimed of=A1 code_of=wrong
              claim_code_wrong
            device:d1 | product.claimed of=A1 code_of=A1
              p7 A1 owner none
            device:d2 | product.claimed of=A1 code_of=A1
              already_owned
            device:d2 | product.resold of=A1
              not_owner
            device:d1 | product.resold of=A1
              p7 A1 former parted
            device:d2 | product.claimed of=A1 code_of=A1
              p10 A1 owner none
        "#]],
    );
}

#[test]
fn the_offer_comes_near_the_shop_and_caps_hold() {
    let mut world = World::new(GUIDED);
    let near = |metres| Context {
        location: Some(here(metres)),
        channel: Some(Channel::Companion),
        ..Context::default()
    };
    for name in ["device:a", "device:b", "device:c"] {
        world.play(&format!("{name} | page.viewed of=model kind=fan"));
    }
    expect![[r#"
        menu - fix-jam other_stage
        menu - track other_stage
        menu + human always
        offers - shop-50 condition_fails
        steps - power other_stage
        steps - install other_stage
    "#]]
    .assert_eq(&world.sees("device:a", "model", near(500.0)));
    expect![[r#"
        menu - fix-jam other_stage
        menu - track other_stage
        menu + human always
        offers + shop-50 condition
        steps - power other_stage
        steps - install other_stage
        gets shop-50
    "#]]
    .assert_eq(&world.sees("device:a", "model", near(100.0)));
    expect![[r#"
        menu - fix-jam other_stage
        menu - track other_stage
        menu + human always
        offers + shop-50 condition
        steps - power other_stage
        steps - install other_stage
        gets shop-50
    "#]]
    .assert_eq(&world.sees("device:b", "model", near(100.0)));
    // Two a day; the third sees why not.
    expect![[r#"
        menu - fix-jam other_stage
        menu - track other_stage
        menu + human always
        offers - shop-50 cap_day
        steps - power other_stage
        steps - install other_stage
    "#]]
    .assert_eq(&world.sees("device:c", "model", near(100.0)));
    // A code that was given stays in the hand away from the shop.
    expect![[r#"
        menu - fix-jam other_stage
        menu - track other_stage
        menu + human always
        offers + shop-50 stage
        steps - power other_stage
        steps - install other_stage
    "#]]
    .assert_eq(&world.sees("device:a", "model", near(9_000.0)));
    let code = world.state.person(world.person("device:a")).unwrap().grants[0].code.clone();
    let script = format!("!- | offer.redeemed of=model code={} money=249.00", code.to_lowercase());
    expect![[r#"
        !- | offer.redeemed of=model code=CODE money=249.00
          p7 model prospect engaged
    "#]]
    .assert_eq(&world.play(&script).replace(&*code.to_lowercase(), "CODE"));
    expect![[r#"
        menu - fix-jam other_stage
        menu - track other_stage
        menu + human always
        offers - shop-50 cap_person
        steps - power other_stage
        steps - install other_stage
    "#]]
    .assert_eq(&world.sees("device:a", "model", near(100.0)));
    expect![[r#"
        Menu thing/human engaged companion: 3 seen, 0 clicked, 0 converted, 0 given 
        Offer thing/shop-50 engaged companion: 2 seen, 0 clicked, 1 converted, 2 given 249.00 USD
        OfferDay thing/shop-50 20454 -: 0 seen, 0 clicked, 0 converted, 2 given 
        OfferDay thing/shop-50 total -: 0 seen, 0 clicked, 0 converted, 2 given 
    "#]]
    .assert_eq(&world.tallies());
    assert_eq!(world.state.hash(), world.replayed().hash());
}

#[test]
fn a_friend_may_bring_the_code_and_stays_somebody_else() {
    let mut world = World::new(GUIDED);
    world.play("device:a | page.viewed of=model kind=fan");
    let near = Context { location: Some(here(10.0)), ..Context::default() };
    world.sees("device:a", "model", near);
    let grant =
        |world: &World| world.state.person(world.person("device:a")).unwrap().grants[0].clone();
    let code = grant(&world).code;
    world.play(&format!("!user:friend | order.placed of=model coupon={code} money=249.00"));
    assert!(grant(&world).redeemed.is_some());
    assert_ne!(world.person("user:friend"), world.person("device:a"));
    assert_eq!(world.state.hash(), world.replayed().hash());
}

#[test]
fn timers_fire_by_log_time_and_only_in_their_stage() {
    check(
        GUIDED,
        "
        !user:slow | parcel.delivered of=A1
        !user:quick | parcel.delivered of=A2
        +1d user:quick | product.used of=A2
        +1d tick
        +2d tick
        +9d tick
        ",
        expect![[r#"
            !user:slow | parcel.delivered of=A1
              p7 A1 owner installing
            !user:quick | parcel.delivered of=A2
              p8 A2 owner installing
            user:quick | product.used of=A2
              p8 A2 owner support
            tick
            tick
              sends install-help about A1
            tick
        "#]],
    );
}

#[test]
fn prescribed_steps_are_locked_until_the_ones_before_are_done() {
    let mut world = World::new(PRESCRIBED);
    world.play("!user:nurse | product.bought of=A1");
    expect![[r#"
        steps + first suggested
        steps - second locked (first)
        steps - third locked (first)
    "#]]
    .assert_eq(&world.sees("user:nurse", "A1", Context::default()));
    world.play("user:nurse | step.done of=A1 step=second");
    world.play("user:nurse | step.done of=A1 step=first");
    expect![[r#"
        steps + first done
        steps + second suggested
        steps - third locked (second)
    "#]]
    .assert_eq(&world.sees("user:nurse", "A1", Context::default()));
    world.play("user:nurse | step.done of=A1 step=second");
    expect![[r#"
        steps + first done
        steps + second done
        steps + third suggested
    "#]]
    .assert_eq(&world.sees("user:nurse", "A1", Context::default()));
}

#[test]
fn a_new_version_carries_people_over_by_its_rule() {
    let mut world = World::new(GUIDED);
    world.play("user:u1 | page.viewed of=model kind=fan");
    let renamed = GUIDED
        .replace("engaged", "keen")
        .replace("carry_over: keep", "carry_over: { engaged: keen }");
    world.put(model::entry::Body::PutJourney { source: renamed.into() });
    let person = world.person("user:u1");
    let (journey, stage) =
        crate::journey_and_stage(&world.state, person, subject("model")).unwrap();
    assert_eq!((&*journey.name, stage), ("thing", "keen"));
    expect![[r#"
        user:u1 | page.viewed of=model
          p7 model prospect keen
    "#]]
    .assert_eq(&world.play("user:u1 | page.viewed of=model"));
    assert_eq!(world.state.hash(), world.replayed().hash());
}

#[test]
fn recommendations_form_a_tree_with_sums() {
    let mut world = World::new(GUIDED);
    world.play("!user:anna | product.bought of=A1");
    world.play("user:anna | product.recommended of=A1");
    let link = |world: &World, name: &str| {
        world.state.person(world.person(name)).unwrap().links[0].code.clone()
    };
    let anna = link(&world, "user:anna");
    world.play(&format!("device:ben | referral.visited of=model code={anna}"));
    world.play("!user:ben device:ben | order.placed of=model money=299.00");
    world.play("user:ben | product.recommended of=model");
    let ben = link(&world, "user:ben");
    world.play(&format!("user:cleo | referral.visited of=model code={ben}"));
    world.play("!user:cleo | order.placed of=model money=199.00");
    let tell = |world: &World, code: &str| {
        let node = world.state.referral(code).unwrap();
        let money = |sums: &[model::touch::Money]| {
            sums.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        format!(
            "{} visits, {} orders {}, below {} orders {}",
            node.visits,
            node.orders,
            money(&node.money),
            node.orders_below,
            money(&node.money_below)
        )
    };
    expect!["1 visits, 1 orders 299.00 USD, below 1 orders 199.00 USD"]
        .assert_eq(&tell(&world, &anna));
    expect!["1 visits, 1 orders 199.00 USD, below 0 orders "].assert_eq(&tell(&world, &ben));
}

//! Who is who: joining, keeping apart, undoing, forgetting.

use expect_test::expect;
use model::entry::{Body, SplitWhat};
use model::outcome::Outcome;

use super::{World, alias, split_merge, subject};

const GUIDED: &str = include_str!("../../tests/guided.yaml");

fn world(script: &str) -> World {
    let mut world = World::new(GUIDED);
    world.play(script);
    world
}

#[test]
fn anonymous_becomes_known_and_keeps_its_history() {
    let world = world(
        "
        anonymous:a1 | page.viewed of=model kind=fan
        anonymous:a1 user:u1 | person.identified traits.name=Ümit
        user:u1 | page.viewed of=model
        ",
    );
    let person = world.state.person(world.person("anonymous:a1")).unwrap();
    assert_eq!(world.person("anonymous:a1"), world.person("user:u1"));
    assert_eq!(person.touches, 3);
    assert_eq!(person.traits.text("name"), Some("Ümit"));
}

#[test]
fn two_histories_become_one_in_order() {
    // The phone saw the order's page first; had the join been known, the order came last.
    let world = world(
        "
        anonymous:phone | page.viewed of=model kind=fan
        user:u1 | campaign.clicked campaign=spring
        +1d user:u1 | order.placed of=model
        anonymous:phone user:u1 | page.viewed of=model
        ",
    );
    let id = world.person("user:u1");
    assert_eq!(world.person("anonymous:phone"), id);
    let bond = world.state.bond(id, subject("model")).unwrap();
    let stages: Vec<&str> = bond.moves.iter().map(|moved| world.state.text(moved.stage)).collect();
    assert_eq!(stages, ["engaged", "awaiting_delivery"]);
    assert_eq!(world.state.meta().persons, 1);
    assert_eq!(world.state.hash(), world.replayed().hash());
}

#[test]
fn two_customers_share_a_browser_and_stay_two() {
    let world = world(
        "
        anonymous:browser user:u1 | page.viewed of=model kind=fan
        anonymous:browser user:u2 | page.viewed of=model
        anonymous:browser user:u2 | order.placed of=model
        ",
    );
    assert_ne!(world.person("user:u1"), world.person("user:u2"));
    assert_eq!(world.person("anonymous:browser"), world.person("user:u1"));
    let first = world.state.bond(world.person("user:u1"), subject("model")).unwrap();
    assert_eq!(world.state.text(first.stage), "engaged");
}

#[test]
fn an_alias_call_that_conflicts_changes_nothing() {
    let mut world = world(
        "
        user:u1 | page.viewed of=model kind=fan
        user:u2 | page.viewed of=model
        ",
    );
    let before = (world.person("user:u1"), world.person("user:u2"));
    world.play("user:u1 user:u2 | person.aliased");
    assert_eq!(before, (world.person("user:u1"), world.person("user:u2")));
    world.play("user:u1 | person.aliased");
    assert_eq!(world.state.person(before.0).unwrap().aliases.len(), 1);
    world.play("!user:u1 user:old | person.aliased");
    assert_eq!(world.person("user:old"), before.0);
}

#[test]
fn a_merge_and_its_undoing_is_the_identity() {
    let mut world = world(
        "
        !user:u1 device:d1 | product.bought of=A1
        user:u1 | product.recommended of=A1
        email:b@example.com | page.viewed of=model kind=fan traits.name=Bea
        !email:b@example.com | consent.given purpose=marketing
        ",
    );
    let near = model::context::Context {
        location: Some(super::here(50.0)),
        ..model::context::Context::default()
    };
    world.sees("email:b@example.com", "model", near);
    let (first, second) = (world.person("user:u1"), world.person("email:b@example.com"));
    let before = (tell(&world, "user:u1"), tell(&world, "email:b@example.com"));
    world.put(Body::Merge { keep: first, gone: second, reason: "same name".into() });
    assert_eq!(world.person("email:b@example.com"), first);
    let merge = world.state.person(first).unwrap().merges[0].seq;
    assert!(matches!(split_merge(&mut world, first, merge), Outcome::Accepted(_)));
    assert_eq!(world.person("email:b@example.com"), second);
    assert_eq!(before, (tell(&world, "user:u1"), tell(&world, "email:b@example.com")));
    // Set apart by staff, a common touch does not join them again.
    world.play("user:u1 email:b@example.com | page.viewed of=model");
    assert_ne!(world.person("user:u1"), world.person("email:b@example.com"));
    assert_eq!(world.state.hash(), world.replayed().hash());
}

#[test]
fn some_aliases_can_be_split_off() {
    let mut world = world(
        "
        !user:u1 device:d1 | page.viewed of=model kind=fan
        device:d1 | order.placed of=model
        user:u1 | page.viewed of=model
        ",
    );
    let person = world.person("user:u1");
    let what = SplitWhat::Aliases(vec![alias("device:d1")]);
    world.put(Body::Split { person, what, reason: "a friend's phone".into() });
    let bond = world.state.bond(person, subject("model")).unwrap();
    assert_eq!(world.state.text(bond.stage), "engaged");
    drop(bond);
    let other = world.state.bond(world.person("device:d1"), subject("model")).unwrap();
    assert_eq!(world.state.text(other.stage), "awaiting_delivery");
}

#[test]
fn a_message_is_counted_once() {
    let mut world = World::new(GUIDED);
    expect![[r#"
        user:u1 | page.viewed of=model kind=fan id=m1
          p7 model prospect engaged
        user:u1 | page.viewed of=model kind=fan id=m1
          duplicate
    "#]]
    .assert_eq(&world.play(
        "
        user:u1 | page.viewed of=model kind=fan id=m1
        user:u1 | page.viewed of=model kind=fan id=m1
        ",
    ));
    assert_eq!(world.state.meta().duplicates, 1);
}

#[test]
fn wiped_is_gone_and_the_unit_keeps_its_history() {
    let mut world = world(
        "
        !user:u1 device:d1 | product.bought of=A1
        - | product.failed of=A1 state.error=paper_jam
        user:u1 | product.recommended of=A1
        !user:u2 device:d1 | page.viewed of=model
        ",
    );
    let person = world.person("user:u1");
    let code = world.state.person(person).unwrap().links[0].code.clone();
    assert_eq!(world.put(Body::Wipe { person, receipt: 5 }), Outcome::accepted());
    assert!(world.state.person(person).is_none());
    assert!(world.state.person_by_alias(&alias("user:u1")).is_none());
    assert!(world.state.bond(person, subject("A1")).is_none());
    assert!(world.state.person_by_alias(&alias("user:u2")).is_some());
    let unit = world.state.product(subject("A1")).unwrap();
    assert_eq!((unit.owner, unit.touches), (None, 3));
    assert_eq!(unit.state.text("error"), Some("paper_jam"));
    drop(unit);
    assert_eq!(world.state.referral(&code).unwrap().person, None);
    // The touch that went to somebody else carries the wiped person's device, so it goes too.
    let (_, seqs) = world.state.purges().next().unwrap();
    assert_eq!(seqs.len(), 4);
    assert_eq!(world.state.timer_count(), 0);
    let receipt = world.state.receipt(5).unwrap().clone();
    assert_eq!((receipt.aliases, receipt.bonds, receipt.touches), (2, 1, 2));
}

/// What the person behind a session now has, after somebody with the public write key tried.
fn names_of(world: &World, session: &str) -> Vec<String> {
    let person = world.state.person(world.person(session)).unwrap();
    let mut names: Vec<String> = person.aliases.iter().map(|k| k.alias.to_string()).collect();
    names.sort();
    names
}

#[test]
fn a_write_key_cannot_name_a_session() {
    let mut world = world(
        "
        device:mine | page.viewed of=model kind=fan
        email:victim@example.com | page.viewed of=model
        ",
    );
    expect![[r#"
        anonymous:a device:mine email:victim@example.com | page.viewed of=model id=m
          device_needs_secret_key
        device:mine user:new | person.aliased of=model
          device_needs_secret_key
        !device:mine user:new | person.identified of=model id=m
          p7 model prospect engaged
    "#]]
    .assert_eq(&world.play(
        "
        anonymous:a device:mine email:victim@example.com | page.viewed of=model id=m
        device:mine user:new | person.aliased of=model
        !device:mine user:new | person.identified of=model id=m
        ",
    ));
    assert_eq!(names_of(&world, "device:mine"), ["device:mine", "user:new"]);
    assert_eq!(world.state.hash(), world.replayed().hash());
}

#[test]
fn a_write_key_joins_no_two_known_people() {
    // Each line is one try to get the victim's data to the thief, whose session comes last.
    for tries in [
        "email:thief@x.org email:victim@x.org | person.identified",
        "user:thief email:victim@x.org | person.identified",
        "anonymous:t email:victim@x.org | page.viewed\n!user:thief anonymous:t | order.placed",
        "anonymous:t email:victim@x.org | page.viewed\nanonymous:t user:thief | person.identified",
        "loyalty:thief email:victim@x.org anonymous:t | person.identified",
        "email:victim@x.org phone:0301234567 | person.identified\n!phone:0301234567 | app.opened",
    ] {
        let mut world = world("!email:victim@x.org | order.placed of=A1");
        world.play(tries);
        let thief = "!user:thief device:t email:thief@x.org phone:0301234567 | app.opened";
        world.play(thief);
        assert_ne!(world.person("device:t"), world.person("email:victim@x.org"), "{tries}");
        let unit = world.state.product(subject("A1")).unwrap();
        assert_eq!(unit.owner, Some(world.person("email:victim@x.org")), "{tries}");
        drop(unit);
        assert_eq!(world.state.hash(), world.replayed().hash());
    }
}

#[test]
fn a_write_key_still_joins_browsers_and_names_who_was_not_known() {
    let mut world = world(
        "
        !user:u1 | order.placed of=model
        anonymous:a | page.viewed of=model kind=fan
        anonymous:a user:u1 email:u1@x.org | person.identified
        anonymous:b | page.viewed of=model
        anonymous:b email:new@x.org | person.identified
        ",
    );
    for name in ["anonymous:a", "email:u1@x.org"] {
        assert_eq!(world.person(name), world.person("user:u1"), "{name}");
    }
    assert_eq!(world.person("anonymous:b"), world.person("email:new@x.org"));
    // A customer number with a session or a unit gets its names from the company only.
    world.play("!user:u1 device:d1 | app.opened");
    world.play("user:u1 phone:0301234567 anonymous:c | person.identified");
    assert!(world.state.person_by_alias(&alias("phone:0301234567")).is_none());
    assert_eq!(world.person("anonymous:c"), world.person("user:u1"));
    world.play("!user:u1 email:new@x.org | person.identified");
    assert_eq!(world.person("anonymous:b"), world.person("user:u1"));
}

#[test]
fn only_the_owner_and_the_company_end_a_bond() {
    let mut world = world("!user:u1 | product.bought of=A1");
    expect![[r#"
        user:u1 | product.resold of=A1
          not_owner
    "#]]
    .assert_eq(&world.play("user:u1 | product.resold of=A1"));
    let owner = world.state.product(subject("A1")).unwrap().owner;
    assert_eq!(owner, Some(world.person("user:u1")));
}

#[test]
fn a_wipe_finds_names_in_refused_items_however_they_are_written() {
    let mut world = world("!user:u1 email:jörg@x.org phone:+49301234567 | app.opened");
    let person = world.person("user:u1");
    let raws: [&str; 4] = [
        r#"{"email":"J\u00f6rg@x.org"}"#,
        "{\"email\":\"JÖRG@X.ORG\"}",
        r#"{"phone":"+49 (30) 123-45 67"}"#,
        r#"{"email":"somebody@else.org"}"#,
    ];
    let first = world.tape.records.len() as u64 + 1;
    for raw in raws {
        let (code, reason) = ("bad_kind".into(), "not understood".into());
        let source = model::touch::Source::Native;
        world.put(Body::Refused { source, code, reason, raw: raw.as_bytes().into() });
    }
    world.put(Body::Wipe { person, receipt: 1 });
    let kept = world.state.timeline(&crate::Entity::Topic(crate::Topic::Refused), None, 10);
    assert_eq!(kept, [first + 3]);
    let (_, seqs) = world.state.purges().next().unwrap();
    assert!((first..first + 3).all(|seq| seqs.contains(&seq)));
}

#[test]
fn a_wipe_takes_names_out_of_the_units_state() {
    let mut world = world(
        "
        !user:u1 email:ann@x.org | product.bought of=A1
        user:u1 | product.reported of=A1 state.account=Ann@X.org state.error=jam
        ",
    );
    let person = world.person("user:u1");
    world.put(Body::Wipe { person, receipt: 1 });
    let unit = world.state.product(subject("A1")).unwrap();
    assert_eq!((unit.state.text("account"), unit.state.text("error")), (None, Some("jam")));
}

#[test]
fn what_is_not_registered_makes_no_counters_and_no_timelines() {
    let mut world = world("user:u1 | campaign.clicked campaign=ann@x.org place=ann@x.org");
    world.play("- | campaign.shown campaign=ann@x.org of=model");
    assert!(!world.tallies().contains("ann@x.org"));
    for topic in
        [crate::Topic::Campaign("ann@x.org".into()), crate::Topic::Place("ann@x.org".into())]
    {
        assert_eq!(world.state.timeline(&crate::Entity::Topic(topic), None, 9), [0_u64; 0]);
    }
}

#[test]
fn traits_and_states_have_an_end() {
    let mut world = World::new(GUIDED);
    for at in 0..300 {
        world.play(&format!("user:u1 | product.reported of=A1 traits.t{at}=x state.s{at}=x"));
    }
    let person = world.state.person(world.person("user:u1")).unwrap();
    assert_eq!(person.traits.len(), model::limits::PROPERTIES);
    assert_eq!(world.state.product(subject("A1")).unwrap().state.len(), model::limits::PROPERTIES);
}

fn tell(world: &World, name: &str) -> String {
    let id = world.person(name);
    let person = world.state.person(id).unwrap();
    let mut bonds = String::new();
    for bond in &person.bonds {
        bonds += &format!("{bond:?}\n");
    }
    format!(
        "{id} {:?} {:?} {:?} {:?} {:?} {} touches\n{bonds}",
        person.aliases, person.traits, person.consents, person.grants, person.links, person.touches
    )
}

#[test]
fn a_permission_is_given_by_those_who_may_and_withdrawn_by_anybody() {
    let mut world = world("!user:u1 | page.viewed of=model");
    let given = |world: &World, name: &str| {
        let person = world.state.person(world.person(name)).unwrap();
        person.consent("marketing").map(|consent| consent.given)
    };
    world.play("user:u1 | consent.given purpose=marketing");
    assert_eq!(given(&world, "user:u1"), None);
    world.play("!user:u1 | consent.given purpose=marketing");
    assert_eq!(given(&world, "user:u1"), Some(true));
    world.play("user:u1 | consent.withdrawn purpose=marketing");
    assert_eq!(given(&world, "user:u1"), Some(false));
    world.play("anonymous:b | consent.given purpose=marketing");
    assert_eq!(given(&world, "anonymous:b"), Some(true));
}

#[test]
fn what_leaves_the_list_of_the_refused_is_overwritten_and_the_list_has_an_end() {
    let mut world = World::new(GUIDED);
    let refused = || Body::Refused {
        source: model::touch::Source::Native,
        code: "bad_kind".into(),
        reason: "it was not understood".into(),
        raw: b"{}".as_slice().into(),
    };
    world.put(refused());
    let listed =
        |world: &World| world.state.timeline_all(&crate::Entity::Topic(crate::Topic::Refused));
    let first = listed(&world)[0];
    assert_eq!(world.put(Body::RefusedDone { seq: first }), Outcome::accepted());
    assert!(listed(&world).is_empty());
    let (id, seqs) = world.state.purges().next().unwrap();
    assert_eq!(seqs, [first]);
    assert_eq!(world.put(Body::Purged { receipt: id, records: 1 }), Outcome::accepted());
    assert_eq!(world.state.purges().count(), 0);
    for _ in 0..=model::limits::REFUSED_KEPT {
        world.put(refused());
    }
    let kept = listed(&world).len();
    assert_eq!(kept, model::limits::REFUSED_KEPT * 9 / 10 + 1);
    assert_eq!(world.state.purges().next().unwrap().1.len(), model::limits::REFUSED_KEPT / 10);
}

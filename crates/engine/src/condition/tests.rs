//! What conditions mean, and what is said about those that mean nothing.

use super::*;

/// Facts by the text of their path.
#[derive(Default)]
struct Table(Vec<(&'static str, Value)>);

impl Facts for Table {
    fn fact(&self, path: &Path) -> Fact<'_> {
        let ms = |value: &Value| value.as_i64().expect("times are given in ms");
        let path_text = path.to_string();
        let Some((_, value)) = self.0.iter().find(|(own, _)| *own == path_text) else {
            let open = path.field.row().ty.kind == Kind::Map && !path.rest.is_empty();
            let field = Path { rest: Vec::new(), ..path.clone() }.to_string();
            let whole = self.0.iter().find(|(own, _)| *own == field).map(|(_, value)| value);
            return match whole {
                Some(Value::Map(map)) if open => Fact::at(map, &path.rest),
                _ => Fact::Missing,
            };
        };
        match (path.field.row().ty.kind, value) {
            (Kind::Time, value) => Fact::Time(ms(value)),
            (_, value) => Fact::Value(value),
        }
    }
}

fn map(pairs: &[(&str, Value)]) -> Value {
    Value::Map(pairs.iter().map(|(key, value)| (*key, value.clone())).collect())
}

fn list(values: &[Value]) -> Value {
    Value::List(values.to_vec().into())
}

/// 2026-05-31T22:30:15.250Z, a Sunday; in Berlin already Monday.
const NOW_MS: i64 = 1_780_266_615_250;

fn facts() -> Table {
    let items = list(&[
        map(&[("sku", "a".into()), ("price", Value::Float(1.5)), ("n", Value::Int(2))]),
        map(&[("sku", "b".into()), ("price", Value::Int(7)), ("n", Value::Int(0))]),
    ]);
    Table(vec![
        ("touch.kind", "order.placed".into()),
        ("touch.properties", map(&[("items", items), ("kind", "fan".into())])),
        ("person.consents", map(&[("marketing", true.into())])),
        ("person.points", Value::Int(120)),
        (
            "product.state",
            map(&[
                ("error", "paper_jam".into()),
                ("ink", map(&[("cyan", Value::Int(3)), ("black", Value::Float(80.5))])),
                ("note", Value::Null),
                ("fuser-temp", Value::Int(180)),
            ]),
        ),
        ("product.attributes", map(&[])),
        ("bond.stage", "support".into()),
        ("bond.days_in_stage", Value::Int(4)),
        ("bond.since", Value::Int(NOW_MS - 4 * 86_400_000)),
        ("bond.steps_done", list(&["unbox".into(), "connect".into()])),
        ("context.time", Value::Int(NOW_MS)),
        ("context.hour", Value::Int(0)),
        ("context.place.kind", "shop".into()),
        ("context.place.distance_m", Value::Float(150.0)),
        ("context.setting", "shop".into()),
    ])
}

fn verdict(source: &str) -> String {
    match Condition::compile(source) {
        Err(mistake) => format!("mistake {mistake}"),
        Ok(condition) => match condition.holds(&facts(), None) {
            Verdict::Yes => "yes".into(),
            Verdict::No => "no".into(),
            Verdict::Unknown(why) => format!("unknown: {why}"),
        },
    }
}

#[track_caller]
fn check(source: &str, expected: &str) {
    assert_eq!(verdict(source), expected, "{source}");
}

#[track_caller]
fn all_yes(sources: &[&str]) {
    for source in sources {
        assert_eq!(verdict(source), "yes", "{source}");
    }
}

#[test]
fn the_conditions_of_the_design() {
    check("touch.properties.kind == \"fan\"", "yes");
    check("product.state.error == \"paper_jam\"", "yes");
    check("context.place.kind == \"shop\" && context.place.distance_m < 200", "yes");
}

#[test]
fn literals_and_escapes() {
    all_yes(&[
        "1 < 2 && 0x1F == 31 && -0x1f == -31 && 3u == 3u && 1.5e3 == 1500.0 && .5 < 1e0",
        "-9223372036854775808 < 9223372036854775807",
        r#" "a\tb\x41\u00e4\U0001F600\101" == 'a	bAä😀A' "#,
        r#" r"a\n" == "a\\n" && R'x' == "x" "#,
        "\"\"\"a\n\"b\" \"\"\" == \"a\\n\\\"b\\\" \" && '''it's''' == \"it's\"",
        "[1, 2, 3,] == [1, 2, 3] && {'a': 1, 'b': [2],} == {'b': [2], 'a': 1}",
        "null == null && true != false",
        "true // the rest is silence\n && true",
    ]);
}

#[test]
fn arithmetic_is_of_one_kind_and_checked() {
    all_yes(&[
        "1 + 2 * 3 - 4 / 2 % 3 == 5",
        "-7 / 2 == -3 && -7 % 2 == -1 && 7u / 2u == 3u",
        "1.5 + 2.5 == 4.0 && 1.0 / 0.0 > 1e300",
        "'a' + 'b' == 'ab' && [1] + [2] == [1, 2]",
        "-(-person.points) == 120",
    ]);
    check("1 / (person.points - 120) == 1", "unknown: division by zero");
    check("9223372036854775807 + 1 > 0", "unknown: a number is out of its range");
    check("1u - 2u > 0u", "unknown: a number is out of its range");
    check("-9223372036854775808 / -1 > 0", "unknown: a number is out of its range");
    check("product.state.error + 1 == 2", "unknown: + does not take text and int");
}

#[test]
fn comparison_crosses_number_kinds_exactly() {
    all_yes(&[
        "1 == 1.0 && 1u == 1 && 2u > 1.5 && 1 < 1.5 && 3 >= 2u",
        "9007199254740993 > 9007199254740992.0",
        "9223372036854775807 < 9223372036854775808.0",
        "18446744073709551615u > -1",
        "dyn(1) != 'a' && dyn('a') != 1 && !(dyn([1]) == {'a': 1})",
        "1.0 in [1, 2] && !(3 in [1, 2]) && 'a' in {'a': 1}",
        "'a' < 'b' && false < true",
    ]);
    check("product.state.error < 3", "unknown: < does not take text and int");
}

#[test]
fn the_side_that_decides_absorbs_what_is_unknown() {
    check("touch.campaign == 'x' || true", "yes");
    check("true || touch.campaign == 'x'", "yes");
    check("touch.campaign == 'x' && false", "no");
    check("touch.campaign == 'x' && true", "unknown: touch.campaign is not known");
    check("touch.campaign == 'x' || bond.role == 'y'", "unknown: touch.campaign is not known");
    check("!(touch.campaign == 'x')", "unknown: touch.campaign is not known");
    check("touch.campaign == 'x' ? true : true", "unknown: touch.campaign is not known");
    check("person.points > 100 ? true : touch.campaign == 'x'", "yes");
    check("product.state.error", "unknown: a condition does not take text");
}

#[test]
fn has_and_paths_through_open_maps() {
    all_yes(&[
        "has(product.state.error) && !has(product.state.fault) && !has(touch.campaign)",
        "has(context.place) && !has(context.weather) && has(product.state.note)",
        "product.state.note == null",
        "product.state.ink.cyan < 10 && product.state.ink.black > 50",
        "product[\"state\"][\"fuser-temp\"] == 180 && product.state.`fuser-temp` > 100",
        "'error' in product.state && size(product.attributes) == 0",
        "touch.properties.items[0].sku == 'a' && touch.properties.items[1].price == 7",
        "touch.properties.items[size(touch.properties.items) - 1].sku == 'b'",
        "product.state.ink['cy' + 'an'] == 3",
        "person.consents.marketing",
    ]);
    check("product.state.ink.magenta < 10", "unknown: product.state.ink.magenta is not known");
    check("touch.properties.items[2].sku == 'c'", "unknown: there is no 2");
    check("touch.properties.items[0].gtin == 'c'", "unknown: there is no gtin");
    check("context.weather.temp_c < 0", "unknown: context.weather.temp_c is not known");
}

#[test]
fn functions_of_texts() {
    all_yes(&[
        "touch.kind.startsWith('order.') && touch.kind.endsWith('placed')",
        "touch.kind.contains('.pl') && touch.kind.matches('^[a-z]+\\\\.[a-z]+$')",
        "!touch.kind.matches('^placed')",
        "'ÄbC'.lowerAscii() == 'Äbc' && 'äbC'.upperAscii() == 'äBC'",
        "size('äöü') == 3 && 'abc'.size() == 3 && [1, 2].size() == 2",
        "string(12) == '12' && string(1.5) == '1.5' && string(true) == 'true'",
        "int('42') == 42 && int(3.9) == 3 && int(-3.9) == -3 && uint(7) == 7u",
        "double('1.5') == 1.5 && double(2) == 2.0 && bool('true')",
    ]);
    check("int(touch.kind) == 1", "unknown: int cannot read this text");
    check("int(product.state.ink.black * 1e30) == 1", "unknown: a number is out of its range");
    check("uint(person.points - 200) == 1u", "unknown: a number is out of its range");
}

#[test]
fn times_and_durations() {
    all_yes(&[
        "context.time == timestamp('2026-06-01T00:30:15.250+02:00')",
        "context.time - bond.since == duration('96h')",
        "context.time - bond.since > duration('3h') + duration('1.5s')",
        "bond.since + duration('4h') < context.time",
        "context.time.getFullYear() == 2026 && context.time.getMonth() == 4",
        "context.time.getDate() == 31 && context.time.getDate('Europe/Berlin') == 1",
        "context.time.getDayOfMonth() == 30 && context.time.getDayOfYear() == 150",
        "context.time.getDayOfWeek() == 0 && context.time.getDayOfWeek('Europe/Berlin') == 1",
        "context.time.getHours() == 22 && context.time.getHours('Asia/Kolkata') == 4",
        "context.time.getMinutes('+05:30') == 0 && context.time.getHours('-08:00') == 14",
        "context.time.getSeconds() == 15 && context.time.getMilliseconds() == 250",
        "duration('3h25m').getMinutes() == 205 && duration('1.5s').getMilliseconds() == 500",
        "string(duration('90m')) == '5400s' && string(duration('-250ms')) == '-0.25s'",
        "string(timestamp('2026-01-02T03:04:05Z')) == '2026-01-02T03:04:05Z'",
        "int(timestamp('1970-01-01T00:01:00Z')) == 60 && timestamp(60) < context.time",
    ]);
}

#[test]
fn loops() {
    all_yes(&[
        "touch.properties.items.exists(i, i.sku == 'b' && i.price > 5)",
        "touch.properties.items.all(i, i.price > 1)",
        "touch.properties.items.exists_one(i, i.n == 0)",
        "touch.properties.items.filter(i, i.n > 0).size() == 1",
        "touch.properties.items.map(i, i.sku) == ['a', 'b']",
        "touch.properties.items.map(i, i.n > 0, i.sku) == ['a']",
        "bond.steps_done.all(s, s in ['unbox', 'connect'])",
        "product.state.ink.exists(colour, colour == 'cyan')",
        "[1, 2].all(a, [3, 4].exists(b, b == a + 2))",
        "[].all(x, false) && ![].exists(x, true)",
        // The item that decides absorbs the one that fails.
        "[0, 1].exists(n, 1 / n == 1)",
        "![0, 2].all(n, 1 / n == 1)",
    ]);
    check("[0, 2].exists(n, 1 / n == 1)", "unknown: division by zero");
    check("[0, 1].exists_one(n, 1 / n == 1)", "unknown: division by zero");
}

#[test]
fn mistakes_say_where_and_what_instead() {
    check(
        "prodct.state.error == 'x'",
        "mistake 1:1: nothing is called prodct here; \
         did you mean product.state.error?",
    );
    check(
        "product.error == 'x'",
        "mistake 1:9: product has no error; \
         did you mean product.state.error?",
    );
    check(
        "true &&\n  bond.stgae == 'x'",
        "mistake 2:8: bond has no stgae; \
         did you mean bond.stage?",
    );
    check("stage == 'x'", "mistake 1:1: nothing is called stage here; did you mean bond.stage?");
    check(
        "context.place.dist_m < 2",
        "mistake 1:15: context.place has no dist_m; it has id, kind, \
         name, distance_m, inside, open, load",
    );
    check(
        "context.place.distnce_m < 2",
        "mistake 1:15: context.place has no distnce_m; \
         did you mean context.place.distance_m?",
    );
    check(
        "context.place == 'x'",
        "mistake 1:9: context.place is no value by itself: place.id, \
         place.kind, place.name, place.distance_m, place.inside, place.open, place.load",
    );
    check("touch.kind.verb == 'x'", "mistake 1:12: touch.kind is text, it has no verb");
    check(
        "bond == null",
        "mistake 1:1: bond is no value by itself; name a field; \
         did you mean bond.stage?",
    );
    check("touch.kind = 'x'", "mistake 1:12: one `=` does not compare; did you mean ==?");
    check(
        "true and false",
        "mistake 1:6: the end of the condition should be here, but there is \
         `and`; did you mean &&?",
    );
    check("not true", "mistake 1:1: `not` is no operator here; did you mean !?");
    check("touch.kind == 3", "mistake 1:12: == compares text with int; did you mean \"3\"?");
    check("bond.touches > '3'", "mistake 1:14: > compares int with text; did you mean 3?");
    check(
        "context.place.load * 100 > 5.0",
        "mistake 1:20: * does not go with double and int; \
         did you mean 100.0?",
    );
    check(
        "touch.campaign == null",
        "mistake 1:16: this is never null; has(…) asks whether it is \
         there",
    );
    check(
        "context.setting == 'hoem'",
        "mistake 1:20: context.setting is never \"hoem\"; \
         did you mean \"home\"?",
    );
    check(
        "context.channel in ['web', 'fax']",
        "mistake 1:28: context.channel is never \"fax\"; \
         it can be web, app, companion, shop, email, sms, push, call, chat, post, watch, device, \
         partner, server",
    );
    check("bond.touches + 1", "mistake 1:14: a condition must be true or false, this is int");
    check(
        "touch.kind.startWith('x')",
        "mistake 1:12: there is no function startWith; \
         did you mean text.startsWith(\"x\")?",
    );
    check("len(touch.kind) > 1", "mistake 1:1: there is no function len; did you mean size(x)?");
    check(
        "contains(touch.kind, 'x')",
        "mistake 1:1: there is no function contains; \
         did you mean text.contains(\"x\")?",
    );
    check(
        "touch.kind.matches('(')",
        "mistake 1:20: this is no regular expression: \
         found open group without closing ')'",
    );
    check(
        "context.time > timestamp('yesterday')",
        "mistake 1:26: timestamp cannot read this \
         text; did you mean timestamp(\"2026-05-31T12:00:00Z\")?",
    );
    check(
        "duration('3d') > duration('1h')",
        "mistake 1:10: duration cannot read this text; \
         did you mean duration(\"36h30m\")?",
    );
    check(
        "context.time.getHours('Europe/Berlinn') > 3",
        "mistake 1:23: there is no time zone \
         Europe/Berlinn; did you mean \"Europe/Berlin\"?",
    );
    check(
        "'a' in 'abc'",
        "mistake 1:5: `in` looks into lists and maps; a text has contains; \
         did you mean text.contains(\"x\")?",
    );
    check("b'x' == b'x'", "mistake 1:1: bytes are not supported: write a text without the b");
    check("'open", "mistake 1:1: this text has no closing '");
    check("(true", "mistake 1:6: `)` should be here, but the condition ends");
    check("", "mistake 1:1: the condition is empty; leave it out if it always holds");
    check("99999999999999999999 > 1", "mistake 1:1: this number does not fit into 64 bits");
    check(
        "\"a\\q\" == 'x'",
        "mistake 1:3: `q` has no meaning after a backslash; \
         did you mean \\\\?",
    );
}

#[test]
fn a_stage_that_the_journey_has_not_is_a_mistake() {
    let stages: &[&str] = &["interested", "support"];
    let compile = |source| Condition::compile_for(source, Some(stages));
    assert!(compile("bond.stage == 'support' || bond.stage == 'none'").is_ok());
    let mistake = compile("bond.stage in ['support', 'intrested']").expect_err("misspelt");
    assert_eq!(
        mistake.to_string(),
        "1:27: bond.stage is never \"intrested\"; \
         did you mean \"interested\"?"
    );
}

#[test]
fn depth_length_and_cost_are_bounded() {
    let deep = format!("{}true{}", "(".repeat(5_00), ")".repeat(500));
    assert!(verdict(&deep).contains("nested at most 64 deep"), "{}", verdict(&deep));
    let nots = format!("{}true", "!".repeat(3000));
    assert!(verdict(&nots).contains("nested at most 64 deep"));
    let sums = format!("1{} > 0", "+1".repeat(500));
    assert!(verdict(&sums).contains("nested at most 64 deep"));
    let dots = format!("product.state{} == 1", ".a".repeat(500));
    assert!(verdict(&dots).contains("nested at most 64 deep"));
    let wide = format!("true{}", " && true".repeat(500));
    assert_eq!(verdict(&wide), "yes");
    let long = format!("true{}", " && true".repeat(600));
    assert!(verdict(&long).contains("at most 4096 bytes"));
    let ten = "[1,2,3,4,5,6,7,8,9,0]";
    let loops =
        format!("{ten}.all(a, {ten}.all(b, {ten}.all(c, {ten}.all(d, {ten}.all(e, true)))))");
    check(&loops, "unknown: the condition took more than 20000 steps");
    check(
        "touch.kind.matches('(a{1,50}){1,50}')",
        "mistake 1:20: this is no regular expression: \
         compiled regex exceeded size limit",
    );
    let grow = "[1].map(a, 'xxxxxxxxxxxxxxxx').all(s, size(s + s + s + s) == 64)";
    check(grow, "yes");
}

#[test]
fn what_was_read_is_said_once_each() {
    let source = "bond.stage == 'support' && has(product.state.error) \
                  && (product.state.error == 'x' || bond.stage != 'none') \
                  && context.time > timestamp(0) || has(touch.campaign)";
    let condition = Condition::compile(source).expect("it is good");
    let (facts, mut notes) = (facts(), Notes::default());
    assert_eq!(condition.holds(&facts, Some(&mut notes)), Verdict::Yes);
    let used = notes.sheet.noted().iter().map(|(name, told)| format!("{name} {told:?}"));
    let used: Vec<String> = used.collect();
    assert_eq!(
        used,
        [
            "bond.stage Text(\"support\")",
            "product.state.error Text(\"paper_jam\")",
            "context.time Text(\"2026-05-31T22:30:15.25Z\")"
        ]
    );
    let paths: Vec<String> = condition.paths().iter().map(Path::to_string).collect();
    assert_eq!(paths, ["bond.stage", "product.state.error", "context.time", "touch.campaign"]);
    assert!(condition.reads(Root::Touch) && !condition.reads(Root::Person));
}

/// Not a judgement, a measure: `cargo test -p engine --release time_of -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
fn time_of_three_terms() {
    struct Record<'a> {
        stage: &'a str,
        state: model::value::Map,
        points: i64,
    }
    impl Facts for Record<'_> {
        fn fact(&self, path: &Path) -> Fact<'_> {
            match path.field {
                Field::BondStage => Fact::Text(self.stage),
                Field::ProductState => Fact::at(&self.state, &path.rest),
                Field::PersonPoints => Fact::Int(self.points),
                _ => Fact::Missing,
            }
        }
    }
    let state: model::value::Map =
        [("error", "paper_jam".into()), ("ink", Value::Int(3))].into_iter().collect();
    let record = Record { stage: "support", state, points: 120 };
    let source = "bond.stage == 'support' && product.state.error == 'paper_jam' \
                  && person.points >= 100";
    let condition = Condition::compile(source).expect("it is good");
    let rounds = 1_000_000_u32;
    let start = std::time::Instant::now();
    let yes =
        (0..rounds).filter(|_| std::hint::black_box(&condition).holds(&record, None).is_yes());
    assert_eq!(yes.count(), rounds as usize);
    println!("{} ns", start.elapsed().as_nanos() / u128::from(rounds));
}

use model::value::Value;

use super::*;

/// 2026-11-22T12:00:00Z
const NOON: Time = Time(1_795_348_800_000);

fn rows_with(bytes: &[u8], columns: &str) -> Vec<Row> {
    let columns = Columns::parse(columns).expect("a map");
    let csv = Csv::open(bytes, &columns, NOON).expect("a header");
    csv.map(|row| row.expect("memory can be read")).collect()
}

fn rows(text: &str) -> Vec<Row> {
    rows_with(text.as_bytes(), "")
}

fn touch(row: &Row) -> &Touch {
    row.touch.as_ref().unwrap_or_else(|bad| panic!("refused: {bad:?}"))
}

#[test]
fn columns_go_where_their_names_say() {
    let rows = rows(
        "kind,time,id,user,Email,gtin,serial,place,campaign,channel,amount,currency,lat,lon,\
         properties.address.city,properties.address.zip,traits.plan,state.error,Order number\n\
         order.placed,2026-11-22T11:00:00Z,o-1,u1,A@x.example,09506000134352,A1,shop-1,spring,shop,\
         49.90,EUR,52.5,13.4,Ulm,089073,gold,jam,17\n",
    );
    assert_eq!(rows.len(), 1);
    let touch = touch(&rows[0]);
    assert_eq!((touch.kind.as_str(), touch.time), ("order.placed", NOON.plus(-3_600_000)));
    let aliases: Vec<String> = touch.aliases.iter().map(ToString::to_string).collect();
    assert_eq!(aliases, ["user:u1", "email:a@x.example"]);
    assert_eq!(touch.products[0].to_string(), "/01/09506000134352/21/A1");
    assert_eq!(touch.money.map(|money| money.to_string()).as_deref(), Some("49.90 EUR"));
    assert_eq!(touch.location.map(|location| location.lat()), Some(52.5));
    let address = |name| touch.properties.get_in(["address", name]).and_then(Value::as_str);
    assert_eq!((address("city"), address("zip")), (Some("Ulm"), Some("089073")));
    assert_eq!(touch.properties.get("Order number"), Some(&Value::Int(17)));
    assert_eq!((touch.traits.text("plan"), touch.state.text("error")), (Some("gold"), Some("jam")));
    assert_eq!((touch.source, touch.trusted), (Source::File, true));
}

#[test]
fn spreadsheets_in_german_are_read() {
    let text = "\u{feff}kind;time;user;amount;currency;Größe\r\n\
                order.placed;22.11.2026 11:00;u1;1.299,50;EUR;groß\r\n\
                order.placed;22.11.2026;u2;1,299;EUR;\r\n";
    let rows = rows(text);
    assert_eq!(touch(&rows[0]).time, NOON.plus(-3_600_000));
    assert_eq!(touch(&rows[0]).money.map(|m| m.minor), Some(129_950));
    assert_eq!(touch(&rows[0]).properties.text("Größe"), Some("groß"));
    assert_eq!(touch(&rows[1]).time, NOON.plus(-12 * 3_600_000));
    assert_eq!(touch(&rows[1]).money.map(|m| m.minor), Some(130));
    assert!(touch(&rows[1]).properties.is_empty());
    let latin = b"kind;user;Gr\xf6\xdfe\na.b;u1;5 \x80\n";
    let rows = rows_with(latin, "");
    assert_eq!(touch(&rows[0]).properties.text("Größe"), Some("5 €"));
}

#[test]
fn quotes_hold_delimiters_quotes_and_lines() {
    let rows = rows(
        "kind\tuser\tnote\n\
         a.b\tu1\t\"a\ttab, \"\"quoted\"\"\nand a line\"\n\
         a.b\tu2\t5\" pipe \"\"\n\
         a.b\tu3\t\"\"\n\
         a.b\tu4\n",
    );
    let notes: Vec<_> = rows.iter().map(|row| touch(row).properties.text("note")).collect();
    assert_eq!(notes, [Some("a\ttab, \"quoted\"\nand a line"), Some("5\" pipe \"\""), None, None]);
    let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
    assert_eq!(lines, [2, 4, 5, 6]);
    assert_eq!(rows[1].offset, 15 + 38);
}

#[test]
fn an_open_quote_costs_one_row() {
    let mut text = String::from("kind,user,note\na.b,u1,\"open\n");
    for at in 0..3_000 {
        text.push_str(&format!("a.b,v{at},fine\n"));
    }
    let rows = rows(&text);
    assert_eq!(rows.len(), 3_001);
    let refused: Vec<_> = rows.iter().filter(|row| row.touch.is_err()).collect();
    assert_eq!((refused.len(), refused[0].line), (1, 2));
    let bad = refused[0].touch.as_ref().expect_err("refused");
    assert_eq!((bad.code, &*bad.raw), ("bad_row", b"a.b,u1,\"open\n".as_slice()));
    assert_eq!(rows[3_000].line, 3_002);
    // At the end of the file nothing can close it either.
    let rows = rows_with(b"kind,user\na.b,\"u1\na.b,u2\n", "");
    assert_eq!((rows.len(), rows[0].touch.is_err(), rows[1].line), (2, true, 3));
}

#[test]
fn a_long_row_is_refused_and_the_next_is_read() {
    let text = format!("kind,user,note\na.b,u1,{}\na.b,u2,x", "y".repeat(300_000));
    let rows = rows(&text);
    assert_eq!(rows.len(), 2);
    let bad = rows[0].touch.as_ref().expect_err("refused");
    assert_eq!((bad.code, bad.raw.len()), ("bad_row", limits::TOUCH_BYTES));
    assert_eq!((touch(&rows[1]).aliases.len(), rows[1].line), (1, 3));
}

#[test]
fn a_row_that_is_wrong_says_where() {
    let rows = rows("kind,user,time\na.b,u1,11/22/2026\n\nWrong Kind,u1,\na.b,null,\na.b,u,,7\n");
    let said: Vec<_> = rows
        .iter()
        .map(|row| row.touch.as_ref().map_err(|bad| (bad.code, bad.at.as_str(), bad.line)))
        .map(|touch| touch.expect_err("refused"))
        .collect();
    assert_eq!(
        said,
        [
            ("bad_time", "time", 2),
            ("bad_kind", "kind", 4),
            ("bad_alias", "aliases.user", 5),
            ("bad_row", "", 6)
        ]
    );
    assert_eq!(&*rows[0].touch.as_ref().expect_err("refused").raw, b"a.b,u1,11/22/2026");
}

#[test]
fn rows_are_counted_once_however_often_the_file_is_read() {
    let ids = |text: &str| -> Vec<Digest> { rows(text).iter().map(|row| touch(row).id).collect() };
    let text = "kind,user,n\na.b,u1,1\na.b,u1,1\na.b,u1,2\n";
    let first = ids(text);
    assert_eq!(first, ids(text));
    assert!(first[0] != first[1] && first[1] != first[2]);
    // More rows at the end, other quotes, another line end: the old ones stay what they were.
    let grown = "kind;user;n\r\na.b;\"u1\";1\r\na.b;u1;1\r\na.b;u1;2\r\na.b;u1;1\r\n";
    assert_eq!(first, ids(grown)[..3]);
    let named = ids("kind,user,id\na.b,u1,1\na.b,u2,1\nc.d,u1,1\n");
    assert!(named[0] == named[1] && named[1] != named[2]);
}

#[test]
fn a_map_names_foreign_columns() {
    let map = "# orders of the old shop\nkind = \"order.placed\"\nid = Bestellnummer\n\
               user = Kunde\namount = Summe\ncurrency = \"EUR\"\n";
    let text = "Bestellnummer;Kunde;Summe;Anmerkung v1.2\n1001;k1;49,90;eilig\n1002;k2;;\n";
    let rows = rows_with(text.as_bytes(), map);
    let first = touch(&rows[0]);
    assert_eq!(first.money.map(|money| money.to_string()).as_deref(), Some("49.90 EUR"));
    assert_eq!(first.aliases[0].to_string(), "user:k1");
    assert_eq!(first.properties.text("Anmerkung v1_2"), Some("eilig"));
    assert_eq!(touch(&rows[1]).money, None);
    let columns = Columns::parse(map).expect("a map");
    let csv = Csv::open(text.as_bytes(), &columns, NOON).expect("a header");
    let shown: Vec<String> = csv.columns().map(|(from, to)| format!("{from} → {to}")).collect();
    assert_eq!(shown[0], "Bestellnummer → id");
    assert_eq!(shown[3], "Anmerkung v1.2 → properties.Anmerkung v1_2");
}

#[test]
fn headers_and_maps_that_cannot_be_are_problems() {
    let problem = |text: &[u8], map: &str| match Columns::parse(map) {
        Ok(columns) => Csv::open(text, &columns, NOON).map(|_| ()).expect_err("a problem").detail,
        Err(problem) => format!("{}: {}", problem.place.expect("a place").0, problem.detail),
    };
    assert_eq!(problem(b"", ""), "the file is empty");
    assert!(problem(b"user,email\n", "").starts_with("no column says the kind"));
    assert!(problem(b"kind,user,User\n", "").contains("same field"));
    assert!(problem(b"kind,user\n", "kind = \"a.b\"").contains("fixes kind"));
    assert!(problem(b"kind,user\n", "id = Nummer").contains("no column \"Nummer\""));
    assert!(problem(b"\xff\xfek\0", "").contains("UTF-16"));
    assert!(problem(b"kind\n", "\nnonsense").starts_with("2: "));
    assert!(problem(b"kind\n", "colour = Farbe").starts_with("1: "));
}

#[test]
fn ndjson_files_are_read_line_by_line() {
    let text = "\u{feff}{\"kind\":\"a.b\",\"id\":\"1\"}\r\n\n{\"kind\":}\n\
        {\"kind\":\"a.b\"}\n{\"kind\":\"a.b\"}";
    let rows: Vec<Row> =
        Ndjson::open(text.as_bytes(), NOON).map(|row| row.expect("memory can be read")).collect();
    let lines: Vec<_> = rows.iter().map(|row| (row.line, row.touch.is_ok())).collect();
    assert_eq!(lines, [(1, true), (3, false), (4, true), (5, true)]);
    let bad = rows[1].touch.as_ref().expect_err("refused");
    assert_eq!((bad.code, bad.line, bad.column), ("bad_json", 3, 9));
    assert_ne!(touch(&rows[2]).id, touch(&rows[3]).id);
}

#[test]
fn slow_readers_and_broken_bytes_change_nothing() {
    /// Gives one byte at a time.
    struct Drip<'a>(&'a [u8]);
    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            out[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }
    let text = "kind,user,n\na.b,u1,\"x\ny\"\na.b,u2,1";
    let csv = Csv::open(Drip(text.as_bytes()), &Columns::default(), NOON).expect("a header");
    let dripped: Vec<Digest> = csv.map(|row| touch(&row.expect("read")).id).collect();
    let whole: Vec<Digest> = rows(text).iter().map(|row| touch(row).id).collect();
    assert_eq!(dripped, whole);
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..3_000 {
        let mut bytes = text.repeat(2).into_bytes();
        for _ in 0..3 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let at = seed as usize % bytes.len();
            bytes[at] = [b'"', b'\n', b',', b';', 0xff, 0, b'x', b'\r'][(seed >> 32) as usize % 8];
        }
        if let Ok(csv) = Csv::open(bytes.as_slice(), &Columns::default(), NOON) {
            assert!(csv.count() <= bytes.len());
        }
        assert!(Ndjson::open(bytes.as_slice(), NOON).count() <= bytes.len());
    }
}

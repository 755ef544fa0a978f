//! How often memory is asked for while one thing is done, held against `allocations.txt`: a number
//! that does not depend on how busy the machine is. It is a test binary of its own, because the
//! counter takes the place of the program's allocator.

#[path = "../examples/instructions/busy.rs"]
mod busy;

use busy::World;

const TIMES: u64 = 1_000;
const TABLE: &str = include_str!("allocations.txt");

/// What is in the table for `what`, in hundredths.
fn most(what: &str) -> u64 {
    let rows = TABLE.lines().filter_map(|line| line.split_once(' '));
    let row = rows.filter(|(own, _)| *own == what).map(|(_, number)| number).next();
    let (whole, rest) = row.and_then(|row| row.split_once('.')).expect("a row such as 12.34");
    format!("{whole}{rest}").parse().expect("two digits after the point")
}

/// Not above what the table says, and not far below: then the table is to be mended.
fn check(what: &str, work: impl FnOnce(u64) -> u64) {
    let counted = allocation_counter::measure(|| {
        assert!(work(TIMES) > 0);
    });
    let (now, most) = (counted.count_total * 100 / TIMES, most(what));
    let said = format!("{what}: {}.{:02} allocations", now / 100, now % 100);
    assert!(now <= most, "{said}, more than in allocations.txt");
    assert!(now * 10 > most * 9, "{said}: put the smaller number into allocations.txt");
}

#[test]
fn a_decision_asks_for_memory_a_few_times() {
    let mut world = World::new();
    check("decide", |times| world.decide(times));
}

#[test]
fn a_touch_asks_for_memory_a_few_times() {
    let mut world = World::new();
    check("fold", |times| world.fold(times));
}

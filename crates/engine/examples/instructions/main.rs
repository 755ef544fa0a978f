//! Does one thing a given number of times, always the same, so that callgrind can count what it
//! costs: `instructions decide 1000`, `instructions fold 1000`. It measures no time and prints no
//! result but a sum that shows that the work was done; `scripts/instructions.sh` runs it twice and
//! takes the difference, so that what comes before the loop does not count.

mod busy;

use busy::World;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let times: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut world = World::new();
    let sum = match what.as_str() {
        "decide" => world.decide(times),
        "fold" => world.fold(times),
        _ => {
            eprintln!("instructions decide|fold TIMES");
            std::process::exit(2);
        }
    };
    println!("{what} {times} {sum}");
}

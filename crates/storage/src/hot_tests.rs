//! The hot rows on a disk that fails at every operation.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use crate::StorageError;
use crate::disk::Disk;
use crate::hot::{Clean, Hot, Position, Written};
use crate::rests::Pace;
use crate::sim_disk::{SimDisk, Survival};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;
type Batch = Vec<(Vec<u8>, Option<Vec<u8>>)>;

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % n
    }
}

fn key(number: u64) -> Vec<u8> {
    // Short keys are their own id, long ones a digest.
    match number % 2 {
        0 => number.to_be_bytes().to_vec(),
        _ => format!("a key that is longer than twelve bytes {number}").into_bytes(),
    }
}

fn batch(dice: &mut Dice, round: u64) -> Batch {
    let row = |dice: &mut Dice| {
        let len = if dice.below(30) == 0 { 9000 } else { dice.below(90) };
        let value = (dice.below(6) > 0).then(|| vec![round as u8; len as usize]);
        (key(dice.below(60)), value)
    };
    (0..dice.below(40)).map(|_| row(dice)).collect()
}

fn apply(map: &mut Map, batch: &Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

fn check(hot: &Hot<SimDisk>, map: &Map) {
    let keys: Vec<Vec<u8>> = (0..60).rev().map(key).collect();
    let keys: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
    let values: Vec<Option<Vec<u8>>> = keys.iter().map(|key| map.get(*key).cloned()).collect();
    assert_eq!(hot.get_many(&keys).unwrap(), values);
    assert_eq!(
        hot.contains(&keys, Pace::Hurry),
        values.iter().map(Option::is_some).collect::<Vec<_>>()
    );
    for number in 0..60 {
        let key = key(number);
        assert_eq!(hot.get(&key).unwrap().as_ref(), map.get(&key), "row {number}");
    }
}

fn rows(batch: &Batch) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    batch.iter().map(|(key, value)| (&**key, value.as_deref()))
}

/// Files that do not count any more go at once.
fn count(hot: &Hot<SimDisk>, disk: &SimDisk, written: Written<<SimDisk as Disk>::File>) {
    for gone in hot.apply(written, Pace::Hurry) {
        // On a disk that is off it stays.
        let _ = disk.remove(gone.name());
    }
}

fn open(disk: &SimDisk, at: Option<Position>) -> Hot<SimDisk> {
    Hot::open(disk.clone(), at).unwrap()
}

#[test]
fn rows_are_what_was_written_last_however_files_are_cleaned() {
    let (disk, mut dice, mut map) = (SimDisk::new(), Dice(7), Map::new());
    let (mut hot, mut most) = (open(&disk, None), 0);
    for round in 0..400 {
        let batch = batch(&mut dice, round);
        let clean = if dice.below(10) == 0 { Clean::Oldest } else { Clean::Half };
        let written = hot.write(rows(&batch), clean, Pace::Hurry).unwrap();
        if dice.below(8) == 0 {
            // As after a full disk of whoever keeps the position.
            hot.take_back(written);
            check(&hot, &map);
            continue;
        }
        let position = written.position();
        assert_eq!(Position::of_bytes(&position.to_bytes()), Some(position));
        count(&hot, &disk, written);
        apply(&mut map, &batch);
        check(&hot, &map);
        most = most.max(hot.disk_bytes().unwrap());
        if dice.below(9) == 0 {
            hot = open(&disk, Some(position));
            check(&hot, &map);
        }
    }
    let live: usize = map.iter().map(|(key, value)| key.len() + value.len()).sum();
    assert!(most < 12 * live as u64 + 240_000, "files are cleaned: {most} bytes for {live}");
    while hot.is_untidy() {
        let written = hot.write(std::iter::empty(), Clean::Oldest, Pace::Hurry).unwrap();
        count(&hot, &disk, written);
    }
    check(&hot, &map);
}

/// Writes until the disk goes off. Gives the position that counts, what it stands for, and the one
/// that may count as well, if the power failed after it was made durable.
fn work(disk: &SimDisk) -> (Option<Position>, Map, Option<(Position, Map)>) {
    let (mut dice, mut map, mut at) = (Dice(3), Map::new(), None);
    let Ok(hot) = Hot::open(disk.clone(), None) else { return (at, map, None) };
    for round in 0..25 {
        let batch = batch(&mut dice, round);
        let clean = if round % 5 == 4 { Clean::Oldest } else { Clean::Half };
        let Ok(written) = hot.write(rows(&batch), clean, Pace::Hurry) else {
            return (at, map, None);
        };
        let (position, mut next) = (written.position(), map.clone());
        apply(&mut next, &batch);
        let before_apply = disk.operations();
        let off = disk.is_off();
        count(&hot, disk, written);
        // It goes off while old files are removed: the position was durable before.
        if disk.is_off() && !off && disk.operations() > before_apply {
            return (Some(position), next, None);
        }
        (at, map) = (Some(position), next);
    }
    (at, map, None)
}

#[test]
fn a_crash_at_every_operation_leaves_what_the_position_says() {
    let whole = SimDisk::new();
    work(&whole);
    let operations = whole.operations();
    assert!(operations > 150, "only {operations} operations");
    for at in 0..operations {
        let disk = SimDisk::new();
        disk.crash_at(at);
        let (position, map, _) = work(&disk);
        for survival in [Survival::Synced, Survival::All, Survival::Sectors(at * 31 + 5)] {
            let after = disk.survivor(survival);
            let hot = Hot::open(after.clone(), position).unwrap();
            check(&hot, &map);
            // And it goes on from there.
            let mut map = map.clone();
            let batch = batch(&mut Dice(at), 99);
            let written = hot.write(rows(&batch), Clean::Oldest, Pace::Hurry).unwrap();
            let next = written.position();
            apply(&mut map, &batch);
            // The power fails again, and this time the position is durable.
            let again = after.survivor(Survival::Synced);
            check(&open(&again, Some(next)), &map);
            count(&hot, &disk, written);
            check(&hot, &map);
        }
    }
}

#[test]
fn a_full_disk_keeps_nothing_of_the_write_and_goes_on() {
    let (disk, mut dice, mut map) = (SimDisk::new(), Dice(11), Map::new());
    let hot = open(&disk, None);
    let mut full = 0;
    for round in 0..200 {
        let batch = batch(&mut dice, round);
        disk.set_capacity((round % 3 == 1).then(|| disk.used() + dice.below(3000)));
        match hot.write(rows(&batch), Clean::Half, Pace::Hurry) {
            Ok(written) => {
                count(&hot, &disk, written);
                apply(&mut map, &batch);
            }
            Err(StorageError::DiskFull { .. }) => full += 1,
            Err(error) => panic!("{error}"),
        }
        check(&hot, &map);
    }
    assert!(full > 20, "only {full} times");
}

#[test]
fn damage_is_told_with_its_place() {
    let disk = SimDisk::new();
    let hot = open(&disk, None);
    let value = vec![5; 2400];
    let batch: Batch = (0..40).map(|number| (key(number), Some(value.clone()))).collect();
    let written = hot.write(rows(&batch), Clean::Half, Pace::Hurry).unwrap();
    let position = written.position();
    count(&hot, &disk, written);
    disk.corrupt("rows-00000000", |bytes| bytes[100] ^= 1);
    let told = hot.get(&key(0)).unwrap_err().to_string();
    assert!(told.contains("rows-00000000 is damaged at byte 0"), "{told}");
    // The last file is read as a whole when it is opened, the others by their tables.
    let last = disk.contents("rows-00000006").map_or("rows-00000005", |_| "rows-00000006");
    for (name, at) in [("rows-00000001", 3), (last, 20)] {
        let disk = disk.survivor(Survival::All);
        disk.corrupt(name, |bytes| {
            let at = bytes.len() - at;
            bytes[at] ^= 1;
        });
        let told = Hot::open(disk, Some(position)).err().unwrap().to_string();
        assert!(told.contains(name) && told.contains("damaged"), "{told}");
    }
}

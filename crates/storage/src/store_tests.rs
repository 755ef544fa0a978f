//! The stores, the data folder, the check of the log and the search through files, on a real disk.

#![allow(clippy::unwrap_used)]

use crate::sim_disk::SimDisk;
use crate::{
    CommitFault, DataDir, DiskStore, Log, LogOptions, MemStore, RealDisk, StorageError, Store,
    find_bytes, read_log, verify_log,
};
use model::bytes::Rows;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Some of the keys below are of hot rows.
const HOT: &[u8] = b"bkpr\x91";

fn on_disk(path: &Path) -> DiskStore {
    DiskStore::open(path, 1 << 20, HOT).unwrap()
}

fn put(pairs: &[(&str, &str)]) -> Rows {
    let mut batch = Rows::new();
    for (key, value) in pairs {
        batch.put(*key, *value);
    }
    batch
}

fn listed(store: &dyn Store, from: &str, to: &str, reverse: bool) -> String {
    let mut text = String::new();
    let scanned = store.scan(from.as_bytes(), to.as_bytes(), reverse, &mut |key, value| {
        let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
        text.push_str(&format!("{key}={value} "));
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    text
}

fn check_reading(store: &dyn Store) {
    store.commit(&put(&[("b", "2"), ("a", "1"), ("c", "3"), ("b", "22")])).unwrap();
    assert_eq!(listed(store, "a", "", false), "a=1 b=22 c=3 ");
    assert_eq!(listed(store, "a", "c", true), "b=22 a=1 ");
    assert_eq!(listed(store, "b", "a", false), "");
    let mut batch = put(&[("d", "4"), ("c", "x")]);
    batch.delete("b");
    batch.delete("c");
    batch.delete("nothing");
    store.commit(&batch).unwrap();
    assert_eq!(listed(store, "a", "", false), "a=1 d=4 ");
    assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(store.get(b"b").unwrap(), None);
    let mut first = None;
    let scanned = store.scan(b"a", b"", false, &mut |key, _| {
        first = Some(key.to_vec());
        ControlFlow::Break(())
    });
    scanned.unwrap();
    assert_eq!(first.as_deref(), Some(&b"a"[..]));
    store.purge().unwrap();
    assert_eq!(listed(store, "a", "", false), "a=1 d=4 ");
}

#[test]
fn both_stores_read_what_was_committed() {
    check_reading(&MemStore::new());
    let folder = folder();
    check_reading(&on_disk(folder.path()));
    assert_eq!(listed(&on_disk(folder.path()), "a", "", true), "d=4 a=1 ");
}

#[test]
fn both_stores_agree_on_random_batches() {
    let (folder, mem) = (folder(), MemStore::new());
    let mut store = on_disk(folder.path());
    let mut random = 1u64;
    let mut below = |n: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % n
    };
    for round in 0..60 {
        let mut batch = Rows::new();
        for _ in 0..below(300) {
            let key = format!("key{:04}", below(1000));
            if below(3) == 0 {
                batch.delete(key);
            } else {
                batch.put(key, format!("{round}-{}", below(1_000_000)));
            }
        }
        mem.commit(&batch).unwrap();
        store.commit(&batch).unwrap();
        match below(12) {
            0 => store.purge().unwrap(),
            1 => {
                drop(store);
                store = on_disk(folder.path());
            }
            _ => {}
        }
        let reverse = round % 2 == 0;
        assert_eq!(
            listed(&store, "key01", "key08", reverse),
            listed(&mem, "key01", "key08", reverse)
        );
    }
    assert_eq!(listed(&store, "a", "", false), listed(&mem, "a", "", false));
    assert!(store.disk_bytes().unwrap() > mem.disk_bytes().unwrap());
    assert_eq!(store.trouble(), None);
}

#[test]
fn a_crash_of_the_memory_store_keeps_whole_batches() {
    let store = MemStore::new();
    store.commit(&put(&[("a", "1")])).unwrap();
    store.fail_next_commit(CommitFault::DiskFull);
    assert!(matches!(store.commit(&put(&[("a", "9")])), Err(StorageError::DiskFull { .. })));
    assert_eq!(listed(&store, "a", "", false), "a=1 ");
    store.fail_next_commit(CommitFault::Lost);
    assert!(store.commit(&put(&[("a", "2"), ("b", "2")])).is_err());
    assert!(matches!(store.commit(&put(&[("c", "3")])), Err(StorageError::Poisoned { .. })));
    let store = store.crash();
    assert_eq!(listed(&store, "a", "", false), "a=1 ");
    store.fail_next_commit(CommitFault::Kept);
    assert!(store.commit(&put(&[("a", "2"), ("b", "2")])).is_err());
    assert_eq!(listed(&store.crash(), "a", "", false), "a=2 b=2 ");
}

/// 16 bytes that are a person's identifier, alone and with each end cut off.
const PERSON: &[u8; 16] = b"\x91pErSoN-\x07id\xFFwxyz";

fn traces(folder: &Path) -> usize {
    find_bytes(folder, &[PERSON, &PERSON[3..], &PERSON[..13]]).unwrap().len()
}

fn filler(batch: &mut Rows, round: u32) {
    for n in 0..2000u32 {
        // Keys that share their beginning with the person's, so that shortening would show.
        let key = [&[0x91, b'p'][..], &(n * 7 + round).to_be_bytes()].concat();
        batch.put(key, vec![round as u8; 100]);
    }
}

#[test]
fn a_purge_leaves_no_trace_of_deleted_and_overwritten_data_in_any_file() {
    let folder = folder();
    let store = on_disk(folder.path());
    let keyed = [b"bond/".as_slice(), PERSON].concat();
    for round in 0..8 {
        let mut batch = Rows::new();
        filler(&mut batch, round);
        batch.put(PERSON, format!("record {round}"));
        batch.put(keyed.clone(), PERSON);
        // Overwritten in a later round, never deleted.
        let mut value = vec![round as u8; 300];
        if round < 7 {
            value[100..116].copy_from_slice(PERSON);
        }
        batch.put("product", value);
        store.commit(&batch).unwrap();
    }
    assert!(traces(folder.path()) >= 3, "the search must find what is there");
    let mut batch = Rows::new();
    batch.delete(PERSON);
    batch.delete(keyed);
    store.commit(&batch).unwrap();
    assert!(traces(folder.path()) >= 3, "a delete alone leaves the old tables");
    store.purge().unwrap();
    assert_eq!(traces(folder.path()), 0);
    let filled = store.get(&[0x91, b'p', 0, 0, 0, 7]).unwrap();
    assert_eq!(filled, Some(vec![7; 100]));
    // In the last level already, and again after a reopen.
    store.commit(&put(&[("x", std::str::from_utf8(&PERSON[1..11]).unwrap())])).unwrap();
    drop(store);
    let store = on_disk(folder.path());
    let mut batch = Rows::new();
    batch.put("y", PERSON);
    store.commit(&batch).unwrap();
    store.purge().unwrap();
    assert!(traces(folder.path()) > 0, "what is not deleted stays");
    let mut batch = Rows::new();
    batch.delete("y");
    store.commit(&batch).unwrap();
    store.purge().unwrap();
    assert_eq!(traces(folder.path()), 0);
}

#[test]
fn what_was_being_taken_away_at_a_stop_is_gone_after_the_next_opening() {
    let folder = folder();
    on_disk(folder.path()).commit(&put(&[("a", "1")])).unwrap();
    std::fs::write(folder.path().join("going/7"), PERSON).unwrap();
    assert!(traces(folder.path()) > 0, "the search must find what is there");
    let store = on_disk(folder.path());
    assert_eq!(traces(folder.path()), 0);
    assert_eq!(listed(&store, "a", "", false), "a=1 ");
}

#[test]
fn reads_go_on_during_commits_and_purges_and_see_whole_batches() {
    let folder = folder();
    let store = on_disk(folder.path());
    let batch = |round: u32| {
        let mut batch = Rows::new();
        for n in 0..500u32 {
            batch.put(n.to_be_bytes(), round.to_be_bytes());
        }
        batch
    };
    store.commit(&batch(0)).unwrap();
    let (done, store) = (AtomicBool::new(false), &store);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|reader| {
                let done = &done;
                scope.spawn(move || {
                    let (mut seen, mut rounds) = (0u32, 0u32);
                    while !done.load(Ordering::Relaxed) {
                        let (mut values, mut count) = (Vec::new(), 0);
                        let scanned = store.scan(&[0], b"", reader == 1, &mut |_, value| {
                            values.push(value.to_vec());
                            count += 1;
                            ControlFlow::Continue(())
                        });
                        scanned.unwrap();
                        values.dedup();
                        assert_eq!((count, values.len()), (500, 1), "a batch in part");
                        let now = u32::from_be_bytes(values[0][..].try_into().unwrap());
                        assert!(now >= seen, "went back");
                        rounds += u32::from(now > seen);
                        seen = now;
                    }
                    rounds
                })
            })
            .collect();
        for round in 1..60 {
            store.commit(&batch(round)).unwrap();
            if round % 10 == 0 {
                store.purge().unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u32>() > 2);
    });
}

#[test]
fn a_purge_that_a_read_holds_up_says_so_or_waits() {
    let folder = folder();
    let store = on_disk(folder.path());
    store.commit(&put(&[("a", "1"), ("b", "2")])).unwrap();
    std::thread::scope(|scope| {
        let store = &store;
        let scanned = store.scan(b"a", b"", false, &mut |_, _| {
            let purge = scope.spawn(move || store.purge());
            std::thread::sleep(Duration::from_millis(100));
            assert!(!purge.is_finished(), "this read still holds the old table");
            ControlFlow::Break(())
        });
        scanned.unwrap();
    });
    store.purge().unwrap();
    assert_eq!(listed(&store, "a", "", false), "a=1 b=2 ");
}

#[test]
fn a_backup_opens_and_stays_as_it_was() {
    let (folder, copy) = (folder(), folder());
    let store = on_disk(folder.path());
    store.commit(&put(&[("a", "1"), ("b", "1")])).unwrap();
    let into = copy.path().join("backup");
    store.backup(&into).unwrap();
    store.commit(&put(&[("a", "2"), ("b", "2")])).unwrap();
    store.purge().unwrap();
    assert_eq!(listed(&on_disk(&into), "a", "", false), "a=1 b=1 ");
    assert_eq!(listed(&store, "a", "", false), "a=2 b=2 ");
}

const CHILD: &str = "EVERBOND_STORE_TEST_CHILD";

/// Not a test of its own: the child that `a_killed_process_leaves_whole_batches` kills.
#[test]
fn child_that_commits_until_it_is_killed() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let store = DiskStore::open(folder, 1 << 20, HOT).unwrap();
    let mut round = round(&store);
    loop {
        round += 1;
        let mut batch = Rows::new();
        batch.put("round", round.to_be_bytes());
        for n in 0..300u32 {
            if (u64::from(n) + round).is_multiple_of(5) {
                batch.delete(n.to_be_bytes());
            } else {
                batch.put(n.to_be_bytes(), round.to_be_bytes());
            }
        }
        store.commit(&batch).unwrap();
        println!("committed {round}");
        if round.is_multiple_of(7) {
            store.purge().unwrap();
        }
    }
}

fn round(store: &DiskStore) -> u64 {
    let round = store.get(b"round").unwrap();
    round.map_or(0, |round| u64::from_be_bytes(round[..].try_into().unwrap()))
}

#[test]
fn a_killed_process_leaves_whole_batches() {
    let folder = folder();
    let (begin, mut wait_ms, mut last) = (Instant::now(), 20u64, 0);
    for _ in 0..40 {
        if begin.elapsed() > Duration::from_secs(8) {
            break;
        }
        wait_ms = (wait_ms * 37 + 11) % 140;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_that_commits_until_it_is_killed", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait_ms));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut acknowledged = last;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            if let Some(number) = line.unwrap().rsplit("committed ").next()
                && let Ok(number) = number.parse()
            {
                acknowledged = number;
            }
        }
        let store = on_disk(folder.path());
        last = round(&store);
        assert!(last == acknowledged || last == acknowledged + 1, "{last} {acknowledged}");
        for n in 0..300u32 {
            let value = store.get(&n.to_be_bytes()).unwrap();
            let gone = last == 0 || (u64::from(n) + last).is_multiple_of(5);
            assert_eq!(value, (!gone).then(|| last.to_be_bytes().to_vec()));
        }
    }
    assert!(last > 20, "only {last} commits in all");
}

#[test]
fn a_data_folder_is_for_one_process_and_one_format() {
    let folder = folder();
    let path = folder.path().join("data");
    let dir = DataDir::open(&path).unwrap();
    assert!(dir.log_folder().is_dir() && dir.store_folder().is_dir());
    assert!(dir.free_bytes().unwrap() > 0);
    let error = DataDir::open(&path).unwrap_err();
    assert!(
        matches!(error, StorageError::Locked { pid: Some(pid), .. } if pid == std::process::id())
    );
    drop(dir);
    drop(DataDir::open(&path).unwrap());
    let next = crate::FORMAT + 1;
    std::fs::write(path.join("FORMAT"), format!("everbond data folder\nformat {next}\n")).unwrap();
    let error = DataDir::open(&path).unwrap_err();
    let StorageError::NewerFormat { found, known, .. } = error else { panic!("{error}") };
    assert_eq!((found, known), (next, crate::FORMAT));
    std::fs::write(path.join("FORMAT"), "everbond data folder\nformat 1\n").unwrap();
    let error = DataDir::open(&path).unwrap_err();
    assert!(matches!(error, StorageError::OlderFormat { found: 1, known: crate::FORMAT, .. }));
    for text in ["", "something", "everbond data folder\n", "everbond data folder\nformat x\n"] {
        std::fs::write(path.join("FORMAT"), text).unwrap();
        let error = DataDir::open(&path).unwrap_err();
        assert!(matches!(error, StorageError::NotADataFolder { .. }), "{text:?} {error}");
    }
}

#[test]
fn a_folder_with_other_things_is_refused_and_left_alone() {
    let folder = folder();
    std::fs::write(folder.path().join("holiday.jpg"), "x").unwrap();
    let error = DataDir::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("holiday.jpg"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_wipe_of_log_and_store_leaves_nothing_in_the_data_folder() {
    let folder = folder();
    let dir = DataDir::open(folder.path()).unwrap();
    let options = LogOptions { segment_bytes: 8192, ..LogOptions::default() };
    let (mut log, _) = Log::open(dir.log_disk(), options).unwrap();
    let store = on_disk(&dir.store_folder());
    for group in 0..20 {
        for n in 0..20 {
            log.append(n, 1, b"scan of a product", if n % 5 == 0 { PERSON } else { b"other" });
        }
        log.append(0, 2, PERSON, b"");
        log.commit().unwrap();
        let mut batch = Rows::new();
        batch.put([PERSON.as_slice(), &[group]].concat(), "bond");
        store.commit(&batch).unwrap();
    }
    assert!(traces(folder.path()) > 100);
    let reader = log.reader();
    let seqs = reader.find(PERSON).unwrap();
    assert_eq!(seqs.len(), 100);
    assert_eq!(reader.purge(&seqs).unwrap(), 80);
    let rest = reader.find(PERSON).unwrap();
    assert_eq!(reader.purge_all(&rest).unwrap(), 20);
    let mut batch = Rows::new();
    for group in 0..20 {
        batch.delete([PERSON.as_slice(), &[group]].concat());
    }
    store.commit(&batch).unwrap();
    store.purge().unwrap();
    assert_eq!(traces(folder.path()), 0);
    let report = verify_log(&dir.log_disk()).unwrap();
    assert_eq!((report.records, report.purged), (420, 100));
    let (mut read, mut purged) = (Vec::new(), 0);
    read_log(&dir.log_disk(), &mut |record| {
        read.push(record.seq);
        purged += u64::from(record.purged);
        assert_eq!(record.purged, record.personal != b"other");
    })
    .unwrap();
    assert_eq!((read, purged), ((1..=420).collect::<Vec<u64>>(), 100));
    assert!(report.damages.is_empty() && report.segments > 2, "{report:?}");
}

#[test]
fn bytes_are_found_at_the_border_of_two_windows() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("deep")).unwrap();
    let file = folder.path().join("deep/file");
    for at in [0, (1 << 20) - 3, (1 << 20) + 4, (2 << 20) + 1] {
        let mut bytes = vec![0; 3 << 20];
        bytes[at..at + 5].copy_from_slice(b"bread");
        std::fs::write(&file, &bytes).unwrap();
        let hits = find_bytes(folder.path(), &[b"butter", b"bread", b""]).unwrap();
        assert_eq!(hits.len(), 1);
        assert_eq!((hits[0].offset, hits[0].which, &hits[0].file), (at as u64, 1, &file));
    }
}

#[test]
fn a_check_of_the_log_lists_every_damage_and_goes_on() {
    let disk = SimDisk::new();
    let options = || LogOptions { segment_bytes: 4096, salt: Some(1) };
    let (mut log, _) = Log::open(disk.clone(), options()).unwrap();
    for n in 0..100u8 {
        for _ in 0..3 {
            log.append(0, n, &[n; 50], &[n; 20]);
        }
        log.commit().unwrap();
    }
    drop(log);
    let whole = verify_log(&disk).unwrap();
    assert_eq!((whole.records, whole.damages.len()), (300, 0));
    let names = {
        use crate::Disk;
        let mut names = disk.list().unwrap();
        names.sort();
        names
    };
    // A record in the first segment, a group header and the segment header in others.
    disk.corrupt(&names[0], |bytes| bytes[120] ^= 1);
    disk.corrupt(&names[1], |bytes| bytes[40] ^= 1);
    disk.corrupt(&names[2], |bytes| bytes[3] ^= 1);
    let report = verify_log(&disk).unwrap();
    let places: Vec<_> =
        report.damages.iter().map(|damage| (damage.file.clone(), damage.offset)).collect();
    let expected = [(names[0].clone(), 88), (names[1].clone(), 40), (names[2].clone(), 0)];
    assert_eq!(places, expected);
    assert!(report.records < 300 - 6 && report.records > 200, "{report:?}");
}

#[test]
fn the_log_works_on_the_real_disk() {
    let folder = folder();
    let options = || LogOptions { segment_bytes: 20_000, ..LogOptions::default() };
    let mut last = 0;
    for _ in 0..3 {
        let (mut log, recovery) = Log::open(RealDisk::new(folder.path()), options()).unwrap();
        assert_eq!((recovery.last_seq, recovery.torn_bytes_cut), (last, 0));
        for n in 0..30 {
            log.append(n, 1, &[n as u8; 100], &[1; 50]);
            log.append(n, 1, &[n as u8; 100], &[2; 50]);
            log.commit().unwrap();
        }
        last += 60;
        assert_eq!(log.reader().scan(1).filter(Result::is_ok).count() as u64, last);
        log.reader().purge(&[last - 1, last]).unwrap();
        log.close().unwrap();
    }
    let report = verify_log(&RealDisk::new(folder.path())).unwrap();
    assert_eq!((report.records, report.purged, report.damages.len()), (180, 6, 0));
}

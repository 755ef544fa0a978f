//! The log on the virtual disk: crashes at every operation, torn writes, flipped bits, full disks,
//! purges. The seeds are fixed.

#![allow(clippy::unwrap_used)]

use crate::format::{BLOCK_RECORDS, GROUP_HEADER, SEGMENT_HEADER, segment_name};
use crate::sim_disk::{SimDisk, Survival};
use crate::{Log, LogOptions, LogReader, OwnedRecord, Recovery, StorageError};
use std::io::ErrorKind;
use std::ops::ControlFlow;

fn options(segment_bytes: u64) -> LogOptions {
    LogOptions { segment_bytes, salt: Some(7) }
}

fn open(disk: &SimDisk) -> (Log<SimDisk>, Recovery) {
    Log::open(disk.clone(), options(4096)).unwrap()
}

/// Contents that follow from the number, of varying length.
fn common(seq: u64) -> Vec<u8> {
    format!("common {seq} ").repeat(4 + (seq % 7) as usize).into_bytes()
}

fn personal(seq: u64) -> Vec<u8> {
    format!("person-{seq:05}@x").repeat((seq % 4) as usize).into_bytes()
}

/// Changes now and then, so that blocks end within groups too.
fn time(seq: u64) -> i64 {
    1000 + (seq / 11) as i64
}

fn append(log: &mut Log<SimDisk>, n: usize) {
    for _ in 0..n {
        let seq = log.last_seq() + 1 + log.group_len();
        assert_eq!(log.append(time(seq), seq as u8, &common(seq), &personal(seq)), seq);
    }
}

fn check(record: &OwnedRecord) {
    let seq = record.seq;
    assert_eq!((record.time_ms, record.tag), (time(seq), seq as u8));
    assert_eq!(record.common, common(seq), "record {seq}");
    assert_eq!(record.personal, personal(seq), "record {seq}");
    assert!(!record.purged && !record.common_purged);
}

/// Every record is there and intact, by all ways of reading.
fn check_all(reader: &LogReader<SimDisk>, last: u64) {
    assert_eq!(reader.last_seq(), last);
    let mut seq = 0;
    for record in reader.scan(0) {
        let record = record.unwrap();
        seq += 1;
        assert_eq!(record.seq, seq);
        check(&record);
        assert_eq!(reader.read(seq).unwrap().unwrap(), record);
    }
    assert_eq!(seq, last);
    assert_eq!(reader.read(0).unwrap(), None);
    assert_eq!(reader.read(last + 1).unwrap(), None);
}

#[test]
fn records_are_read_back_after_a_reopen_over_several_segments() {
    let disk = SimDisk::new();
    let (mut log, recovery) = open(&disk);
    assert_eq!((recovery.first_seq, recovery.last_seq, recovery.segments), (1, 0, 1));
    for n in 1..40 {
        append(&mut log, n);
        log.commit().unwrap();
    }
    let last = log.last_seq();
    assert_eq!(last, 780);
    check_all(&log.reader(), last);
    drop(log);
    let (log, recovery) = open(&disk);
    assert!(recovery.segments > 5, "{recovery:?}");
    assert_eq!((recovery.last_seq, recovery.torn_bytes_cut), (last, 0));
    assert_eq!(recovery.indexes_rebuilt, 0);
    check_all(&log.reader(), last);
}

#[test]
fn a_lost_index_is_rebuilt_and_written_again() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk);
    for _ in 0..30 {
        append(&mut log, 10);
        log.commit().unwrap();
    }
    drop(log);
    let name = segment_name(1);
    let before = disk.contents(&name).unwrap();
    disk.corrupt(&name, |bytes| {
        let at = bytes.len() - 50;
        bytes[at] ^= 1;
    });
    let (log, recovery) = open(&disk);
    assert_eq!(recovery.indexes_rebuilt, 1);
    check_all(&log.reader(), 300);
    drop(log);
    assert_eq!(disk.contents(&name).unwrap(), before);
    assert_eq!(open(&disk).1.indexes_rebuilt, 0);
}

#[test]
fn readers_see_only_what_is_committed() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk);
    let reader = log.reader();
    append(&mut log, 3);
    assert_eq!(reader.read(1).unwrap(), None);
    assert_eq!(reader.scan(0).count(), 0);
    log.commit().unwrap();
    assert_eq!(reader.scan(0).count(), 3);
    assert_eq!(reader.scan(3).count(), 1);
    assert_eq!(reader.scan(4).count(), 0);
    assert_eq!(reader.scan(99).count(), 0);
}

#[test]
fn read_many_gives_the_records_asked_for_in_the_order_asked() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk);
    for _ in 0..60 {
        append(&mut log, 9);
        log.commit().unwrap();
    }
    let reader = log.reader();
    let mut random = Random(11);
    for _ in 0..200 {
        let mut seqs: Vec<u64> = (0..30).map(|_| random.below(600)).collect();
        if random.below(2) == 0 {
            seqs.sort_unstable();
        }
        let mut got = Vec::new();
        let n = reader.read_many(&seqs, |record| {
            check(&record.to_owned());
            got.push(record.seq);
            ControlFlow::Continue(())
        });
        seqs.retain(|seq| (1..=540).contains(seq));
        assert_eq!(got, seqs);
        assert_eq!(n.unwrap(), seqs.len());
    }
}

#[test]
fn long_records_and_empty_ones() {
    let disk = SimDisk::new();
    let (mut log, _) = Log::open(disk.clone(), options(1 << 20)).unwrap();
    let long = vec![5; 3 << 20];
    log.append(1, 1, &long, &[]);
    log.append(2, 2, &[], &[]);
    log.append(3, 3, &[], &long);
    log.append(4, 4, b"end", b"");
    log.commit().unwrap();
    drop(log);
    let (log, recovery) = Log::open(disk, options(1 << 20)).unwrap();
    assert_eq!(recovery.last_seq, 4);
    let records: Vec<OwnedRecord> = log.reader().scan(1).map(Result::unwrap).collect();
    assert_eq!(records[0].common, long);
    assert!(records[1].common.is_empty() && !records[1].purged);
    assert_eq!(records[2].personal, long);
    assert_eq!(log.reader().read(4).unwrap().unwrap().common, b"end");
    assert_eq!(log.reader().find(b"end").unwrap(), [4]);
}

#[test]
fn the_same_input_writes_the_same_bytes() {
    let bytes = || {
        let disk = SimDisk::new();
        let (mut log, _) = open(&disk);
        append(&mut log, 20);
        log.commit().unwrap();
        disk.contents(&segment_name(1)).unwrap()
    };
    assert_eq!(bytes(), bytes());
}

/// Runs a small workload and gives the last acknowledged number and the last appended one.
fn workload(disk: &SimDisk, groups: &[usize]) -> (u64, u64) {
    let Ok((mut log, _)) = Log::open(disk.clone(), options(4096)) else { return (0, 0) };
    let mut tried = 0;
    for &n in groups {
        append(&mut log, n);
        tried = log.last_seq() + n as u64;
        if log.commit().is_err() {
            assert!(matches!(log.commit(), Err(StorageError::Poisoned { .. })));
            break;
        }
    }
    (log.last_seq(), tried)
}

fn survivals() -> Vec<Survival> {
    let mut all = vec![Survival::Synced, Survival::All];
    all.extend((0..12).map(Survival::Sectors));
    all
}

#[test]
fn a_crash_at_every_operation_keeps_what_was_acknowledged() {
    // A small log torn at every byte, and one that rolls, torn at some.
    crash_everywhere(&[3, 1, 2], 1);
    crash_everywhere(&[3, 1, 20, 20, 20, 20, 5], 97);
}

fn crash_everywhere(groups: &[usize], torn_step: usize) {
    let count = {
        let disk = SimDisk::new();
        workload(&disk, groups);
        disk.operations()
    };
    assert!(count > 8);
    let mut whole_groups = 0;
    for at in 0..count {
        let disk = SimDisk::new();
        disk.crash_at(at);
        let (acknowledged, tried) = workload(&disk, groups);
        let mut survivals = survivals();
        survivals.extend((0..disk.last_write_len()).step_by(torn_step).map(Survival::Torn));
        for survival in survivals {
            let after = disk.survivor(survival);
            let (mut log, recovery) = open(&after);
            let last = recovery.last_seq;
            assert!(last == acknowledged || last == tried, "{at} {survival:?}: {recovery:?}");
            whole_groups += u64::from(last != acknowledged);
            check_all(&log.reader(), last);
            append(&mut log, 4);
            log.commit().unwrap();
            drop(log);
            let (log, recovery) = open(&after);
            assert_eq!((recovery.last_seq, recovery.torn_bytes_cut), (last + 4, 0));
            drop(log);
        }
    }
    assert!(whole_groups > 0, "some crash must have kept the whole unacknowledged group");
}

/// The offset named by the error must be within the record, part or header that was changed.
#[test]
fn a_flipped_bit_is_found_with_file_and_offset() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk);
    for n in [3, 5, 4] {
        append(&mut log, n);
        log.commit().unwrap();
    }
    log.close().unwrap();
    let name = segment_name(1);
    let len = disk.contents(&name).unwrap().len();
    let mark = len - GROUP_HEADER;
    for byte in 0..len {
        let bit = byte % 8;
        disk.corrupt(&name, |bytes| bytes[byte] ^= 1 << bit);
        match Log::open(disk.clone(), options(4096)) {
            Err(StorageError::Damaged { file, offset, .. }) => {
                assert_eq!(file, name);
                let near = offset as usize;
                assert!(byte >= near && byte < near + 200, "byte {byte}, reported {offset}");
                assert!(byte < mark);
                disk.corrupt(&name, |bytes| bytes[byte] ^= 1 << bit);
            }
            Err(other) => panic!("byte {byte}: {other}"),
            Ok((_, recovery)) => {
                // Only the closing mark itself, behind which nothing follows, is cut as torn.
                assert!(byte >= mark, "byte {byte} went unnoticed");
                assert_eq!((recovery.last_seq, recovery.torn_bytes_cut), (12, 32));
                disk.corrupt(&name, |bytes| bytes.truncate(mark));
                let (log, _) = open(&disk);
                log.close().unwrap();
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_a_sealed_segment_is_found_by_reading() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk);
    for _ in 0..20 {
        append(&mut log, 10);
        log.commit().unwrap();
    }
    drop(log);
    let name = segment_name(1);
    let (log, _) = open(&disk);
    let end = log.reader().first_segment_end();
    for byte in (0..end as usize).step_by(7) {
        disk.corrupt(&name, |bytes| bytes[byte] ^= 0x10);
        let damaged = match Log::open(disk.clone(), options(4096)) {
            Ok((log, _)) => log.reader().for_each(0, |_| ControlFlow::Continue(())).map(|_| ()),
            Err(error) => Err(error),
        };
        match damaged {
            Err(StorageError::Damaged { file, offset, .. }) => {
                assert_eq!(file, name);
                let near = offset as usize;
                assert!(byte >= near && byte < near + 200, "byte {byte}, reported {offset}");
            }
            other => panic!("byte {byte}: {other:?}"),
        }
        disk.corrupt(&name, |bytes| bytes[byte] ^= 0x10);
    }
}

#[test]
fn the_last_group_without_a_mark_is_cut_when_it_does_not_check() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk);
    append(&mut log, 3);
    log.commit().unwrap();
    let end = disk.contents(&segment_name(1)).unwrap().len();
    append(&mut log, 3);
    log.commit().unwrap();
    drop(log);
    disk.corrupt(&segment_name(1), |bytes| bytes[end + 70] ^= 1);
    let (log, recovery) = open(&disk);
    assert_eq!(recovery.last_seq, 3);
    assert!(recovery.torn_bytes_cut > 100);
    check_all(&log.reader(), 3);
}

#[test]
fn a_missing_segment_is_named() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk);
    for _ in 0..40 {
        append(&mut log, 10);
        log.commit().unwrap();
    }
    drop(log);
    use crate::Disk;
    let mut names = disk.list().unwrap();
    names.sort();
    disk.remove(&names[1]).unwrap();
    let error = Log::open(disk, options(4096)).err().unwrap();
    assert!(matches!(&error, StorageError::Damaged { file, .. } if *file == names[1]), "{error}");
}

#[test]
fn a_full_disk_refuses_cleanly_and_the_log_goes_on() {
    for room in 0..700 {
        let disk = SimDisk::new();
        let (mut log, _) = open(&disk);
        append(&mut log, 5);
        log.commit().unwrap();
        disk.set_capacity(Some(disk.used() + room));
        append(&mut log, 6);
        match log.commit() {
            Err(StorageError::DiskFull { .. }) => {
                check_all(&log.reader(), 5);
                let (_, recovery) = open(&disk.survivor(Survival::All));
                assert_eq!(recovery.last_seq, 5);
            }
            Ok(()) => {
                assert!(room > 300);
                break;
            }
            other => panic!("{other:?}"),
        }
        disk.set_capacity(None);
        append(&mut log, 7);
        log.commit().unwrap();
        check_all(&log.reader(), 12);
        drop(log);
        check_all(&open(&disk).0.reader(), 12);
    }
}

#[test]
fn a_full_disk_at_a_new_segment_refuses_cleanly() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk);
    while disk.used() < 4096 + 40 {
        append(&mut log, 5);
        log.commit().unwrap();
    }
    let last = log.last_seq();
    for room in [0, 10, 60, 90, 130] {
        disk.set_capacity(Some(disk.used() + room));
        append(&mut log, 5);
        assert!(matches!(log.commit(), Err(StorageError::DiskFull { .. })));
        check_all(&log.reader(), last);
    }
    disk.set_capacity(None);
    append(&mut log, 5);
    log.commit().unwrap();
    check_all(&log.reader(), last + 5);
    drop(log);
    check_all(&open(&disk).0.reader(), last + 5);
}

#[test]
fn a_failed_sync_poisons() {
    for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
        let disk = SimDisk::new();
        let (mut log, _) = open(&disk);
        append(&mut log, 2);
        log.commit().unwrap();
        append(&mut log, 2);
        disk.fail_at(disk.operations() + 1, kind);
        assert!(matches!(log.commit(), Err(StorageError::Io { .. })));
        append(&mut log, 2);
        assert!(matches!(log.commit(), Err(StorageError::Poisoned { .. })));
        assert_eq!(log.reader().last_seq(), 2);
    }
}

fn purged_log(disk: &SimDisk) -> Result<(), StorageError> {
    let (log, _) = Log::open(disk.clone(), options(4096))?;
    let reader = log.reader();
    reader.purge(&[2, 3, 7, 41, 42, 999])?;
    reader.purge_all(&[3, 5, 43])?;
    Ok(())
}

/// In two segments if they are of the usual size.
fn forty_five() -> SimDisk {
    forty_five_in(4096)
}

fn forty_five_in(segment_bytes: u64) -> SimDisk {
    let disk = SimDisk::new();
    let (mut log, _) = Log::open(disk.clone(), options(segment_bytes)).unwrap();
    for n in [10, 30, 5] {
        append(&mut log, n);
        log.commit().unwrap();
    }
    assert_eq!(disk.contents(&segment_name(41)).is_some(), segment_bytes == 4096);
    disk
}

#[test]
fn a_purge_erases_the_personal_part_and_nothing_else() {
    let disk = forty_five();
    purged_log(&disk).unwrap();
    for run in 0..2 {
        let (log, recovery) = open(&disk);
        assert_eq!(recovery.purges_redone, 0);
        let reader = log.reader();
        for record in reader.scan(1) {
            let record = record.unwrap();
            let all = [3, 5, 43].contains(&record.seq);
            let some = all || [2, 7, 41, 42].contains(&record.seq);
            assert_eq!(record.purged, some, "{run} {record:?}");
            assert_eq!(record.common_purged, all);
            assert_eq!(record.personal.is_empty(), some || record.seq % 4 == 0);
            assert_eq!(record.common.is_empty(), all);
        }
        assert_eq!(reader.find(b"person-00002").unwrap(), [0u64; 0]);
        assert_eq!(reader.find(b"person-00001").unwrap(), [1]);
        assert_eq!(reader.purge(&[2, 3, 7]).unwrap(), 0, "already erased");
    }
    let bytes = disk.contents(&segment_name(1)).unwrap();
    for gone in [&b"person-00002"[..], b"person-00003", b"common 3 ", b"common 43 "] {
        assert_eq!(memchr::memmem::find(&bytes, gone), None);
    }
}

#[test]
fn a_crash_at_every_operation_of_a_purge_leaves_old_or_erased() {
    let disk = forty_five();
    let start = disk.operations();
    purged_log(&disk).unwrap();
    let count = disk.operations() - start;
    let mut redone = 0;
    for at in 0..count {
        let disk = forty_five().survivor(Survival::All);
        disk.crash_at(at);
        let result = purged_log(&disk);
        assert!(result.is_err() || at + 3 >= count);
        let mut survivals = survivals();
        survivals.extend((0..disk.last_write_len()).map(Survival::Torn));
        for survival in survivals {
            let after = disk.survivor(survival);
            let (log, recovery) = open(&after);
            redone += recovery.purges_redone;
            for record in log.reader().scan(1) {
                let record = record.unwrap();
                let seq = record.seq;
                assert!(record.personal.is_empty() || record.personal == personal(seq));
                assert!(record.common.is_empty() || record.common == common(seq));
            }
            assert_eq!(log.reader().last_seq(), 45);
            assert_eq!(after.contents("purge-pending"), None);
            drop(log);
            assert_eq!(open(&after).1.purges_redone, 0);
        }
    }
    assert!(redone > 0);
}

#[test]
fn a_purge_that_failed_is_finished_by_the_next_one() {
    let count = {
        let disk = forty_five();
        let (log, _) = open(&disk);
        let start = disk.operations();
        log.reader().purge(&[2, 3, 41]).unwrap();
        disk.operations() - start
    };
    assert!(count > 6);
    for at in 0..count {
        let disk = forty_five();
        let (log, _) = open(&disk);
        disk.fail_at(disk.operations() + at, ErrorKind::Other);
        assert!(log.reader().purge(&[2, 3, 41]).is_err());
        for record in log.reader().scan(1) {
            let record = record.unwrap();
            assert!(record.purged || record.personal == personal(record.seq));
        }
        log.reader().purge(&[2, 3, 7, 41]).unwrap();
        // Nothing that only the cache shows: the synced bytes are clean.
        let after = disk.survivor(Survival::Synced);
        let bytes = after.contents(&segment_name(1)).unwrap();
        for gone in [&b"person-00002"[..], b"person-00003", b"person-00041", b"person-00007"] {
            assert_eq!(memchr::memmem::find(&bytes, gone), None, "operation {at}");
        }
        assert_eq!(open(&after).1.purges_redone, 0);
    }
}

#[test]
fn random_damage_never_panics_and_never_loses_what_is_before_the_last_group() {
    let whole = forty_five_in(1 << 20);
    let end = whole.contents(&segment_name(1)).unwrap().len();
    let mut random = Random(5);
    let (mut damaged, mut cut) = (0, 0);
    for _ in 0..3000 {
        let disk = whole.survivor(Survival::All);
        disk.corrupt(&segment_name(1), |bytes| {
            let at = random.below(end as u64) as usize;
            let len = (1 + random.below(60) as usize).min(end - at);
            match random.below(3) {
                0 => bytes[at..at + len].fill(0),
                1 => bytes[at..at + len].iter_mut().for_each(|b| *b = random.below(256) as u8),
                _ => bytes.copy_within(at..at + len, random.below((end - len) as u64) as usize),
            }
        });
        crate::verify_log(&disk).unwrap();
        match Log::open(disk.clone(), options(4096)) {
            Ok((log, recovery)) => {
                // Zeros over a whole part with its checksum are a purge, whoever wrote them.
                assert!(recovery.last_seq == 45 || recovery.last_seq == 40, "{recovery:?}");
                cut += u64::from(recovery.last_seq == 40);
                assert_eq!(
                    log.reader().scan(1).filter(Result::is_ok).count() as u64,
                    recovery.last_seq
                );
            }
            Err(StorageError::Damaged { .. }) => damaged += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(damaged > 1500 && cut > 50, "{damaged} {cut}");
}

#[test]
fn a_copy_opens_with_what_was_committed() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk);
    for n in 1..30 {
        append(&mut log, n);
        log.commit().unwrap();
    }
    log.reader().purge(&[9]).unwrap();
    append(&mut log, 3);
    let copy = SimDisk::new();
    assert_eq!(log.reader().copy_to(&copy).unwrap(), 435);
    let (log, recovery) = open(&copy.survivor(Survival::Synced));
    assert_eq!((recovery.last_seq, recovery.torn_bytes_cut), (435, 0));
    assert!(log.reader().read(9).unwrap().unwrap().purged);
    assert_eq!(log.reader().scan(1).filter(Result::is_ok).count(), 435);
}

#[test]
fn readers_on_other_threads_never_see_a_half_purge() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk);
    for _ in 0..50 {
        append(&mut log, 20);
        log.commit().unwrap();
    }
    let reader = log.reader();
    std::thread::scope(|scope| {
        let other = reader.clone();
        let purger = scope.spawn(move || {
            for block in 0..100u64 {
                let seqs: Vec<u64> = (block * 10 + 1..block * 10 + 8).collect();
                assert!(other.purge(&seqs).unwrap() > 0);
            }
        });
        while !purger.is_finished() {
            for record in reader.scan(1) {
                let record = record.unwrap();
                assert!(record.purged || record.personal == personal(record.seq));
            }
        }
        purger.join().unwrap();
    });
}

#[test]
fn purging_goes_on_while_the_log_is_written() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk);
    let mut random = Random(3);
    for _ in 0..60 {
        append(&mut log, 1 + random.below(15) as usize);
        log.commit().unwrap();
        let seq = 1 + random.below(log.last_seq());
        log.reader().purge(&[seq]).unwrap();
        let record = log.reader().read(seq).unwrap().unwrap();
        assert_eq!(record.purged, !seq.is_multiple_of(4));
    }
    drop(log);
    assert_eq!(open(&disk).1.torn_bytes_cut, 0);
}

#[test]
fn the_layout_has_the_documented_lengths() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk);
    log.append(-5, 9, b"abc", b"de");
    log.append(-5, 10, b"", b"f");
    log.append(-4, 11, b"g", b"");
    log.commit().unwrap();
    let bytes = disk.contents(&segment_name(1)).unwrap();
    assert_eq!(&bytes[..12], b"EVBNDLOG\x02\0\0\0");
    assert_eq!(&bytes[40..44], b"EVBG");
    let (first, second) = bytes[SEGMENT_HEADER + GROUP_HEADER..].split_at(3 + 6 + 4 + 22 - 4);
    assert_eq!(first[..9], [2, 1, 9, 9, 3, 2, 10, 0, 1]);
    assert_eq!(&first[13 + 4..13 + 7], b"abc");
    assert_eq!(&first[24..26], b"de");
    assert_eq!(&first[30..], b"f");
    assert_eq!(second[..6], [1, 3, 7, 11, 1, 0]);
    assert_eq!(second.len(), 6 + 4 + 5);
    assert_eq!(log.reader().read(1).unwrap().unwrap().time_ms, -5);
    assert_eq!(log.reader().read(3).unwrap().unwrap().common, b"g");
}

#[test]
fn a_block_ends_where_the_index_leads_and_when_it_is_long() {
    let disk = SimDisk::new();
    let (mut log, _) = Log::open(disk.clone(), options(1 << 24)).unwrap();
    // Single records, then a group over several blocks, then long records.
    for _ in 0..5 {
        log.append(7, 1, b"single", b"one");
        log.commit().unwrap();
    }
    for seq in 6..=200u64 {
        log.append(7, 1, &common(seq), &personal(seq));
    }
    log.commit().unwrap();
    let before = disk.used();
    for _ in 0..BLOCK_RECORDS {
        log.append(7, 1, b"", b"");
    }
    log.commit().unwrap();
    let empty = disk.used() - before - GROUP_HEADER as u64;
    assert_eq!(empty, 2 * (1 + 2 + 1 + 4) + 3 * 32, "two blocks, for the 225th begins one");
    for n in 0..10u8 {
        log.append(7, 1, &vec![n; 50_000], &[n; 3]);
    }
    log.commit().unwrap();
    for run in 0..2 {
        let reader = log.reader();
        for seq in (6..=200).rev() {
            assert_eq!(reader.read(seq).unwrap().unwrap().personal, personal(seq), "{run}");
        }
        for n in (0..10).rev() {
            let long = reader.read(233 + u64::from(n)).unwrap().unwrap();
            assert_eq!((long.common, long.personal), (vec![n; 50_000], vec![n; 3]));
        }
        assert_eq!(reader.scan(1).filter(Result::is_ok).count(), 242);
        drop((log, reader));
        log = Log::open(disk.clone(), options(1 << 24)).unwrap().0;
    }
}

#[test]
fn what_was_written_before_the_first_release_is_refused_by_name() {
    let disk = SimDisk::new();
    drop(open(&disk));
    disk.corrupt(&segment_name(1), |bytes| {
        bytes[8] = 1;
        let check = xxhash_rust::xxh3::xxh3_64_with_seed(&bytes[..32], 0);
        bytes[32..40].copy_from_slice(&check.to_le_bytes());
    });
    let error = Log::open(disk, options(4096)).err().unwrap();
    assert!(matches!(error, StorageError::OlderFormat { found: 1, known: 2, .. }), "{error}");
}

/// Random commits, purges, full disks and crashes, again and again on the same log; what was
/// acknowledged must hold after every start.
#[test]
fn a_long_life_with_crashes_keeps_every_promise() {
    let (mut crashes, mut longest) = (0, 0);
    for seed in 0..120 {
        let mut random = Random(seed * 7919 + 1);
        let mut disk = SimDisk::new();
        let (mut acknowledged, mut tried) = (0, 0);
        let mut purged = std::collections::BTreeSet::new();
        for _ in 0..12 {
            disk.crash_at(disk.operations() + random.below(60));
            let begun = &mut (acknowledged, tried);
            let asked = life(&disk, &mut random, begun, &mut purged);
            (acknowledged, tried) = *begun;
            crashes += 1;
            let survival = match random.below(4) {
                0 => Survival::Synced,
                1 => Survival::All,
                2 => Survival::Torn(random.below(900) as usize),
                _ => Survival::Sectors(random.below(1 << 30)),
            };
            disk = disk.survivor(survival);
            let (log, recovery) = open(&disk);
            let last = recovery.last_seq;
            assert!(last == acknowledged || last == tried, "{seed} {survival:?} {recovery:?}");
            assert_eq!(log.reader().scan(1).count() as u64, last);
            for record in log.reader().scan(1) {
                let record = record.unwrap();
                let gone = purged.contains(&record.seq) && !record.seq.is_multiple_of(4);
                assert!(!gone || record.purged, "{seed}: {} came back", record.seq);
                assert!(!record.purged || gone || asked.contains(&record.seq));
                assert!(record.purged || record.personal == personal(record.seq));
                purged.extend(record.purged.then_some(record.seq));
                assert_eq!(record.common, common(record.seq));
            }
            assert!(crate::verify_log(&disk).unwrap().damages.is_empty());
            (acknowledged, tried) = (last, last);
            longest = longest.max(last);
        }
    }
    assert!(crashes == 1440 && longest > 300, "{longest}");
}

/// One life until the crash. Gives what was asked to be purged when it came.
fn life(
    disk: &SimDisk,
    random: &mut Random,
    (acknowledged, tried): &mut (u64, u64),
    purged: &mut std::collections::BTreeSet<u64>,
) -> Vec<u64> {
    let Ok((mut log, _)) = Log::open(disk.clone(), options(4096)) else { return Vec::new() };
    loop {
        match random.below(8) {
            0 if log.last_seq() > 0 => {
                let last = log.last_seq();
                let seqs: Vec<u64> =
                    (0..1 + random.below(5)).map(|_| 1 + random.below(last)).collect();
                match log.reader().purge(&seqs) {
                    Ok(_) => purged.extend(seqs),
                    Err(_) => return seqs,
                }
            }
            1 => disk.set_capacity(Some(disk.used() + random.below(900))),
            _ => {
                let n = 1 + random.below(12);
                append(&mut log, n as usize);
                *tried = log.last_seq() + n;
                match log.commit() {
                    Ok(()) => *acknowledged = *tried,
                    Err(StorageError::DiskFull { .. }) => *tried = *acknowledged,
                    Err(_) => return Vec::new(),
                }
                disk.set_capacity(None);
            }
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % n
    }
}

//! The loop with a disk and a store that fill up and are given space again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::alias::{Alias, AliasKind};
use model::entry::Body;
use model::id::{Digest, Time};
use model::kind::Kind;
use model::outcome::Outcome;
use model::touch::{Source, Touch};
use storage::sim_disk::SimDisk;
use storage::{CommitFault, MemStore};

use super::*;
use crate::core::Options;

fn open(disk: &SimDisk, store: &MemStore) -> (Handle<SimDisk>, Running) {
    let opened = Core::open(disk.clone(), Arc::new(store.clone()), Options::default());
    let (core, _) = opened.expect("it opens");
    let pace = Pace {
        checkpoint_every: Duration::from_millis(10),
        checkpoint_after_wipe: Duration::from_millis(10),
    };
    start(core, pace, || Time(1_767_258_000_000), |_| ())
}

fn touch(id: u8) -> Vec<Body> {
    touch_of(&[id])
}

fn touch_of(id: &[u8]) -> Vec<Body> {
    let mut touch = Touch::new(Kind::of("page.viewed"), Time(1_767_258_000_000), Source::Native);
    touch.id = Digest::of(&[id]);
    vec![Body::Touch(touch)]
}

/// Waits for what another thread does; fails after ten seconds.
fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it did not come");
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    let (disk, store) = (SimDisk::new(), MemStore::new());
    let (handle, running) = open(&disk, &store);
    handle.submit_blocking(touch(1)).expect("there is space");
    disk.set_capacity(Some(disk.used()));
    assert_eq!(handle.submit_blocking(touch(2)), Err(Busy::DiskFull));
    disk.set_capacity(None);
    // What was refused did not happen, so sending it again counts it for the first time.
    let answers = handle.submit_blocking(touch(2)).expect("there is space again");
    assert!(matches!(answers[0].1, Outcome::Accepted(_)));
    let answers = handle.submit_blocking(touch(2)).expect("there is space");
    assert_eq!(answers[0], (0, Outcome::Duplicate));
    assert_eq!(handle.state().meta().touches, 2);
    assert_eq!(handle.gauges().duplicates.load(Ordering::Relaxed), 1);
    running.stop().expect("it stops in order");
}

#[test]
fn a_checkpoint_waits_for_space() {
    let (disk, store) = (SimDisk::new(), MemStore::new());
    store.fail_next_commit(CommitFault::DiskFull);
    let (handle, running) = open(&disk, &store);
    handle.submit_blocking(touch(1)).expect("there is space");
    until(|| handle.gauges().checkpoints.load(Ordering::Relaxed) == 1);
    handle.submit_blocking(touch(2)).expect("the loop goes on");
    running.stop().expect("it stops in order");
    let (handle, running) = open(&disk, &store);
    assert_eq!(handle.state().meta().touches, 2);
    running.stop().expect("it stops in order");
}

#[test]
fn a_stop_answers_what_was_asked_before_it_and_refuses_what_comes_after() {
    let (disk, store) = (SimDisk::new(), MemStore::new());
    let (handle, running) = open(&disk, &store);
    let asked: Vec<_> = (0..50).map(|id| handle.offer(touch(id)).expect("it runs")).collect();
    running.stop().expect("it stops in order");
    for answer in asked {
        assert!(answer.blocking_recv().expect("it was answered").is_ok());
    }
    assert_eq!(handle.submit_blocking(touch(99)), Err(Busy::Stopped));
}

/// Of a group so large that it is folded in while it is synced.
#[test]
fn what_could_not_be_synced_is_not_answered_and_readers_lose_it() {
    let (disk, store) = (SimDisk::new(), MemStore::new());
    let (handle, running) = open(&disk, &store);
    let large =
        |first: u16| (first..first + 600).flat_map(|id| touch_of(&id.to_be_bytes())).collect();
    let answers = handle.submit_blocking(large(0)).expect("it is taken");
    let last = answers.last().expect("there are some").0;
    assert_eq!(handle.reader().last_seq(), last);
    disk.fail_at(disk.operations() + 1, std::io::ErrorKind::Other);
    assert_eq!(handle.submit_blocking(large(1_000)), Err(Busy::Stopped));
    assert_eq!(handle.reader().last_seq(), last);
    assert!(running.stop().is_err());
}

#[test]
fn a_state_that_was_warmed_is_the_one_that_was_written() {
    let (disk, store) = (SimDisk::new(), MemStore::new());
    let (handle, running) = open(&disk, &store);
    let named = |id: u8| {
        let mut bodies = touch(id);
        if let Body::Touch(touch) = &mut bodies[0] {
            touch.aliases = vec![Alias::new(AliasKind::User, &format!("u{id}")).expect("a name")];
        }
        bodies
    };
    handle.submit_blocking((0..50).flat_map(named).collect()).expect("it is taken");
    let hash = handle.state().hash();
    running.stop().expect("it stops in order");
    let opened = Core::open(disk, Arc::new(store), Options::default());
    let (mut core, _) = opened.unwrap_or_else(|error| panic!("{error}"));
    let state = core.state();
    assert_eq!(state.read().in_memory()[..2], [("person", 0), ("alias", 0)]);
    while core.is_warming() {
        core.warm(7).expect("it can be read");
    }
    assert_eq!(state.read().in_memory()[..2], [("person", 50), ("alias", 50)]);
    assert_eq!(state.read().hash(), hash);
}

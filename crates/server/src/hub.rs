//! The live hub: who has a page open, and waking them when something changes. It knows who looks
//! at what, not what they see: a woken page asks again.
//!
//! Kept true: `tell` costs the loop a look at a small table for each change that concerns nobody,
//! and never more than one step for a change that concerns everybody; those are woken by `spread`.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use engine::Change;
use model::entry::Seq;
use model::gs1::Subject;
use model::id::PersonId;
use model::limits;
use tokio::sync::Notify;

/// Places of the table that says who is listened to. With all streams open a change that concerns
/// nobody still finds its place empty two times out of three, with 10,000 nine times out of ten.
const PLACES: usize = 1 << 16;
/// When everybody has to be woken, this many at once, and this long until the next.
const SPREAD_STREAMS: usize = 250;
const SPREAD_PAUSE: Duration = Duration::from_millis(5);

/// What a stream is told last; only the newest matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    Nothing,
    Changed(Seq),
    /// The person was wiped or became part of another; the session must ask who it is.
    Gone,
}

impl News {
    fn to_number(self) -> u64 {
        match self {
            News::Nothing => 0,
            News::Gone => u64::MAX,
            News::Changed(seq) => seq.max(1),
        }
    }

    fn from_number(number: u64) -> News {
        match number {
            0 => News::Nothing,
            u64::MAX => News::Gone,
            seq => News::Changed(seq),
        }
    }
}

/// Where a stream's news wait for it. A watch channel does the same in ten times the memory.
#[derive(Default)]
struct Letterbox {
    news: AtomicU64,
    arrived: Notify,
}

impl Letterbox {
    fn put(&self, news: News) {
        // Whoever has news already is awake, or about to be.
        if self.news.swap(news.to_number(), Ordering::AcqRel) == 0 {
            self.arrived.notify_one();
        }
    }
}

pub struct Hub {
    inner: Mutex<Inner>,
    open: AtomicUsize,
    /// Of those, the streams of the company's own people.
    company: AtomicUsize,
    /// For each place of the table, how many streams listen to a person or subject there.
    wanted: Box<[AtomicU16]>,
    /// How often the configuration has changed.
    configurations: AtomicU64,
    /// The entry that everybody is to hear of next.
    for_all: AtomicU64,
    for_all_arrived: Notify,
}

impl Default for Hub {
    fn default() -> Hub {
        Hub {
            inner: Mutex::default(),
            open: AtomicUsize::new(0),
            company: AtomicUsize::new(0),
            wanted: (0..PLACES).map(|_| AtomicU16::new(0)).collect(),
            configurations: AtomicU64::new(0),
            for_all: AtomicU64::new(0),
            for_all_arrived: Notify::new(),
        }
    }
}

#[derive(Default)]
struct Inner {
    next: u64,
    streams: BTreeMap<u64, Stream>,
    by_person: HashMap<PersonId, Vec<u64>>,
    by_subject: HashMap<Subject, Vec<u64>>,
    /// Streams of the company's own people: every change concerns them.
    by_company: Vec<u64>,
}

impl Inner {
    fn wake(&self, ids: Option<&Vec<u64>>, news: News) {
        for id in ids.into_iter().flatten() {
            if let Some(stream) = self.streams.get(id) {
                stream.letterbox.put(news);
            }
        }
    }
}

struct Stream {
    person: Option<PersonId>,
    subject: Option<Subject>,
    letterbox: Arc<Letterbox>,
}

/// An open stream; closes when dropped.
pub struct Listening {
    id: u64,
    hub: Arc<Hub>,
    letterbox: Arc<Letterbox>,
}

impl Listening {
    /// Returns when there are news.
    pub async fn changed(&self) {
        self.letterbox.arrived.notified().await;
    }

    /// The news, which are then no longer new.
    pub fn take(&self) -> News {
        News::from_number(self.letterbox.news.swap(0, Ordering::AcqRel))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.hub.close(self.id);
    }
}

impl Hub {
    /// `None` when there are too many streams, of this person or in all. Neither a person nor a
    /// subject: the company's own stream.
    pub fn listen(
        self: &Arc<Self>,
        person: Option<PersonId>,
        subject: Option<Subject>,
    ) -> Option<Listening> {
        if self.open.load(Ordering::Relaxed) >= limits::STREAMS {
            return None;
        }
        let letterbox = Arc::new(Letterbox::default());
        let mut inner = self.inner();
        let own = person.and_then(|person| inner.by_person.get(&person));
        if own.is_some_and(|own| own.len() >= limits::STREAMS_PER_PERSON) {
            return None;
        }
        let id = inner.next;
        inner.next += 1;
        inner.streams.insert(id, Stream { person, subject, letterbox: letterbox.clone() });
        if let Some(person) = person {
            inner.by_person.entry(person).or_default().push(id);
            self.wanted[place_of_person(person)].fetch_add(1, Ordering::Relaxed);
        }
        if let Some(subject) = subject {
            inner.by_subject.entry(subject).or_default().push(id);
            self.wanted[place_of_subject(&subject)].fetch_add(1, Ordering::Relaxed);
        }
        if person.is_none() && subject.is_none() {
            inner.by_company.push(id);
            self.company.fetch_add(1, Ordering::Relaxed);
        }
        drop(inner);
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Listening { id, hub: self.clone(), letterbox })
    }

    /// Wakes everybody whom these changes concern. Called by the loop, after every group.
    pub fn tell(&self, seq: Seq, changes: &[Change]) {
        if changes.contains(&Change::Configuration) {
            self.configurations.fetch_add(1, Ordering::Release);
            self.for_all.store(seq.max(1), Ordering::Release);
            self.for_all_arrived.notify_one();
        }
        if changes.is_empty() || self.open.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut locked = None;
        if self.company.load(Ordering::Relaxed) > 0 {
            let inner = locked.get_or_insert_with(|| self.inner());
            inner.wake(Some(&inner.by_company), News::Changed(seq));
        }
        for change in changes {
            let place = match change {
                Change::Person(person) | Change::Gone(person) => place_of_person(*person),
                Change::Product(subject) => place_of_subject(subject),
                Change::Configuration | Change::Inbox => continue,
            };
            if self.wanted[place].load(Ordering::Relaxed) == 0 {
                continue;
            }
            let inner = locked.get_or_insert_with(|| self.inner());
            match change {
                Change::Person(person) => {
                    inner.wake(inner.by_person.get(person), News::Changed(seq));
                }
                Change::Gone(person) => inner.wake(inner.by_person.get(person), News::Gone),
                Change::Product(subject) => {
                    inner.wake(inner.by_subject.get(subject), News::Changed(seq));
                }
                Change::Configuration | Change::Inbox => {}
            }
        }
    }

    /// Wakes everybody when the configuration has changed, a few at a time: all pages that are
    /// open ask again then, and neither the loop nor the other requests shall notice. Never ends.
    pub async fn spread(self: Arc<Self>) {
        loop {
            self.for_all_arrived.notified().await;
            let news = News::from_number(self.for_all.load(Ordering::Acquire));
            let mut next = Some(0);
            while let Some(from) = next {
                next = self.wake_from(from, news);
                tokio::time::sleep(SPREAD_PAUSE).await;
            }
        }
    }

    /// Wakes a few streams from this id on; gives the one to go on with.
    fn wake_from(&self, from: u64, news: News) -> Option<u64> {
        let inner = self.inner();
        let mut rest = inner.streams.range(from..);
        for (_, stream) in rest.by_ref().take(SPREAD_STREAMS) {
            stream.letterbox.put(news);
        }
        rest.next().map(|(id, _)| *id)
    }

    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Grows whenever something was configured. What was read from the state after this was asked
    /// is true for as long as it gives the same.
    pub fn configurations(&self) -> u64 {
        self.configurations.load(Ordering::Acquire)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while holding it")
    }

    fn close(&self, id: u64) {
        let mut inner = self.inner();
        let Some(stream) = inner.streams.remove(&id) else { return };
        if let Some(person) = stream.person {
            drop_from(&mut inner.by_person, &person, id);
            self.wanted[place_of_person(person)].fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(subject) = stream.subject {
            drop_from(&mut inner.by_subject, &subject, id);
            self.wanted[place_of_subject(&subject)].fetch_sub(1, Ordering::Relaxed);
        }
        if stream.person.is_none() && stream.subject.is_none() {
            inner.by_company.retain(|own| *own != id);
            self.company.fetch_sub(1, Ordering::Relaxed);
        }
        drop(inner);
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn place_of_person(person: PersonId) -> usize {
    place(person.0)
}

fn place_of_subject(subject: &Subject) -> usize {
    let mut mixed = subject.gtin.as_u64();
    for chunk in subject.serial.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mixed = (mixed.rotate_left(23) ^ u64::from_le_bytes(word)).wrapping_mul(MIX);
    }
    place(mixed)
}

const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

fn place(number: u64) -> usize {
    const BITS: u32 = PLACES.trailing_zeros();
    (number.wrapping_mul(MIX) >> (64 - BITS)) as usize
}

fn drop_from<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Vec<u64>>, key: &K, id: u64) {
    if let Some(ids) = map.get_mut(key) {
        ids.retain(|own| *own != id);
        if ids.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::gs1::Serial;

    use super::*;

    fn unit(serial: &str) -> Subject {
        let gtin = "09506000134352".parse().expect("a GTIN");
        Subject::unit(gtin, Serial::new(serial).expect("a serial"))
    }

    #[test]
    fn a_change_reaches_those_whom_it_concerns_and_nobody_else() {
        let hub = Arc::new(Hub::default());
        let listen = |person: Option<u64>, subject| {
            hub.listen(person.map(PersonId), subject).expect("there is room")
        };
        let ann = listen(Some(1), Some(unit("A1")));
        let ben = listen(Some(2), Some(unit("B1").to_model()));
        let staff = listen(None, None);
        hub.tell(5, &[Change::Person(PersonId(1)), Change::Product(unit("C1"))]);
        assert_eq!(ann.take(), News::Changed(5));
        assert_eq!(ann.take(), News::Nothing);
        assert_eq!(ben.take(), News::Nothing);
        assert_eq!(staff.take(), News::Changed(5));
        hub.tell(6, &[Change::Product(unit("A1")), Change::Gone(PersonId(2))]);
        assert_eq!((ann.take(), ben.take()), (News::Changed(6), News::Gone));
        for person in 10..1_000 {
            hub.tell(7, &[Change::Person(PersonId(person))]);
        }
        assert_eq!((ann.take(), ben.take()), (News::Nothing, News::Nothing));
        drop((ann, ben, staff));
        assert_eq!(hub.open(), 0);
        assert!(hub.wanted.iter().all(|count| count.load(Ordering::Relaxed) == 0));
    }

    #[tokio::test]
    async fn a_configuration_reaches_everybody_in_the_end() {
        let hub = Arc::new(Hub::default());
        let all: Vec<Listening> =
            (0..1_000).map(|person| hub.listen(Some(PersonId(person)), None).unwrap()).collect();
        let spreading = tokio::spawn(hub.clone().spread());
        let before = hub.configurations();
        hub.tell(9, &[Change::Configuration]);
        assert!(hub.configurations() > before);
        assert_eq!(all[0].take(), News::Nothing, "the loop itself wakes nobody");
        for own in &all {
            own.changed().await;
            assert_eq!(own.take(), News::Changed(9));
        }
        spreading.abort();
    }
}

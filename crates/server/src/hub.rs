//! The live hub: who has a page open, and waking them when something changes. It knows who looks
//! at what, not what they see: a woken page asks again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use engine::Change;
use model::entry::Seq;
use model::gs1::Subject;
use model::id::PersonId;
use model::limits;
use tokio::sync::watch;

/// What a stream is told last; only the newest matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    Nothing,
    Changed(Seq),
    /// The person was wiped or became part of another; the session must ask who it is.
    Gone,
}

#[derive(Default)]
pub struct Hub {
    inner: Mutex<Inner>,
    open: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    next: u64,
    streams: HashMap<u64, Stream>,
    by_person: HashMap<PersonId, Vec<u64>>,
    by_subject: HashMap<Subject, Vec<u64>>,
    /// Streams of the company's own people: every change concerns them.
    by_company: Vec<u64>,
}

struct Stream {
    person: Option<PersonId>,
    subject: Option<Subject>,
    news: watch::Sender<News>,
}

/// An open stream; closes when dropped.
pub struct Listening {
    id: u64,
    hub: Arc<Hub>,
    pub news: watch::Receiver<News>,
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
        let (sender, news) = watch::channel(News::Nothing);
        let mut inner = self.inner.lock().expect("nobody panics while holding it");
        let own = person.and_then(|person| inner.by_person.get(&person));
        if own.is_some_and(|own| own.len() >= limits::STREAMS_PER_PERSON) {
            return None;
        }
        let id = inner.next;
        inner.next += 1;
        inner.streams.insert(id, Stream { person, subject, news: sender });
        if let Some(person) = person {
            inner.by_person.entry(person).or_default().push(id);
        }
        if let Some(subject) = subject {
            inner.by_subject.entry(subject).or_default().push(id);
        }
        if person.is_none() && subject.is_none() {
            inner.by_company.push(id);
        }
        drop(inner);
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Listening { id, hub: self.clone(), news })
    }

    /// Wakes everybody whom these changes concern.
    pub fn tell(&self, seq: Seq, changes: &[Change]) {
        if changes.is_empty() || self.open.load(Ordering::Relaxed) == 0 {
            return;
        }
        let inner = self.inner.lock().expect("nobody panics while holding it");
        let wake = |ids: &[u64], news: News| {
            for id in ids {
                if let Some(stream) = inner.streams.get(id) {
                    stream.news.send_replace(news);
                }
            }
        };
        wake(&inner.by_company, News::Changed(seq));
        for change in changes {
            match change {
                Change::Person(person) => {
                    if let Some(ids) = inner.by_person.get(person) {
                        wake(ids, News::Changed(seq));
                    }
                }
                Change::Gone(person) => {
                    if let Some(ids) = inner.by_person.get(person) {
                        wake(ids, News::Gone);
                    }
                }
                Change::Product(subject) => {
                    if let Some(ids) = inner.by_subject.get(subject) {
                        wake(ids, News::Changed(seq));
                    }
                }
                Change::Configuration => {
                    let all: Vec<u64> = inner.streams.keys().copied().collect();
                    wake(&all, News::Changed(seq));
                }
                Change::Inbox => {}
            }
        }
    }

    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn close(&self, id: u64) {
        let mut inner = self.inner.lock().expect("nobody panics while holding it");
        let Some(stream) = inner.streams.remove(&id) else { return };
        if let Some(person) = stream.person {
            drop_from(&mut inner.by_person, &person, id);
        }
        if let Some(subject) = stream.subject {
            drop_from(&mut inner.by_subject, &subject, id);
        }
        inner.by_company.retain(|own| *own != id);
        drop(inner);
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn drop_from<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Vec<u64>>, key: &K, id: u64) {
    if let Some(ids) = map.get_mut(key) {
        ids.retain(|own| *own != id);
        if ids.is_empty() {
            map.remove(key);
        }
    }
}

//! What is remembered for a while and may be forgotten at any time: answers to calls that may be
//! sent again, decisions that changed nothing and so are not in the log. Bounded; gone with the
//! process; a wipe takes what is the person's at once.
//!
//! Decisions are kept in their byte form, in memory that the oldest gave back, and in several parts
//! with a lock each: to keep one costs a copy of one or two kilobytes and no allocation.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use model::bytes::{Reader, Writer};
use model::decision::Decision;
use model::id::{Digest, PersonId};
use serde_json::Value as Json;

/// Parts that decisions are kept in, by their ids.
const PARTS: usize = 16;
/// Bytes that the decisions of one part may take: 32 MiB in all, some 20,000 decisions.
const PART_BYTES: usize = 2 << 20;
const ANSWERS: usize = 4_096;
const DECISION_KEPT: Duration = Duration::from_secs(3_600);
const ANSWER_KEPT: Duration = Duration::from_secs(3_600);

#[derive(Default)]
pub struct Memory {
    decisions: [Mutex<Part>; PARTS],
    answers: Mutex<Ring<Digest, Answer>>,
}

/// What became of a call with an idempotency key.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is still at work.
    Running,
    /// Digest of the body that it came with, status, answer.
    Done(Digest, u16, Json),
}

impl Memory {
    pub fn keep_decision(&self, person: Option<PersonId>, decision: &Decision) {
        self.part(decision.id).put(person, decision, PART_BYTES, DECISION_KEPT);
    }

    pub fn decision(&self, id: u64) -> Option<(Option<PersonId>, Decision)> {
        self.part(id).get(id, DECISION_KEPT)
    }

    fn part(&self, id: u64) -> MutexGuard<'_, Part> {
        self.decisions[id as usize % PARTS].lock().expect("nobody panics while holding it")
    }

    /// Drops what is this person's. Of an answer nobody knows whom it names, so all go; a call that
    /// is still at work stays marked as that.
    pub fn forget_person(&self, person: PersonId) {
        for part in &self.decisions {
            part.lock().expect("nobody panics while holding it").forget(person);
        }
        let mut answers = self.answers.lock().expect("nobody panics while holding it");
        answers.rows.retain(|_, (_, answer)| *answer == Answer::Running);
    }

    /// What a call with this key became; marks it as running if it is the first.
    pub fn begin_answer(&self, key: Digest) -> Option<Answer> {
        let mut answers = self.answers.lock().expect("nobody panics while holding it");
        if let Some(answer) = answers.get(&key, ANSWER_KEPT) {
            return Some(answer.clone());
        }
        answers.put(key, Answer::Running, ANSWERS, ANSWER_KEPT);
        None
    }

    pub fn end_answer(&self, key: Digest, answer: Option<Answer>) {
        let mut answers = self.answers.lock().expect("nobody panics while holding it");
        match answer {
            Some(answer) => answers.put(key, answer, ANSWERS, ANSWER_KEPT),
            // It failed: the next one tries again.
            None => drop(answers.rows.remove(&key)),
        }
    }
}

/// Some of the decisions, oldest first.
#[derive(Default)]
struct Part {
    kept: VecDeque<Kept>,
    /// How many came before the first of `kept`.
    gone: u64,
    /// The number of each, from the first that ever came.
    numbers: HashMap<u64, u64>,
    bytes: usize,
}

struct Kept {
    id: u64,
    person: Option<PersonId>,
    made: Instant,
    /// Empty: forgotten.
    bytes: Vec<u8>,
}

impl Part {
    fn put(&mut self, person: Option<PersonId>, decision: &Decision, most: usize, kept: Duration) {
        let now = Instant::now();
        let mut room = Vec::new();
        while let Some(oldest) = self.kept.front() {
            if self.bytes < most && now.duration_since(oldest.made) < kept {
                break;
            }
            room = self.drop_oldest();
        }
        room.clear();
        let mut out = Writer::onto(room);
        decision.write(&mut out);
        let bytes = out.into_bytes();
        self.bytes += bytes.capacity();
        self.numbers.insert(decision.id, self.gone + self.kept.len() as u64);
        self.kept.push_back(Kept { id: decision.id, person, made: now, bytes });
    }

    /// Gives its memory, for the next one.
    fn drop_oldest(&mut self) -> Vec<u8> {
        let oldest = self.kept.pop_front().expect("the caller saw one");
        // A decision that was kept anew since then has a higher number.
        if self.numbers.get(&oldest.id) == Some(&self.gone) {
            self.numbers.remove(&oldest.id);
        }
        self.gone += 1;
        self.bytes -= oldest.bytes.capacity();
        oldest.bytes
    }

    fn get(&self, id: u64, kept: Duration) -> Option<(Option<PersonId>, Decision)> {
        let number = self.numbers.get(&id)?;
        let found = self.kept.get((number - self.gone) as usize)?;
        if found.made.elapsed() >= kept || found.bytes.is_empty() {
            return None;
        }
        let decision = Decision::read(&mut Reader::new(&found.bytes));
        Some((found.person, decision.expect("it was written here")))
    }

    fn forget(&mut self, person: PersonId) {
        for kept in self.kept.iter_mut().filter(|kept| kept.person == Some(person)) {
            self.bytes -= kept.bytes.capacity();
            kept.bytes = Vec::new();
            self.numbers.remove(&kept.id);
        }
    }
}

/// At most so many rows, the oldest go first.
struct Ring<K, V> {
    rows: HashMap<K, (Instant, V)>,
    order: VecDeque<(Instant, K)>,
}

impl<K, V> Default for Ring<K, V> {
    fn default() -> Ring<K, V> {
        Ring { rows: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Hash + Eq + Copy, V> Ring<K, V> {
    fn get(&self, key: &K, kept: Duration) -> Option<&V> {
        let (made, value) = self.rows.get(key)?;
        (made.elapsed() < kept).then_some(value)
    }

    fn put(&mut self, key: K, value: V, most: usize, kept: Duration) {
        let now = Instant::now();
        self.rows.insert(key, (now, value));
        self.order.push_back((now, key));
        while let Some((made, _)) = self.order.front() {
            if self.order.len() <= most && made.elapsed() < kept {
                break;
            }
            let (made, key) = self.order.pop_front().expect("it has a front");
            // A row that was put anew since then stays for its newer place in the order.
            if self.rows.get(&key).is_some_and(|(own, _)| *own == made) {
                self.rows.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_and_a_renewed_one_stays() {
        let mut ring = Ring::default();
        let kept = Duration::from_secs(60);
        for key in 0..3 {
            ring.put(key, key, 3, kept);
            std::thread::sleep(Duration::from_millis(2));
        }
        ring.put(0, 10, 3, kept);
        ring.put(4, 4, 3, kept);
        assert_eq!(ring.get(&0, kept), Some(&10));
        assert_eq!(ring.get(&1, kept), None);
        assert_eq!(ring.get(&2, kept), Some(&2));
        assert_eq!(ring.get(&2, Duration::ZERO), None);
        assert!(ring.rows.len() <= 3 && ring.order.len() <= 3);
    }

    fn decision(id: u64) -> Decision {
        use model::context::Context;
        use model::decision::{Sheet, What, Why};
        let mut sheet = Sheet::default();
        sheet.push(What::Menu, "guides", Why::Stage);
        Decision {
            id,
            subject: model::gs1::Subject::model("09506000134352".parse().unwrap()),
            journey: "printer".into(),
            version: 1,
            stage: "support".into(),
            context: Context::default(),
            items: sheet.into_items(),
        }
    }

    #[test]
    fn decisions_are_kept_until_room_or_time_is_up() {
        let (mut part, hour) = (Part::default(), Duration::from_secs(3_600));
        let mut out = Writer::new();
        decision(0).write(&mut out);
        let most = 4 * out.as_bytes().len();
        for id in 0..100 {
            part.put(Some(PersonId(id % 2)), &decision(id), most, hour);
            assert_eq!(part.get(id, hour), Some((Some(PersonId(id % 2)), decision(id))));
        }
        assert_eq!((part.get(90, hour), part.get(99, Duration::ZERO)), (None, None));
        assert!((2..=6).contains(&part.kept.len()) && part.numbers.len() == part.kept.len());
        // The same one again: the older place goes, the newer one stays.
        for _ in 0..3 {
            part.put(None, &decision(99), most, hour);
            part.put(None, &decision(98), most, hour);
        }
        assert_eq!(part.get(99, hour), Some((None, decision(99))));
        part.put(None, &decision(7), most, Duration::ZERO);
        assert_eq!((part.kept.len(), part.get(99, hour)), (1, None));
    }

    #[test]
    fn a_wiped_person_takes_their_decisions_along_and_no_others() {
        let memory = Memory::default();
        for id in 0..200 {
            memory.keep_decision(Some(PersonId(id % 2)), &decision(id));
        }
        memory.forget_person(PersonId(1));
        for id in 0..200 {
            assert_eq!(memory.decision(id).is_some(), id % 2 == 0, "{id}");
        }
        memory.keep_decision(Some(PersonId(1)), &decision(1));
        assert_eq!(memory.decision(1), Some((Some(PersonId(1)), decision(1))));
    }

    #[test]
    fn a_failed_call_may_be_tried_again() {
        let memory = Memory::default();
        let key = Digest(7);
        assert_eq!(memory.begin_answer(key), None);
        assert_eq!(memory.begin_answer(key), Some(Answer::Running));
        memory.end_answer(key, None);
        assert_eq!(memory.begin_answer(key), None);
        let done = Answer::Done(Digest(1), 200, Json::Null);
        memory.end_answer(key, Some(done.clone()));
        assert_eq!(memory.begin_answer(key), Some(done));
        memory.begin_answer(Digest(8));
        memory.forget_person(PersonId(1));
        assert_eq!(memory.begin_answer(Digest(8)), Some(Answer::Running));
        assert_eq!(memory.begin_answer(key), None);
    }
}

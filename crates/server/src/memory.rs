//! What is remembered for a while and may be forgotten at any time: answers to calls that may be
//! sent again, decisions that changed nothing and so are not in the log. Bounded; gone with the
//! process; a wipe takes what is the person's at once.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use model::decision::Decision;
use model::id::{Digest, PersonId};
use serde_json::Value as Json;

const DECISIONS: usize = 4_096;
const ANSWERS: usize = 4_096;
const DECISION_KEPT: Duration = Duration::from_secs(3_600);
const ANSWER_KEPT: Duration = Duration::from_secs(3_600);

#[derive(Default)]
pub struct Memory {
    decisions: Mutex<Ring<u64, (Option<PersonId>, Decision)>>,
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
        let mut decisions = self.decisions.lock().expect("nobody panics while holding it");
        decisions.put(decision.id, (person, decision.clone()), DECISIONS, DECISION_KEPT);
    }

    pub fn decision(&self, id: u64) -> Option<(Option<PersonId>, Decision)> {
        let decisions = self.decisions.lock().expect("nobody panics while holding it");
        decisions.get(&id, DECISION_KEPT).cloned()
    }

    /// Drops what is this person's. Of an answer nobody knows whom it names, so all go; a call that
    /// is still at work stays marked as that.
    pub fn forget_person(&self, person: PersonId) {
        let mut decisions = self.decisions.lock().expect("nobody panics while holding it");
        decisions.rows.retain(|_, (_, (own, _))| *own != Some(person));
        drop(decisions);
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

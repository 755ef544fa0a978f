//! What every route needs: the handle to the engine, the live hub, the settings, the clock and
//! the random source. Routes receive values from here and reach for nothing else.

use std::cell::RefCell;
use std::sync::Arc;

use model::alias::{Alias, AliasKind};
use model::entry::{Body, Seq};
use model::id::{Digest, PersonId, Time};
use model::outcome::{Accepted, Outcome};
use storage::RealDisk;

use crate::hub::Hub;
use crate::problem::Problem;

pub type Handle = runtime::Handle<RealDisk>;

/// The settings that routes read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the world reaches this server, without a slash at the end.
    pub public_url: String,
    /// The company's name as people know it.
    pub company: String,
    /// After this many days no backup holds a wiped person any more; stated on receipts.
    pub backup_days: u32,
}

pub struct Inner {
    pub engine: Handle,
    pub hub: Arc<Hub>,
    pub settings: Settings,
    pub signer: crate::receipt::Signer,
    pub limiter: crate::limiter::Limiter,
    /// What is remembered for a while and may be forgotten: late answers, unrecorded decisions.
    pub memory: crate::memory::Memory,
    pub requests: crate::metrics::Requests,
    /// What answers say of journeys again and again.
    pub prepared: crate::deciding::Prepared,
    pub settled: crate::settled::Settled,
}

#[derive(Clone)]
pub struct App(Arc<Inner>);

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    pub fn new(inner: Inner) -> App {
        App(Arc::new(inner))
    }

    /// Brings one body to the log; a refusal of the fold is a problem.
    pub async fn submit(&self, body: Body) -> Result<(Seq, Accepted), Problem> {
        let mut answers = self.engine.submit(vec![body]).await?;
        let (seq, outcome) = answers.pop().expect("one body has one answer");
        match outcome {
            Outcome::Accepted(accepted) => Ok((seq, accepted)),
            Outcome::Duplicate => Ok((seq, Accepted::default())),
            Outcome::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// The person that an API call names: `p12`, or an alias `user:u1`.
    pub fn find_person(&self, named: &str) -> Option<PersonId> {
        if let Ok(id) = named.parse::<PersonId>() {
            return self.engine.state().person(id).map(|_| id);
        }
        let alias = parse_alias(named)?;
        self.engine.state().person_by_alias(&alias)
    }
}

/// `kind:value`
pub fn parse_alias(text: &str) -> Option<Alias> {
    let (kind, value) = text.split_once(':')?;
    Alias::new(AliasKind::named(kind)?, value).ok()
}

/// The wall clock. The engine never sees it but as an entry's time.
pub fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time(since.map_or(0, |since| since.as_millis() as i64))
}

/// From the operating system's secure source.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// From the same source, which is asked for many at once by each thread: a call of the system for
/// every decision costs more than half of the decision. Nothing is computed from them, and one that
/// was given is nowhere else, so they are as hard to guess as the source's own.
pub fn random_u64() -> u64 {
    thread_local! {
        static NUMBERS: RefCell<Vec<[u8; 8]>> = const { RefCell::new(Vec::new()) };
    }
    NUMBERS.with_borrow_mut(|numbers| {
        if numbers.is_empty() {
            // The most that the system gives in one piece.
            let bytes: [u8; 256] = random();
            let (pieces, _) = bytes.as_chunks::<8>();
            numbers.extend_from_slice(pieces);
        }
        u64::from_le_bytes(numbers.pop().expect("there are some now"))
    })
}

/// No letter looks like a digit or another letter.
pub const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// `len` letters and digits, 5 bits each.
pub fn random_text(len: usize) -> String {
    let mut text = String::with_capacity(len);
    while text.len() < len {
        for byte in random::<16>() {
            if text.len() < len {
                text.push(char::from(LETTERS[usize::from(byte & 31)]));
            }
        }
    }
    text
}

/// What is stored of a secret.
pub fn secret_hash(secret: &str) -> Digest {
    Digest::of(&[b"secret", secret.as_bytes()])
}

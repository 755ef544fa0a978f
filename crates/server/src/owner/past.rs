//! Reading a person's history back from the log, on a thread that may wait for the disk.

use engine::{Entity, History};
use model::entry::{Body, Entry, Seq};
use model::gs1::Subject;
use model::id::PersonId;
use model::touch::Touch;

use crate::app::App;

/// A touch with its place in the log.
pub struct Past {
    pub seq: Seq,
    pub touch: Touch,
}

/// These entries, in the order given.
pub async fn entries(app: &App, seqs: Vec<Seq>) -> Vec<Entry> {
    if seqs.is_empty() {
        return Vec::new();
    }
    let reader = app.engine.reader().clone();
    let read = move || {
        let mut entries = Vec::with_capacity(seqs.len());
        runtime::LogHistory(reader).entries(&seqs, &mut |entry| entries.push(entry));
        entries
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// The person's newest touches about this product or its model, oldest first; looks at no more
/// than `depth` entries.
pub async fn touches(app: &App, person: PersonId, subject: Subject, depth: usize) -> Vec<Past> {
    let mut seqs = app.engine.state().timeline(&Entity::Person(person), None, depth);
    seqs.reverse();
    let entries = entries(app, seqs).await.into_iter();
    entries
        .filter_map(|entry| match entry.body {
            Body::Touch(touch) if is_about(&touch, subject) => Some(Past { seq: entry.seq, touch }),
            _ => None,
        })
        .collect()
}

/// Somebody orders a model and gets a unit, so a unit's history has touches of both.
fn is_about(touch: &Touch, subject: Subject) -> bool {
    touch.products.iter().any(|own| *own == subject || *own == subject.to_model())
}

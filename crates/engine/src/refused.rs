//! What came in and was not understood: kept as it came, to be listed, retried or thrown away. It
//! may name people, so whatever leaves the list is overwritten in the log as well; a wipe need not
//! look for it any more.

use model::entry::Seq;
use model::limits;
use model::outcome::Outcome;

use crate::fold::Cx;
use crate::record::Purge;
use crate::state::State;
use crate::timeline::Topic;

/// When there are too many the oldest of them go, this many at once.
const DROPPED_AT_ONCE: usize = limits::REFUSED_KEPT / 10;

pub(crate) fn keep(state: &mut State, cx: &mut Cx<'_>) -> Outcome {
    state.meta.refused += 1;
    state.meta.refused_kept += 1;
    state.note(Topic::Refused, cx.seq);
    if state.meta.refused_kept > limits::REFUSED_KEPT as u64 {
        let mut oldest = state.topic(Topic::Refused);
        let rest = oldest.split_off(DROPPED_AT_ONCE.min(oldest.len()));
        leave(state, rest);
        overwrite(state, oldest, cx);
    }
    Outcome::accepted()
}

/// It was retried with success, or thrown away.
pub(crate) fn done(state: &mut State, seq: Seq, cx: &mut Cx<'_>) -> Outcome {
    let mut seqs = state.topic(Topic::Refused);
    match seqs.binary_search(&seq) {
        Ok(at) => {
            seqs.remove(at);
            leave(state, seqs);
            overwrite(state, vec![seq], cx);
            Outcome::accepted()
        }
        Err(_) => Outcome::refused("no_such_refused", "it is not among the refused"),
    }
}

/// Only these are still to be listed.
pub(crate) fn leave(state: &mut State, seqs: Vec<Seq>) {
    state.meta.refused_kept = seqs.len() as u64;
    state.set_topic(Topic::Refused, &seqs);
}

/// The purge goes by this entry's own place, as a wipe's goes by its receipt.
fn overwrite(state: &mut State, seqs: Vec<Seq>, cx: &mut Cx<'_>) {
    state.purges.insert(cx.seq, Purge { seqs });
    cx.effects.purges.push(cx.seq);
}

//! Polls again at once what was woken while it was polled. A connection wakes itself for the body
//! of each request; left to the runtime, it would go to the end of the queue, and a thread that
//! rests would be woken to see whether it can take it: a call of the system for every request.
//!
//! Kept true: no wake is lost; what keeps waking itself lets others run after a few times.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

const TIMES: usize = 4;

const RESTING: u8 = 0;
const POLLED: u8 = 1;
/// Woken while it was polled.
const AGAIN: u8 = 2;

struct Recall {
    task: Waker,
    state: AtomicU8,
}

impl Wake for Recall {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.compare_exchange(POLLED, AGAIN, SeqCst, SeqCst) == Err(RESTING) {
            self.task.wake_by_ref();
        }
    }
}

pub async fn at_once<F: Future + Unpin>(mut work: F) -> F::Output {
    let mut kept: Option<(Arc<Recall>, Waker)> = None;
    poll_fn(move |context| {
        let same = kept.take().filter(|(recall, _)| recall.task.will_wake(context.waker()));
        let (recall, waker) = kept.insert(same.unwrap_or_else(|| {
            let task = context.waker().clone();
            let recall = Arc::new(Recall { task, state: AtomicU8::new(RESTING) });
            (recall.clone(), recall.into())
        }));
        for _ in 0..TIMES {
            recall.state.store(POLLED, SeqCst);
            if let Poll::Ready(done) = Pin::new(&mut work).poll(&mut Context::from_waker(waker)) {
                return Poll::Ready(done);
            }
            if recall.state.compare_exchange(POLLED, RESTING, SeqCst, SeqCst).is_ok() {
                return Poll::Pending;
            }
        }
        recall.state.store(RESTING, SeqCst);
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Counts(AtomicUsize);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// Wakes itself so many times before it is ready.
    fn after(times: usize) -> impl Future<Output = ()> + Unpin {
        let mut polled = 0;
        poll_fn(move |context| {
            polled += 1;
            context.waker().wake_by_ref();
            if polled > times { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    #[test]
    fn what_wakes_itself_is_polled_again_and_yields_in_the_end() {
        let counts = Arc::new(Counts::default());
        let waker = Waker::from(counts.clone());
        let mut context = Context::from_waker(&waker);
        let mut poll = |work: &mut Pin<Box<dyn Future<Output = ()>>>| {
            work.as_mut().poll(&mut context).is_ready()
        };
        let mut short: Pin<Box<dyn Future<Output = ()>>> = Box::pin(at_once(after(3)));
        assert!(poll(&mut short));
        assert_eq!(counts.0.load(SeqCst), 0);
        let mut long: Pin<Box<dyn Future<Output = ()>>> = Box::pin(at_once(after(5)));
        assert!(!poll(&mut long));
        assert_eq!(counts.0.load(SeqCst), 1);
        assert!(poll(&mut long));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn wakes_from_elsewhere_arrive() {
        let (to, mut from) = tokio::sync::mpsc::channel::<u32>(1);
        let sending = tokio::spawn(async move {
            for number in 0..20_000 {
                to.send(number).await.expect("it is read to the end");
            }
        });
        let reading = tokio::spawn(at_once(Box::pin(async move {
            let mut next = 0;
            while let Some(number) = from.recv().await {
                assert_eq!(number, next);
                next += 1;
            }
            next
        })));
        sending.await.expect("it ends");
        assert_eq!(reading.await.expect("it ends"), 20_000);
    }
}

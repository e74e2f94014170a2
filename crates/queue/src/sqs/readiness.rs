//! Whether SQS would take a message now, asked at most once in a while: anyone may ask for readiness, and must not decide how
//! often SQS is called.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use crate::QueueError;

/// How long an answer is good: below the interval of the probes of load balancers and orchestrators (10 s and more), and longer
/// than a question may take.
const KEPT: Duration = Duration::from_secs(5);

/// What is known. Shared by the clones of a queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Readiness {
    last: Arc<Mutex<Option<Question>>>,
}

/// A question and its answer, once that has come.
#[derive(Debug, Clone)]
struct Question {
    asked_at: Instant,
    answer: Shared<BoxFuture<'static, Result<(), QueueError>>>,
}

impl Readiness {
    /// Returns the answer to the last question, or else to a new one. Whoever asks meanwhile gets the same answer, also if the
    /// one who asked first has gone.
    pub(super) async fn answer<F>(
        &self,
        now: Instant,
        ask: impl FnOnce() -> F,
    ) -> Result<(), QueueError>
    where
        F: Future<Output = Result<(), QueueError>> + Send + 'static,
    {
        let answer = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            match &*last {
                Some(question) if now.duration_since(question.asked_at) < KEPT => {
                    question.answer.clone()
                }
                Some(_) | None => {
                    let asking = tokio::spawn(ask());
                    let answer = async {
                        let answer = asking.await;
                        answer.unwrap_or_else(|error| Err(QueueError(error.to_string())))
                    };
                    let answer = answer.boxed().shared();
                    *last = Some(Question {
                        asked_at: now,
                        answer: answer.clone(),
                    });
                    answer
                }
            }
        };
        answer.await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_stranger_does_not_decide_how_often_it_is_asked() {
        let (readiness, asked) = (Readiness::default(), Arc::new(AtomicU32::new(0)));
        let (end, ended) = tokio::sync::watch::channel(());
        let ask = || {
            let (asked, mut ended) = (asked.clone(), ended.clone());
            async move {
                let nth = asked.fetch_add(1, Ordering::Relaxed);
                let _ = ended.changed().await;
                match nth {
                    0 => Err(QueueError("first".to_owned())),
                    _ => Ok(()),
                }
            }
        };
        let now = Instant::now();
        for _ in 0..10 {
            // The client goes before there is an answer.
            assert!(readiness.answer(now, ask).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        drop(end);
        let error = readiness.answer(now, ask).await.unwrap_err();
        let calls = || asked.load(Ordering::Relaxed);
        assert_eq!((error.0.as_str(), calls()), ("first", 1));
        assert!(readiness.answer(now + KEPT, ask).await.is_ok());
        assert_eq!(calls(), 2);
    }
}

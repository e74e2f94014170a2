//! A bounded pool for work that takes milliseconds of CPU: decompressing and validating large bodies.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// The largest body that is processed on the calling thread, which takes far less than a millisecond.
pub(crate) const INLINE_SIZE: usize = 262_144;

/// Runs work on blocking threads, at most one for each core. The work may need several times the size of its body in
/// memory.
#[derive(Debug, Clone)]
pub struct CpuPool(Arc<Semaphore>);

/// The error for work that did not complete, because the process is stopping or the work panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("processing was interrupted")]
pub struct Interruption;

impl CpuPool {
    /// Creates a pool with one thread for each core.
    pub fn new() -> CpuPool {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        CpuPool(Arc::new(Semaphore::new(cores)))
    }

    /// Runs work on a body of `size` bytes: for a small body on the calling thread, for a large one in the pool.
    pub async fn run<T: Send + 'static>(
        &self,
        size: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Interruption> {
        if size <= INLINE_SIZE {
            return Ok(work());
        }
        let turn = self.0.clone().acquire_owned().await.ok();
        let working = tokio::task::spawn_blocking(move || {
            let _turn = turn; // held to the end of the work, even when the caller has gone
            work()
        });
        working.await.map_err(|_| Interruption)
    }
}

impl Default for CpuPool {
    fn default() -> CpuPool {
        CpuPool::new()
    }
}

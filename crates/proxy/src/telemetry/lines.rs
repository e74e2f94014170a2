//! Where log lines go: each is written at once, or those that belong together by one call.
//!
//! A batch of events ends with a line for each of them. Written one by one they cost more than anything else that is done
//! for these events. Nothing is held back beyond that: what begins with [`together`] is written when it ends, also by a panic.

use std::cell::RefCell;
use std::io::{self, Write, stderr};

use tracing_subscriber::fmt::MakeWriter;

/// When lines that belong together are written nevertheless, in bytes.
const LIMIT: usize = 64 << 10;

thread_local! {
    /// The lines of this thread that are written together, while there are such.
    static HELD: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Does `work`, and writes the lines that it logs on this thread by one call at its end.
pub(crate) fn together<R>(work: impl FnOnce() -> R) -> R {
    let is_outermost = HELD.with_borrow_mut(|held| {
        let is_outermost = held.is_none();
        held.get_or_insert_default();
        is_outermost
    });
    let _end = is_outermost.then(|| End); // not `then_some`, which would end it here
    work()
}

/// The end of lines that belong together.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        let held = HELD.with_borrow_mut(Option::take);
        // As without `together`: who cannot be told that lines are lost cannot be told.
        let _ = stderr().lock().write_all(&held.unwrap_or_default());
    }
}

/// Standard error, as the log writes to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        Lines
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        HELD.with_borrow_mut(|held| match held {
            None => stderr().lock().write_all(bytes),
            Some(held) => match hold(held, bytes) {
                None => Ok(()),
                Some(full) => stderr().lock().write_all(&full),
            },
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // standard error has no buffer
    }
}

/// Adds to what is held. Returns all of it once it is too much.
fn hold(held: &mut Vec<u8>, bytes: &[u8]) -> Option<Vec<u8>> {
    held.extend_from_slice(bytes);
    (held.len() >= LIMIT).then(|| std::mem::take(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> Option<usize> {
        HELD.with_borrow(|held| held.as_ref().map(Vec::len))
    }

    #[test]
    fn lines_are_held_until_the_outermost_end() {
        together(|| {
            together(|| Lines.write_all(b"{}\n").unwrap());
            assert_eq!(held(), Some(3));
        });
        assert_eq!(held(), None);
    }

    #[test]
    fn many_lines_take_no_more_memory_than_the_limit_and_none_is_lost() {
        let (mut held, mut written) = (Vec::new(), 0);
        for _ in 0..200 {
            written += hold(&mut held, &[b' '; 1_000]).map_or(0, |full| full.len());
            assert!(held.len() < LIMIT);
        }
        assert_eq!(written + held.len(), 200_000);
    }
}

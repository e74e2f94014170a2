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
    /// The lines of this thread that are written together.
    static HELD: RefCell<Held> = const { RefCell::new(Held { is_open: false, lines: Vec::new() }) };
}

/// Lines that are written together, while there are such. The buffer stays, up to a little more than [`LIMIT`]: one that
/// grows anew with each batch costs more than what is written to it.
#[derive(Debug)]
struct Held {
    is_open: bool,
    lines: Vec<u8>,
}

/// Does `work`, and writes the lines that it logs on this thread by one call at its end.
pub(crate) fn together<R>(work: impl FnOnce() -> R) -> R {
    let is_outermost = HELD.with_borrow_mut(|held| !std::mem::replace(&mut held.is_open, true));
    let _end = is_outermost.then(|| End); // not `then_some`, which would end it here
    work()
}

/// The end of lines that belong together.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        HELD.with_borrow_mut(|held| {
            held.is_open = false;
            held.write_out(&mut stderr().lock());
            held.lines.shrink_to(LIMIT);
        });
    }
}

impl Held {
    /// Adds a line, and writes all of them once they are too much.
    fn hold(&mut self, bytes: &[u8], out: &mut impl Write) {
        self.lines.extend_from_slice(bytes);
        if self.lines.len() >= LIMIT {
            self.write_out(out);
        }
    }

    fn write_out(&mut self, out: &mut impl Write) {
        // As without `together`: who cannot be told that lines are lost cannot be told.
        let _ = out.write_all(&self.lines);
        self.lines.clear();
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
        HELD.with_borrow_mut(|held| match held.is_open {
            false => stderr().lock().write_all(bytes),
            true => {
                held.hold(bytes, &mut stderr().lock());
                Ok(())
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // standard error has no buffer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn held() -> (bool, usize) {
        HELD.with_borrow(|held| (held.is_open, held.lines.len()))
    }

    #[test]
    fn lines_are_held_until_the_outermost_end() {
        together(|| {
            together(|| Lines.write_all(b"{}\n").unwrap());
            assert_eq!(held(), (true, 3));
        });
        assert_eq!(held(), (false, 0));
    }

    #[test]
    fn lines_are_written_when_the_work_panics() {
        struct Sends(mpsc::Sender<(bool, usize)>);
        impl Drop for Sends {
            fn drop(&mut self) {
                self.0.send(held()).unwrap();
            }
        }
        let (left, received) = mpsc::channel();
        let work = std::thread::spawn(move || {
            let _sends = Sends(left); // once what is below has ended
            together(|| {
                Lines.write_all(b"{}\n").unwrap();
                panic!("a bug");
            })
        });
        assert_eq!(received.recv(), Ok((false, 0)));
        assert!(work.join().is_err());
    }

    #[test]
    fn many_lines_take_no_more_memory_than_the_limit_and_none_is_lost() {
        let (mut held, mut written) = (
            Held {
                is_open: true,
                lines: Vec::new(),
            },
            Vec::new(),
        );
        for _ in 0..200 {
            held.hold(&[b' '; 1_000], &mut written);
            assert!(held.lines.len() < LIMIT);
        }
        held.write_out(&mut written);
        assert_eq!((written.len(), held.lines.len()), (200_000, 0));
    }
}

//! The faults of a target, which a test sets.

/// What is wrong with the target.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It accepts every post.
    None,
    /// So many posts of a hundred, drawn by lot, have that fault.
    Percent(u32, FaultKind),
    /// It accepts so many posts a second, in bursts of a tenth of that; the others have that fault.
    Rate(u32, FaultKind),
    /// Each post has that fault.
    Always(FaultKind),
}

/// What becomes of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// A status, and the seconds of `Retry-After`. Below 300 the event is accepted.
    Status(u16, Option<u32>),
    /// No response until the fault is another one.
    Hold,
    /// Never a response.
    Hang,
    /// The connection is reset.
    Reset,
    /// Headers that end in the middle.
    HalfHeaders,
    /// A body that is shorter than its length says.
    HalfBody,
    /// Not HTTP.
    Garbage,
    /// The event is accepted, and the response comes byte by byte.
    Trickle,
    /// The first text, and then the second again and again, slowly, without end.
    Drip(&'static str, &'static str),
    /// These bytes, and the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, and then the request's own body again and again, as fast as they are read.
    Endless(Vec<u8>),
}

impl Fault {
    /// Returns the fault of a target that answers everything with that status.
    pub fn status(status: u16) -> Fault {
        Fault::Always(FaultKind::Status(status, None))
    }
}

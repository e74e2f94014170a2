//! The receipt of a record: what its receiver has to show to settle it.
//!
//! Only the last receiver of a record settles it. The number of attempts does not tell which one that is, because it starts
//! again when a dead letter is redriven. Each queue issues receipts of its own and takes no others.

/// What settles a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// The record was received from no queue.
    Unqueued,
    /// Issued by a log.
    Log(LogReceipt),
    /// Issued by the queue in memory.
    Memory(MemoryReceipt),
    /// The receipt handle of SQS.
    Sqs(String),
}

/// The receipt of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogReceipt {
    /// The number of the event.
    pub(crate) seq: i64,
    /// How often the event was received until then. Only grows.
    pub(crate) number: i64,
}

/// The receipt of the queue in memory, where nothing is redriven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryReceipt {
    /// The number of the event.
    pub(crate) number: u64,
    /// How often the event was received until then.
    pub(crate) attempts: u32,
}

impl Receipt {
    pub(crate) fn log(&self) -> Option<LogReceipt> {
        match self {
            Receipt::Log(receipt) => Some(*receipt),
            Receipt::Unqueued | Receipt::Memory(_) | Receipt::Sqs(_) => None,
        }
    }

    pub(crate) fn memory(&self) -> Option<MemoryReceipt> {
        match self {
            Receipt::Memory(receipt) => Some(*receipt),
            Receipt::Unqueued | Receipt::Log(_) | Receipt::Sqs(_) => None,
        }
    }

    /// The receipt handle; empty, which SQS rejects, for the receipt of another queue.
    pub(crate) fn handle(&self) -> &str {
        match self {
            Receipt::Sqs(handle) => handle,
            Receipt::Unqueued | Receipt::Log(_) | Receipt::Memory(_) => "",
        }
    }
}

impl LogReceipt {
    /// The receipt of an event that is received for the first time.
    pub(crate) fn first(seq: i64) -> LogReceipt {
        LogReceipt { seq, number: 1 }
    }

    pub(crate) fn is_first(self) -> bool {
        self == LogReceipt::first(self.seq)
    }
}

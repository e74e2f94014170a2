//! Why an event was not delivered, as a code: the one list for logs, metrics, alarms and dead letters.

/// Why an event was not delivered.
///
/// Targets produce those from [`Permission`](Reason::Permission) to [`TooLarge`](Reason::TooLarge); the others are the
/// pipeline's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Credentials or rights are missing or expired.
    Permission,
    /// The domain, path or host does not exist.
    Missing,
    /// The target received too many requests.
    Throttled,
    /// A quota of the account is exhausted.
    Quota,
    /// The target is down, slow, or failed internally.
    Unavailable,
    /// The event is invalid, at the target or already here.
    Invalid,
    /// The event is larger than the target accepts.
    TooLarge,
    /// A rule failed that asks for a dead letter.
    Rule,
    /// The rules did not finish in time.
    RulesSlow,
    /// The body of the message could not be fetched.
    Body,
    /// The deadline of the batch passed before the event was tried.
    OutOfTime,
    /// The process is stopping.
    Stopping,
    /// This program panicked on the event.
    Bug,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 13] = [
        Reason::Permission,
        Reason::Missing,
        Reason::Throttled,
        Reason::Quota,
        Reason::Unavailable,
        Reason::Invalid,
        Reason::TooLarge,
        Reason::Rule,
        Reason::RulesSlow,
        Reason::Body,
        Reason::OutOfTime,
        Reason::Stopping,
        Reason::Bug,
    ];

    /// The code in logs, metrics and dead letters.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Permission => "permission",
            Reason::Missing => "missing",
            Reason::Throttled => "throttled",
            Reason::Quota => "quota",
            Reason::Unavailable => "unavailable",
            Reason::Invalid => "invalid",
            Reason::TooLarge => "too_large",
            Reason::Rule => "rule",
            Reason::RulesSlow => "rules_slow",
            Reason::Body => "body",
            Reason::OutOfTime => "out_of_time",
            Reason::Stopping => "stopping",
            Reason::Bug => "bug",
        }
    }
}

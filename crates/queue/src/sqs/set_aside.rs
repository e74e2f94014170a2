//! Sends what cannot be read because of a bug to a queue of dead letters, as it is, where there is no disk for it.

use aws_sdk_sqs::Client;

use super::Sqs;
use super::message::{ATTRIBUTES, number, text, transportable};
use crate::config::MAX_BYTES;
use crate::{QueueError, QueueUrl, Redactor, now};

/// A queue of dead letters that takes what is set aside.
#[derive(Debug, Clone)]
pub struct SetAsideQueue {
    client: Client,
    queue: QueueUrl,
    redact: Redactor,
}

/// Why something was not set aside.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SetAsideError {
    /// It is not a text, or larger than a message.
    #[error("it is not a text of at most a mebibyte, which a message of SQS is")]
    Impossible,
    /// The queue does not take it for now.
    #[error(transparent)]
    Unavailable(#[from] QueueError),
}

impl Sqs {
    /// Opens a queue of dead letters, with the client of this one.
    pub fn set_aside_queue(&self, queue: QueueUrl) -> SetAsideQueue {
        SetAsideQueue {
            client: self.client.clone(),
            queue,
            redact: self.redact,
        }
    }
}

impl SetAsideQueue {
    /// Whether bytes can be the body of a message.
    pub fn can_take(body: &[u8]) -> bool {
        message_body(body).is_ok()
    }

    /// Sends a text as the body of a message, with its id and the reason as attributes.
    ///
    /// # Errors
    ///
    /// It cannot be a message, or SQS does not answer or refuses.
    pub async fn send(&self, id: &str, reason: &str, body: &[u8]) -> Result<(), SetAsideError> {
        let body = message_body(body)?;
        let end = reason.floor_char_boundary(ATTRIBUTES);
        let reason = reason.get(..end).unwrap_or_default();
        let request = self.client.send_message().queue_url(self.queue.url());
        let request = request
            .message_body(body)
            .message_attributes("id", text(id))
            .message_attributes("reason", text(reason))
            .message_attributes("dead_at", number(now()));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(QueueError(aws::summarize(&error, self.redact)).into()),
        }
    }
}

/// The body of a message, if the bytes can be one: the characters of XML 1.0, and room for the attributes.
fn message_body(bytes: &[u8]) -> Result<String, SetAsideError> {
    let text = std::str::from_utf8(bytes).map_err(|_| SetAsideError::Impossible)?;
    let body = transportable(text);
    let is_sendable = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..);
    let fits = !body.is_empty() && body.len() + 2 * ATTRIBUTES <= MAX_BYTES;
    match fits && body.chars().all(is_sendable) {
        true => Ok(body),
        false => Err(SetAsideError::Impossible),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_fits_a_message_is_its_body_and_nothing_else_is() {
        assert_eq!(message_body("ä\n{}".as_bytes()).unwrap(), "ä\n{}");
        let longest = vec![b' '; MAX_BYTES - 2 * ATTRIBUTES];
        assert!(SetAsideQueue::can_take(&longest));
        let too_long = [longest.as_slice(), b" "].concat();
        for bytes in [b"".as_slice(), b"\xff", b"a\0", &too_long] {
            let error = message_body(bytes).unwrap_err();
            assert!(matches!(error, SetAsideError::Impossible));
            assert!(!SetAsideQueue::can_take(bytes));
        }
    }
}

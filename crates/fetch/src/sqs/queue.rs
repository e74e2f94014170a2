//! The requests to a queue: receive and delete, and whether it has a redrive policy.

use std::fmt::Write;
use std::time::Duration;

use aws::Aws;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Region;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message as SqsMessage, MessageSystemAttributeName,
    QueueAttributeName,
};
use tracing::warn;

use super::SqsConfig;
use crate::FetchError;

/// The most messages of a request
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>).
const MAX_MESSAGES: usize = 10;

/// How much longer than SQS waits for a message its answer may take.
const MARGIN: Duration = Duration::from_secs(10);

/// A queue of others.
#[derive(Debug)]
pub(crate) struct Queue {
    config: SqsConfig,
    aws: Aws,
    client: Option<Client>,
}

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) body: String,
    /// Where it is, for findings: the queue and its id.
    pub(crate) place: String,
    /// By which it is deleted.
    pub(crate) receipt: String,
    /// How often it was received, this time included; nothing if SQS did not say.
    pub(crate) receives: Option<u32>,
}

impl Message {
    /// What happens to a message that is not deleted.
    pub(crate) fn stays(&self) -> String {
        let mut text = "the message stays in the queue".to_owned();
        if let Some(receives) = self.receives {
            let _ = write!(text, " (received {receives} times)");
        }
        text
    }
}

impl Queue {
    pub(crate) fn new(config: SqsConfig, aws: &Aws) -> Queue {
        Queue {
            config,
            aws: aws.clone(),
            client: None,
        }
    }

    /// Receives messages, and waits for the first.
    pub(crate) async fn receive(&mut self) -> Result<Vec<Message>, FetchError> {
        let client = self.client().await;
        let request = client
            .receive_message()
            .queue_url(&self.config.queue_url)
            .max_number_of_messages(whole(MAX_MESSAGES))
            .wait_time_seconds(seconds(self.config.wait))
            .visibility_timeout(seconds(self.config.visibility_timeout))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = request
            .send()
            .await
            .map_err(|error| FetchError::of_sqs(&error))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(messages
            .filter_map(|message| self.message(message))
            .collect())
    }

    /// Deletes messages by their receipts.
    pub(crate) async fn delete(&mut self, receipts: &[String]) -> Result<(), FetchError> {
        let client = self.client().await;
        let mut kept = 0;
        for receipts in receipts.chunks(MAX_MESSAGES) {
            let entries = receipts.iter().enumerate().map(|(index, receipt)| {
                let entry = DeleteMessageBatchRequestEntry::builder();
                entry.id(index.to_string()).receipt_handle(receipt).build()
            });
            let entries: Result<Vec<_>, _> = entries.collect();
            let entries = entries.map_err(|error| FetchError::Refused(error.to_string()))?;
            let request = client
                .delete_message_batch()
                .queue_url(&self.config.queue_url);
            let request = request.set_entries(Some(entries));
            let answer = request
                .send()
                .await
                .map_err(|error| FetchError::of_sqs(&error))?;
            kept += answer.failed.len();
        }
        match kept {
            0 => Ok(()),
            kept => Err(FetchError::Unavailable(format!(
                "SQS did not delete {kept} of {} messages; they are received again",
                receipts.len()
            ))),
        }
    }

    fn message(&self, message: SqsMessage) -> Option<Message> {
        let name = MessageSystemAttributeName::ApproximateReceiveCount;
        let receives = message
            .attributes
            .as_ref()
            .and_then(|attributes| attributes.get(&name));
        let id = message.message_id.unwrap_or_default();
        Some(Message {
            receives: receives.and_then(|receives| receives.parse().ok()),
            place: format!("{} message {id}", self.config.queue_url),
            body: message.body?,
            receipt: message.receipt_handle?,
        })
    }

    async fn client(&mut self) -> Client {
        if let Some(client) = &self.client {
            return client.clone();
        }
        let mut config = aws_sdk_sqs::config::Builder::from(self.aws.config().await);
        if let Some(region) = region(&self.config.queue_url) {
            config = config.region(Region::new(region.to_owned()));
        }
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(self.config.wait + MARGIN)
            .build();
        let client = Client::from_conf(config.timeout_config(timeouts).build());
        self.warn_of_poison(&client).await;
        self.client.insert(client).clone()
    }

    /// Warns once where a message that cannot be read would come back for as long as the queue keeps it. Who may not ask
    /// is not told.
    async fn warn_of_poison(&self, client: &Client) {
        let request = client
            .get_queue_attributes()
            .queue_url(&self.config.queue_url);
        let request = request.attribute_names(QueueAttributeName::RedrivePolicy);
        let Ok(answer) = request.send().await else {
            return;
        };
        let attributes = answer.attributes.unwrap_or_default();
        if !attributes.contains_key(&QueueAttributeName::RedrivePolicy) {
            warn!(
                queue = self.config.queue_url,
                "the queue has no redrive policy: a message that cannot be read comes back until its retention ends"
            );
        }
    }
}

/// The region of a queue, from its URL: `https://sqs.<region>.amazonaws.com/…`.
fn region(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split(['/', ':']).next()?;
    let (region, domain) = host.strip_prefix("sqs.")?.split_once('.')?;
    domain.starts_with("amazonaws.com").then_some(region)
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

fn whole(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

//! The calls of this source.

use std::time::Duration;

use ::sources::logs::{LogEvent, Rest};
use aws::logs::{DescribeLogGroups, FilterLogEvents, GetLogEvents, LogEvents};
use aws::{Aws, Client, Error};

use super::settings::LogsConfig;
use super::{LogsSource, Work};
use crate::FetchError;

/// A page of a large log group takes some seconds to search.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The most pages of a stream that are read for the rest of one event: 16 MB of it, and as much of other lines, at most 1 MB
/// a page.
const MAX_PAGES: usize = 40;

/// What was asked for, or that the log group does not exist.
pub(super) enum Answer<T> {
    Seen(T),
    Missing,
}

/// A page of the lines of a log group.
pub(super) struct Page(LogEvents);

pub(super) fn client(config: &LogsConfig, aws: &Aws) -> Client {
    let client = limited(aws.client());
    match &config.region {
        Some(region) => client.region(region.clone()),
        None => client,
    }
}

pub(super) fn limited(client: Client) -> Client {
    client.timeout(TIMEOUT)
}

impl Page {
    pub(super) fn events<'a>(&'a self, group: &'a str) -> impl Iterator<Item = LogEvent<'a>> {
        self.0.events.iter().map(move |event| LogEvent {
            group,
            stream: &event.log_stream_name,
            id: &event.event_id,
            timestamp: Some(event.timestamp),
            message: &event.message,
        })
    }

    pub(super) fn next_token(&self) -> Option<&str> {
        self.0.next_token().filter(|token| !token.is_empty())
    }
}

impl LogsSource {
    /// Checks whether a log group is there, and of a class that can be searched. A class that is not allowed to be asked for
    /// is taken to be.
    pub(super) async fn check(&self, group: &str) -> Result<Answer<()>, FetchError> {
        let Some(name) = name(group) else {
            return Ok(Answer::Seen(())); // the log group of another account
        };
        let mut pages = self.client.pages(DescribeLogGroups {
            log_group_name_prefix: name.to_owned(),
            next_token: None,
        });
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) if error.may_pass() => {
                    return Err(failed("DescribeLogGroups", group, &error));
                }
                Err(_) => return Ok(Answer::Seen(())),
            };
            if let Some(found) = page
                .log_groups
                .iter()
                .find(|found| found.log_group_name == name)
            {
                return match found.log_group_class.as_deref() {
                    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html
                    Some(class @ ("INFREQUENT_ACCESS" | "DELIVERY")) => {
                        Err(FetchError::Refused(format!(
                            "log group {group} is of the class {class}, which cannot be searched: jobs have to log to one of the class STANDARD"
                        )))
                    }
                    Some(_) | None => Ok(Answer::Seen(())),
                };
            }
        }
        Ok(Answer::Missing)
    }

    /// Reads the next page of a window.
    pub(super) async fn page(&self, work: &Work) -> Result<Answer<Page>, FetchError> {
        let (name, identifier) = named(&work.group);
        let filter = FilterLogEvents {
            log_group_name: name,
            log_group_identifier: identifier,
            log_stream_name_prefix: self.config.stream_prefix.clone(),
            filter_pattern: self.config.filter.clone(),
            start_time: Some(work.window.from),
            end_time: Some(work.window.to),
            next_token: work.token.clone(),
        };
        match self.client.send(&filter).await {
            Ok(page) => Ok(Answer::Seen(Page(page))),
            Err(error) if error.is("ResourceNotFoundException") => Ok(Answer::Missing),
            Err(error) => Err(failed("FilterLogEvents", &work.group, &error)),
        }
    }
}

/// Reads the rest of an event from its stream, as far as it goes.
pub(super) async fn read_rest(client: &Client, rest: &mut Rest) -> Result<(), FetchError> {
    let (name, identifier) = named(rest.group());
    let mut get = GetLogEvents {
        log_group_name: name,
        log_group_identifier: identifier,
        log_stream_name: rest.stream().to_owned(),
        start_time: rest.since(),
        start_from_head: true,
        next_token: None,
    };
    for _ in 0..MAX_PAGES {
        let page = match client.send(&get).await {
            Ok(page) => page,
            // The stream was deleted since.
            Err(error) if error.is("ResourceNotFoundException") => return Ok(()),
            Err(error) => return Err(failed("GetLogEvents", rest.group(), &error)),
        };
        for event in &page.events {
            let (group, stream) = (rest.group().to_owned(), rest.stream().to_owned());
            let event = LogEvent {
                group: &group,
                stream: &stream,
                id: "",
                timestamp: Some(event.timestamp),
                message: &event.message,
            };
            if !rest.read(&event) {
                return Ok(());
            }
        }
        // The end of a stream is the same token again.
        if page.next_forward_token.is_none() || page.next_forward_token == get.next_token {
            return Ok(());
        }
        get.next_token = page.next_forward_token;
    }
    Ok(())
}

/// The name, or the ARN, of a log group: each has its own member of a request.
fn named(group: &str) -> (Option<String>, Option<String>) {
    match name(group) {
        Some(name) => (Some(name.to_owned()), None),
        None => (None, Some(group.to_owned())),
    }
}

fn name(group: &str) -> Option<&str> {
    (!group.starts_with("arn:")).then_some(group)
}

fn failed(call: &str, group: &str, error: &Error) -> FetchError {
    let told = |why: String| format!("{call} of log group {group}: {why}");
    match FetchError::of(error) {
        FetchError::Unavailable(why) => FetchError::Unavailable(told(why)),
        FetchError::Refused(why) => FetchError::Refused(told(why)),
    }
}

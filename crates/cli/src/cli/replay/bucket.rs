//! An archive in S3: lists its objects and reads one after the other, each whole.
//!
//! Keys are listed in the order of their bytes, which is that of the hours and of the times of writing.

use std::ops::ControlFlow;
use std::time::Duration;

use aws::s3::{GetObject, ListObjects};
use aws::{Aws, Client};
use proxy::config::Errors;
use proxy::queue::AcceptedBetween;
use tokio::sync::mpsc::Sender;

use super::super::input;
use super::ReplayError;
use super::ahead::ObjectsAhead;
use super::origin::{FoundEvent, FoundResult, Range, archived_at, is_in_range, is_read};

/// The time for an object, retries included.
const GET: Duration = Duration::from_secs(60);

/// The largest object that is read, compressed. The target `archive` writes at most 64 MB before compression.
const LARGEST: usize = 128 << 20;

/// A bucket with a prefix.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    bucket: String,
    /// Empty, or with a slash at the end.
    prefix: String,
}

impl Bucket {
    /// Reads `s3://BUCKET/PREFIX`.
    pub(super) fn parse(text: &str) -> Result<Bucket, Errors> {
        let rest = text.strip_prefix("s3://").unwrap_or(text);
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        if !aws::s3::is_bucket(bucket) {
            let why = format!("FROM: expected s3://BUCKET/PREFIX, found {text:?}");
            return Err(Errors::general(why));
        }
        Ok(Bucket {
            bucket: bucket.to_owned(),
            prefix: match prefix {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            },
        })
    }

    pub(super) fn name(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }

    /// Reads all events of the range, until nobody receives them.
    pub(super) async fn read(self, range: &Range, out: &Sender<FoundResult>) -> anyhow::Result<()> {
        let client = Aws::new().client().timeout(GET).max_bytes(LARGEST);
        let list = ListObjects {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            start_after: self.start(range),
            token: None,
        };
        let mut pages = client.pages(list);
        let mut ahead = ObjectsAhead::default();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failed(&self.prefix, &error))?;
            for key in page.keys {
                let Some(place) = key.strip_prefix(&self.prefix) else {
                    continue;
                };
                let mut parts = place.split('/');
                let (Some(day), Some(hour), Some(name), None) =
                    (parts.next(), parts.next(), parts.next(), parts.next())
                else {
                    continue; // not an object of an archive
                };
                let time = archived_at(name);
                if is_read(place, range) {
                    continue;
                }
                if !time.is_none_or(|time| range.accepted.contains(time)) {
                    ahead.note(place, time, range, proxy::queue::now());
                    continue;
                }
                let is_wanted = is_in_range(day, hour, range);
                if is_wanted && self.read_object(&client, &key, time, out).await?.is_break() {
                    return Ok(());
                }
            }
        }
        if let Some(finding) = ahead.finding() {
            let _ = out.send(Err(finding)).await; // nobody may receive it any more
        }
        Ok(())
    }

    /// The key after which the range begins: hours before it are not even listed.
    fn start(&self, range: &Range) -> Option<String> {
        if let Some(after) = &range.after {
            let (folder, _) = after.place.rsplit_once('/')?;
            return Some(format!("{}{folder}", self.prefix));
        }
        let AcceptedBetween { since, .. } = range.accepted;
        // An object may be in the folder of the hour before its name.
        let since = since.checked_sub(3_600_000).filter(|since| *since > 0)?;
        let seconds = since.div_euclid(1_000);
        let time = time::OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        let (year, month, day) = time.to_calendar_date();
        let (month, hour) = (u8::from(month), time.hour());
        Some(format!(
            "{}dt={year:04}-{month:02}-{day:02}/hour={hour:02}",
            self.prefix
        ))
    }

    async fn read_object(
        &self,
        client: &Client,
        key: &str,
        time: Option<i64>,
        out: &Sender<FoundResult>,
    ) -> anyhow::Result<ControlFlow<()>> {
        let get = GetObject {
            bucket: self.bucket.clone(),
            key: key.to_owned(),
        };
        let body = match client.send(&get).await {
            Ok(body) => body,
            // Nothing is known of what is in it, so that the replay goes on another time.
            Err(error) if error.may_pass() => return Err(self.failed(key, &error).into()),
            Err(error) => {
                let failed = self.failed(key, &error).0;
                let sent = out.send(Err(failed)).await;
                return Ok(match sent {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                });
            }
        };
        let name = format!("s3://{}/{key}", self.bucket);
        let place = key.strip_prefix(&self.prefix).unwrap_or(key).to_owned();
        let out = out.clone();
        let read = move || {
            let mut stopped = false;
            let read = input::read_bytes(&name, &body, |found| {
                let event = FoundEvent::in_file(found, &place, time);
                stopped = out.blocking_send(Ok(event)).is_err();
                match stopped {
                    true => Err(anyhow::anyhow!("stopped")),
                    false => Ok(()),
                }
            });
            match read {
                Err(error) if !stopped => {
                    stopped = out.blocking_send(Err(format!("{error:#}"))).is_err();
                }
                Ok(_) | Err(_) => {}
            }
            match stopped {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        Ok(tokio::task::spawn_blocking(read).await?)
    }

    /// The error without S3's own text, which may quote the request.
    fn failed(&self, key: &str, error: &aws::Error) -> ReplayError {
        let place = format!("s3://{}/{key}", self.bucket);
        let chain = aws::error_chain(error);
        ReplayError(format!("{place}: {}", targets::words(&chain)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::origin::Position;
    use super::*;

    #[test]
    fn the_hours_before_the_range_are_not_listed() {
        let bucket = Bucket::parse("s3://my-events/a/").unwrap();
        assert_eq!(bucket.name(), "s3://my-events/a/");
        let mut range = Range {
            accepted: AcceptedBetween {
                since: 1_767_229_260_000,
                ..AcceptedBetween::EVER
            },
            asked_until: i64::MAX,
            last: None,
            after: None,
        };
        let start = bucket.start(&range);
        assert_eq!(start.as_deref(), Some("a/dt=2026-01-01/hour=00"));
        range.after = Some(Position {
            place: "dt=2026-02-03/hour=04/x.jsonl.gz".to_owned(),
            index: 5,
        });
        let start = bucket.start(&range);
        assert_eq!(start.as_deref(), Some("a/dt=2026-02-03/hour=04"));
        assert!(Bucket::parse("s3://my events").is_err());
    }
}

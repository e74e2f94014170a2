//! The format in which the Kinesis Producer Library puts several records into one. The `kinesis` transport of the Java
//! client sends through that library, which aggregates unless it is told not to.
//! <https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md>

use md5::{Digest, Md5};
use prost::Message;

/// What an aggregate begins with.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// The length of the MD5 digest at the end. It detects what is no aggregate, and protects nothing.
const DIGEST: usize = 16;

/// The members of `AggregatedRecord` that we read: not the tables of keys.
#[derive(Clone, PartialEq, Message)]
struct Aggregate {
    #[prost(message, repeated, tag = "3")]
    records: Vec<Record>,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(bytes = "vec", tag = "3")]
    data: Vec<u8>,
}

/// The records of an aggregate. What is none, by its beginning, its digest or its form, is a record by itself, as the Kinesis
/// Client Library has it.
pub(super) fn records(data: &[u8]) -> Option<Vec<Vec<u8>>> {
    let content = data.strip_prefix(&MAGIC)?;
    let (content, digest) = content.split_at_checked(content.len().checked_sub(DIGEST)?)?;
    if Md5::digest(content).as_slice() != digest {
        return None;
    }
    let aggregate = Aggregate::decode(content).ok()?;
    Some(
        aggregate
            .records
            .into_iter()
            .map(|record| record.data)
            .collect(),
    )
}

/// Writes an aggregate as the library does, for tests.
#[cfg(test)]
pub(super) fn aggregate(records: &[&[u8]]) -> Vec<u8> {
    let records = records.iter().map(|data| Record {
        data: data.to_vec(),
    });
    let content = Aggregate {
        records: records.collect(),
    }
    .encode_to_vec();
    let digest = Md5::digest(&content);
    [&MAGIC[..], &content, digest.as_slice()].concat()
}

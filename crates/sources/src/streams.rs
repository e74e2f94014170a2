//! Streams: OpenLineage events that clients put on Kafka, Kinesis, SQS or SNS.

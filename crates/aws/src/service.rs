//! What differs between services: names, signing and protocol.

use crate::endpoint::{self, EndpointError, Variant};

/// A service of AWS.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    /// The service id of its model, which names `AWS_ENDPOINT_URL_<ID>` and the profile's section
    /// (<https://docs.aws.amazon.com/sdkref/latest/guide/ss-endpoints-table.html>).
    pub(crate) id: &'static str,
    /// The name that requests are signed for.
    pub(crate) signing_name: &'static str,
    /// The first label of its host names.
    pub(crate) host: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) endpoints: Exceptions,
}

/// How requests and responses are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// awsJson1_1: the operation is `<prefix>.<name>` in `X-Amz-Target`.
    Json { target_prefix: &'static str },
    /// awsJson1_0: the same with another media type.
    Json10 { target_prefix: &'static str },
    /// restJson1: method and path name the operation.
    RestJson,
    /// awsQuery: a form, answered in XML.
    Query { version: &'static str },
    /// restXml, as S3 speaks it.
    S3,
}

/// Where a service departs from the common form of host names, as the endpoint rules of its model say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exceptions {
    None,
    /// Its usual endpoints in GovCloud are FIPS endpoints.
    GovCloudIsFips,
    /// So are its dual-stack endpoints there.
    GovCloudIsAlwaysFips,
    /// Its usual endpoints are dual-stack endpoints.
    AlwaysDualStack,
    /// It writes `dualstack` before the region, and has no FIPS endpoints in China.
    S3,
}

impl Service {
    /// The name as its service model has it, such as `CloudWatch Logs`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Returns its public endpoint in a region, as a URL.
    ///
    /// # Errors
    ///
    /// The region is not a region name, or the service has no such endpoint there.
    pub fn endpoint(
        &self,
        region: &str,
        fips: bool,
        dual_stack: bool,
    ) -> Result<String, EndpointError> {
        endpoint::public(self, region, Variant { fips, dual_stack })
    }
}

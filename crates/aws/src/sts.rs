//! STS: who is calling.

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Request, Response};
use crate::service::{Exceptions, Protocol, Service};
use crate::xml;

/// STS.
pub static SERVICE: Service = Service {
    id: "STS",
    signing_name: "sts",
    host: "sts",
    protocol: Protocol::Query {
        version: "2011-06-15",
    },
    endpoints: Exceptions::GovCloudIsFips,
};

/// Names the account of the caller (`sts:GetCallerIdentity`, which needs no permission).
#[derive(Debug, Clone, Copy, Default)]
pub struct GetCallerIdentity;

/// Who is calling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerIdentity {
    /// The id of the account: 12 digits.
    pub account: String,
}

impl Operation for GetCallerIdentity {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetCallerIdentity";
    type Output = CallerIdentity;

    fn request(&self) -> Request {
        Request::query::<Self>(&[])
    }

    fn read(response: Response) -> Result<CallerIdentity, UnreadableResponse> {
        let mut account = None;
        xml::document(&response.body, |name, result| match name {
            "GetCallerIdentityResult" => xml::children(result, |name, element| {
                if name == "Account" {
                    account = Some(xml::text(element)?);
                }
                Ok(())
            }),
            _ => Ok(()),
        })?;
        let account = account.ok_or_else(|| UnreadableResponse::without("Account"))?;
        Ok(CallerIdentity { account })
    }
}

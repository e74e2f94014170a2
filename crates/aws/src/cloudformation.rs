//! CloudFormation: stacks, their outputs and resources.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Paginated, Request, Response};
use crate::service::{Exceptions, Protocol, Service};
use crate::xml;

/// CloudFormation.
pub static SERVICE: Service = Service {
    id: "CloudFormation",
    signing_name: "cloudformation",
    host: "cloudformation",
    protocol: Protocol::Query {
        version: "2010-05-15",
    },
    endpoints: Exceptions::GovCloudIsFips,
};

/// Describes a stack, or all stacks of the region (`cloudformation:DescribeStacks`).
#[derive(Debug, Clone, Default)]
pub struct DescribeStacks {
    /// The name or id of one stack.
    pub stack_name: Option<String>,
    /// The page.
    pub next_token: Option<String>,
}

/// The stacks of one page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stacks {
    /// The stacks.
    pub stacks: Vec<Stack>,
    next_token: Option<String>,
}

/// A stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Such as `CREATE_COMPLETE`.
    pub status: String,
    /// Keys and values. Those that the template hides are `****`.
    pub parameters: Vec<(String, String)>,
    /// Keys and values.
    pub outputs: Vec<(String, String)>,
}

impl Operation for DescribeStacks {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "DescribeStacks";
    type Output = Stacks;

    fn request(&self) -> Request {
        Request::query::<Self>(&[
            ("StackName", self.stack_name.as_deref()),
            ("NextToken", self.next_token.as_deref()),
        ])
    }

    fn read(response: Response) -> Result<Stacks, UnreadableResponse> {
        let (stacks, next_token) =
            xml::page(&response.body, "DescribeStacksResult", "Stacks", stack)?;
        Ok(Stacks { stacks, next_token })
    }
}

impl Paginated for DescribeStacks {
    fn next_token(output: &Stacks) -> Option<&str> {
        output.next_token.as_deref()
    }

    fn with_token(self, token: String) -> DescribeStacks {
        DescribeStacks {
            next_token: Some(token),
            ..self
        }
    }
}

fn stack(
    element: &mut aws_smithy_xml::decode::ScopedDecoder<'_, '_>,
) -> Result<Stack, UnreadableResponse> {
    let mut stack = Stack::default();
    xml::children(element, |name, field| {
        match name {
            "StackName" => stack.name = xml::text(field)?,
            "StackStatus" => stack.status = xml::text(field)?,
            "Parameters" => xml::children(field, |_, member| {
                let parameter = xml::pair(member, ["ParameterKey", "ParameterValue"])?;
                stack.parameters.push(parameter);
                Ok(())
            })?,
            "Outputs" => xml::children(field, |_, member| {
                let output = xml::pair(member, ["OutputKey", "OutputValue"])?;
                stack.outputs.push(output);
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    match stack.name.is_empty() {
        true => Err(UnreadableResponse::without("StackName")),
        false => Ok(stack),
    }
}

/// Describes a resource of a stack (`cloudformation:DescribeStackResource`).
#[derive(Debug, Clone)]
pub struct DescribeStackResource {
    /// The name or id of the stack.
    pub stack_name: String,
    /// The name of the resource in the template.
    pub logical_resource_id: String,
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackResource {
    /// Its id at its service.
    pub physical_resource_id: String,
    /// When it was created or last updated by the stack, in seconds since 1970.
    pub last_updated: i64,
}

impl Operation for DescribeStackResource {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "DescribeStackResource";
    type Output = StackResource;

    fn request(&self) -> Request {
        Request::query::<Self>(&[
            ("StackName", Some(&self.stack_name)),
            ("LogicalResourceId", Some(&self.logical_resource_id)),
        ])
    }

    fn read(response: Response) -> Result<StackResource, UnreadableResponse> {
        let (mut id, mut updated) = (None, None);
        xml::document(&response.body, |name, result| match name {
            "DescribeStackResourceResult" => xml::children(result, |_, detail| {
                xml::children(detail, |name, field| {
                    match name {
                        "PhysicalResourceId" => id = Some(xml::text(field)?),
                        "LastUpdatedTimestamp" => updated = Some(xml::text(field)?),
                        _ => {}
                    }
                    Ok(())
                })
            }),
            _ => Ok(()),
        })?;
        let without = UnreadableResponse::without;
        let updated = updated.ok_or_else(|| without("LastUpdatedTimestamp"))?;
        let updated = DateTime::from_str(&updated, Format::DateTimeWithOffset);
        Ok(StackResource {
            physical_resource_id: id.ok_or_else(|| without("PhysicalResourceId"))?,
            last_updated: (updated.map_err(|_| without("LastUpdatedTimestamp"))?).secs(),
        })
    }
}

//! Reads the XML of awsQuery and S3, with the reader that the STS client uses anyway. Pure.

use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};

use crate::error::UnreadableResponse;

impl From<XmlDecodeError> for UnreadableResponse {
    fn from(_: XmlDecodeError) -> UnreadableResponse {
        UnreadableResponse("invalid XML".to_owned()) // its text may quote what was read
    }
}

/// Reads a document: `visit` is called with the local name of each child of the root.
pub(crate) fn document(
    body: &[u8],
    visit: impl FnMut(&str, &mut ScopedDecoder<'_, '_>) -> Result<(), UnreadableResponse>,
) -> Result<(), UnreadableResponse> {
    let mut document = Document::try_from(body)?;
    children(&mut document.root_element()?, visit)
}

/// Calls `visit` with the local name of each child of `parent`. Children that are not read are skipped.
pub(crate) fn children(
    parent: &mut ScopedDecoder<'_, '_>,
    mut visit: impl FnMut(&str, &mut ScopedDecoder<'_, '_>) -> Result<(), UnreadableResponse>,
) -> Result<(), UnreadableResponse> {
    while let Some(mut child) = parent.next_tag() {
        let name = child.start_el().local().to_owned();
        visit(&name, &mut child)?;
    }
    Ok(())
}

/// The text of an element.
pub(crate) fn text(element: &mut ScopedDecoder<'_, '_>) -> Result<String, UnreadableResponse> {
    Ok(try_data(element)?.into_owned())
}

/// Reads a page of a Query operation: `<wrapper><list><member/>…</list><NextToken/></wrapper>`. Returns the members, each read by
/// `member`, and the token of the next page.
pub(crate) fn page<T>(
    body: &[u8],
    wrapper: &str,
    list: &str,
    member: impl Fn(&mut ScopedDecoder<'_, '_>) -> Result<T, UnreadableResponse>,
) -> Result<(Vec<T>, Option<String>), UnreadableResponse> {
    let (mut members, mut next_token) = (Vec::new(), None);
    document(body, |name, result| {
        if name != wrapper {
            return Ok(());
        }
        children(result, |name, element| match name {
            "NextToken" => {
                next_token = Some(text(element)?);
                Ok(())
            }
            _ if name == list => children(element, |_, element| {
                members.push(member(element)?);
                Ok(())
            }),
            _ => Ok(()),
        })
    })?;
    Ok((members, next_token))
}

/// Reads a pair of texts: `<key/><value/>`, by these names.
pub(crate) fn pair(
    element: &mut ScopedDecoder<'_, '_>,
    [key_name, value_name]: [&str; 2],
) -> Result<(String, String), UnreadableResponse> {
    let (mut key, mut value) = (String::new(), String::new());
    children(element, |name, field| {
        match name {
            _ if name == key_name => key = text(field)?,
            _ if name == value_name => value = text(field)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, value))
}

/// The code, message and request id of an error response, as far as it has them.
pub(crate) fn error(body: &[u8]) -> (Option<String>, Option<String>, Option<String>) {
    let (mut code, mut message, mut id) = (None, None, None);
    let mut field = |name: &str, element: &mut ScopedDecoder<'_, '_>| {
        match name {
            "Code" => code = Some(text(element)?),
            "Message" => message = Some(text(element)?),
            "RequestId" => id = Some(text(element)?),
            _ => {}
        }
        Ok(())
    };
    // S3: the fields are in the root. Query: they are in its child `Error`, beside the request id.
    let read = document(body, |name, element| match name {
        "Error" => children(element, &mut field),
        _ => field(name, element),
    });
    match read {
        Ok(()) => (code, message, id),
        Err(_) => (None, None, None),
    }
}

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

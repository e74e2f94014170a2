//! The trace that a request belongs to: read from its headers, carried with its messages as X-Ray writes it, and logged with
//! the outcome of each event. Pure.

/// A trace. Displays the header of X-Ray (<https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>),
/// at most 85 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Trace {
    /// `1-`, 8 hexadecimal digits, `-`, 24 of them.
    root: String,
    /// 16 hexadecimal digits.
    parent: Option<String>,
    /// Whether somebody records it, if that is decided.
    is_sampled: Option<bool>,
}

impl Trace {
    /// Reads `X-Amzn-Trace-Id`, or the attribute `AWSTraceHeader` of a message: `Root=1-…-…;Parent=…;Sampled=1`. Other fields
    /// are left out.
    pub fn from_xray(header: &str) -> Option<Trace> {
        let field = |name: &str| {
            let mut fields = header.split(';').map(str::trim);
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let root = field("Root").filter(|root| is_root(root))?;
        let parent = field("Parent").filter(|parent| is_hex(parent, 16));
        Some(Trace {
            root: root.to_owned(),
            parent: parent.map(str::to_owned),
            is_sampled: match field("Sampled") {
                Some("1") => Some(true),
                Some("0") => Some(false),
                Some(_) | None => None,
            },
        })
    }

    /// Reads `traceparent` of W3C (<https://www.w3.org/TR/trace-context/#traceparent-header>). Its 32 digits are an id of X-Ray
    /// (<https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-traceids>) without the `1-` and the
    /// hyphens, as the exporters of OpenTelemetry convert them.
    pub fn from_traceparent(header: &str) -> Option<Trace> {
        let mut fields = header.trim().split('-');
        let (version, id) = (fields.next()?, fields.next()?);
        let (parent, flags) = (fields.next()?, fields.next()?);
        let is_plain = is_hex(version, 2) && is_hex(id, 32) && is_hex(parent, 16);
        let is_known = match version {
            "ff" => false,
            "00" => fields.next().is_none(),
            _ => true, // a later version may have more
        };
        let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        if !is_plain || !is_known || !is_hex(flags, 2) || is_zero(id) || is_zero(parent) {
            return None;
        }
        let (time, random) = id.split_at_checked(8)?;
        Some(Trace {
            root: format!("1-{time}-{random}"),
            parent: Some(parent.to_owned()),
            is_sampled: u8::from_str_radix(flags, 16)
                .ok()
                .map(|flags| flags & 1 == 1),
        })
    }

    /// Its id, in the form of X-Ray: `1-5759e988-bd862e3fe1be46a994272793`.
    pub fn id(&self) -> &str {
        &self.root
    }
}

impl std::fmt::Display for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Root={}", self.root)?;
        if let Some(parent) = &self.parent {
            write!(f, ";Parent={parent}")?;
        }
        match self.is_sampled {
            Some(is_sampled) => write!(f, ";Sampled={}", u8::from(is_sampled)),
            None => Ok(()),
        }
    }
}

fn is_root(text: &str) -> bool {
    let mut fields = text.split('-');
    fields.next() == Some("1")
        && fields.next().is_some_and(|time| is_hex(time, 8))
        && fields.next().is_some_and(|random| is_hex(random, 24))
        && fields.next().is_none()
}

fn is_hex(text: &str, digits: usize) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == digits && text.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";

    #[test]
    fn a_header_of_xray_is_read_and_written_without_what_else_is_in_it() {
        let header = format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1");
        let read = |header: &str| Trace::from_xray(header).map(|trace| trace.to_string());
        assert_eq!(read(&header).as_ref(), Some(&header));
        let lambda = format!(" Self=1-1; {header} ;Lineage=1:4af1:0");
        assert_eq!(read(&lambda), Some(header));
        let root = format!("Root={ROOT}");
        assert_eq!(read(&format!("{root};Parent=x;Sampled=?")), Some(root));
        for odd in [
            "",
            "Root=",
            "Root=1-5759e988-bd862e3fe1be46a99427279",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a994272793-1",
            "Root=1-5759e988-BD862e3fe1be46a994272793",
            "Roots=1-5759e988-bd862e3fe1be46a994272793",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_traceparent_of_w3c_is_the_same_trace_in_the_form_of_xray() {
        let read = |header: &str| Trace::from_traceparent(header).map(|trace| trace.to_string());
        let trace = "00-4efaaf4d1e8720b39541901950019ee5-53995c3f42cd8ad8-01";
        let expected = "Root=1-4efaaf4d-1e8720b39541901950019ee5;Parent=53995c3f42cd8ad8;Sampled=1";
        assert_eq!(read(trace).as_deref(), Some(expected));
        let unsampled = trace.replace("-01", "-02");
        assert!(read(&unsampled).unwrap().ends_with(";Sampled=0"));
        assert!(read(&trace.replace("00-", "01-").replace("-01", "-01-more")).is_some());
        for odd in [
            "",
            "00-4efaaf4d1e8720b39541901950019ee5-53995c3f42cd8ad8",
            "00-4efaaf4d1e8720b39541901950019ee5-53995c3f42cd8ad8-01-more",
            "ff-4efaaf4d1e8720b39541901950019ee5-53995c3f42cd8ad8-01",
            "00-00000000000000000000000000000000-53995c3f42cd8ad8-01",
            "00-4efaaf4d1e8720b39541901950019ee5-0000000000000000-01",
            "00-4EFAAF4D1E8720B39541901950019EE5-53995c3f42cd8ad8-01",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}

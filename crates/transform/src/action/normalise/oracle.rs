//! Oracle's own URLs: `jdbc:oracle:thin:@//host:port/service`, `…@host:port:sid`, connect descriptors, and names of a
//! directory (Oracle Database JDBC Developer's Guide, "Database URLs and Database Specifiers";
//! <https://docs.oracle.com/en/database/oracle/oracle-database/21/jajdb>). All become the plain URL.

use super::url::Url;

/// The prefix of all of them.
const DRIVERS: [&str; 4] = ["thin", "oci", "oci8", "kprb"];

/// Whether a namespace is a URL of Oracle's driver.
pub(super) fn is_driver(namespace: &str) -> bool {
    specifier(namespace).is_some()
}

/// The part after the driver's name: user, password and connect target.
fn specifier(namespace: &str) -> Option<&str> {
    let rest = after(namespace, "jdbc:").unwrap_or(namespace);
    let (driver, rest) = after(rest, "oracle:")?.split_once(':')?;
    DRIVERS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(driver))
        .then_some(rest)
}

fn after<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The connect target, without user, password and settings.
fn address(namespace: &str) -> Option<&str> {
    let rest = specifier(namespace)?;
    let end = rest.find(['(', '?']).unwrap_or(rest.len());
    let start = rest.get(..end)?.rfind('@').or_else(|| rest.find('@'))?;
    rest.get(start + 1..)
}

/// The namespace with everything that may stay if the URL names no host.
pub(super) fn without_user(namespace: &str) -> String {
    let address = address(namespace).unwrap_or_default();
    let end = address.find('?').unwrap_or(address.len());
    let start = namespace.len() - specifier(namespace).map_or(0, str::len);
    let driver = namespace.get(..start).unwrap_or_default();
    format!("{driver}@{}", address.get(..end).unwrap_or_default())
}

/// The URL; `None` for a name that only a directory or `tnsnames.ora` resolves.
pub(super) fn read(namespace: &str) -> Option<Url<'_>> {
    let address = address(namespace)?;
    let url = |authority, tail| Url {
        scheme: "oracle",
        lower: "oracle".to_owned(),
        authority,
        tail,
        rest: address,
        iam: false,
    };
    if address.trim_start().starts_with('(') {
        // Read by `drivers.rs`, which has to write what it reads.
        return descriptor(address).map(|_| url(address, ""));
    }
    let plain = ["tcp:", "tcps:"]
        .iter()
        .find_map(|protocol| after(address, protocol))
        .unwrap_or(address);
    if after(plain, "ldap:")
        .or_else(|| after(plain, "ldaps:"))
        .is_some()
    {
        return None;
    }
    let slashes = plain.trim_start_matches('/');
    let end = slashes.find(['/', '?']).unwrap_or(slashes.len());
    let (hosts, tail) = slashes.split_at_checked(end)?;
    // `host:port:sid`, which has no slash; the SID serves as the service.
    let sid = hosts
        .rmatch_indices(':')
        .next()
        .filter(|_| !hosts.contains([',', '[']) && hosts.matches(':').count() == 2);
    if let Some((at, _)) = sid {
        return Some(url(hosts.get(..at)?, hosts.get(at..)?));
    }
    let named = plain.len() > slashes.len() || hosts.contains(':') || tail.starts_with('/');
    (named && !hosts.is_empty()).then(|| url(hosts, tail))
}

/// The contents of a connect descriptor: hosts with their ports, and the service or SID.
pub(super) fn descriptor(text: &str) -> Option<(String, Option<&str>)> {
    let (mut hosts, mut port, mut service) = (Vec::new(), None, None);
    let mut host: Option<&str> = None;
    let mut put = |host: Option<&str>, port: Option<&str>| {
        if let Some(host) = host {
            hosts.push(match port {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            });
        }
    };
    for pair in text.split(['(', ')']) {
        let Some((key, value)) = pair.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim().to_ascii_uppercase(), value.trim());
        match key.as_str() {
            "ADDRESS" => {
                put(host.take(), port.take());
            }
            _ if value.is_empty() => {}
            "HOST" => {
                if host.is_some() {
                    put(host.take(), port.take());
                }
                host = Some(value);
            }
            "PORT" => port = Some(value),
            "SERVICE_NAME" | "SID" => service = service.or(Some(value)),
            _ => {}
        }
    }
    put(host, port);
    (!hosts.is_empty()).then(|| (hosts.join(","), service))
}

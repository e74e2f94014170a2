//! Reads the server of a URL: host and port, wherever the URL has them. Called by `normalise.rs`.

use super::super::{lacks_port, oracle, url::Url};
use super::{Driver, UrlParts};
use crate::endpoint::is_region;

impl Driver {
    /// The server, including what settings contribute.
    pub(in super::super) fn authority(&self, host: String, url: &Url<'_>, at: &UrlParts) -> String {
        let mut host = host;
        if self.is("oracle") && host.starts_with('(') {
            host = oracle::descriptor(&host)
                .map(|(hosts, _)| hosts)
                .unwrap_or(host);
        }
        if url.authority.matches('@').count() > 1
            && url
                .authority
                .split(',')
                .all(|part| part.matches('@').count() == 1)
        {
            // A list of hosts, each with a user.
            let hosts = url
                .authority
                .split(',')
                .filter_map(|part| part.split_once('@'));
            host = hosts.map(|(_, host)| host).collect::<Vec<_>>().join(",");
        }
        if self.is("db2")
            && let Some(start) = host.find('=').and_then(|at| host.get(..at)?.rfind(':'))
        {
            // Settings without the database that precedes them.
            host.truncate(start);
        }
        if self.is("mysql") && host.contains('(') {
            host = key_values(&host).unwrap_or(host);
        }
        if host.is_empty() {
            host = at.host.clone().unwrap_or_default();
        }
        if self.is("snowflake") {
            return account(&host, at.account.as_deref());
        }
        if url.iam
            && let Some((cluster, region)) = host.split_once(':')
            && is_region(region)
        {
            host = format!("{cluster}.{region}");
        }
        if let Some(instance) = at
            .instance
            .as_ref()
            .filter(|_| !host.contains('\\') && lacks_port(&host) && at.port.is_none())
        {
            host = format!("{}\\{instance}", host.trim_end_matches(':'));
        }
        if let Some((server, instance)) = host.split_once('\\').filter(|_| self.is("mssql")) {
            // With a port, the instance is ignored ("Building the connection URL").
            let port = instance
                .split_once(':')
                .map(|(_, port)| port.to_owned())
                .or_else(|| at.port.clone());
            if let Some(port) = port.filter(|port| !port.is_empty()) {
                return format!("{server}:{port}");
            }
        }
        match &at.port {
            Some(port) if lacks_port(&host) => format!("{}:{port}", host.trim_end_matches(':')),
            Some(_) | None => host,
        }
    }
}

/// Reads MySQL's `address=(host=h)(port=3307)(user=u)`, one or several.
fn key_values(authority: &str) -> Option<String> {
    let (mut hosts, mut last) = (Vec::new(), None::<String>);
    for pair in authority.split(['(', ')', '[', ']', ',']) {
        let Some((key, value)) = pair.split_once('=') else {
            continue;
        };
        match key.trim().to_ascii_lowercase().as_str() {
            "host" => hosts.extend(last.replace(value.trim().to_owned())),
            "port" => last = last.map(|host| format!("{host}:{}", value.trim())),
            _ => {}
        }
    }
    hosts.extend(last);
    (!hosts.is_empty()).then(|| hosts.join(","))
}

/// A Snowflake account from its host name: `<organisation>-<account>` or `<locator>.<region>.<cloud>`
/// (<https://docs.snowflake.com/en/user-guide/admin-account-identifier>; private links are the same account).
fn account(host: &str, account: Option<&str>) -> String {
    let lower = host.to_ascii_lowercase();
    let bare = lower.strip_suffix(":443").unwrap_or(&lower);
    let domain = [".snowflakecomputing.com", ".snowflakecomputing.cn"]
        .iter()
        .find_map(|domain| bare.strip_suffix(domain));
    match (domain, account) {
        (Some(inner), _) => {
            let inner = inner.strip_suffix(".privatelink").unwrap_or(inner);
            host.get(..inner.len()).unwrap_or(inner).to_owned()
        }
        (None, Some(account)) => account.to_owned(),
        (None, None) => host.get(..bare.len()).unwrap_or(host).to_owned(),
    }
}

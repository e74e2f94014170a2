//! Variables that a container platform sets by itself, and that have the prefix of our settings.
//!
//! Next to a Service called `lineage-proxy`, or `lineage-proxy-ingest`, Kubernetes sets in every container of its
//! namespace variables such as `LINEAGE_PROXY_SERVICE_HOST` and `LINEAGE_PROXY_PORT_5000_TCP_ADDR`
//! (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>; their names are made in
//! `pkg/kubelet/envvars/envvars.go`). Docker's links set the same, and also `…_NAME` and `…_ENV_…`
//! (<https://docs.docker.com/engine/network/links/#environment-variables>). None of them is a setting, and a user
//! cannot turn them off one by one. Called by `layers.rs`.

/// Whether it is one of those variables. `name` is without the prefix.
pub(super) fn is_injected(name: &str, value: &str) -> bool {
    let parts: Vec<&str> = name.split('_').collect();
    let is_named_port = parts.windows(2).any(|pair| pair == ["SERVICE", "PORT"]);
    match parts.as_slice() {
        [.., "SERVICE", "HOST"] => true,
        _ if is_named_port => true,
        [.., "PORT", port, protocol] if is_port(port, protocol) => true,
        [.., "PORT", port, protocol, "PROTO" | "PORT" | "ADDR"] if is_port(port, protocol) => true,
        // Only these two could be meant as settings. Their values tell them apart: `tcp://10.0.0.1:5000`, `/web/db`.
        [.., "PORT"] => value.contains("://"),
        [.., "NAME"] => value.starts_with('/'),
        parts => parts.contains(&"ENV"),
    }
}

fn is_port(port: &str, protocol: &str) -> bool {
    port.parse::<u16>().is_ok() && matches!(protocol, "TCP" | "UDP" | "SCTP")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{Config, Errors, Layers, PREFIX, Role, names};

    /// The variables that Kubernetes sets for a Service, as in its kubelet.
    fn of_service(name: &str, ports: &[(Option<String>, u16, &str)]) -> Vec<(String, String)> {
        let prefix = name.to_ascii_uppercase().replace('-', "_");
        let mut variables = vec![(format!("{prefix}_SERVICE_HOST"), "10.96.7.8".to_owned())];
        for (index, (name, port, protocol)) in ports.iter().enumerate() {
            let url = format!("{}://10.96.7.8:{port}", protocol.to_ascii_lowercase());
            let number = port.to_string();
            if index == 0 {
                variables.push((format!("{prefix}_SERVICE_PORT"), number.clone()));
                variables.push((format!("{prefix}_PORT"), url.clone()));
            }
            if let Some(name) = name {
                let name = name.to_ascii_uppercase().replace('-', "_");
                variables.push((format!("{prefix}_SERVICE_PORT_{name}"), number.clone()));
            }
            let link = format!("{prefix}_PORT_{port}_{protocol}");
            variables.push((format!("{link}_PROTO"), protocol.to_ascii_lowercase()));
            variables.push((format!("{link}_PORT"), number));
            variables.push((format!("{link}_ADDR"), "10.96.7.8".to_owned()));
            variables.push((link, url));
        }
        variables
    }

    fn errors(variables: Vec<(String, String)>) -> Vec<String> {
        match Config::read(Layers::environment(variables), Role::Serve) {
            Ok(_) => Vec::new(),
            Err(Errors(errors)) => errors.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn variables_of_a_service_with_our_name_are_ignored() {
        let ports = [
            (Some("http".to_owned()), 5000, "TCP"),
            (Some("metrics-port".to_owned()), 9090, "TCP"),
        ];
        let variables = of_service("lineage-proxy", &ports);
        let named = |name: &str| variables.iter().any(|(variable, _)| variable == name);
        assert!(
            named("LINEAGE_PROXY_PORT_5000_TCP_ADDR") && named("LINEAGE_PROXY_SERVICE_PORT_HTTP")
        );
        assert_eq!(errors(variables), Vec::<String>::new());
    }

    #[test]
    fn variables_of_a_docker_link_are_ignored() {
        let mut variables = of_service("lineage-proxy", &[(None, 5000, "TCP")]);
        variables.retain(|(name, _)| !name.contains("_SERVICE_"));
        let more = [
            ("LINEAGE_PROXY_NAME", "/web/lineage-proxy"),
            ("LINEAGE_PROXY_ENV_LINEAGE_PROXY_LISTEN", "0.0.0.0:5000"),
            ("LINEAGE_PROXY_1_ENV_PATH", "/bin"),
        ];
        variables.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(errors(variables), Vec::<String>::new());
    }

    #[test]
    fn what_could_be_a_setting_is_still_an_error() {
        for (name, value) in [
            ("LINEAGE_PROXY_PORT", "5000"),
            ("LINEAGE_PROXY_LISTEN_PORT", "5000"),
            ("LINEAGE_PROXY_HOST", "0.0.0.0"),
            ("LINEAGE_PROXY_NAME", "proxy"),
            ("LINEAGE_PROXY_PORT_X_TCP", "5000"),
        ] {
            let errors = errors(vec![(name.to_owned(), value.to_owned())]);
            assert_eq!(errors.len(), 1, "{name}={value}: {errors:?}");
        }
    }

    #[test]
    fn no_setting_and_no_misspelt_one_is_ignored() {
        let names = names::all()
            .iter()
            .map(|entry| names::variable(&entry.name));
        for name in names.map(|name| name.replacen(PREFIX, "", 1)) {
            let letters: Vec<char> = name.chars().collect();
            let mut written = vec![name.clone()];
            for at in 0..letters.len() {
                let (before, after) = (&letters[..at], &letters[at + 1..]);
                written.push(before.iter().chain(after).collect());
                written.push(before.iter().chain(&['X']).chain(after).collect());
                written.push(
                    before
                        .iter()
                        .chain(&['S', letters[at]])
                        .chain(after)
                        .collect(),
                );
            }
            for name in written {
                for value in ["5000", "tcp://10.0.0.1:5000", "/web/x", "10.0.0.1"] {
                    assert!(!is_injected(&name, value), "{name}={value}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn variables_of_any_service_are_ignored(
            service in "lineage-proxy(-[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?)?",
            ports in prop::collection::vec(
                (prop::option::of("[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?"), 1..=u16::MAX, prop::sample::select(vec!["TCP", "UDP", "SCTP"])),
                1..4,
            ),
        ) {
            prop_assert_eq!(errors(of_service(&service, &ports)), Vec::<String>::new());
        }
    }
}

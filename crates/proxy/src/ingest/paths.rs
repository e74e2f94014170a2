//! Paths that are not ours as they stand: those that are meant for us, and what was probably meant by the others.
//!
//! A client that is configured with `http://host:5000/` joins its path with one slash too many, and one that is told 404
//! loses its event. Pure; called by the router for what no route takes.

/// What can be sent to, without the prefix, by what it is for.
const POSTS: [&str; 5] = [
    "/api/v1/lineage",
    "/api/v1/lineage/batch",
    "/api/v1/lineage/validate",
    "/post-lineage-event",
    "/",
];
const GETS: [&str; 4] = ["/api/v1/events/lineage", "/metrics", "/healthz", "/readyz"];

/// The path without doubled slashes and without one at its end, where that is another path.
pub(super) fn cleaned(path: &str) -> Option<String> {
    let mut clean = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        clean.push('/');
        clean.push_str(part);
    }
    if clean.is_empty() {
        clean.push('/');
    }
    (clean != path).then_some(clean)
}

/// The route that a path is most like, with its method; nothing where it is like none.
pub(super) fn nearest(prefix: &str, method: &str, path: &str) -> Option<String> {
    /// Of letters, how many have to be where they are in a route.
    const ALIKE: f64 = 0.5;
    const LONGEST: usize = 200;
    let reads = matches!(method, "GET" | "HEAD");
    let routes = match reads {
        true => &GETS[..],
        false => &POSTS[..],
    };
    let path: String = path
        .chars()
        .take(LONGEST)
        .collect::<String>()
        .to_ascii_lowercase();
    // What was meant may lack the prefix, or have another.
    let alike = |route: &&str| {
        let whole = strsim::normalized_levenshtein(&path, &format!("{prefix}{route}"));
        let (words, wanted) = (last(&path), last(route));
        let named = !wanted.is_empty() && words == wanted;
        whole.max(if named { 0.9 } else { 0.0 })
    };
    let best = routes.iter().copied().map(|route| (alike(&route), route));
    let (alike, route) = best.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let method = if reads { "GET" } else { "POST" };
    (alike >= ALIKE).then(|| format!("{method} {prefix}{route}"))
}

fn last(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or(path, |(_, last)| last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_too_many_are_no_other_path() {
        let cases = [
            ("/api/v1/lineage/", Some("/api/v1/lineage")),
            ("//api/v1/lineage", Some("/api/v1/lineage")),
            ("/api//v1/lineage/batch///", Some("/api/v1/lineage/batch")),
            ("//", Some("/")),
            ("/api/v1/lineage", None),
            ("/", None),
        ];
        for (path, clean) in cases {
            assert_eq!(cleaned(path).as_deref(), clean, "{path}");
        }
        // It is the path, and nothing in it, that is made plain.
        assert_eq!(
            cleaned("/a/../b%2F%2Fc/").as_deref(),
            Some("/a/../b%2F%2Fc")
        );
    }

    #[test]
    fn who_is_nearly_right_is_told_what_is() {
        let cases = [
            ("", "POST", "/api/v1/lineages", Some("POST /api/v1/lineage")),
            ("", "POST", "/API/V1/lineage", Some("POST /api/v1/lineage")),
            ("", "POST", "/api/v2/lineage", Some("POST /api/v1/lineage")),
            ("", "POST", "/lineage", Some("POST /api/v1/lineage")),
            (
                "",
                "PUT",
                "/api/v1/lineage/batches",
                Some("POST /api/v1/lineage/batch"),
            ),
            (
                "/prod",
                "POST",
                "/api/v1/lineage",
                Some("POST /prod/api/v1/lineage"),
            ),
            (
                "/prod",
                "POST",
                "/dev/api/v1/lineage",
                Some("POST /prod/api/v1/lineage"),
            ),
            (
                "",
                "GET",
                "/api/v1/event/lineage",
                Some("GET /api/v1/events/lineage"),
            ),
            ("", "GET", "/health", Some("GET /healthz")),
            ("", "POST", "/wp-login.php", None),
        ];
        for (prefix, method, path, route) in cases {
            assert_eq!(nearest(prefix, method, path).as_deref(), route, "{path}");
        }
    }
}

//! Paths without a route: corrects those with extra slashes, and finds the route that was probably meant.
//!
//! A client that is configured with `http://host:5000/` joins its path with two slashes, and loses its event if it gets
//! a 404. Pure.

use super::Paths;

/// Returns the path without doubled and trailing slashes, if that differs.
pub(crate) fn cleaned(path: &str) -> Option<String> {
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

/// Returns the route with the most similar path, and its method; `None` if none is similar.
pub(super) fn nearest(paths: &Paths, prefix: &str, method: &str, path: &str) -> Option<String> {
    /// The least similarity, from 0 to 1.
    const MIN_SIMILARITY: f64 = 0.5;
    const MAX_COMPARED: usize = 200;
    let reads = matches!(method, "GET" | "HEAD");
    let routes = match reads {
        true => paths.get,
        false => paths.post,
    };
    let path: String = path
        .chars()
        .take(MAX_COMPARED)
        .collect::<String>()
        .to_ascii_lowercase();
    // The path may lack the prefix, or have another.
    let similarity = |route: &&str| {
        let whole = strsim::normalized_levenshtein(&path, &format!("{prefix}{route}"));
        let (found, wanted) = (last(&path), last(route));
        let same_name = !wanted.is_empty() && found == wanted;
        whole.max(if same_name { 0.9 } else { 0.0 })
    };
    let best = routes
        .iter()
        .copied()
        .map(|route| (similarity(&route), route));
    let (similarity, route) = best.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let method = if reads { "GET" } else { "POST" };
    (similarity >= MIN_SIMILARITY).then(|| format!("{method} {prefix}{route}"))
}

fn last(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or(path, |(_, last)| last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: Paths = Paths {
        get: &["/api/v1/events/lineage", "/metrics", "/healthz", "/readyz"],
        post: &[
            "/api/v1/lineage",
            "/api/v1/lineage/batch",
            "/api/v1/lineage/validate",
            "/post-lineage-event",
            "/",
        ],
    };

    #[test]
    fn extra_slashes_make_no_other_path() {
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
        // Segments stay unchanged.
        assert_eq!(
            cleaned("/a/../b%2F%2Fc/").as_deref(),
            Some("/a/../b%2F%2Fc")
        );
    }

    #[test]
    fn a_path_that_is_nearly_right_gets_the_right_one() {
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
            assert_eq!(
                nearest(&PATHS, prefix, method, path).as_deref(),
                route,
                "{path}"
            );
        }
    }
}

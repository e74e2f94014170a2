//! The files of the page that do not change while it runs: they are in the binary, and their names have a hash of the content.
//!
//! So a browser keeps them for good, and gets a new one under a new name. What is served of them is smaller than what is in
//! `assets/` (`squeezed.rs`).

mod squeezed;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode, header};
use sha2::{Digest, Sha256};

use squeezed::{Syntax, squeezed};

/// A file as it is served.
#[derive(Debug)]
struct Asset {
    /// With a hash of the content.
    name: String,
    media_type: &'static str,
    content: Bytes,
}

/// The files that are served, in `/assets/`.
#[derive(Debug)]
pub(crate) struct Assets {
    css: Asset,
    script: Asset,
    lineage: Asset,
    icon: Asset,
}

impl Assets {
    pub(crate) fn new() -> Assets {
        let css = squeezed(include_str!("../assets/page.css"), Syntax::Style);
        let page = squeezed(include_str!("../assets/page.js"), Syntax::Script);
        // One file, and one function of each element that a drawing is in: what one of them has, the next ones use.
        let lineage = concat!(
            "document.querySelectorAll(\".graph\").forEach((graph) => {\n",
            include_str!("../assets/graph.js"),
            include_str!("../assets/drawing.js"),
            include_str!("../assets/lineage.js"),
            "});\n",
        );
        let lineage = squeezed(lineage, Syntax::Script);
        let icon = include_str!("../assets/icon.svg").to_owned();
        let script = "text/javascript; charset=utf-8";
        Assets {
            css: Asset::new("page", "css", "text/css; charset=utf-8", css),
            script: Asset::new("page", "js", script, page),
            lineage: Asset::new("lineage", "js", script, lineage),
            icon: Asset::new("icon", "svg", "image/svg+xml", icon),
        }
    }

    /// The name of the style sheet.
    pub(crate) fn css(&self) -> &str {
        &self.css.name
    }

    /// The name of the script of every screen.
    pub(crate) fn script(&self) -> &str {
        &self.script.name
    }

    /// The name of the script that draws the lineage.
    pub(crate) fn lineage(&self) -> &str {
        &self.lineage.name
    }

    /// The name of the icon.
    pub(crate) fn icon(&self) -> &str {
        &self.icon.name
    }

    fn all(&self) -> [&Asset; 4] {
        [&self.css, &self.script, &self.lineage, &self.icon]
    }

    /// Responds with the file of this name.
    pub(crate) fn respond(&self, file: &str) -> Response<Body> {
        let found = self.all().into_iter().find(|asset| asset.name == file);
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        match found {
            Some(asset) => {
                let media_type = HeaderValue::from_static(asset.media_type);
                headers.insert(header::CONTENT_TYPE, media_type);
                let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
                headers.insert(header::CACHE_CONTROL, forever);
                *response.body_mut() = Body::from(asset.content.clone());
            }
            None => *response.status_mut() = StatusCode::NOT_FOUND,
        }
        response
    }
}

impl Asset {
    fn new(name: &str, extension: &str, media_type: &'static str, content: String) -> Asset {
        /// Enough that two versions of a file differ.
        const HASH: usize = 12;
        let hash = hex::encode(Sha256::digest(&content));
        let hash: String = hash.chars().take(HASH).collect();
        Asset {
            name: format!("{name}.{hash}.{extension}"),
            media_type,
            content: Bytes::from(content),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_name_of_its_content_and_may_be_kept_for_good() {
        let assets = Assets::new();
        for asset in assets.all() {
            let response = assets.respond(&asset.name);
            assert_eq!(response.status(), 200);
            let caching = response.headers()["cache-control"].to_str().unwrap();
            assert!(caching.ends_with("immutable"));
        }
        assert_eq!(assets.respond("page.000000000000.css").status(), 404);
    }

    #[test]
    fn all_files_together_are_small() {
        let assets = Assets::new();
        let size = |assets: &[&Asset]| assets.iter().map(|it| it.content.len()).sum::<usize>();
        let scripts = size(&[&assets.script, &assets.lineage]);
        assert!(scripts <= 20_700, "{scripts}");
        let all = size(&assets.all());
        assert!(all <= 40_000, "{all}");
    }
}

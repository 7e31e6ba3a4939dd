//! What the pages load: a style, a picture and a script, which are in the program. Their addresses have a digest in them, so a browser keeps them until they are others.
//!
//! The script is htmx 2.0.11, as its authors publish it (`htmx.min.js`, under the Zero-Clause BSD licence). Beside it stands one of a few lines of our own, for the one page that
//! cannot do without (`first.js`).

use std::sync::LazyLock;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use consign_model::Digest;

/// Something to be loaded.
struct Asset {
    address: String,
    media: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    fn new(name: &str, media: &'static str, bytes: &'static [u8]) -> Self {
        Self { address: format!("{}/assets/{}-{name}", super::ROOT, Digest::of(bytes).short()), media, bytes }
    }
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset::new("console.css", "text/css; charset=utf-8", include_bytes!("console.css")));
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| Asset::new("htmx.js", "text/javascript; charset=utf-8", include_bytes!("htmx.min.js")));
static FIRST: LazyLock<Asset> = LazyLock::new(|| Asset::new("first.js", "text/javascript; charset=utf-8", include_bytes!("first.js")));
static ICON: LazyLock<Asset> = LazyLock::new(|| Asset::new("icon.svg", "image/svg+xml", include_bytes!("icon.svg")));

/// The style's address.
pub fn style() -> &'static str {
    &STYLE.address
}

/// The script's address.
pub fn script() -> &'static str {
    &SCRIPT.address
}

/// The address of what takes a link's code out of the address.
pub fn first() -> &'static str {
    &FIRST.address
}

/// The picture's address.
pub fn icon() -> &'static str {
    &ICON.address
}

/// All of them, for everybody.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    [&*STYLE, &*SCRIPT, &*FIRST, &*ICON].into_iter().fold(Router::new(), |router, asset| {
        let answer = async || {
            let headers = [
                (CONTENT_TYPE, HeaderValue::from_static(asset.media)),
                (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
            ];
            (headers, asset.bytes).into_response()
        };
        router.route(&asset.address, get(answer))
    })
}

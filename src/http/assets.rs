//! The page: the files of `static/` over HTTP. Every address that is no route comes here last; what is no file either is
//! `not_found`.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tower_http::compression::CompressionLayer;

use super::asset_forms::{self, Forms};
use super::error::{Problem, method_not_allowed};
use super::page_files::{self, PageFile};
use crate::error::ErrorCode;

/// Which page this program has, as it was when first asked: another one has other files.
pub(super) static PAGE_VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut paths: Vec<_> = page_files::paths().collect();
    paths.sort();
    let mut all = Sha256::new();
    for path in paths {
        all.update(path.as_bytes());
        if let Some(file) = page_files::get(&path) {
            all.update(file.hash);
        }
    }
    let hash: [u8; 32] = all.finalize().into();
    hex_of(&hash[..8])
});

/// The files, compressed where the browser takes it. They hold nothing secret, so compression tells nothing.
pub fn router() -> Router {
    Router::new().fallback(asset).layer(CompressionLayer::new())
}

/// Has every file made ready to go out, on a thread beside, for a second or two; what is asked for before is made ready then. A
/// debug build takes its files as they are asked for.
pub(crate) fn prepare_beside() {
    if cfg!(debug_assertions) {
        return;
    }
    let begun = std::thread::Builder::new()
        .name("page files".to_owned())
        .spawn(prepare);
    if let Err(error) = begun {
        tracing::warn!(%error, "the page's files are compressed when they are asked for");
    }
}

fn prepare() {
    for path in page_files::paths() {
        if let Some(file) = page_files::get(&path) {
            asset_forms::of(&path, file);
        }
    }
}

async fn asset(request: Request) -> Response {
    let path = match request.uri().path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    let Some(file) = page_files::get(path) else {
        return Problem::from(ErrorCode::NotFound).into_response();
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = method_not_allowed().await.into_response();
        refused
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
        return refused;
    }
    serve(path, file, request.headers()).await
}

/// Browsers ask again each time and get 304 while it is the same: an upgrade shows at once, and nothing is stale.
async fn serve(path: &str, file: PageFile, asked: &HeaderMap) -> Response {
    // Weak, since the same file goes out compressed or not.
    let tag = format!("W/\"{}\"", hex_of(&file.hash[..16]));
    let mut response = if already_has(asked, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match forms(path, file).await {
            Some(forms) => body(path, &forms, asked),
            None => return Problem::from(ErrorCode::Internal).into_response(),
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// A file that goes out for the first time is compressed now, on a thread that may take its time.
async fn forms(path: &str, file: PageFile) -> Option<Forms> {
    if let Some(forms) = asset_forms::known(path, &file) {
        return Some(forms);
    }
    let path = path.to_owned();
    let made = tokio::task::spawn_blocking(move || asset_forms::of(&path, file));
    made.await.ok()
}

fn body(path: &str, forms: &Forms, asked: &HeaderMap) -> Response {
    let is_brotli = takes_brotli(asked);
    let bytes = if is_brotli {
        &forms.brotli
    } else {
        &forms.plain
    };
    let mut response = axum::body::Body::from(bytes.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(content_type(path)),
    );
    if is_brotli {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}

/// Whether `Accept-Encoding` names `br`, and not with a quality of 0 (RFC 9110, 12.5.3).
fn takes_brotli(asked: &HeaderMap) -> bool {
    asked
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
            let quality = parameters.trim().strip_prefix("q=").map(str::parse::<f32>);
            name.trim().eq_ignore_ascii_case("br") && quality != Some(Ok(0.0))
        })
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn already_has(asked: &HeaderMap, tag: &str) -> bool {
    asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == tag)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What would be lost of a file in which code stands behind the end of a comment of several lines.
    #[test]
    fn no_file_has_code_behind_the_last_line_of_a_comment() {
        for path in
            page_files::paths().filter(|path| path.ends_with(".js") || path.ends_with(".css"))
        {
            let file = page_files::get(&path).expect("it is listed");
            let text = String::from_utf8(file.data.into_owned()).expect("it is text");
            let ends = text.lines().filter(|line| line.trim().starts_with('*'));
            for line in ends.filter(|line| line.contains("*/")) {
                assert!(line.trim_end().ends_with("*/"), "{path}: {line}");
            }
        }
    }

    #[test]
    fn brotli_is_for_who_names_it() {
        let asked = |value: &'static str| {
            let mut asked = HeaderMap::new();
            asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            takes_brotli(&asked)
        };
        assert!(asked("br") && asked("gzip, deflate, BR ;q=0.5") && asked("gzip,br"));
        assert!(!asked("gzip, deflate") && !asked("br;q=0") && !asked("brotli") && !asked(""));
        assert!(!takes_brotli(&HeaderMap::new()));
    }

    /// The one language whose words these are. By their English names emoji are found in every language.
    fn language_of(path: &str) -> Option<&str> {
        let words = path.strip_prefix("js/words/")?;
        let language = words.strip_prefix("emoji/").unwrap_or(words);
        (words != "emoji/en.js").then_some(language)
    }

    /// What a browser loads at most: every theme and every dialog, in the longest of the languages.
    #[test]
    fn all_of_the_page_is_small() {
        let loaded = page_files::paths().filter(|path| !page_files::is_part(path));
        let sizes = loaded.map(|path| {
            let file = page_files::get(&path).expect("it is listed");
            let size = asset_forms::brotli(&asset_forms::as_sent(&path, file.data), 11).len();
            (language_of(&path).map(ToOwned::to_owned), size)
        });
        let mut by_language = std::collections::BTreeMap::new();
        for (language, size) in sizes {
            *by_language.entry(language).or_insert(0) += size;
        }
        let rest = by_language.remove(&None).expect("there is a page");
        let all = rest + by_language.values().max().expect("there are languages");
        assert!(all <= 150_000, "{all} bytes compressed");
    }

    #[test]
    fn every_file_has_a_content_type_of_its_own() {
        for path in page_files::paths() {
            assert_ne!(content_type(&path), "application/octet-stream", "{path}");
        }
    }
}

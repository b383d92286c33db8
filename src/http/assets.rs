//! The page: `static/`, embedded in the binary (a debug build reads the folder, so that an edit needs no build). Every
//! address that is no route comes here last; what is no file either is `not_found`.

use std::borrow::Cow;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};
use tower_http::compression::CompressionLayer;

use super::error::{Problem, method_not_allowed};
use crate::error::ErrorCode;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/static/"]
struct Static;

/// Which page this program has, as it was when first asked: another one has other files.
pub(super) static PAGE_VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut paths: Vec<_> = Static::iter().filter(|path| !hidden(path)).collect();
    paths.sort();
    let mut all = Sha256::new();
    for path in paths {
        all.update(path.as_bytes());
        if let Some(file) = Static::get(&path) {
            all.update(file.metadata.sha256_hash());
        }
    }
    let hash: [u8; 32] = all.finalize().into();
    hex_of(&hash[..8])
});

/// The files, compressed where the browser takes it. They hold nothing secret, so compression tells nothing.
pub fn router() -> Router {
    Router::new().fallback(asset).layer(CompressionLayer::new())
}

async fn asset(request: Request) -> Response {
    let path = match request.uri().path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    let Some(file) = Static::get(path).filter(|_| !hidden(path)) else {
        return Problem::from(ErrorCode::NotFound).into_response();
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = method_not_allowed().await.into_response();
        refused
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
        return refused;
    }
    serve(path, file, request.headers())
}

/// Browsers ask again each time and get 304 while it is the same: an upgrade shows at once, and nothing is stale.
fn serve(path: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    // Weak, since the same file goes out compressed or not.
    let tag = format!("W/\"{}\"", hex_of(&file.metadata.sha256_hash()[..16]));
    let mut response = if already_has(asked, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = axum::body::Body::from(as_sent(path, file.data)).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(content_type(path)),
        );
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// A file as it goes out: scripts and style sheets without the comments that have lines of their own, a fourth of what is sent.
fn as_sent(path: &str, data: Cow<'static, [u8]>) -> Cow<'static, [u8]> {
    let is_source = path.ends_with(".js") || path.ends_with(".css");
    match std::str::from_utf8(&data) {
        Ok(text) if is_source => Cow::Owned(without_comments(text).into_bytes()),
        _ => data,
    }
}

/// The lines stay, so that a trace names the line of the source. A comment beside code stays too: only a parser could tell
/// it from a string.
fn without_comments(text: &str) -> String {
    let mut rest = String::with_capacity(text.len());
    let mut is_inside = false;
    for line in text.split_inclusive('\n') {
        let words = line.trim();
        let end = words.split_once("*/");
        let begins =
            !is_inside && words.starts_with("/*") && end.is_none_or(|(_, code)| code.is_empty());
        let is_comment = is_inside || begins || words.starts_with("//");
        is_inside = (is_inside || begins) && end.is_none();
        if !is_comment {
            rest.push_str(line);
        } else if line.ends_with('\n') {
            rest.push('\n');
        }
    }
    rest
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

/// A file no browser has business with, such as an editor's, or what tells Node that the scripts are modules.
fn hidden(path: &str) -> bool {
    path == "package.json" || path.split('/').any(|part| part.starts_with('.'))
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

    #[test]
    fn comments_with_lines_of_their_own_are_not_sent() {
        let source = "/**\n * What it is.\n */\nconst a = 1; // one\n  // two\n/* three */\nconst b = '/*';\n/* four */ f();\n";
        let sent = "\n\n\nconst a = 1; // one\n\n\nconst b = '/*';\n/* four */ f();\n";
        assert_eq!(without_comments(source), sent);
    }

    /// What would be lost of a file in which code stands behind the end of a comment of several lines.
    #[test]
    fn no_file_has_code_behind_the_last_line_of_a_comment() {
        for path in Static::iter().filter(|path| path.ends_with(".js") || path.ends_with(".css")) {
            let file = Static::get(&path).expect("it is listed");
            let text = String::from_utf8(file.data.into_owned()).expect("it is text");
            let ends = text.lines().filter(|line| line.trim().starts_with('*'));
            for line in ends.filter(|line| line.contains("*/")) {
                assert!(line.trim_end().ends_with("*/"), "{path}: {line}");
            }
        }
    }

    #[test]
    fn every_file_has_a_content_type_of_its_own() {
        for path in Static::iter().filter(|path| !hidden(path)) {
            assert_ne!(content_type(&path), "application/octet-stream", "{path}");
        }
    }
}

//! The API reference for people, at `/docs`: a page that reads `/openapi.json`. All of it is in the binary, and nothing
//! of it calls another host.

use std::{fmt::Write as _, io::Read as _};

use poem::{
    Request, Response, Route, get, handler,
    http::{HeaderMap, StatusCode, header},
    web::Path,
};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::{
    http::{ApiError, at},
    kernel::Code,
};

/// Stricter than the policy of other answers: the page may talk to this server and to no other.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self';script-src 'self';style-src 'self' 'unsafe-inline';\
img-src 'self' data:;font-src 'self' data:;connect-src 'self';object-src 'none';base-uri 'self';form-action 'self';\
frame-ancestors 'self'";
/// The files are small to ask for anew, and a new binary may bring others under the same names.
const CACHE_CONTROL: &str = "no-cache";
/// The types of files that are served. A file of another type is for developers.
const TYPES: [(&str, &str); 3] =
    [(".html", "text/html; charset=utf-8"), (".js", "text/javascript; charset=utf-8"), (".svg", "image/svg+xml")];
/// The greatest size of an unpacked file.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The files of the page. Large ones are packed by gzip, with `.gz` after their name.
#[derive(RustEmbed)]
#[folder = "assets/docs"]
struct Assets;

/// Adds the routes of the reference. They need no credentials.
pub fn mount(route: Route) -> Route {
    route
        .at("/docs", at("/docs", get(index)))
        .at("/docs/", at("/docs", get(index)))
        .at("/docs/:file", at("/docs/:file", get(asset)))
}

/// The routes of the reference alone.
#[must_use]
pub fn routes() -> Route {
    mount(Route::new())
}

#[handler]
fn index(request: &Request) -> Result<Response, ApiError> {
    serve("index.html", request.headers())
}

#[handler]
fn asset(request: &Request, Path(file): Path<String>) -> Result<Response, ApiError> {
    serve(&file, request.headers())
}

/// A file of the page, as the client can read it.
fn serve(name: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let not_found = || ApiError::new(Code::NotFound, "there is nothing under this path");
    let (_, kind) = TYPES.iter().find(|(ending, _)| name.ends_with(ending)).ok_or_else(not_found)?;
    let packed = Assets::get(&format!("{name}.gz"));
    let is_packed = packed.is_some();
    let file = packed.or_else(|| Assets::get(name)).ok_or_else(not_found)?;
    let as_packed = is_packed && accepts_gzip(headers);
    let tag = entity_tag(&file, as_packed);
    let mut response = Response::builder()
        .header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)
        .header(header::CACHE_CONTROL, CACHE_CONTROL)
        .header(header::ETAG, &tag);
    if is_packed {
        response = response.header(header::VARY, "Accept-Encoding");
    }
    if is_known(headers, &tag) {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    let response = response.content_type(*kind);
    match (is_packed, as_packed) {
        (true, true) => Ok(response.header(header::CONTENT_ENCODING, "gzip").body(file.data.into_owned())),
        (true, false) => Ok(response.body(unpack(&file.data)?)),
        (false, _) => Ok(response.body(file.data.into_owned())),
    }
}

/// A strong validator: the file's checksum, another for each encoding.
fn entity_tag(file: &EmbeddedFile, as_packed: bool) -> String {
    let mut tag = String::from("\"");
    for byte in file.metadata.sha256_hash().iter().take(12) {
        // Writing to a String does not fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push_str(if as_packed { "-gz\"" } else { "\"" });
    tag
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|item| {
        let (name, quality) = item.split_once(';').unwrap_or((item, ""));
        let quality = quality.trim().trim_start_matches("q=").trim_end_matches(['0', '.']);
        let refused = item.contains(';') && quality.is_empty();
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

fn unpack(data: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(data)
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut text)
        .map(|_| text)
        .map_err(|_| ApiError::new(Code::Internal, "a file of the page is broken"))
}

#[cfg(test)]
mod tests {
    use poem::Endpoint as _;

    use super::*;

    async fn call(path: &str, headers: &[(&'static str, &str)]) -> Response {
        let mut request = Request::builder().uri(path.parse().unwrap());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        routes().get_response(request.finish()).await
    }

    #[tokio::test]
    async fn the_page_and_its_files_are_served_with_their_own_policy() {
        for (path, kind) in [
            ("/docs", "text/html; charset=utf-8"),
            ("/docs/", "text/html; charset=utf-8"),
            ("/docs/init.js", "text/javascript; charset=utf-8"),
            ("/docs/scalar.js", "text/javascript; charset=utf-8"),
            ("/docs/favicon.svg", "image/svg+xml"),
        ] {
            let response = call(path, &[]).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.content_type(), Some(kind));
            assert_eq!(response.header(header::CONTENT_SECURITY_POLICY), Some(CONTENT_SECURITY_POLICY));
            assert_eq!(response.header(header::CACHE_CONTROL), Some(CACHE_CONTROL));
        }
    }

    #[tokio::test]
    async fn a_packed_file_goes_out_packed_to_who_reads_that_and_plain_to_others() {
        let packed = call("/docs/scalar.js", &[("accept-encoding", "br, gzip;q=0.5")]).await;
        assert_eq!(packed.header(header::CONTENT_ENCODING), Some("gzip"));
        assert_eq!(packed.header(header::VARY), Some("Accept-Encoding"));
        let tag = packed.header(header::ETAG).unwrap().to_owned();
        let packed = packed.into_body().into_vec().await.unwrap();
        let plain = call("/docs/scalar.js", &[("accept-encoding", "gzip;q=0.0")]).await;
        assert!(plain.header(header::CONTENT_ENCODING).is_none());
        assert_ne!(plain.header(header::ETAG), Some(&*tag));
        let plain = plain.into_body().into_vec().await.unwrap();
        assert_eq!(unpack(&packed).unwrap(), plain);
        let again = call("/docs/scalar.js", &[("accept-encoding", "gzip"), ("if-none-match", &tag)]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }

    #[tokio::test]
    async fn what_is_no_file_of_the_page_is_not_found() {
        for path in
            ["/docs/VENDORED.md", "/docs/scalar.LICENSE.txt", "/docs/scalar.js.gz", "/docs/..%2Finit.js", "/docs/x.js"]
        {
            assert_eq!(call(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn the_page_names_no_other_host_and_holds_no_script() {
        let page = String::from_utf8(Assets::get("index.html").unwrap().data.into_owned()).unwrap();
        assert!(!page.contains("http://") && !page.contains("https://"));
        assert!(page.match_indices("<script").all(|(at, _)| page[at..].starts_with("<script src=\"/docs/")));
    }
}

//! Who may ask. Every page that is open in the same browser can send requests to 127.0.0.1, and a name that its owner lets point here makes
//! such a page look like ours: so the host, the origin and a key are looked at, and nothing but reading is possible.

use std::fmt;

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use sha2::{Digest, Sha256};

/// Bytes of a key.
const BYTES: usize = 24;

/// What a request for data must bring. It stands behind the # of the address, which browsers keep to themselves, and comes back in a header,
/// which no other page may set.
pub(super) struct Key(String);

impl Key {
    /// A key that nobody can guess.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        let hex = |half: u8| char::from_digit(half.into(), 16);
        Ok(Self(bytes.iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]).flatten().collect()))
    }

    /// How long it takes to compare tells nothing about the key: digests are compared.
    fn is(&self, other: &str) -> bool {
        Sha256::digest(&self.0) == Sha256::digest(other)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Knows which requests are those of our own page.
pub(super) struct Guard {
    pub(super) port: u16,
    pub(super) key: Key,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It would change something.
    Method,
    /// It was sent to another name than ours.
    Host,
    /// Another page sent it.
    Origin,
    /// It has no key, or a wrong one.
    Key,
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Key => StatusCode::UNAUTHORIZED,
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Method => "nasctl ui only shows: GET is all it takes\n",
            Self::Host => "this is not the address of nasctl ui: open the one that it printed\n",
            Self::Origin => "nasctl ui answers no other page\n",
            Self::Key => "the key is missing or wrong: open the address that nasctl ui printed, with all that follows the #\n",
        }
    }
}

impl Guard {
    /// Whether a request is answered. `open` is what holds nothing of a search: the empty page and its scripts.
    pub(super) fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap, open: bool) -> Result<(), Refusal> {
        if ![Method::GET, Method::HEAD].contains(method) {
            return Err(Refusal::Method);
        }
        let ours = ["127.0.0.1", "localhost"].map(|name| format!("{name}:{}", self.port));
        let only = |name| {
            let mut values = headers.get_all(name).iter();
            let first = values.next()?.to_str().ok()?;
            values.next().is_none().then_some(first)
        };
        let host = only(header::HOST).filter(|host| ours.iter().any(|own| own == host)).ok_or(Refusal::Host)?;
        if uri.authority().is_some_and(|authority| authority.as_str() != host) {
            return Err(Refusal::Host);
        }
        let origin = format!("http://{host}");
        if headers.contains_key(header::ORIGIN) && only(header::ORIGIN) != Some(&origin) {
            return Err(Refusal::Origin);
        }
        if open {
            return Ok(());
        }
        // Browsers say where a request comes from; what is none does not, and needs the key all the same.
        if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin") {
            return Err(Refusal::Origin);
        }
        let key = only(header::AUTHORIZATION).and_then(|said| said.strip_prefix("Bearer "));
        if key.is_some_and(|key| self.key.is(key)) { Ok(()) } else { Err(Refusal::Key) }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    const KEY: &str = "k3y";

    /// Headers, and what becomes of them.
    type Case<'a> = (&'a [(&'a str, &'a str)], Result<(), Refusal>);

    fn judged(method: &Method, uri: &str, headers: &[(&str, &str)], open: bool) -> Result<(), Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) else { unreachable!() };
            map.append(name, value);
        }
        let Ok(uri) = uri.parse() else { unreachable!() };
        Guard { port: 8123, key: Key(KEY.to_owned()) }.judge(method, &uri, &map, open)
    }

    #[test]
    fn only_our_own_page_is_answered() {
        let host = ("host", "127.0.0.1:8123");
        let key = ("authorization", "Bearer k3y");
        let same = ("sec-fetch-site", "same-origin");
        let own = ("origin", "http://127.0.0.1:8123");
        let cases: &[Case] = &[
            (&[host, key], Ok(())),
            (&[host, key, same, own], Ok(())),
            (&[("host", "localhost:8123"), key, ("origin", "http://localhost:8123")], Ok(())),
            // A name that its owner lets point to 127.0.0.1, or none, or two.
            (&[("host", "evil.example:8123"), key], Err(Refusal::Host)),
            (&[("host", "127.0.0.1"), key], Err(Refusal::Host)),
            (&[("host", "127.0.0.1:8123.evil.example"), key], Err(Refusal::Host)),
            (&[("host", "[::1]:8123"), key], Err(Refusal::Host)),
            (&[key], Err(Refusal::Host)),
            (&[host, ("host", "evil.example"), key], Err(Refusal::Host)),
            // Another page, another port, a page without an origin.
            (&[host, key, ("origin", "http://evil.example")], Err(Refusal::Origin)),
            (&[host, key, ("origin", "http://127.0.0.1:8124")], Err(Refusal::Origin)),
            (&[host, key, ("origin", "http://localhost:8123")], Err(Refusal::Origin)),
            (&[host, key, ("origin", "null")], Err(Refusal::Origin)),
            (&[host, key, own, ("origin", "http://evil.example")], Err(Refusal::Origin)),
            (&[host, key, ("sec-fetch-site", "cross-site")], Err(Refusal::Origin)),
            (&[host, key, ("sec-fetch-site", "same-site")], Err(Refusal::Origin)),
            // Without the key, or with almost the key.
            (&[host], Err(Refusal::Key)),
            (&[host, ("authorization", "k3y")], Err(Refusal::Key)),
            (&[host, ("authorization", "Bearer ")], Err(Refusal::Key)),
            (&[host, ("authorization", "Bearer k3")], Err(Refusal::Key)),
            (&[host, ("authorization", "Bearer k3y2")], Err(Refusal::Key)),
            (&[host, key, ("authorization", "Bearer other")], Err(Refusal::Key)),
            (&[host, ("cookie", "k3y")], Err(Refusal::Key)),
        ];
        for (headers, expected) in cases {
            assert_eq!(judged(&Method::GET, "/data", headers, false), *expected, "{headers:?}");
        }
    }

    #[test]
    fn nothing_can_be_changed_and_the_empty_page_needs_no_key() {
        let host = ("host", "127.0.0.1:8123");
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            assert_eq!(judged(&method, "/data", &[host, ("authorization", "Bearer k3y")], false), Err(Refusal::Method));
        }
        // A link in another page may lead here.
        assert_eq!(judged(&Method::GET, "/", &[host, ("sec-fetch-site", "cross-site")], true), Ok(()));
        assert_eq!(judged(&Method::GET, "/", &[("host", "evil.example:8123")], true), Err(Refusal::Host));
        assert_eq!(judged(&Method::GET, "/", &[host, ("origin", "http://evil.example")], true), Err(Refusal::Origin));
        // A proxy's form of the address.
        assert_eq!(judged(&Method::GET, "http://evil.example/", &[host], true), Err(Refusal::Host));
    }

    #[test]
    fn no_key_is_like_another() {
        let (Ok(one), Ok(other)) = (Key::new(), Key::new()) else { unreachable!() };
        assert!(one.0.len() == 2 * BYTES && !one.is(&other.0) && one.is(&one.0));
    }
}

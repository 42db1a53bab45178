//! The client of addresses that others name: it reaches no machine that they could not reach themselves.
//!
//! Every connection goes to an address that was looked at when its name was resolved, so a name that leads elsewhere the next time
//! leads nowhere. Redirects are looked at in the same way, and followed only by what reads; proxies of the environment are not used.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};

/// How many redirects are followed by a request that only reads.
const REDIRECTS_MAX: usize = 5;
/// Why a request cannot be made at all.
const PRIVATE: &str = "the address is one of this machine or of a private network";

/// The client of addresses that others name.
#[derive(Clone, Debug)]
pub struct Anywhere {
    client: Client,
    allow_private: bool,
}

impl Anywhere {
    /// A client whose exchanges take at most so long; with `allow_private` it reaches this machine and private networks, too, and speaks
    /// plain HTTP.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(timeout: Duration, allow_private: bool) -> Result<Self, reqwest::Error> {
        let name = concat!("stead/", env!("CARGO_PKG_VERSION"));
        let builder = Client::builder().user_agent(name).timeout(timeout).redirect(Policy::none()).no_proxy();
        let builder = if allow_private { builder } else { builder.dns_resolver(Arc::new(PublicOnly)) };
        Ok(Self { client: builder.build()?, allow_private })
    }

    /// Posts a body. Answers the status, and the begin of the answer as text.
    ///
    /// # Errors
    /// Why there is no answer, for people.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: String,
        kept_bytes: usize,
    ) -> Result<(u16, String), String> {
        let url = is_allowed(url, self.allow_private)?;
        let request = headers.iter().fold(self.client.post(url), |request, (name, value)| request.header(*name, value));
        let mut answer = request.body(body).send().await.map_err(|error| told(&error))?;
        let mut kept = Vec::new();
        // What is beyond is not read: the connection ends there.
        while let Some(chunk) = answer.chunk().await.map_err(|error| told(&error))? {
            kept.extend_from_slice(chunk.get(..chunk.len().min(kept_bytes - kept.len())).unwrap_or_default());
            if kept.len() >= kept_bytes {
                break;
            }
        }
        Ok((answer.status().as_u16(), String::from_utf8_lossy(&kept).into_owned()))
    }

    /// Reads what stands at an address, following a few redirects; what is sent along goes to the origin of the first only.
    ///
    /// # Errors
    /// Why there is no answer, for people.
    pub async fn get(&self, url: &str, headers: &[(String, String)], bytes_max: usize) -> Result<Fetched, String> {
        let first = is_allowed(url, self.allow_private)?;
        let mut at = first.clone();
        for _ in 0..=REDIRECTS_MAX {
            let given = headers.iter().filter(|_| at.origin() == first.origin());
            let request = given.fold(self.client.get(at.clone()), |request, (name, value)| request.header(name, value));
            let answer = request.send().await.map_err(|error| told(&error))?;
            let header = |name: &str| answer.headers().get(name)?.to_str().ok().map(str::to_owned);
            if matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                let next = header("location").and_then(|to| at.join(&to).ok());
                let next = next.ok_or("the endpoint redirects to nowhere")?;
                at = is_allowed(next.as_str(), self.allow_private)?;
                continue;
            }
            let mut fetched = Fetched {
                status: answer.status().as_u16(),
                etag: header("etag"),
                last_modified: header("last-modified"),
                link: header("link"),
                body: Vec::new(),
            };
            let mut answer = answer;
            while let Some(chunk) = answer.chunk().await.map_err(|error| told(&error))? {
                if fetched.body.len() + chunk.len() > bytes_max {
                    return Err(format!("the answer is larger than {bytes_max} bytes"));
                }
                fetched.body.extend_from_slice(&chunk);
            }
            return Ok(fetched);
        }
        Err(format!("the endpoint redirects more than {REDIRECTS_MAX} times"))
    }
}

/// What another server gave out.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// The header `ETag`.
    pub etag: Option<String>,
    /// The header `Last-Modified`.
    pub last_modified: Option<String>,
    /// The header `Link`.
    pub link: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What went wrong, without the address, which may hold a secret.
fn told(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    match () {
        () if error.is_timeout() => "the endpoint did not answer in time".into(),
        () if error.is_connect() => format!("the endpoint cannot be reached: {cause}"),
        () => format!("the exchange broke off: {cause}"),
    }
}

/// Reads an address to which others want something to be posted.
///
/// # Errors
/// Why it is none, for people.
pub fn is_allowed(url: &str, allow_private: bool) -> Result<Url, String> {
    let parsed = Url::parse(url).map_err(|_| "must be a URL such as https://example.com/hook".to_owned())?;
    let scheme = match parsed.scheme() {
        "https" => true,
        "http" => allow_private,
        _ => false,
    };
    if !scheme {
        return Err("must begin with https://".into());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() || url.len() > 2_000 {
        return Err("must have no user and password, and at most 2000 characters".into());
    }
    let address = parsed.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    let is_local = parsed.host_str().is_some_and(|host| {
        let host = host.trim_end_matches('.');
        host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
    });
    if !allow_private && (is_local || address.is_some_and(|address| !is_public(address))) {
        return Err(PRIVATE.into());
    }
    Ok(parsed)
}

/// Names as the machine resolves them, without addresses that are not public.
#[derive(Debug)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|found| is_public(found.ip())).collect();
            if public.is_empty() {
                return Err(PRIVATE.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one that anyone on the Internet can reach (by the registries of
/// [IPv4](https://www.iana.org/assignments/iana-ipv4-special-registry) and
/// [IPv6](https://www.iana.org/assignments/iana-ipv6-special-registry)).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 224)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match (a, b, c, d, e, f) {
        // IPv4 in other forms: mapped, by NAT64, by 6to4.
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        (0x2002, high, low, ..) => v4(high, low),
        // Only what is given out as global unicast, but for documentation, Teredo and benchmarks.
        (0x2001, 0xdb8, ..) | (0x2001, 0 | 2, ..) | (0x3fff, 0..=0xfff, ..) => false,
        _ => (0x2000..0x4000).contains(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_not_all_can_reach_are_refused() {
        for inner in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            let address: IpAddr = inner.parse().unwrap();
            assert!(!is_public(address), "{inner}");
            let url = if address.is_ipv6() { format!("https://[{inner}]/x") } else { format!("https://{inner}/x") };
            assert_eq!(is_allowed(&url, false).unwrap_err(), PRIVATE, "{url}");
            assert!(is_allowed(&url, true).is_ok(), "{url}");
        }
        for outer in ["1.1.1.1", "172.32.0.1", "192.0.1.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(outer.parse().unwrap()), "{outer}");
        }
    }

    #[test]
    fn only_plain_addresses_over_tls_are_taken() {
        for wrong in [
            "",
            "example.com",
            "http://example.com",
            "ftp://example.com",
            "https://a:b@example.com",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
        ] {
            assert!(is_allowed(wrong, false).is_err(), "{wrong}");
        }
        assert!(is_allowed("https://example.com/hook?a=b", false).is_ok());
        assert!(is_allowed("http://localhost:8000/hook", true).is_ok());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_leads_nowhere() {
        let client = Anywhere::new(Duration::from_secs(5), false).unwrap();
        // A name of this machine that is none of the literal ones.
        let name: Name = "localhost".parse().unwrap();
        assert!(PublicOnly.resolve(name).await.err().unwrap().to_string().contains("private network"));
        let refused = client.post("https://localhost./x", &[], String::new(), 10).await;
        assert_eq!(refused.unwrap_err(), PRIVATE);
    }
}

//! Who is at the other end of a request: the caller, the address, the device.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use ipnet::IpNet;
use poem::{Addr, Request, http::header};

use super::{ApiError, RequestId, Session};
use crate::{
    access::{Principal, Who},
    kernel::Code,
};

/// The most of a client's name that is kept, in characters.
const DEVICE_MAX: usize = 200;

/// The address of the client, put into each request by the pipeline.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientAddress(pub(super) Option<IpAddr>);

/// The caller of a request behind the gate.
///
/// # Errors
/// 401 when the route is not behind the gate.
pub fn caller_of(request: &Request) -> Result<Arc<Principal>, ApiError> {
    let session = request.data::<Session>();
    session.map(|s| Arc::clone(&s.principal)).ok_or_else(|| ApiError::new(Code::Unauthenticated, "sign in first"))
}

/// The id of a request.
#[must_use]
pub fn request_id_of(request: &Request) -> String {
    request.data::<RequestId>().map_or_else(String::new, |id| id.0.to_string())
}

/// The address of the client; `None` for the operator, who comes through a socket in the data folder.
#[must_use]
pub fn address_of(request: &Request) -> Option<IpAddr> {
    request.data::<ClientAddress>().and_then(|address| address.0)
}

/// Who asks, as logs tell it; a guest has no name.
#[must_use]
pub fn who_of(request: &Request) -> Who {
    let (request_id, address) = (request_id_of(request), address_of(request));
    match request.data::<Session>() {
        Some(session) => Who::of(&session.principal, &request_id, address),
        None => Who { address, request_id, ..Who::default() },
    }
}

/// What the client calls itself, as far as it is fit to be shown.
#[must_use]
pub fn device_of(request: &Request) -> String {
    let name = request.header(header::USER_AGENT).unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).take(DEVICE_MAX).collect()
}

/// The address of the client: the nearest one in `X-Forwarded-For` that is no trusted proxy, when the peer is one.
pub(super) fn client_address(request: &Request, trusted: &[IpNet]) -> Option<IpAddr> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let Addr::SocketAddr(peer) = &request.remote_addr().0 else { return None };
    let peer = peer.ip().to_canonical();
    if !is_trusted(&peer) {
        return Some(peer);
    }
    let values = request.headers().get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let listed: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let addresses =
        listed.iter().rev().map_while(|text| text.parse::<IpAddr>().ok()).map(|address| address.to_canonical());
    let mut client = peer;
    for address in addresses {
        client = address;
        if !is_trusted(&address) {
            break;
        }
    }
    Some(client)
}

/// One client may have a whole IPv6 network of /64, so it counts as one address.
#[must_use]
pub fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
    }
}

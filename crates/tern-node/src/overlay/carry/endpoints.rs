//! The two endpoints of a node, both with its one key.
//!
//! The *link* endpoint speaks to neighbours over IP and carries everybody's packets. The *main* endpoint does everything else, over a
//! direct path where there is one and over the mesh otherwise. Two of them, so that the mesh never routes over itself.
//!
//! Acknowledgements stay as the protocol has them. Fewer of them cost a little less, but noq 1.4.0 writes the frame that asks for them
//! without looking whether it fits, and panics where it does not: seen with fifty nodes on two cores.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::{BindOpts, IdleTimeout, PortmapperConfig, QuicTransportConfig, presets};
use iroh::{Endpoint, RelayMode, SecretKey};

use crate::overlay::carry::fabric::{DATAGRAMS_OUT, Fabric, MAIN_MTU};
use crate::overlay::carry::transport::Mesh;
use crate::overlay::carry::ways::{Directory, PreferDirect};
use crate::overlay::door::members::Members;
use crate::overlay::{CALL_ALPN, JOIN_ALPN, LINK_ALPN, OverlayError, PATH_ALPN};

/// A connection that says nothing for this long is over. A dead link is noticed by its heartbeats long before, and routed around.
const IDLE: Duration = Duration::from_secs(15);
/// Something is said at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// One path of several is given up after this, and what it carried goes on over another; longer than a dead hop takes to be noticed,
/// so that a way over the mesh is not given up with it.
const PATH_IDLE: Duration = Duration::from_secs(4);
/// Something is said on each path at least this often.
const PATH_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// A connection of the main endpoint that says nothing for this long is over: longer than on a link, for it outlives the hop that
/// carries it.
const MAIN_IDLE: Duration = Duration::from_secs(30);
/// Bytes of the first packets of a link; larger ones are tried later.
const LINK_MTU: u16 = 1_420;
/// Datagrams that wait to be taken from a link, bytes.
const DATAGRAMS_IN: usize = 2 * 1024 * 1024;
/// Streams that a peer may have open here at once, of each kind. More wait with the peer.
pub const STREAMS_MAX: u32 = 256;
/// Link connections carry one stream each way, and one more while it is replaced.
const LINK_STREAMS_MAX: u32 = 2;

/// What both endpoints are made of.
pub struct Making<'a> {
    pub secret: &'a SecretKey,
    pub members: &'a Members,
    /// Asks routers for a way in (UPnP, PCP, NAT-PMP).
    pub port_mapping: bool,
}

impl Making<'_> {
    fn builder(&self, listen: SocketAddr) -> Result<iroh::endpoint::Builder, String> {
        let mapping = if self.port_mapping && !listen.ip().is_loopback() {
            PortmapperConfig::default()
        } else {
            PortmapperConfig::Disabled
        };
        let builder = Endpoint::builder(presets::Minimal)
            .secret_key(self.secret.clone())
            .relay_mode(RelayMode::Disabled)
            .clear_ip_transports()
            .hooks(self.members.clone())
            .portmapper_config(mapping);
        let builder = builder.bind_addr(listen).map_err(|error| error.to_string())?;
        if !listen.ip().is_unspecified() || listen.is_ipv6() {
            return Ok(builder);
        }
        // IPv6 where there is any.
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, listen.port()));
        builder.bind_addr_with_opts(v6, BindOpts::default().set_is_required(false)).map_err(|error| error.to_string())
    }

    /// # Errors
    /// [`OverlayError::Listen`]
    pub async fn link(&self, listen: SocketAddr) -> Result<Endpoint, OverlayError> {
        let config = QuicTransportConfig::builder()
            .max_idle_timeout(idle(IDLE))
            .keep_alive_interval(KEEP_ALIVE)
            .default_path_max_idle_timeout(IDLE)
            .default_path_keep_alive_interval(KEEP_ALIVE)
            .initial_mtu(LINK_MTU)
            .max_concurrent_uni_streams(LINK_STREAMS_MAX.into())
            .max_concurrent_bidi_streams(LINK_STREAMS_MAX.into())
            .datagram_send_buffer_size(DATAGRAMS_OUT)
            .datagram_receive_buffer_size(Some(DATAGRAMS_IN))
            .build();
        let made = async {
            let alpns = vec![LINK_ALPN.to_vec(), JOIN_ALPN.to_vec()];
            let builder = self.builder(listen)?.transport_config(config).alpns(alpns);
            let builder = builder.path_selector(Arc::new(PreferDirect { directory: None }));
            builder.bind().await.map_err(|error| error.to_string())
        };
        made.await.map_err(|why| OverlayError::Listen { address: listen, why })
    }

    /// # Errors
    /// [`OverlayError::Listen`]
    pub async fn main(
        &self,
        listen: SocketAddr,
        fabric: &Arc<Fabric>,
        packets: tokio::sync::mpsc::Receiver<crate::overlay::carry::fabric::Packet>,
        directory: &Directory,
    ) -> Result<Endpoint, OverlayError> {
        let config = QuicTransportConfig::builder()
            .max_idle_timeout(idle(MAIN_IDLE))
            .keep_alive_interval(KEEP_ALIVE)
            .default_path_max_idle_timeout(PATH_IDLE)
            .default_path_keep_alive_interval(PATH_KEEP_ALIVE)
            .initial_mtu(MAIN_MTU)
            .max_concurrent_uni_streams(STREAMS_MAX.into())
            .max_concurrent_bidi_streams(STREAMS_MAX.into())
            .build();
        let made = async {
            let builder = self
                .builder(SocketAddr::new(listen.ip(), 0))?
                .transport_config(config)
                .alpns(vec![CALL_ALPN.to_vec(), PATH_ALPN.to_vec()])
                .add_custom_transport(Mesh::new(fabric.clone(), packets))
                .path_selector(Arc::new(PreferDirect { directory: Some(directory.clone()) }))
                .address_lookup(directory.clone());
            builder.bind().await.map_err(|error| error.to_string())
        };
        made.await.map_err(|why| OverlayError::Listen { address: listen, why })
    }
}

fn idle(after: Duration) -> Option<IdleTimeout> {
    // Every length of time in this file is far below what fits.
    IdleTimeout::try_from(after).ok()
}

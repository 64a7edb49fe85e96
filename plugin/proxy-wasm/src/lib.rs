//! The policy as a filter inside a gateway: the same `boot` that runs in the component, over the calls that proxy-wasm offers.
//!
//! ```text
//! on_tick ──► executor ──► node: boot, then received and tick ──► world: HTTP calls, clock, log
//!                                                                   └─ apply: routing table ──► filter: every request
//! ```
//!
//! Each of Envoy's VMs (one per worker, one on the main thread) boots by itself and asks control plane and storage by itself.
//!
//! A VM has no disk, so three rules have no memory here. Nothing is cached: a VM that begins while the control plane is away reads
//! the storage (boot-03). Nothing is kept, and so nothing settles (boot-09). A configuration that breaks the VM is not quarantined:
//! the VM is made anew and takes it again (boot-15). And the gate that opens a snapshot a second time (host-01) is no second judge: it
//! stands in the same memory as the policy.
//!
//! Signatures are checked, with the `trusted_keys` of the filter's configuration. Nothing that is encrypted can be opened: a filter has no
//! place for a private key. Nothing remembers how far this node has come (boot-07): every VM is a new node.
//!
//! Not built here: one bootstrap VM that fetches for all and shares its table, pausing requests until there is one, objects beyond
//! Envoy's buffer (32 MiB unless `http.async_response_buffer_limit` says more), and upstreams that speak TLS or HTTP/2, whose requests
//! are answered 503. Timeouts and retries of a service are those of Envoy's own route.

mod calls;
mod control_plane;
mod correlation;
mod executor;
mod filter;
mod node;
mod received;
mod respond;
mod root;
mod settings;
mod storage;
mod upstream;
mod vm;
mod world;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(root::Root::default()));
}}

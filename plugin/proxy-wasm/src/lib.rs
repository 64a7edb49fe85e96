//! The policy inside a gateway: the same `boot` that runs in the component, over the calls that proxy-wasm offers.
//!
//! ```text
//!  bootstrap extension, once in an Envoy                        HTTP filter, once in each worker
//!  on_tick ─► node: boot, then received and tick                on_tick ─► what the node says ─► table, requests that are held
//!               ├─ HTTP: control plane, storage                 request ─► aside: untouched
//!               └─ apply: table, verdict ─► shared data ──────►            serves: route, rewrite, name the upstream
//!                                                                          else: held, then 503 with a reason
//! ```
//!
//! One module, two roles: `role` in the plugin's configuration says which. The node knows no request, the filter no control plane and no
//! storage; [`shared`] is all that they have in common, and they meet there only if their `vm_id` is the same.
//!
//! A VM has no disk, so three rules have no memory here. Nothing is cached: an Envoy that begins while the control plane is away reads
//! the storage (boot-03). Nothing is kept, and so nothing settles (boot-09). A configuration that breaks the node is not quarantined
//! (boot-15): Envoy makes no second bootstrap VM, the filters go on by what it said last, and say that it is silent. And the gate that
//! opens a snapshot a second time (host-01) is no second judge: it stands in the same memory as the policy.
//!
//! Signatures are checked, with the `trusted_keys` of the node's configuration. What is encrypted is opened with the identity that the VM's
//! environment holds, so the private key is in the memory that the policy is in, and in Envoy's (host-02 has no host here to keep it). Nothing
//! remembers how far this node has come (boot-07): every start is a new node.
//!
//! Upstreams are spoken to as Envoy's clusters can, one for each way: a service that wants a client certificate shown or authorities of its own is
//! answered 503. Timeouts and retries of a service are those of Envoy's own routes.

#[cfg(feature = "crash")]
mod crash;
mod filter;
mod log;
mod node;
mod role;
mod shared;
mod vm;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(role::Root::default()));
}}

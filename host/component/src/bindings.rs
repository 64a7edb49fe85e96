//! What `wit/` looks like from the host. The worlds share the interfaces of world `common`.

use holdover_ports::{Config, Object};

/// What a handle of the component stands for, held here. Only `common`, `importer` and `exporter` make them (host-01).
pub struct HeldConfig(pub Config);
pub struct HeldObject(pub Object);

pub mod common {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "holdover:policy/common",
        imports: {
            "holdover:policy/held.[method]config.read": store | trappable,
            "holdover:policy/held.[method]object.read": store | trappable,
            default: trappable,
        },
        with: {
            "holdover:policy/held.config": super::HeldConfig,
            "holdover:policy/held.object": super::HeldObject,
        },
        require_store_data_send: true,
    });
}

pub mod importer {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "holdover:policy/importer",
        imports: { default: trappable },
        exports: { default: async | store },
        with: {
            "holdover:policy/types": super::common::holdover::policy::types,
            "holdover:policy/held": super::common::holdover::policy::held,
            "holdover:policy/storage-failures": super::common::holdover::policy::storage_failures,
            "holdover:policy/storage-read": super::common::holdover::policy::storage_read,
            "holdover:policy/unsealing": super::common::holdover::policy::unsealing,
            "holdover:policy/schemas": super::common::holdover::policy::schemas,
            "holdover:policy/clock": super::common::holdover::policy::clock,
            "holdover:policy/random": super::common::holdover::policy::random,
            "holdover:policy/events": super::common::holdover::policy::events,
        },
        require_store_data_send: true,
    });
}

pub mod exporter {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "holdover:policy/exporter",
        imports: { default: trappable },
        exports: { default: async | store },
        with: {
            "holdover:policy/types": super::common::holdover::policy::types,
            "holdover:policy/held": super::common::holdover::policy::held,
            "holdover:policy/storage-failures": super::common::holdover::policy::storage_failures,
            "holdover:policy/storage-read": super::common::holdover::policy::storage_read,
            "holdover:policy/unsealing": super::common::holdover::policy::unsealing,
            "holdover:policy/schemas": super::common::holdover::policy::schemas,
            "holdover:policy/clock": super::common::holdover::policy::clock,
            "holdover:policy/random": super::common::holdover::policy::random,
            "holdover:policy/events": super::common::holdover::policy::events,
        },
        require_store_data_send: true,
    });
}

pub mod janitor {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "holdover:policy/janitor",
        imports: { default: trappable },
        exports: { default: async | store },
        with: {
            "holdover:policy/types": super::common::holdover::policy::types,
            "holdover:policy/held": super::common::holdover::policy::held,
            "holdover:policy/storage-failures": super::common::holdover::policy::storage_failures,
            "holdover:policy/storage-read": super::common::holdover::policy::storage_read,
            "holdover:policy/clock": super::common::holdover::policy::clock,
            "holdover:policy/events": super::common::holdover::policy::events,
        },
        require_store_data_send: true,
    });
}

pub mod inspector {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "holdover:policy/inspector",
        exports: { default: async | store },
        require_store_data_send: true,
    });
}

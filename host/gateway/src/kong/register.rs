//! Which data planes there are, and what each of them runs: what the status page shows. Kept in memory, and bounded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdover_hybrid::{DataPlane, NO_HASH, State};
use holdover_plugin::model::UnixMs;
use holdover_ports::{Clock, DataPlaneStatus};

/// Of data planes that have left; whoever is connected is always known.
const GONE_MAX: usize = 1000;

pub(super) struct Register {
    clock: Arc<dyn Clock>,
    rows: Mutex<BTreeMap<String, Row>>,
}

struct Row {
    /// A newer connection of the same node is not ended by an older one's end.
    connection: u64,
    status: DataPlaneStatus,
}

impl Register {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, rows: Mutex::default() }
    }

    pub(super) fn now(&self) -> UnixMs {
        self.clock.now()
    }

    pub(super) fn seen(&self, data_plane: &DataPlane) {
        let status = status(data_plane, self.clock.now());
        let mut rows = self.locked();
        match rows.get(&data_plane.id) {
            Some(row) if row.connection > data_plane.connection => {}
            Some(_) | None => {
                rows.insert(data_plane.id.clone(), Row { connection: data_plane.connection, status });
            }
        }
    }

    pub(super) fn gone(&self, data_plane: &DataPlane) {
        let mut rows = self.locked();
        if let Some(row) = rows.get_mut(&data_plane.id).filter(|row| row.connection == data_plane.connection) {
            row.status.connected = false;
        }
        while rows.values().filter(|row| !row.status.connected).count() > GONE_MAX {
            let gone = rows.iter().filter(|(_, row)| !row.status.connected);
            let Some(oldest) = gone.min_by_key(|(_, row)| row.status.seen_unix_ms).map(|(id, _)| id.clone()) else { return };
            rows.remove(&oldest);
        }
    }

    pub(super) fn rows(&self) -> Vec<DataPlaneStatus> {
        self.locked().values().map(|row| row.status.clone()).collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn status(data_plane: &DataPlane, now: UnixMs) -> DataPlaneStatus {
    let (state, reason) = match &data_plane.state {
        State::Connected => ("connected", None),
        State::Served { .. } => ("served", None),
        State::Applied { .. } => ("applied", None),
        State::Rejected { hash } => {
            ("rejected", Some(format!("a minute after it was sent {hash} it still runs something else; see its log")))
        }
        State::Incompatible(why) => ("incompatible", Some(why.clone())),
    };
    DataPlaneStatus {
        id: data_plane.id.clone(),
        hostname: data_plane.hostname.clone(),
        version: data_plane.version.clone(),
        address: data_plane.ip.to_string(),
        connected: true,
        relayed: data_plane.relayed,
        running: Some(data_plane.running.clone()).filter(|hash| hash != NO_HASH),
        state,
        reason,
        seen_unix_ms: now,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use async_trait::async_trait;
    use holdover_ports::Why;

    use super::*;

    struct Still;

    #[async_trait]
    impl Clock for Still {
        fn now(&self) -> UnixMs {
            UnixMs(7)
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }

        async fn sleep(&self, _duration: Duration, _why: Why) {}
    }

    fn data_plane(id: &str, connection: u64) -> DataPlane {
        DataPlane {
            connection,
            id: id.into(),
            hostname: "host".into(),
            version: "3.9.1".into(),
            ip: Ipv4Addr::LOCALHOST.into(),
            labels: BTreeMap::new(),
            running: NO_HASH.into(),
            relayed: false,
            state: State::Connected,
        }
    }

    #[test]
    fn an_older_connection_neither_overwrites_nor_ends_a_newer_one() {
        let register = Register::new(Arc::new(Still));
        register.seen(&data_plane("a", 2));
        register.seen(&DataPlane { hostname: "older".into(), ..data_plane("a", 1) });
        register.gone(&data_plane("a", 1));
        let rows = register.rows();
        assert_eq!((rows.len(), rows[0].connected, rows[0].hostname.as_str(), &rows[0].running), (1, true, "host", &None));
        register.gone(&data_plane("a", 2));
        assert!(!register.rows()[0].connected);
    }

    #[test]
    fn those_who_left_are_forgotten_at_some_time() {
        let register = Register::new(Arc::new(Still));
        for nth in 0..GONE_MAX as u64 + 5 {
            let data_plane = data_plane(&format!("{nth:05}"), nth);
            register.seen(&data_plane);
            register.gone(&data_plane);
        }
        assert_eq!(register.rows().len(), GONE_MAX);
    }
}

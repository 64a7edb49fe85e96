//! Which members a fleet has, and what each of them runs: what the status page shows. Kept in memory, and bounded. Knows no protocol.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdover_plugin::model::UnixMs;
use holdover_ports::{Clock, DataPlaneStatus};

/// Of members that have left; whoever is connected is always known.
const GONE_MAX: usize = 1000;

pub(crate) struct Register {
    clock: Arc<dyn Clock>,
    rows: Mutex<BTreeMap<String, Row>>,
}

struct Row {
    /// A newer connection of the same member is not ended by an older one's end.
    connection: u64,
    status: DataPlaneStatus,
}

impl Register {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, rows: Mutex::default() }
    }

    pub(crate) fn now(&self) -> UnixMs {
        self.clock.now()
    }

    /// Connections are numbered in their order.
    pub(crate) fn seen(&self, connection: u64, status: DataPlaneStatus) {
        let mut rows = self.locked();
        match rows.get(&status.id) {
            Some(row) if row.connection > connection => {}
            Some(_) | None => {
                rows.insert(status.id.clone(), Row { connection, status });
            }
        }
    }

    pub(crate) fn gone(&self, connection: u64, id: &str) {
        let mut rows = self.locked();
        if let Some(row) = rows.get_mut(id).filter(|row| row.connection == connection) {
            row.status.connected = false;
        }
        while rows.values().filter(|row| !row.status.connected).count() > GONE_MAX {
            let gone = rows.iter().filter(|(_, row)| !row.status.connected);
            let Some(oldest) = gone.min_by_key(|(_, row)| row.status.seen_unix_ms).map(|(id, _)| id.clone()) else { return };
            rows.remove(&oldest);
        }
    }

    pub(crate) fn rows(&self) -> Vec<DataPlaneStatus> {
        self.locked().values().map(|row| row.status.clone()).collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
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

    fn member(id: &str, hostname: &str) -> DataPlaneStatus {
        DataPlaneStatus {
            id: id.into(),
            hostname: hostname.into(),
            version: "3.9.1".into(),
            address: "127.0.0.1".into(),
            connected: true,
            relayed: false,
            running: None,
            state: "connected",
            reason: None,
            seen_unix_ms: UnixMs(7),
        }
    }

    #[test]
    fn an_older_connection_neither_overwrites_nor_ends_a_newer_one() {
        let register = Register::new(Arc::new(Still));
        register.seen(2, member("a", "host"));
        register.seen(1, member("a", "older"));
        register.gone(1, "a");
        let rows = register.rows();
        assert_eq!((rows.len(), rows[0].connected, rows[0].hostname.as_str()), (1, true, "host"));
        register.gone(2, "a");
        assert!(!register.rows()[0].connected);
    }

    #[test]
    fn those_who_left_are_forgotten_at_some_time() {
        let register = Register::new(Arc::new(Still));
        for nth in 0..GONE_MAX as u64 + 5 {
            let id = format!("{nth:05}");
            register.seen(nth, member(&id, "host"));
            register.gone(nth, &id);
        }
        assert_eq!(register.rows().len(), GONE_MAX);
    }
}

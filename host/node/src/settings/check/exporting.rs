//! How exporters share one storage, and what of a configuration they hold back: the lease, the guards, the soak, the janitor.

use std::time::Duration;

use holdover_plugin::policy::Guard;

use super::super::duration;
use super::super::reading::Reading;
use super::super::reference::Name;
use super::super::url::{self, parse_http};

const WATCHED_MAX: usize = 50;
/// Below it, a lease is more requests than liveness.
const LEASE_RENEW_MIN: Duration = Duration::from_millis(100);
/// A leader may miss two renewals before another takes over.
const RENEWALS_MIN: u32 = 3;
/// A type cannot lose more than all.
const SHRINK_PERCENT_MAX: u32 = 100;

pub struct Exporting {
    pub single_exporter: bool,
    pub lease_renew: Duration,
    pub lease_expire: Duration,
    pub guard: Guard,
    pub soak: Duration,
    pub soak_watch: Vec<String>,
    pub janitor: bool,
}

/// `export`: whether this node exports, if that could be read.
pub fn exporting(reading: &mut Reading<'_>, export: Option<bool>) -> Option<Exporting> {
    let single_exporter = reading.switch(Name::SingleExporter);
    let lease = lease(reading);
    let guard = guard(reading);
    let soak = reading.duration(Name::Soak, Duration::ZERO);
    let soak_watch = soak_watch(reading);
    let janitor = reading.switch(Name::Janitor);
    if soak == Some(Duration::ZERO) && reading.is_given(Name::SoakWatch) {
        let fix = "nothing is watched without a time to watch for; set holdover_soak, for example 5m, or leave this out";
        reading.contradiction(Name::SoakWatch, fix);
    }
    if export == Some(false) {
        for name in [Name::SingleExporter, Name::LeaseRenew, Name::LeaseExpire, Name::Soak, Name::SoakWatch, Name::Janitor] {
            reading.idle(name, "cluster_fallback_config_export is off");
        }
    }
    let (lease_renew, lease_expire) = lease?;
    Some(Exporting {
        single_exporter: single_exporter?,
        lease_renew,
        lease_expire,
        guard: guard?,
        soak: soak?,
        soak_watch: soak_watch?,
        janitor: janitor?,
    })
}

fn lease(reading: &mut Reading<'_>) -> Option<(Duration, Duration)> {
    let renew = reading.duration(Name::LeaseRenew, LEASE_RENEW_MIN);
    let expire = reading.duration(Name::LeaseExpire, LEASE_RENEW_MIN);
    let (renew, expire) = (renew?, expire?);
    let least = renew.saturating_mul(RENEWALS_MIN);
    if expire < least {
        let (renew, least) = (duration::text(renew), duration::text(least));
        let fix =
            format!("a lease that is renewed every {renew} (holdover_lease_renew) must live for three renewals; write at least {least}");
        reading.contradiction(Name::LeaseExpire, fix);
        return None;
    }
    Some((renew, expire))
}

fn guard(reading: &mut Reading<'_>) -> Option<Guard> {
    const HOW: &str = "write a whole number of percent without a sign, for example 40; 0 holds nothing for its share";
    let percent = |text: &str| text.parse::<u32>().map_err(|_| HOW.to_owned());
    let shrink_percent = reading.defaulted(Name::GuardShrink, |text| match percent(text)? {
        shrink if shrink > SHRINK_PERCENT_MAX => Err("nothing loses more than 100 percent; write 0 to 100".to_owned()),
        shrink => Ok(shrink),
    });
    let growth_percent = reading.defaulted(Name::GuardGrowth, percent);
    Some(Guard { shrink_percent: shrink_percent?, growth_percent: growth_percent? })
}

/// Status pages are asked in the clear: they hold no secret, and nodes serve them so.
fn soak_watch(reading: &mut Reading<'_>) -> Option<Vec<String>> {
    let watched = reading.list(Name::SoakWatch, address)?;
    if watched.len() > WATCHED_MAX {
        reading.contradiction(
            Name::SoakWatch,
            format!("there are {}; name at most {WATCHED_MAX} nodes that stand for the others", watched.len()),
        );
        return None;
    }
    if let Some((_, twice)) =
        watched.iter().enumerate().find(|(place, address)| watched.iter().take(*place).any(|earlier| earlier == *address))
    {
        reading.contradiction(Name::SoakWatch, format!("{twice} is named twice; name each node once"));
        return None;
    }
    Some(watched)
}

fn address(text: &str) -> Result<String, String> {
    const HOW: &str = "write the address of a node's status page (its holdover_status_listen), for example http://10.0.0.7:8108";
    let address = text.strip_suffix('/').unwrap_or(text);
    let authority = address.strip_prefix("http://").filter(|authority| !authority.contains(['/', '?', '#']));
    match (authority, parse_http(address)) {
        (Some(_), Some(url)) if url.credentials => Err(format!("{} would send a password in the clear; {HOW}", url::shown(address))),
        (Some(authority), Some(_)) if has_port(authority) => Ok(address.to_owned()),
        (Some(_), Some(_) | None) | (None, _) => Err(format!("'{}' is no such address; {HOW}", url::shown(address))),
    }
}

fn has_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
}

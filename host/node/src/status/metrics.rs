//! The status as Prometheus' text format.
//!
//! What alert rules compare between nodes bears the cluster and the gateway's version as labels, so that no rule has to join. A series
//! whose value is unknown is left out, unless its absence is what somebody must hear of: then it is 0.

use std::collections::BTreeMap;
use std::fmt::Write;

use holdover_plugin::model::UnixMs;

use super::{ExportReport, ServingReport, StatusReport};

/// Every word that [`super::OfficeReport`] has, so that each is a series from the start.
const OFFICES: [&str; 4] = ["leader", "standby", "declined", "none"];
const CONTROL_PLANE: &str = "control-plane";

/// Family by family, for the format wants the lines of one together.
struct Page {
    text: String,
}

pub(super) fn text(
    report: &StatusReport,
    ready: bool,
    counts: &BTreeMap<&'static str, u64>,
    reasons: &BTreeMap<(&'static str, String), u64>,
) -> String {
    let mut page = Page { text: String::new() };
    page.family("holdover_events_total", "counter", "Decisions of the policy, by name.");
    for (name, count) in counts {
        page.line("holdover_events_total", &[("name", name)], *count as f64);
    }
    page.family("holdover_reasons_total", "counter", "Decisions that say why, by name and reason.");
    for ((name, reason), count) in reasons {
        page.line("holdover_reasons_total", &[("name", name), ("reason", reason)], *count as f64);
    }
    page.gauge("holdover_ready", "1 once a configuration was applied.", &[], flag(ready));
    page.gauge("holdover_connected", "1 while a session with the control plane is open.", &[], flag(report.connected));
    page.gauge("holdover_standing", "1 for where the node stands.", &[("standing", report.standing)], 1.0);
    let cluster = ("cluster", report.identity.cluster.as_str());
    let place = [cluster, ("gateway_version", report.identity.gateway_version.as_str())];
    serving(&mut page, report, &place);
    if let Some(export) = &report.export {
        exporting(&mut page, export, cluster, &place);
    }
    let unenforced = report.gateway.unenforced_plugins.len() as f64;
    if let Some(data_planes) = &report.gateway.data_planes {
        page.family("holdover_data_planes", "gauge", "Data planes that are connected, by what is known of them.");
        for (state, count) in super::fleet::counts(data_planes) {
            page.line("holdover_data_planes", &[cluster, ("state", state)], count as f64);
        }
        let relayed = data_planes.iter().filter(|data_plane| data_plane.connected && data_plane.relayed).count();
        page.gauge("holdover_data_planes_relayed", "Data planes that their own control plane answers.", &[cluster], relayed as f64);
    }
    page.gauge("holdover_unenforced_plugins", "Plugins of the configuration that the gateway cannot enforce.", &[], unenforced);
    page.text
}

fn serving(page: &mut Page, report: &StatusReport, place: &[(&str, &str)]) {
    let is_fallback = report.serving.as_ref().is_some_and(|serving| serving.origin != CONTROL_PLANE);
    page.gauge("holdover_fallback", "1 while what is served came from elsewhere than the control plane.", place, flag(is_fallback));
    let Some(ServingReport { digest, origin, position, since_unix_ms, .. }) = &report.serving else { return };
    let labels = [("digest", digest.as_str()), ("origin", *origin), ("position", position.as_deref().unwrap_or_default())];
    page.gauge("holdover_serving_info", "What the gateway runs.", &labels, 1.0);
    let age = report.now_unix_ms.since(*since_unix_ms).as_secs_f64();
    page.gauge("holdover_serving_age_seconds", "For how long the gateway has run it.", &[], age);
    if let Some((epoch, generation)) = position.as_deref().and_then(numbers) {
        page.gauge("holdover_serving_epoch", "Of the snapshot that is served.", place, epoch);
        page.gauge("holdover_serving_generation", "Of the snapshot that is served.", place, generation);
    }
}

fn exporting(page: &mut Page, export: &ExportReport, cluster: (&str, &str), place: &[(&str, &str)]) {
    page.gauge("holdover_export_held", "1 while the newest delivery is not in the storage.", &[], flag(export.held.is_some()));
    page.family("holdover_export_office", "gauge", "1 for the office that this exporter holds, 0 for the others.");
    for office in OFFICES {
        page.line("holdover_export_office", &[cluster, ("office", office)], flag(export.office.kind == office));
    }
    let confirmed = seconds(export.confirmed_at_unix_ms);
    let help = "When this exporter last knew that the head says what the control plane says; 0 if it never did.";
    page.gauge("holdover_export_confirmed_timestamp_seconds", help, place, confirmed);
    let help = "Since when something is to be published and is not; 0 when nothing is.";
    page.gauge("holdover_export_pending_since_timestamp_seconds", help, place, seconds(export.pending_since_unix_ms));
    if let Some((epoch, generation)) = export.published.as_deref().and_then(numbers) {
        page.gauge("holdover_export_epoch", "Of the newest generation that this exporter knows to be in the storage.", place, epoch);
        page.gauge("holdover_export_generation", "The newest generation that this exporter knows to be in the storage.", place, generation);
    }
}

impl Page {
    fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.family(name, "gauge", help);
        self.line(name, labels, value);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn seconds(at: Option<UnixMs>) -> f64 {
    at.map_or(0.0, |at| at.0 as f64 / 1000.0)
}

/// Epoch and generation, as a position is written: `7-41`.
fn numbers(position: &str) -> Option<(f64, f64)> {
    let (epoch, generation) = position.split_once('-')?;
    Some((epoch.parse().ok()?, generation.parse().ok()?))
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    // A test says what went wrong by panicking.
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use holdover_plugin::model::Epoch;
    use holdover_plugin::policy::Office;

    use super::super::{GatewayReport, Identity, OfficeReport};
    use super::*;

    const PLACE: &str = "{cluster=\"prod\",gateway_version=\"3.9.1\"}";

    #[test]
    fn an_exporter_shows_all_four_offices_and_one_of_them_is_its_own() {
        let offices = [
            (Office::Leader(Epoch(7)), "leader"),
            (Office::Standby("another leads".into()), "standby"),
            (Office::Declined("creates-once".into()), "declined"),
            (Office::None, "none"),
        ];
        for (office, own) in offices {
            let text = page(&exporter(ExportReport { office: OfficeReport::of(&office), ..ExportReport::default() }));
            let lines: Vec<_> = text.lines().filter(|line| line.starts_with("holdover_export_office{")).collect();
            let wanted = OFFICES.map(|word| {
                let value = u8::from(word == own);
                format!("holdover_export_office{{cluster=\"prod\",office=\"{word}\"}} {value}")
            });
            assert_eq!(lines, wanted, "{text}");
        }
    }

    #[test]
    fn what_was_never_confirmed_and_what_is_not_pending_is_zero() {
        let text = page(&exporter(ExportReport::default()));
        assert!(has(&text, &format!("holdover_export_confirmed_timestamp_seconds{PLACE} 0")), "{text}");
        assert!(has(&text, &format!("holdover_export_pending_since_timestamp_seconds{PLACE} 0")), "{text}");
        assert!(has(&text, "holdover_export_held 0"), "{text}");
        assert!(!text.contains("holdover_export_generation") && !text.contains("holdover_export_epoch"), "none is known: {text}");
    }

    #[test]
    fn times_are_seconds_and_a_position_is_two_numbers() {
        let text = page(&exporter(ExportReport {
            published: Some("7-41".into()),
            confirmed_at_unix_ms: Some(UnixMs(1_795_305_600_250)),
            pending: true,
            pending_since_unix_ms: Some(UnixMs(1_795_305_700_000)),
            held: Some("all 12 routes are gone".into()),
            ..ExportReport::default()
        }));
        assert!(has(&text, &format!("holdover_export_confirmed_timestamp_seconds{PLACE} 1795305600.25")), "{text}");
        assert!(has(&text, &format!("holdover_export_pending_since_timestamp_seconds{PLACE} 1795305700")), "{text}");
        assert!(has(&text, &format!("holdover_export_epoch{PLACE} 7")), "{text}");
        assert!(has(&text, &format!("holdover_export_generation{PLACE} 41")), "{text}");
        assert!(has(&text, "holdover_export_held 1"), "{text}");
    }

    #[test]
    fn an_importer_has_no_series_of_an_exporter() {
        assert!(!page(&importer(None)).contains("holdover_export_"));
    }

    #[test]
    fn only_what_came_from_elsewhere_than_the_control_plane_is_fallback() {
        for (origin, position, is_fallback) in [
            ("control-plane", None, 0),
            ("cache", None, 1),
            ("cache", Some("7-41"), 1),
            ("storage", Some("7-41"), 1),
            ("bundle", Some("1-2"), 1),
        ] {
            let text = page(&importer(Some((origin, position))));
            assert!(has(&text, &format!("holdover_fallback{PLACE} {is_fallback}")), "{origin}: {text}");
            assert_eq!(text.contains("\nholdover_serving_generation{"), position.is_some(), "{origin}: {text}");
            assert_eq!(text.contains("\nholdover_serving_epoch{"), position.is_some(), "{origin}: {text}");
        }
        let text = page(&importer(Some(("storage", Some("7-41")))));
        assert!(has(&text, &format!("holdover_serving_epoch{PLACE} 7")), "{text}");
        assert!(has(&text, &format!("holdover_serving_generation{PLACE} 41")), "{text}");
    }

    #[test]
    fn who_serves_nothing_is_not_in_fallback() {
        let text = page(&importer(None));
        assert!(has(&text, &format!("holdover_fallback{PLACE} 0")), "{text}");
        assert!(!text.contains("holdover_serving_"), "{text}");
    }

    #[test]
    fn a_label_holds_whatever_a_cluster_is_called() {
        let mut report = importer(None);
        report.identity.cluster = "a\"b\\c".into();
        assert!(page(&report).contains(r#"holdover_fallback{cluster="a\"b\\c","#));
    }

    /// What scrapers demand: each family is said once, before its own lines, and these stand together.
    #[test]
    fn each_family_is_introduced_once_and_stands_together() {
        let export = ExportReport { published: Some("7-41".into()), ..ExportReport::default() };
        let mut report = exporter(export);
        report.serving = importer(Some(("storage", Some("7-41")))).serving;
        let text = page(&report);
        let mut introduced = std::collections::BTreeSet::new();
        let mut open = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                open = rest.split(' ').next().unwrap();
                assert!(introduced.insert(open), "{open} twice: {text}");
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                assert_eq!(name, open, "{text}");
            }
        }
        assert!(introduced.len() > 15, "{introduced:?}");
    }

    fn has(text: &str, line: &str) -> bool {
        text.lines().any(|said| said == line)
    }

    fn page(report: &StatusReport) -> String {
        let counts = [("exported", 3)].into_iter().collect();
        let reasons = [(("export-held", "gone".to_owned()), 1)].into_iter().collect();
        text(report, true, &counts, &reasons)
    }

    fn exporter(export: ExportReport) -> StatusReport {
        StatusReport { export: Some(export), ..importer(None) }
    }

    fn importer(serving: Option<(&'static str, Option<&str>)>) -> StatusReport {
        let now = UnixMs(1_795_305_800_000);
        let identity = Identity {
            role: "importer",
            node: "node-1".into(),
            cluster: "prod".into(),
            gateway_version: "3.9.1".into(),
            control_plane: "http://control-plane".into(),
            storages: Vec::new(),
            policy: None,
        };
        let serving = serving.map(|(origin, position)| ServingReport {
            digest: "ab".into(),
            sameness: "cd".into(),
            rejected: None,
            origin,
            position: position.map(str::to_owned),
            since_unix_ms: now,
        });
        StatusReport {
            identity,
            standing: "serving",
            reason: None,
            serving,
            connected: false,
            gateway: GatewayReport { kind: "none", unenforced_plugins: Vec::new(), listens_on: None, data_planes: None },
            export: None,
            last_failures: BTreeMap::new(),
            next_wake_unix_ms: None,
            now_unix_ms: now,
        }
    }
}

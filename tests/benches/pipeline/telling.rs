//! How results are told: what they depend on first, an aim and whether it was reached last.

/// The machine. `bench` is what cargo calls this benchmark.
pub fn machine(bench: &str) {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("unknown", |(_, model)| model);
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    println!("{model}, {threads} threads, load before {}", load.split(' ').take(3).collect::<Vec<_>>().join(" "));
    if cfg!(debug_assertions) {
        println!("NOT OPTIMISED: these numbers mean nothing. Run: cargo bench --bench {bench}");
    }
    println!();
}

/// One line that says whether an aim was reached.
pub fn aim(what: &str, measured: f64, at_most: f64, unit: &str) -> String {
    let verdict = if measured <= at_most { "reached" } else { "MISSED" };
    let measured = if unit.starts_with(" ms") { format!("{measured:.0}") } else { format!("{measured:.2}") };
    format!("- {what}: {measured}{unit}, aim {at_most}{unit}: {verdict}")
}

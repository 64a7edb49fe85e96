//! An upstream's targets, and which of them a request goes to.

use super::{Unroutable, entity};

/// The port of a target that names none.
const PORT: u16 = 8000;

/// Targets that share a service's requests by weight, whatever balancing algorithm the upstream asks for: hashing and
/// least-connections only decide who of the same targets is asked first.
#[derive(Debug)]
pub struct Upstream {
    pub name: String,
    pub(super) host_header: Option<String>,
    /// The id of what is shown to its targets where the service says nothing else.
    pub(super) client_certificate: Option<String>,
    /// Only those with a weight.
    targets: Vec<Target>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub host: String,
    pub port: u16,
    weight: u64,
}

impl Upstream {
    pub(super) fn of(upstream: entity::Upstream) -> Self {
        let entity::Upstream { id: _, name, host_header, client_certificate } = upstream;
        Self { name, host_header, client_certificate, targets: Vec::new() }
    }

    pub(super) fn add(&mut self, target: &entity::Target) -> Result<(), Unroutable> {
        let weight = target.weight.map_or(100, |weight| weight as u64);
        let Some((host, port)) = split(&target.target) else {
            let (target, upstream) = (&target.target, &self.name);
            return Err(Unroutable::new(format!("target '{target}' of upstream '{upstream}' is no host or host:port, write it as one")));
        };
        if weight > 0 {
            self.targets.push(Target { host, port, weight });
        }
        Ok(())
    }

    /// The target for this number: a counter that goes up by one spreads requests evenly, a random number randomly. `tried` are
    /// those that this request was sent to in vain; they are asked again only when there is no other. `None` if no target has a
    /// weight.
    pub fn pick(&self, number: u64, tried: &[&Target]) -> Option<&Target> {
        let untried = |target: &&Target| !tried.contains(target);
        self.share(number, untried).or_else(|| self.share(number, |_| true))
    }

    fn share(&self, number: u64, wanted: impl Fn(&&Target) -> bool) -> Option<&Target> {
        let total: u64 = self.targets.iter().filter(&wanted).map(|target| target.weight).sum();
        // Steps of the golden ratio fill the range evenly, so that neighbours in the count are far apart in it.
        let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut point = (u128::from(spread) * u128::from(total)) >> 64;
        self.targets.iter().filter(&wanted).find(|target| match point.checked_sub(u128::from(target.weight)) {
            Some(left) => {
                point = left;
                false
            }
            None => true,
        })
    }
}

fn split(target: &str) -> Option<(String, u16)> {
    if target.is_empty() {
        return None;
    }
    if let Some(rest) = target.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let port = if port.is_empty() { PORT } else { port.strip_prefix(':')?.parse().ok()? };
        return Some((address.to_owned(), port));
    }
    match target.split_once(':') {
        None => Some((target.to_owned(), PORT)),
        // An IPv6 address without brackets can have no port.
        Some((_, rest)) if rest.contains(':') => Some((target.to_owned(), PORT)),
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
    use super::*;

    #[test]
    fn a_counter_shares_requests_by_weight_and_evenly() {
        let upstream = upstream(&[("a:1", 3.0), ("b:1", 1.0), ("c:1", 0.0)]);
        let picked: Vec<&str> = (0..4_000).map(|number| upstream.pick(number, &[]).unwrap().host.as_str()).collect();
        let share = |host: &str, of: &[&str]| of.iter().filter(|other| **other == host).count();
        assert!(share("a", &picked).abs_diff(3_000) <= 3, "{}", share("a", &picked));
        assert_eq!(share("c", &picked), 0);
        assert!(picked.chunks(40).all(|few| share("b", few).abs_diff(10) <= 3), "runs of one target");
    }

    #[test]
    fn a_retry_goes_to_another_target_while_there_is_one() {
        let upstream = upstream(&[("a:1", 1.0), ("b:1", 1.0)]);
        for number in 0..100 {
            let first = upstream.pick(number, &[]).unwrap();
            let second = upstream.pick(number, &[first]).unwrap();
            assert_ne!(first, second);
            assert!(upstream.pick(number, &[first, second]).is_some());
        }
    }

    #[test]
    fn an_upstream_without_weight_has_no_target() {
        assert_eq!(upstream(&[("a:1", 0.0)]).pick(0, &[]), None);
        assert_eq!(upstream(&[]).pick(0, &[]), None);
    }

    #[test]
    fn targets_are_read_as_kong_writes_them() {
        let cases = [("a", "a", 8000), ("a:1", "a", 1), ("[::1]:2", "::1", 2), ("[::1]", "::1", 8000), ("::1", "::1", 8000)];
        for (text, host, port) in cases {
            assert_eq!(split(text), Some((host.to_owned(), port)), "{text}");
        }
        assert_eq!(split("a:b"), None);
        assert_eq!(split(""), None);
    }

    fn upstream(targets: &[(&str, f64)]) -> Upstream {
        let mut upstream = Upstream { name: "u".into(), host_header: None, client_certificate: None, targets: Vec::new() };
        for (target, weight) in targets {
            upstream.add(&entity::Target { target: (*target).into(), weight: Some(*weight), upstream: "u".into() }).unwrap();
        }
        upstream
    }
}

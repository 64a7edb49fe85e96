//! Sets of resources as wholes. Their bytes are written here by field numbers, from Envoy's protos and by no generated code.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use prost::Message;

use super::super::certificates::tests::ENDS_2029;
use super::super::{ENTITIES_MAX, Need};
use super::*;
use crate::model::UnixMs;

mod said;

const HTTP_CONNECTION_MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const DOWNSTREAM: &str = "tls.v3.DownstreamTlsContext";
const UPSTREAM: &str = "tls.v3.UpstreamTlsContext";

#[test]
fn a_closed_set_is_counted_by_type() {
    let facts = validated(full_set()).unwrap();
    let counts: Vec<(&str, u64)> = facts.counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let expected = [
        ("clusters", 2),
        ("endpoints", 1),
        ("envoy.config.route.v3.VirtualHost", 1),
        ("extensions", 1),
        ("listeners", 1),
        ("routes", 1),
        ("runtimes", 1),
        ("scoped-routes", 1),
        ("secrets", 2),
    ];
    assert_eq!(counts, expected);
    assert_eq!(facts.sameness.len(), 64);
}

#[test]
fn whatever_is_asked_for_over_the_stream_must_be_there() {
    for (type_url, sentence) in [
        (types::ENDPOINTS, "clusters/a: asks for endpoints 'a-service' over its own stream, and there are none of that name"),
        (types::ROUTES, "listeners/l: asks for routes 'r' over its own stream, and there are none of that name"),
    ] {
        let open: Vec<Resource> = full_set().into_iter().filter(|resource| resource.type_url != type_url).collect();
        for strictness in [Strictness::Delivered, Strictness::Live, Strictness::HandWritten] {
            assert_eq!(validate(&encode(open.clone()), strictness).err().unwrap().to_string(), sentence);
        }
    }
    let without = |name: &str| full_set().into_iter().filter(|resource| resource.name != name).collect::<Vec<_>>();
    let missing = |name: &str| validated(without(name)).err().unwrap().to_string();
    assert_eq!(missing("ca"), "clusters/b: asks for secrets 'ca' over its own stream, and there are none of that name");
    assert_eq!(missing("server"), "listeners/l: asks for secrets 'server' over its own stream, and there are none of that name");
}

#[test]
fn a_resource_is_there_once_and_calls_itself_what_it_is_called() {
    let mut set = full_set();
    set.extend([cluster("a", Vec::new()), at(types::CLUSTER, "alias", &named("real"), "1"), at(types::RUNTIME, "unnamed", &[], "1")]);
    set.push(at(types::LISTENER, "torn", &[0x0a, 0x7f], "1"));
    set.push(at(types::LISTENER, "torn-inside", &all([named("torn-inside"), len(3, [0xff])]), "1"));
    let sentences = validated(set).err().unwrap().sentences();
    let expected = [
        "clusters/alias: calls itself 'real'",
        "listeners/torn: one of the listeners is no message of its type",
        "listeners/torn-inside: its bytes are no message of its type",
        "runtimes/unnamed: one of the runtimes has no name",
        "clusters/a: is there twice",
    ];
    assert_eq!(sentences, expected);
    let twice = vec![at(&format!("{}x.y", types::PREFIX), "n", b"1", "1"), at(&format!("{}x.y", types::PREFIX), "n", b"2", "2")];
    assert_eq!(validated(twice).err().unwrap().to_string(), "x.y/n: is there twice", "of a type that nobody knows, too");
}

#[test]
fn without_clusters_or_listeners_only_a_live_control_plane_is_heard() {
    let (cluster, listener) = (cluster("a", Vec::new()), at(types::LISTENER, "l", &named("l"), "1"));
    for set in [vec![], vec![cluster.clone()], vec![listener.clone()], vec![at(types::RUNTIME, "r", &named("r"), "1")]] {
        let sentence = validated(set.clone()).err().unwrap().to_string();
        assert!(sentence.starts_with("configures nothing that could serve: of clusters there are "), "{sentence}");
        assert!(validate(&encode(set.clone()), Strictness::HandWritten).is_err());
        let counts = validate(&encode(set.clone()), Strictness::Live).unwrap().counts;
        let is_something = set.iter().any(|resource| [types::CLUSTER, types::LISTENER].contains(&resource.type_url.as_str()));
        assert_eq!(configures_nothing(&counts), !is_something);
    }
    assert!(validated(vec![cluster, listener]).is_ok());
}

#[test]
fn a_set_that_is_cut_off_or_altered_never_panics_and_is_refused_or_another_set() {
    let bytes = encode(full_set());
    let whole = validate(&bytes, Strictness::Delivered).unwrap().sameness;
    for length in 0..bytes.len() {
        // Between two resources what is cut off is missing, which only who asked for it can notice.
        if let Ok(facts) = validate(&bytes[..length], Strictness::Delivered) {
            assert!(decode(&bytes[..length]).unwrap().len() < full_set().len() && facts.sameness != whole, "cut off at {length}");
        }
    }
    let mut others = 0;
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        match validate(&altered, Strictness::Delivered) {
            Ok(_) => others += 1,
            Err(invalid) => assert!(!invalid.findings.is_empty()),
        }
    }
    assert!(others > 0, "a version, or a field that is not read, may be another");
}

#[test]
fn export_05_two_sets_are_the_same_by_their_versions_and_their_bytes_in_whatever_order() {
    let facts = |set: Vec<Resource>| validated(set).unwrap().sameness;
    let mut shuffled = full_set();
    shuffled.reverse();
    assert_eq!(encode(shuffled.clone()), encode(full_set()));
    let unsorted: Vec<u8> = shuffled.into_iter().flat_map(|resource| encode(vec![resource])).collect();
    assert_ne!(unsorted, encode(full_set()));
    assert_eq!(validate(&unsorted, Strictness::Delivered).unwrap().sameness, facts(full_set()));

    let with = |version: &str, extra: &[u8]| {
        let extension = at(types::EXTENSION_CONFIG, "x", &all([named("x"), extra.to_vec()]), version);
        facts(full_set().into_iter().chain([extension]).collect())
    };
    assert_ne!(with("1", &len(2, [])), with("1", &[]), "a management server that began again counts from one");
    assert_ne!(with("1", &[]), with("2", &[]), "the same bytes under another version are told to Envoy");
    assert_ne!(with("", &len(2, [])), with("", &[]), "and one that gives no versions says it with bytes");
    for version in ["", "1"] {
        assert_eq!(with(version, &[]), with(version, &[]));
    }
    assert_ne!(with("1", &[]), facts(full_set()));
}

#[test]
fn no_two_sets_are_written_alike_by_moving_text_from_one_field_to_the_next() {
    let set = |name: &str, version: &str| {
        vec![at(&format!("{}x", types::PREFIX), name, b"v", version), at(&format!("{}y", types::PREFIX), "n", b"v", "1")]
    };
    let facts = |set: Vec<Resource>| validate(&encode(set), Strictness::Live).unwrap().sameness;
    let all = [set("ab", "c"), set("a", "bc"), set("abc", ""), set("a", "b")];
    let distinct: std::collections::BTreeSet<String> = all.into_iter().map(facts).collect();
    assert_eq!(distinct.len(), 4);
}

#[test]
fn names_types_and_numbers_are_bounded() {
    let alone = |resource: Resource| validate(&encode(vec![resource]), Strictness::Live).map(drop).map_err(|invalid| invalid.to_string());
    let unknown = format!("{}x.Y", types::PREFIX);
    assert_eq!(alone(at(&unknown, &"n".repeat(4096), b"", &"v".repeat(4096))), Ok(()));
    let long = "resources[0]: its name has 4097 bytes; 4096 is the most that is taken";
    assert_eq!(alone(at(&unknown, &"n".repeat(4097), b"", "1")), Err(long.to_owned()));
    let long = "resources[0]: its version has 4097 bytes; 4096 is the most that is taken";
    assert_eq!(alone(at(&unknown, "n", b"", &"v".repeat(4097))), Err(long.to_owned()));
    assert_eq!(alone(at(&unknown, "", b"", "1")), Err("resources[0]: has no name".to_owned()));
    let longest = format!("{}{}", types::PREFIX, "t".repeat(256 - types::PREFIX.len()));
    assert_eq!(alone(at(&longest, "n", b"", "1")), Ok(()));
    for type_url in [format!("{longest}t"), String::new(), types::PREFIX.to_owned(), "a.test/x.Y".to_owned(), format!("{unknown}/z")] {
        let refusal = "resources[0]: its type is not 'type.googleapis.com/' and the name of a message, of at most 256 bytes";
        assert_eq!(alone(at(&type_url, "n", b"", "1")), Err(refusal.to_owned()), "{type_url}");
    }
    let many = [0x0a, 0x00].repeat(ENTITIES_MAX as usize + 1);
    assert!(validate(&many, Strictness::Live).err().unwrap().to_string().starts_with("has more than 2000000 resources"));
}

#[test]
fn a_common_reader_of_protobuf_reads_what_is_written_and_writes_what_is_read() {
    let common: Vec<CommonResource> = full_set().iter().map(CommonResource::of).collect();
    let mut sorted = common.clone();
    sorted.sort();
    assert_eq!(encode(full_set()), CommonResources { resources: sorted }.encode_to_vec());
    let unsorted = CommonResources { resources: common }.encode_to_vec();
    assert_eq!(decode(&unsorted).unwrap(), full_set());
    // What is taken for a set here is one there, and the same.
    for bit in 0..unsorted.len() * 8 {
        let mut altered = unsorted.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let Ok(ours) = decode(&altered) else { continue };
        let theirs = CommonResources::decode(&altered[..]).unwrap().resources;
        assert_eq!(ours.iter().map(CommonResource::of).collect::<Vec<_>>(), theirs, "bit {bit}");
    }
}

#[test]
fn the_bytes_of_a_set_are_those_of_the_documented_message() {
    let written = encode(vec![at("t", "n", &[0xff], "v")]);
    assert_eq!(written, [0x0a, 12, 0x0a, 1, b't', 0x12, 1, b'n', 0x1a, 1, b'v', 0x22, 1, 0xff]);
    assert_eq!(decode(&written).unwrap(), [at("t", "n", &[0xff], "v")]);
    let later = [&[0x0a, 9, 0x0a, 1, b't', 0x12, 1, b'n', 0x2a, 1, b'z'][..]].concat();
    assert_eq!(decode(&later).unwrap(), [at("t", "n", &[], "")], "a field of a later version is passed over");
    assert_eq!(decode(&[]).unwrap(), []);
    for (bytes, sentence) in [
        (&[0x0a, 5, 0x0a, 1][..], "is no list of xDS resources: what stands for resource 0 is none"),
        (&[0x0a, 0, 0x12, 0], "is no list of xDS resources: what stands for resource 1 is none"),
        (b"{\"a\": 1}", "is no list of xDS resources: what stands for resource 0 is none"),
    ] {
        assert_eq!(decode(bytes).unwrap_err().to_string(), sentence);
    }
    assert_eq!(decode(&encode(full_set())).unwrap().len(), full_set().len());
}

#[test]
fn all_04_a_resource_is_printed_without_its_bytes() {
    let printed = format!("{:?}", at(types::SECRET, "server", b"hunter2", "1"));
    assert!(
        printed.contains("server") && printed.contains("7 bytes") && !printed.contains("hunter2") && !printed.contains("104"),
        "{printed}"
    );
}

#[test]
fn an_answer_of_the_state_of_the_world_is_named_by_what_stands_in_it() {
    for type_url in [
        types::CLUSTER,
        types::ENDPOINTS,
        types::LISTENER,
        types::ROUTES,
        types::SCOPED_ROUTES,
        types::SECRET,
        types::RUNTIME,
        types::EXTENSION_CONFIG,
    ] {
        let value = all([int(4, 7), named("first"), named("outbound|80||a.test"), len(15, "x")]);
        assert_eq!(name_of(type_url, &value), Ok("outbound|80||a.test".to_owned()), "{type_url}: of two the last counts");
        assert!(name_of(type_url, &[]).unwrap_err().ends_with("has no name"));
        assert!(name_of(type_url, &len(1, [0xff])).unwrap_err().ends_with("is no message of its type"));
    }
    assert!(name_of("type.googleapis.com/x.Y", &named("n")).unwrap_err().contains("x.Y are not known"));
}

#[test]
fn endpoints_are_asked_for_by_clusters_that_discover_them_over_their_own_stream() {
    let wanted = |cluster: Resource| asks(&cluster).unwrap().endpoints.into_iter().collect::<Vec<_>>();
    assert_eq!(wanted(eds("a", ads(), "")), ["a"]);
    assert_eq!(wanted(eds("a", ads(), "a-service")), ["a-service"]);
    assert_eq!(wanted(eds("a", own(), "")), ["a"]);
    for source in [path(), len(1, "/etc/old.json"), api("other"), Vec::new()] {
        assert_eq!(wanted(eds("a", source, "")), [""; 0]);
    }
    let is_static = at(types::CLUSTER, "a", &all([named("a"), int(2, 0), len(3, len(1, ads()))]), "1");
    assert_eq!(wanted(is_static), [""; 0]);
}

#[test]
fn routes_are_asked_for_by_listeners_and_scopes() {
    let wanted = |listener: Vec<u8>| {
        let listener = at(types::LISTENER, "l", &listener, "1");
        asks(&listener).unwrap().routes.into_iter().collect::<Vec<_>>()
    };
    let chain = |manager: Vec<u8>| len(4, any(HTTP_CONNECTION_MANAGER, &manager));
    let filters = |manager: Vec<u8>| all([len(3, all([len(1, "first"), len(4, any("x.TcpProxy", b"\xff"))])), len(3, chain(manager))]);
    assert_eq!(wanted(len(3, filters(rds(ads(), "r")))), ["r"]);
    assert_eq!(wanted(len(25, filters(rds(own(), "by-default")))), ["by-default"]);
    assert_eq!(wanted(len(19, len(1, any(HTTP_CONNECTION_MANAGER, &rds(ads(), "without-a-proxy"))))), ["without-a-proxy"]);
    assert_eq!(wanted(len(3, filters(rds(path(), "r")))), [""; 0]);
    assert_eq!(wanted(len(3, filters(len(4, named("inline"))))), [""; 0]);
    let scopes = |source: Vec<u8>| len(31, all([len(3, source), len(4, all([len(1, scope("s", "a")), len(1, scope("t", "b"))]))]));
    assert_eq!(wanted(len(3, filters(scopes(ads())))), ["a", "b"]);
    assert_eq!(wanted(len(3, filters(scopes(api("other"))))), [""; 0]);
    let scoped = asks(&at(types::SCOPED_ROUTES, "s", &scope("s", "r"), "1")).unwrap();
    assert!(scoped.routes.contains("r"));
}

#[test]
fn secrets_are_asked_for_by_tls_in_whatever_it_is_wrapped() {
    let secrets = |socket: Vec<u8>| {
        let cluster = cluster("c", len(24, &socket));
        let matched = cluster_of("c", len(43, all([len(1, "m"), len(3, &socket)])));
        let listener = at(types::LISTENER, "l", &all([named("l"), len(3, len(6, &socket))]), "1");
        let [found, others @ ..] = [cluster, matched, listener].map(|resource| asks(&resource).unwrap().secrets);
        assert!(others.iter().all(|other| *other == found));
        found.into_iter().collect::<Vec<_>>()
    };
    let common = all([
        len(6, sds("certificate", ads())),
        len(6, sds("of-the-node", Vec::new())),
        len(6, sds("in-a-file", path())),
        len(7, sds("trusted", own())),
        len(8, all([len(1, []), len(2, sds("combined", ads()))])),
    ]);
    let asked = ["certificate", "combined", "trusted"];
    let upstream = all([len(1, &common), len(5, int(1, 1))]);
    assert_eq!(secrets(socket(UPSTREAM, &upstream)), asked);
    let downstream = all([len(1, &common), len(5, sds("tickets", ads()))]);
    let also_tickets = ["certificate", "combined", "tickets", "trusted"];
    assert_eq!(secrets(socket(DOWNSTREAM, &downstream)), also_tickets);
    assert_eq!(secrets(socket("quic.v3.QuicUpstreamTransport", &len(1, &upstream))), asked);
    assert_eq!(secrets(socket("quic.v3.QuicDownstreamTransport", &len(1, &downstream))), also_tickets);
    assert_eq!(secrets(socket("starttls.v3.UpstreamStartTlsConfig", &len(2, &upstream))), asked);
    assert_eq!(secrets(socket("starttls.v3.StartTlsConfig", &len(2, &downstream))), also_tickets);
    let mut wrapped = socket(UPSTREAM, &upstream);
    for (name, number) in [
        ("tcp_stats.v3.Config", 1),
        ("http_11_proxy.v3.Http11ProxyUpstreamTransport", 1),
        ("proxy_protocol.v3.ProxyProtocolUpstreamTransport", 2),
        ("tap.v3.Tap", 2),
        ("internal_upstream.v3.InternalUpstreamTransport", 3),
    ] {
        wrapped = socket(name, &len(number, wrapped));
        assert_eq!(secrets(wrapped.clone()), asked, "{name}");
    }
    assert_eq!(secrets(socket("raw_buffer.v3.RawBuffer", &[0xff])), [""; 0]);
    for _ in 0..4 {
        wrapped = socket("tap.v3.Tap", &len(2, wrapped));
    }
    let deep = asks(&cluster("c", len(24, wrapped))).unwrap_err();
    assert_eq!(deep, "has transport sockets in more than 8 others; that many is the most that is taken");
}

#[test]
fn nothing_of_a_name_can_move_the_cursor_of_a_terminal() {
    let hostile = format!("\u{1b}[2J{}", "x".repeat(1000));
    let set = vec![eds(&hostile, ads(), &hostile), at(types::LISTENER, "l", &named("l"), "1")];
    let sentence = validated(set).err().unwrap().to_string();
    assert!(!sentence.contains('\u{1b}') && sentence.chars().count() < 600, "{sentence}");
}

#[derive(Clone, PartialEq, Message)]
struct CommonResources {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<CommonResource>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Message)]
struct CommonResource {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    version: String,
    #[prost(bytes = "vec", tag = "4")]
    value: Vec<u8>,
}

impl CommonResource {
    fn of(resource: &Resource) -> Self {
        let Resource { type_url, name, version, value } = resource.clone();
        Self { type_url, name, version, value }
    }
}

fn validated(set: Vec<Resource>) -> Result<Facts, Invalid> {
    validate(&encode(set), Strictness::Delivered)
}

/// At least one of each type, closed.
fn full_set() -> Vec<Resource> {
    let tls = |number: u32, name: &str| len(1, len(number, sds(name, ads())));
    let connection = len(4, any(HTTP_CONNECTION_MANAGER, &rds(ads(), "r")));
    let chain = all([len(3, connection), len(6, socket(DOWNSTREAM, &tls(6, "server")))]);
    vec![
        eds("a", ads(), "a-service"),
        cluster("b", len(24, socket(UPSTREAM, &tls(7, "ca")))),
        at(types::ENDPOINTS, "a-service", &all([named("a-service"), len(2, [])]), "7"),
        at(types::LISTENER, "l", &all([named("l"), len(3, chain)]), "2026-11-28"),
        at(types::ROUTES, "r", &all([named("r"), len(2, named("host"))]), "1"),
        at(types::SCOPED_ROUTES, "s", &scope("s", "r"), "1"),
        at(types::SECRET, "server", &all([named("server"), len(2, len(2, len(3, "hunter2")))]), ""),
        at(types::SECRET, "ca", &all([named("ca"), len(4, len(1, len(1, "/etc/ca.pem")))]), ""),
        at(types::RUNTIME, "layer", &named("layer"), "1"),
        at(types::EXTENSION_CONFIG, "filter", &named("filter"), "1"),
        at("type.googleapis.com/envoy.config.route.v3.VirtualHost", "r/host", &named("host"), "1"),
    ]
}

fn at(type_url: &str, name: &str, value: &[u8], version: &str) -> Resource {
    Resource { type_url: type_url.to_owned(), name: name.to_owned(), version: version.to_owned(), value: value.to_vec() }
}

fn cluster(name: &str, besides: Vec<u8>) -> Resource {
    cluster_of(name, all([int(2, 1), besides]))
}

fn cluster_of(name: &str, besides: Vec<u8>) -> Resource {
    at(types::CLUSTER, name, &all([named(name), besides]), "1")
}

fn eds(name: &str, source: Vec<u8>, service_name: &str) -> Resource {
    // `connect_timeout` is field 4.
    cluster_of(name, all([int(2, 3), len(3, all([len(1, source), len(2, service_name)])), len(4, int(1, 5))]))
}

fn rds(source: Vec<u8>, name: &str) -> Vec<u8> {
    // `stat_prefix` is field 2.
    all([len(2, "ingress"), len(3, all([len(1, source), len(2, name)]))])
}

fn scope(name: &str, routes: &str) -> Vec<u8> {
    all([named(name), len(2, routes), int(4, 1)])
}

fn sds(name: &str, source: Vec<u8>) -> Vec<u8> {
    let source = if source.is_empty() { source } else { len(2, source) };
    all([named(name), source])
}

fn certificate(name: &str) -> Vec<u8> {
    all([named(name), len(2, all([len(1, len(3, ENDS_2029)), len(2, len(3, "hunter2"))]))])
}

fn socket(name: &str, value: &[u8]) -> Vec<u8> {
    all([len(1, name), len(3, any(&format!("envoy.extensions.transport_sockets.{name}"), value))])
}

fn any(name: &str, value: &[u8]) -> Vec<u8> {
    all([len(1, format!("type.googleapis.com/{name}")), len(2, value)])
}

/// `ConfigSource`: over the same stream, from the same server, from a file, of another server.
fn ads() -> Vec<u8> {
    all([len(3, []), int(6, 2)])
}

fn own() -> Vec<u8> {
    len(5, int(1, 2))
}

fn path() -> Vec<u8> {
    len(8, len(1, "/etc/envoy/x.yaml"))
}

fn api(cluster: &str) -> Vec<u8> {
    len(2, all([int(1, 2), int(8, 2), len(4, len(1, len(1, cluster)))]))
}

fn named(name: &str) -> Vec<u8> {
    len(1, name)
}

fn len(number: u32, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    all([varint(u64::from(number << 3 | 2)), varint(bytes.len() as u64), bytes.to_vec()])
}

fn int(number: u32, value: u64) -> Vec<u8> {
    all([varint(u64::from(number << 3)), varint(value)])
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn all<const N: usize>(parts: [Vec<u8>; N]) -> Vec<u8> {
    parts.concat()
}

fn asks(resource: &Resource) -> Result<Wanted, String> {
    references(&resource.type_url, &resource.value)
}

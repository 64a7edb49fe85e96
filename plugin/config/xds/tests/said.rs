//! What a set says besides being whole: warnings and needs, each in a sentence that shows no secret.

use super::*;

#[test]
fn boot_16_another_management_server_is_named_and_so_is_the_end_of_a_certificate() {
    let mut set = full_set();
    set.extend([eds("c", api("second"), ""), eds("d", api("second"), ""), at(types::SECRET, "pem", &certificate("pem"), "1")]);
    let facts = validated(set).unwrap();
    assert_eq!(facts.needs, [Need::Certificates { count: 1, ends_at: UnixMs(1_889_977_816_000) }]);
    let sentence = "management server 'second': asked by 2 of the resources for a part of them: the node must reach this management server \
                    without the control plane";
    assert!(facts.warnings.iter().any(|warning| warning == sentence), "{:?}", facts.warnings);
}

#[test]
fn all_04_keys_in_a_set_are_counted_and_never_shown() {
    let secrets = |set: Vec<Resource>| {
        let warnings = validated(set).unwrap().warnings.join("\n");
        assert!(!warnings.contains("hunter2"));
        let counted = warnings.strip_prefix("counts as secret: ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
        counted.map(|count| count.parse::<u64>().unwrap())
    };
    let listener = at(types::LISTENER, "l", &named("l"), "1");
    let context = |certificate: Vec<u8>| socket(UPSTREAM, &len(1, len(2, certificate)));
    let with = |socket: Vec<u8>| secrets(vec![cluster("a", len(24, socket)), listener.clone()]);
    assert_eq!(with(context(len(2, len(3, "hunter2")))), Some(1));
    assert_eq!(with(context(len(8, len(2, "hunter2")))), Some(1));
    assert_eq!(with(context(len(2, len(1, "/etc/key.pem")))), None);
    let tickets = len(4, all([len(1, len(2, "hunter2")), len(1, len(2, "hunter2"))]));
    assert_eq!(with(socket(DOWNSTREAM, &tickets)), Some(2));
    let trusted = at(types::SECRET, "ca", &all([named("ca"), len(4, len(1, len(3, "x")))]), "1");
    assert_eq!(secrets(vec![cluster("a", vec![]), listener.clone(), trusted]), None);
    let generic = at(types::SECRET, "token", &all([named("token"), len(5, len(1, len(3, "hunter2")))]), "1");
    assert_eq!(secrets(vec![cluster("a", vec![]), listener.clone(), generic]), Some(1));
}

#[test]
fn a_scope_whose_routes_are_not_here_is_said_and_refuses_nothing() {
    let mut set = full_set();
    set.push(at(types::SCOPED_ROUTES, "elsewhere", &scope("elsewhere", "unknown"), "1"));
    let warnings = validated(set).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.starts_with("scoped-routes: 1 name routes that are not here")), "{warnings:?}");
}

#[test]
fn scopes_and_virtual_hosts_that_are_asked_for_over_the_stream_are_said_to_be_missing_once_a_kind() {
    let listener = |name: &str, source: Vec<u8>| {
        let manager = len(31, len(5, len(1, source)));
        at(types::LISTENER, name, &all([named(name), len(3, len(3, len(4, any(HTTP_CONNECTION_MANAGER, &manager))))]), "1")
    };
    let routes = |name: &str, source: Vec<u8>| at(types::ROUTES, name, &all([named(name), len(9, len(1, source))]), "1");
    let set = vec![listener("l1", ads()), listener("l2", own()), listener("l3", path()), routes("r1", own()), routes("r2", Vec::new())];
    let expected = [
        "listeners/l1: asks for scoped routes over its own stream, the first of 2; this is not followed, and an Envoy born from this \
         snapshot lacks it",
        "routes/r1: asks for virtual hosts over its own stream, the first of 1; this is not followed, and an Envoy born from this \
         snapshot lacks it",
    ];
    assert_eq!(unfollowed(set.clone()), expected);
    assert!(set.iter().all(|resource| asks(resource).unwrap() == Wanted::default()), "who follows a stream must not wait for them");
    let elsewhere = vec![listener("l", api("second")), routes("r", api("second"))];
    assert_eq!(unfollowed(elsewhere.clone()), [""; 0]);
    let warnings = validated(elsewhere.into_iter().chain([cluster("a", vec![])]).collect()).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.starts_with("management server 'second': asked by 2 ")), "{warnings:?}");
    assert_eq!(unfollowed(full_set()), [""; 0]);
}

#[test]
fn a_filter_that_asks_for_its_configuration_over_the_stream_is_said_to_lack_it_unless_it_is_here() {
    let filter = |source: Vec<u8>| all([named("f"), len(5, len(1, source))]);
    let of_listener = |inside: Vec<u8>| at(types::LISTENER, "x", &all([named("x"), inside]), "1");
    let of_manager = |inside: Vec<u8>| of_listener(len(3, len(3, len(4, any(HTTP_CONNECTION_MANAGER, &inside)))));
    let of_upstream = |inside: Vec<u8>| {
        let options = any("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", &inside);
        cluster("x", len(36, all([len(1, "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"), len(2, options)])))
    };
    let everywhere = |source: fn() -> Vec<u8>| {
        [
            of_listener(len(9, filter(source()))),
            of_listener(len(3, len(3, filter(source())))),
            of_listener(len(25, len(3, filter(source())))),
            of_manager(len(5, filter(source()))),
            of_manager(len(23, len(2, filter(source())))),
            cluster("x", len(40, all([named("f"), len(3, len(1, source()))]))),
            of_upstream(len(6, filter(source()))),
        ]
    };
    for (index, asking) in everywhere(ads).into_iter().chain(everywhere(own)).enumerate() {
        let kind = types::short(&asking.type_url);
        let expected = format!(
            "filter 'f' of {kind}/x: asks for its configuration over its own stream, the first of 1; this is not followed, and an Envoy \
             born from this snapshot lacks it"
        );
        assert_eq!(unfollowed(vec![asking.clone()]), [expected], "{index}");
        assert_eq!(asks(&asking), Ok(Wanted::default()), "{index}: who follows a stream must not wait for it");
        assert_eq!(unfollowed(vec![asking, at(types::EXTENSION_CONFIG, "f", &named("f"), "1")]), [""; 0], "{index}");
    }
    for (index, asking) in everywhere(path).into_iter().chain(everywhere(Vec::new)).enumerate() {
        assert_eq!(unfollowed(vec![asking]), [""; 0], "{index}");
    }
    let two = unfollowed(vec![of_manager(all([len(5, filter(ads())), len(5, all([named("g"), len(5, len(1, ads()))]))]))]);
    assert!(two.iter().all(|warning| warning.contains("the first of 2")) && two.len() == 1, "{two:?}");
}

/// The warnings of a set about what is asked for and not followed.
fn unfollowed(set: Vec<Resource>) -> Vec<String> {
    let warnings = validate(&encode(set), Strictness::Live).unwrap().warnings;
    warnings.into_iter().filter(|warning| warning.contains("this is not followed")).collect()
}

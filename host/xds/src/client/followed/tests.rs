use super::*;
use crate::kit::{ENDPOINTS, Plain, any, cluster, endpoints, listener};

#[test]
fn what_is_kept_does_not_keep_the_frame_that_it_came_in() {
    let mut followed = following(usize::MAX);
    let frame = Bytes::from("a\nand what else is in the frame".to_owned());
    let mut seen = Vec::new();
    for version in ["1", "2"] {
        let slice = Any { type_url: LISTENER.into(), value: frame.slice(..1) };
        assert_eq!(followed.take(sotw(LISTENER, version, vec![slice])), Ok(()));
        assert!(frame.is_unique(), "version {version}");
        seen.push(followed.types[LISTENER].held["a"].resource.clone());
    }
    assert_eq!((&seen[0].value[..], seen[1].version.as_str()), (&b"a"[..], "2"));
    assert_eq!(seen[0].value.as_ptr(), seen[1].value.as_ptr(), "what stays the same is not copied again");
}

#[test]
fn what_is_held_is_bounded_by_number_and_by_bytes_with_names_and_versions() {
    let mut followed = following(usize::MAX);
    followed.resources_max = 2;
    assert_eq!(followed.take(delta(CLUSTER, &[cluster("a", "1")])), Ok(()));
    assert_eq!(followed.take(delta(LISTENER, &[listener("l", "1", &[])])), Ok(()));
    assert_eq!(followed.take(delta(CLUSTER, &[cluster("b", "1")])), Err(Unfit::TooMany));

    // Of what was turned down the names are kept.
    let mut followed = following(usize::MAX);
    followed.resources_max = 2;
    assert!(matches!(followed.take(delta(CLUSTER, &[broken("a"), broken("b")])), Err(Unfit::Rejected(_))));
    assert_eq!(followed.take(delta(CLUSTER, &[broken("c")])), Err(Unfit::TooMany));

    let one = listener("a name", "a version", &[]);
    let bytes = one.value.len() + one.name.len() + one.version.len();
    assert_eq!(following(bytes).take(delta(LISTENER, std::slice::from_ref(&one))), Ok(()));
    assert_eq!(following(bytes - 1).take(delta(LISTENER, &[one])), Err(Unfit::TooLarge));
}

#[test]
fn what_was_turned_down_is_doubtful_until_it_comes_and_not_until_another_does() {
    let mut followed = settled();
    let bad = any(&broken_endpoints("a"));
    assert!(matches!(followed.take(sotw(ENDPOINTS, "2", vec![bad])), Err(Unfit::Rejected(_))));
    assert_eq!(followed.missing(), [(ENDPOINTS.to_owned(), Some("a".to_owned()))]);
    followed.take(sotw(ENDPOINTS, "3", vec![any(&endpoints("b", ""))])).unwrap();
    assert!(followed.complete().is_none(), "it was not b that was turned down");
    followed.take(sotw(ENDPOINTS, "4", vec![any(&endpoints("a", ""))])).unwrap();
    assert_eq!(followed.complete().unwrap().len(), 5);
}

#[test]
fn where_what_was_turned_down_says_no_name_it_may_be_any_that_was_asked_for() {
    let mut followed = settled();
    let nameless = Any { type_url: ENDPOINTS.into(), value: Bytes::from_static(b"!") };
    assert!(matches!(followed.take(sotw(ENDPOINTS, "2", vec![any(&endpoints("b", "")), nameless])), Err(Unfit::Rejected(_))));
    followed.take(sotw(ENDPOINTS, "3", vec![any(&endpoints("a", ""))])).unwrap();
    assert_eq!(followed.missing(), [(ENDPOINTS.to_owned(), Some("b".to_owned()))]);
    followed.take(sotw(ENDPOINTS, "4", vec![any(&endpoints("b", ""))])).unwrap();
    assert!(followed.complete().is_some());
}

#[test]
fn an_answer_that_has_everything_leaves_no_doubt_and_one_of_changes_does() {
    let nameless = || Any { type_url: CLUSTER.into(), value: Bytes::from_static(b"!") };
    let both = || vec![any(&cluster("a", "")), any(&cluster("b", ""))];
    let mut followed = settled();
    assert!(matches!(followed.take(sotw(CLUSTER, "2", vec![nameless(), any(&cluster("c", ""))])), Err(Unfit::Rejected(_))));
    assert_eq!(followed.missing(), [(CLUSTER.to_owned(), None), (CLUSTER.to_owned(), Some("c".to_owned()))]);
    followed.take(sotw(CLUSTER, "3", both())).unwrap();
    assert!(followed.complete().is_some());

    let mut followed = settled();
    let came = vec![Came { name: None, version: String::new(), any: Some(nameless()) }];
    assert!(matches!(followed.take(Answer { came, ..delta(CLUSTER, &[]) }), Err(Unfit::Rejected(_))));
    followed.take(delta(CLUSTER, &[cluster("a", "3"), cluster("b", "3")])).unwrap();
    assert_eq!(followed.missing(), [(CLUSTER.to_owned(), None)]);
}

#[test]
fn a_heartbeat_clears_no_doubt() {
    let mut followed = settled();
    assert!(matches!(followed.take(delta(ENDPOINTS, &[broken_endpoints("a")])), Err(Unfit::Rejected(_))));
    let came = vec![Came { name: Some("a".into()), version: "1".into(), any: None }];
    followed.take(Answer { came, ..delta(ENDPOINTS, &[]) }).unwrap();
    assert_eq!(followed.missing(), [(ENDPOINTS.to_owned(), Some("a".to_owned()))]);
}

fn following(bytes_max: usize) -> Followed {
    Followed::new(Arc::new(Plain), bytes_max)
}

/// Two clusters with their endpoints, one listener.
fn settled() -> Followed {
    let mut followed = following(usize::MAX);
    followed.take(sotw(CLUSTER, "1", vec![any(&cluster("a", "")), any(&cluster("b", ""))])).unwrap();
    followed.follow();
    followed.take(sotw(ENDPOINTS, "1", vec![any(&endpoints("a", "")), any(&endpoints("b", ""))])).unwrap();
    followed.take(sotw(LISTENER, "1", vec![any(&listener("l", "", &[]))])).unwrap();
    assert!(followed.complete().is_some());
    followed
}

fn broken(name: &str) -> Resource {
    Resource { value: Bytes::from(format!("{name}\n!")), ..cluster(name, "1") }
}

fn broken_endpoints(name: &str) -> Resource {
    Resource { value: Bytes::from(format!("{name}\n!")), ..endpoints(name, "1") }
}

fn sotw(type_url: &str, version: &str, resources: Vec<Any>) -> Answer {
    let came = resources.into_iter().map(|any| Came { name: None, version: version.into(), any: Some(any) }).collect();
    Answer { came, is_whole: is_root(type_url), version: version.into(), ..delta(type_url, &[]) }
}

fn delta(type_url: &str, resources: &[Resource]) -> Answer {
    let came = |one: &Resource| Came { name: Some(one.name.clone()), version: one.version.clone(), any: Some(any(one)) };
    Answer {
        type_url: type_url.into(),
        nonce: "n".into(),
        version: String::new(),
        is_whole: false,
        came: resources.iter().map(came).collect(),
        removed: Vec::new(),
    }
}

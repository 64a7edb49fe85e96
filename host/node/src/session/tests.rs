// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::Ordering;

use super::*;
use crate::testing::{Dialled, Timetable, config, lost, s};

#[tokio::test(start_paused = true)]
async fn an_attempt_brings_the_first_configuration_and_the_session_brings_the_others() {
    let (sessions, _) = plane([Dialled::Connects(s(1), vec![(s(1), Ok(config("one"))), (s(60), Ok(config("two")))])]);
    let mut deliveries = sessions.deliveries();
    assert!(!sessions.connected());
    assert_eq!(sessions.attempt(s(10)).await.unwrap().bytes(), "one");
    assert!(sessions.connected());
    assert_eq!(deliveries.borrow_and_update().as_ref().unwrap().config.bytes(), "one");
    assert_eq!(delivered(sessions.news().await), "two");
    assert_eq!(deliveries.borrow_and_update().as_ref().unwrap().config.bytes(), "two");
}

#[tokio::test(start_paused = true)]
async fn an_open_session_answers_an_attempt_with_its_latest_and_without_dialling() {
    let (sessions, plane) = plane([Dialled::Connects(s(0), vec![(s(0), Ok(config("one"))), (s(1), Ok(config("two")))])]);
    sessions.attempt(s(10)).await.unwrap();
    sessions.news().await;
    assert_eq!(sessions.attempt(s(10)).await.unwrap().bytes(), "two");
    assert_eq!(plane.dials.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_at_one_time_share_one_session() {
    let (sessions, plane) = plane([Dialled::Connects(s(2), vec![(s(0), Ok(config("one")))])]);
    let (first, second, hasty) = tokio::join!(sessions.attempt(s(10)), sessions.attempt(s(10)), sessions.attempt(s(1)));
    assert_eq!((first.unwrap().bytes(), second.unwrap().bytes()), (config("one").bytes(), config("one").bytes()));
    assert_eq!(hasty.unwrap_err().answer, Answer::TimedOut);
    assert_eq!(plane.dials.load(Ordering::SeqCst), 1);
    // Taken by two callers, it is no news.
    assert!(timeout(s(60), sessions.news()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_nobody_waits_for_any_more_arrives_as_news() {
    let (sessions, _) = plane([Dialled::Connects(s(5), vec![(s(0), Ok(config("one")))])]);
    assert!(timeout(s(1), sessions.attempt(s(10))).await.is_err());
    assert_eq!(delivered(sessions.news().await), "one");
    assert!(sessions.connected());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_its_caller_never_read_arrives_as_news() {
    let (sessions, _) = plane([Dialled::Connects(s(1), vec![(s(0), Ok(config("one")))])]);
    let mut attempt = Box::pin(sessions.attempt(s(10)));
    assert!(futures::poll!(&mut attempt).is_pending());
    // The answer lies ready within the attempt, which nobody polls.
    tokio::time::sleep(s(2)).await;
    assert!(sessions.connected());
    drop(attempt);
    assert_eq!(delivered(sessions.news().await), "one");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_read_does_not_replace_what_came_after_it() {
    let (sessions, _) = plane([Dialled::Connects(s(1), vec![(s(0), Ok(config("one"))), (s(1), Ok(config("two"))), (s(1), Err(lost()))])]);
    let mut attempt = Box::pin(sessions.attempt(s(10)));
    assert!(futures::poll!(&mut attempt).is_pending());
    tokio::time::sleep(s(10)).await;
    drop(attempt);
    assert_eq!(delivered(sessions.news().await), "two");
    assert!(matches!(sessions.news().await, News::Lost(_)));
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_session_left_never_comes_after_what_a_later_one_brought() {
    let earlier = vec![(s(0), Ok(config("one"))), (s(1), Err(lost()))];
    let (sessions, _) = plane([Dialled::Connects(s(1), earlier), Dialled::Connects(s(1), vec![(s(0), Ok(config("two")))])]);
    // Its caller gave up, and was busy until the session was lost again.
    assert!(timeout(Duration::from_millis(500), sessions.attempt(s(10))).await.is_err());
    tokio::time::sleep(s(10)).await;
    assert_eq!(sessions.attempt(s(10)).await.unwrap().bytes(), "two");
    assert!(timeout(s(60), sessions.news()).await.is_err(), "there is no news: not the old configuration, and not the old loss");
}

#[tokio::test(start_paused = true)]
async fn patience_ends_an_attempt_and_says_how_far_it_came() {
    let (sessions, plane) = plane([
        Dialled::Never,
        Dialled::Connects(s(1), vec![]),
        Dialled::Fails(lost()),
        Dialled::Connects(s(1), vec![(s(1), Ok(config("one")))]),
    ]);
    let began = Instant::now();
    assert_eq!(sessions.attempt(s(10)).await.unwrap_err().answer, Answer::TimedOut);
    assert_eq!(sessions.attempt(s(10)).await.unwrap_err().answer, Answer::Silent);
    assert_eq!(began.elapsed().as_secs(), 20);
    assert_eq!(sessions.attempt(s(10)).await.unwrap_err(), lost());
    assert!(!sessions.connected());
    sessions.attempt(s(10)).await.unwrap();
    assert_eq!(plane.dials.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_is_news_and_the_next_attempt_dials_again() {
    let ends = |text| Dialled::Connects(s(0), vec![(s(0), Ok(config(text))), (s(30), Err(lost()))]);
    let (sessions, _) = plane([ends("one"), ends("two")]);
    sessions.attempt(s(10)).await.unwrap();
    let News::Lost(unanswered) = sessions.news().await else { panic!("a loss was due") };
    assert_eq!(unanswered, lost());
    assert!(!sessions.connected());
    assert_eq!(sessions.attempt(s(10)).await.unwrap().bytes(), "two");
    assert!(sessions.connected());
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_panics_costs_one_attempt() {
    let (sessions, _) = plane([Dialled::Panics, Dialled::Connects(s(0), vec![(s(0), Ok(config("one")))])]);
    assert_eq!(sessions.attempt(s(10)).await.unwrap_err().answer, Answer::Unexpected);
    assert_eq!(sessions.attempt(s(10)).await.unwrap().bytes(), "one");
}

#[tokio::test(start_paused = true)]
async fn who_is_late_to_read_finds_the_newest_delivery_only() {
    let each_second = ["one", "two", "three", "four"].map(|text| (s(1), Ok(config(text))));
    let (sessions, _) = plane([Dialled::Connects(s(0), each_second.into())]);
    sessions.attempt(s(10)).await.unwrap();
    tokio::time::sleep(s(10)).await;
    assert_eq!(delivered(sessions.news().await), "four");
    assert!(timeout(s(60), sessions.news()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_sessions_ends_the_session() {
    let (sessions, plane) = plane([Dialled::Connects(s(0), vec![(s(0), Ok(config("one")))])]);
    sessions.attempt(s(10)).await.unwrap();
    assert!(Arc::strong_count(&plane) > 1);
    drop(sessions);
    tokio::time::sleep(s(1)).await;
    assert_eq!(Arc::strong_count(&plane), 1);
}

fn plane(turns: impl IntoIterator<Item = Dialled>) -> (Sessions, Arc<Timetable>) {
    let plane = Timetable::new(turns);
    (Sessions::new(plane.clone()), plane)
}

fn delivered(news: News) -> String {
    match news {
        News::Delivered(config) => String::from_utf8(config.bytes().to_vec()).unwrap(),
        News::Lost(unanswered) => panic!("lost: {}", unanswered.detail),
    }
}

//! The points of the gateway, as whoever counts them sees them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use gateway::eventlog::{Entry, Event, EventLogLayer};
use gateway::reach::{Point, ReachLayer, reached};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

#[test]
fn every_point_is_counted_as_itself_and_logged_as_nothing() {
    let points: Arc<Mutex<Vec<Point>>> = Arc::default();
    let entries: Arc<Mutex<Vec<Entry>>> = Arc::default();
    let (counted, kept) = (Arc::clone(&points), Arc::clone(&entries));
    let count = ReachLayer::new(move |point| counted.lock().unwrap().push(point));
    let keep = EventLogLayer::new(move |entry| kept.lock().unwrap().push(entry));
    with_default(registry().with(keep).with(count), || {
        Point::ALL.iter().copied().for_each(reached);
        Event::Stopped.log();
        tracing::error!(target: "another program", "it failed");
    });
    assert_eq!(*points.lock().unwrap(), Point::ALL);
    assert_eq!(entries.lock().unwrap().iter().map(|entry| entry.id).collect::<Vec<_>>(), [1001]);
}

#[test]
fn a_point_costs_nothing_where_only_the_event_log_is_kept() {
    let subscriber = registry().with(EventLogLayer::new(|_: Entry| ()));
    assert_eq!(subscriber.max_level_hint(), Some(LevelFilter::INFO));
}

#[test]
fn no_two_points_have_one_name() {
    let names: BTreeSet<_> = Point::ALL.iter().map(|point| point.name()).collect();
    assert_eq!(names.len(), Point::ALL.len());
}

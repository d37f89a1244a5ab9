//! The example of docs/bring-your-own-gateway.md: its bug is found, and with the line that mends it nothing is.

#[path = "../examples/little_server.rs"]
mod little_server;

#[test]
fn mail_whose_name_is_not_synchronised_is_lost_in_some_seed() {
    let lost = little_server::hunt(false).unwrap();
    assert!(lost.ends_with("was answered \"250 OK, it is on the disk\" and is nowhere"), "{lost}");
}

#[test]
fn with_the_line_that_synchronises_it_no_seed_loses_any() {
    assert_eq!(little_server::hunt(true), None);
}

#[test]
fn the_example_runs_and_is_as_short_as_its_page_says() {
    little_server::main();
    assert!(include_str!("../examples/little_server.rs").lines().count() < 100);
}

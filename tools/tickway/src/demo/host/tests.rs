//! The filled-in host file is sound, and keeps what the caller said.

use super::*;
use crate::demo::market::Row;
use serde_json::json;

fn base(text: &str) -> Base {
    let file = HostFile::parse("test.toml", text).unwrap();
    Base { name: "test.toml".to_owned(), table: text.parse().unwrap(), file }
}

fn listening() -> Value {
    json!({
        "group": "239.255.1.2",
        "group_port": 31001,
        "request_addr": "127.0.0.1:31002",
        "order_addr": "127.0.0.1:31003",
    })
}

fn market(symbols: &[&str], messages: Option<u64>) -> Market {
    let row =
        |symbol: &&str| Row { symbol: (*symbol).to_owned(), tick_size: "0.01".to_owned(), price_max: "400".to_owned() };
    Market { source: "test".to_owned(), rows: symbols.iter().map(row).collect(), messages }
}

#[test]
fn the_demos_own_host_file_takes_any_market() {
    let file = base(OWN).fill_in(&listening(), &market(&["ALFA", "BRAVO"], Some(1_000_000))).unwrap();
    assert_eq!(file.instruments().by_symbol("BRAVO").unwrap().price_max.to_string(), "400");
    let venue = &file.venues()[0];
    assert_eq!((venue.group_port, venue.order_entry_address.port()), (31001, 31003));
    assert_eq!(venue.request_address.to_string(), "127.0.0.1:31002");
    let echo: Table = file.echo().parse().unwrap();
    assert_eq!(echo["strategy"][0]["instruments"].as_array().unwrap().len(), 2);
    assert_eq!(echo["feed-handler"]["order_capacity"].as_integer(), Some(1 << 20));
    assert_eq!(echo["risk"]["limits"].as_array().unwrap().len(), 1);
}

#[test]
fn a_host_file_that_fits_the_market_is_left_as_it_is() {
    let text = OWN.replace("price_max = \"10000\"", "price_max = \"77\"");
    let file = base(&text).fill_in(&listening(), &market(&["AAAA", "BRAVO"], None)).unwrap();
    assert_eq!(file.instruments().len(), 1);
    assert_eq!(file.instruments().by_symbol("AAAA").unwrap().price_max.to_string(), "77");
}

#[test]
fn a_first_line_that_lacks_an_address_is_refused() {
    let error = base(OWN).fill_in(&json!({ "group_port": 1 }), &market(&["A"], None)).unwrap_err();
    assert!(error.message.contains("no group"), "{error}");
}

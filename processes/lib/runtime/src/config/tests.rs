//! Every configuration error names file, key and line.

use super::*;
use serde::Deserialize;
use shm_layout::types::{InstrumentId, Price, Qty};

const DEMO: &str = include_str!("../../../../../tuning/demo.toml");

fn demo() -> HostFile {
    HostFile::parse("demo.toml", DEMO).unwrap()
}

/// Replaces `from` by `to` in the demo's file; the line is found by hand in the text, not by the code under test.
fn error_after(from: &str, to: &str) -> (ConfigError, usize) {
    let at = DEMO.find(from).expect("the text is in the demo's file");
    let line = DEMO[..at].lines().count() + usize::from(at == 0 || DEMO[..at].ends_with('\n'));
    let text = DEMO.replacen(from, to, 1);
    (HostFile::parse("demo.toml", &text).unwrap_err(), line)
}

#[track_caller]
fn check(from: &str, to: &str, key: &str, what: &str) {
    let (error, line) = error_after(from, to);
    assert_eq!((error.file.as_str(), error.line, error.key.as_str()), ("demo.toml", line, key), "{error}");
    assert!(error.what.contains(what), "{error}");
    let text = error.to_string();
    assert!(!text.contains('\n') && text.starts_with(&format!("demo.toml:{line}: {key}: ")) && text.contains("; "));
}

#[test]
fn the_demo_file_loads() {
    let file = demo();
    assert_eq!(file.host().instance.as_str(), "demo");
    assert_eq!(file.host().cores, CoreSpec::Auto);
    assert_eq!(file.host().nap_us.get(), 100);
    assert!(file.host().own_code);
    assert_eq!(file.rings().market_data.get(), 65_536);
    let counts = file.counts();
    assert_eq!((counts.feed_handlers, counts.strategies, counts.gateways), (1, 1, 1));
    let row = file.instruments().by_symbol("AAAA").unwrap();
    assert_eq!(row.id, InstrumentId(0));
    assert_eq!((row.tick_size, row.lot_size), (Price(1_000_000), Qty(100_000_000)));
    assert_eq!(file.venues()[0].username, "TICK01");
    let names = ["feed-handler", "strategy", "risk", "execution-gateway", "recorder", "supervisor"];
    file.check_no_unowned(&names).unwrap();
}

#[test]
fn errors_of_host_and_rings_name_file_line_key() {
    check("instance = \"demo\"", "instance = \"../x\"", "host.instance", "not an instance name");
    check("instance = \"demo\"", "instanze = \"demo\"", "host.instanze", "unknown field `instanze`");
    check("[host]\ninstance = \"demo\"", "[host]", "host", "missing field `instance`");
    check("cores = \"auto\"", "cores = \"all\"", "host.cores", "a list of CPU ids");
    check("cores = \"auto\"", "cores = [1, 1]", "host.cores", "CPU 1 is listed twice");
    check("wait = \"auto\"", "wait = \"sleep\"", "host.wait", "unknown variant");
    check("nap_us = 100", "nap_us = 0", "host.nap_us", "0 is outside 1 to 100000");
    check("nap_us = 100", "nap_us = \"50\"", "host.nap_us", "invalid type: string");
    check("market_data = 65536", "market_data = 65537", "rings.market_data", "not a power of two");
    check("wire = 65536", "wire = 32", "rings.wire", "outside 64 to");
    check("control = 1024", "control = -1", "rings.control", "-1 slots is outside");
    check("data = \"\"", "data = \"here\"", "paths.data", "relative");
}

#[test]
fn errors_of_instruments_and_venues_name_file_line_key() {
    let (first, row) = ("symbol = \"AAAA\"", "instruments[0]");
    check("tick_size = \"0.01\"", "tick_size = \"0.000000001\"", &format!("{row}.tick_size"), "at most 8 decimal");
    check("tick_size = \"0.01\"", "tick_size = 0.01", &format!("{row}.tick_size"), "invalid type: floating point");
    check("tick_size = \"0.01\"", "tick_size = \"0\"", &format!("{row}.tick_size"), "not positive");
    check("lot_size = \"1\"", "lot_size = \"1e2\"", &format!("{row}.lot_size"), "decimal string");
    check("price_max = \"10000\"", "price_max = \"0.015\"", &format!("{row}.price_max"), "multiple of the tick");
    check(first, "symbol = \"A A\"", &format!("{row}.symbol"), "printing ASCII");
    check("group = \"239.255.0.1\"", "group = \"10.0.0.1\"", "venues[0].group", "not a multicast");
    check("group_port = 0", "group_port = 70000", "venues[0].group_port", "70000");
    check("interface = \"127.0.0.1\"", "interface = \"0.0.0.0\"", "venues[0].interface", "chance");
    check("name = \"sim\"", "name = \"\"", "venues[0].name", "empty");
}

#[test]
fn a_duplicated_symbol_is_refused_at_its_second_row() {
    let row = &DEMO[DEMO.find("[[instruments]]").unwrap()..DEMO.find("[[venues]]").unwrap()];
    let text = DEMO.replacen(row, &format!("{row}{row}"), 1);
    let error = HostFile::parse("demo.toml", &text).unwrap_err();
    let second = text.match_indices("symbol = \"AAAA\"").nth(1).unwrap().0;
    assert_eq!(error.key, "instruments[1].symbol");
    assert_eq!(error.line, text[..second].matches('\n').count() + 1);
}

#[test]
fn no_instrument_not_toml_no_file_and_a_double_key_are_refused() {
    let row = &DEMO[DEMO.find("[[instruments]]").unwrap()..DEMO.find("[[venues]]").unwrap()];
    let error = HostFile::parse("demo.toml", &DEMO.replacen(row, "", 1)).unwrap_err();
    assert_eq!(error.key, "instruments");
    let (error, line) = error_after("nap_us = 100", "nap_us =");
    assert_eq!(error.line, line, "{error}");
    let (error, line) = error_after("wire = 65536\n", "wire = 65536\nwire = 128\n");
    assert_eq!((error.line, error.key.as_str()), (line + 1, "wire"), "{error}");
    assert_eq!(error.cure, "keep one of the two");
    let missing = HostFile::load(Path::new("/nonexistent/host.toml")).unwrap_err();
    assert!(missing.to_string().starts_with("/nonexistent/host.toml:1: (file): cannot be read"));
}

#[test]
fn failpoints_need_leave_and_read_both_forms() {
    let with = |text: &str| HostFile::parse("f.toml", &format!("{DEMO}\n[failpoint]\n{text}\n"));
    let error = with("\"ring.publish\" = \"kill\"").unwrap_err();
    assert_eq!(error.key, "failpoint");
    let allowed = DEMO.replacen("[host]", "[host]\nallow_failpoints = true", 1);
    let with = |text: &str| HostFile::parse("f.toml", &format!("{allowed}\n[failpoint]\n{text}\n"));
    let file = with("\"a.b\" = \"sleep:20\"\nc = { action = \"kill\", after = 3, lives = 2 }\n").unwrap();
    assert_eq!(file.failpoints()["a.b"], FailpointArm { action: FailpointAction::SleepMs(20), after: 0, lives: 1 });
    assert_eq!(file.failpoints()["c"], FailpointArm { action: FailpointAction::Kill, after: 3, lives: 2 });
    assert_eq!(HostFile::parse("f.toml", file.echo()).unwrap().failpoints(), file.failpoints());
    assert_eq!(with("c = \"explode\"").unwrap_err().key, "failpoint.c");
    assert!(with("c = { after = 1 }").unwrap_err().what.contains("missing field `action`"));
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Limit {
    symbol: String,
    order_qty_max: DecimalQty,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Own {
    gap_us: Within<1, 100>,
    #[serde(default)]
    limits: Vec<Limit>,
}

#[test]
fn a_process_reads_its_own_table_with_spans() {
    let with = |text: &str| HostFile::parse("p.toml", &format!("{DEMO}\n{text}")).unwrap();
    let head = DEMO.matches('\n').count() + 1;
    let good = with("[own]\ngap_us = 7\n[[own.limits]]\nsymbol = \"*\"\norder_qty_max = \"2.5\"\n");
    let own: Own = good.table("own").unwrap();
    assert_eq!((own.gap_us.get(), own.limits[0].order_qty_max.0), (7, Qty(250_000_000)));
    assert_eq!(own.limits[0].symbol, "*");
    let error = good.error_at("own.limits[0].symbol", "no such instrument", "declare it");
    assert_eq!((error.line, error.key.as_str()), (head + 4, "own.limits[0].symbol"));
    assert_eq!(good.error_at("own.limits[0].burst", "missing", "add it").line, head + 3);
    let bad = with("[own]\ngap_us = 7\n[[own.limits]]\nsymbol = \"*\"\norder_qty_max = \"2.5.1\"\n");
    let error = bad.table::<Own>("own").unwrap_err();
    assert_eq!((error.line, error.key.as_str()), (head + 5, "own.limits[0].order_qty_max"));
    let error = good.table::<Own>("absent").unwrap_err();
    assert!(error.what.contains("missing"), "{error}");
    assert!(good.tables::<Own>("absent").unwrap().is_empty());
    let error = good.check_no_unowned(&["feed-handler", "strategy", "risk"]).unwrap_err();
    assert_eq!(error.key, "execution-gateway");
}

#[test]
fn the_echo_loads_to_the_same_configuration_whatever_the_comments() {
    let file = demo();
    let again = HostFile::parse("echo", file.echo()).unwrap();
    assert_eq!(again.echo(), file.echo());
    assert_eq!(again.config_hash(), file.config_hash());
    assert_eq!(again.instruments().hash(), file.instruments().hash());
    let bare: String = DEMO.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    assert_eq!(HostFile::parse("bare", &bare).unwrap().config_hash(), file.config_hash());
    let less = DEMO.replacen("nap_us = 100\n", "", 1);
    assert_eq!(HostFile::parse("less", &less).unwrap().config_hash(), file.config_hash());
    let other = file.with_value("host.nap_us", "51").unwrap();
    assert_eq!(other.host().nap_us.get(), 51);
    assert_ne!(other.config_hash(), file.config_hash());
}

#[test]
fn a_value_is_replaced_in_place() {
    let file = demo().with_value("venues[0].request_address", "\"127.0.0.1:4711\"").unwrap();
    let file = file.with_value("venues[0].group_port", "31001").unwrap();
    assert_eq!(file.venues()[0].request_address.port(), 4711);
    assert_eq!(file.venues()[0].group_port, 31001);
    assert_eq!(file.with_value("venues[1].group_port", "1").unwrap_err().key, "venues[1].group_port");
    assert_eq!(file.with_value("host.nap_us", "0").unwrap_err().key, "host.nap_us");
}

#[test]
fn stages_share_a_process_only_beside_a_simulated_venue_and_without_failpoints() {
    for placement in ["paired", "fused"] {
        let wish = format!("placement = \"{placement}\"");
        let text = DEMO.replacen("placement = \"processes\"", &wish, 1);
        let file = HostFile::parse("demo.toml", &text).unwrap();
        assert_eq!(file.host().placement.to_string(), placement);
        let real = text.replacen("simulated = true", "simulated = false", 1);
        let error = HostFile::parse("demo.toml", &real).unwrap_err();
        assert!(error.key == "host.placement" && error.what.contains("\"sim\" is real"), "{error}");
        let unsaid = text.replacen("simulated = true", "", 1);
        assert_eq!(HostFile::parse("demo.toml", &unsaid).unwrap_err().key, "host.placement", "real unless said");
        let armed = text.replacen("[host]", "[host]\nallow_failpoints = true", 1)
            + "\n[failpoint]\n\"ring.write.after_mark\" = { action = \"kill\" }\n";
        let error = HostFile::parse("demo.toml", &armed).unwrap_err();
        assert!(error.key == "host.placement" && error.what.contains("failpoint"), "{error}");
    }
    check("placement = \"processes\"", "placement = \"both\"", "host.placement", "unknown variant `both`");
}

#[test]
fn a_realtime_class_that_would_yield_is_refused_before_anything_starts() {
    let text = DEMO.replacen("wait = \"auto\"", "wait = \"yield\"\nscheduler = \"fifo\"", 1);
    let error = crate::placement::plan(&HostFile::parse("demo.toml", &text).unwrap()).unwrap_err().to_string();
    assert!(error.contains("host.scheduler") && error.contains("sched_yield"), "{error}");
    assert!(crate::placement::plan(&demo()).is_ok());
}

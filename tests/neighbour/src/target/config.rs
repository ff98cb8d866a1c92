//! The host file: any text is loaded or refused with a message that names the file.

use runtime::config::{ConfigError, HostFile};

/// The input as a host file, and as a change to the demo's.
pub fn loader(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    load(&text);
    // One line over another of a good file.
    let (line, change) = text.split_once('\n').unwrap_or(("", &text));
    let at = line.bytes().map(usize::from).sum::<usize>();
    let mut lines: Vec<&str> = crate::host::DEMO.lines().collect();
    let count = lines.len();
    lines[at % count] = change;
    load(&lines.join("\n"));
}

fn named(error: &ConfigError) {
    let text = error.to_string();
    assert!(text.contains("host.toml"), "an error names its file: {text}");
}

fn load(text: &str) {
    let file = match HostFile::parse("host.toml", text) {
        Ok(file) => file,
        Err(error) => return named(&error),
    };
    let _ = (file.counts(), file.config_hash(), file.failpoints().len());
    for row in file.instruments().rows() {
        assert!(file.instruments().get(row.id).is_some_and(|same| same.symbol == row.symbol));
    }
    // What is written back means the same.
    let again = HostFile::parse("host.toml", file.echo()).expect("the echo of a good file is good");
    assert_eq!(again.config_hash(), file.config_hash());
    owners(&file);
}

/// Each process's own table.
fn owners(file: &HostFile) {
    if let Err(error) = file.table::<feed_handler::Config>("feed-handler").map(|config| config.check().is_ok()) {
        named(&error);
    }
    if let Err(error) = file.tables::<strategy::config::StrategyConfig>("strategy") {
        named(&error);
    }
    let risk = file.table::<risk::config::RiskConfig>("risk");
    let gateway = file.table::<execution_gateway::config::GatewayConfig>("execution-gateway");
    if let Ok(config) = risk {
        let instruments = crate::target::machine::risk_instruments(file);
        let counts = file.counts();
        let _ = config.resolve(&instruments, usize::from(counts.strategies), counts.gateways);
    }
    if let (Ok(config), Some(venue)) = (gateway, file.venues().first()) {
        let symbols: Vec<String> = file.instruments().rows().iter().map(|row| row.symbol.clone()).collect();
        let _ = config.settings(0, venue, &symbols, usize::from(file.counts().strategies));
    }
    let _ = supervisor::config::tail_bytes(file);
}

//! The demo's course: prepare, start, trade, bring to rest, count, stop, judge.

use super::books::Books;
use super::counts::{self, Counts, FeedCounts, JournalPositions, StrategyCounts, VenueCounts};
use super::follow::Follow;
use super::held::Held;
use super::host::{self, Base};
use super::machine::{CpuTime, backing, jitter_floor};
use super::market::{INSTRUMENTS_MAX, Market};
use super::progress::{Progress, Snapshot};
use super::report::{self, Report};
use super::venue::Venue;
use super::{Arguments, cleanup, quiesce, verdict};
use crate::failure::{DATA_ERROR, Failure, UNAVAILABLE};
use crate::launch;
use crate::ledger::{self, JournalFiles};
use crate::regions::Regions;
use crate::roster::{self, ProcessRow};
use crate::socket::{Request, Supervisor};
use runtime::affinity::{CorePlan, allowed_cpus};
use runtime::anchor::anchor_ns;
use runtime::child::{Child, binary_path};
use runtime::clock::monotonic_ns;
use runtime::config::HostFile;
use runtime::instance::{Instance, InstanceLock};
use runtime::kill_file;
use runtime::signal::stop_requested;
use runtime::{control_page, placement, ports};
use shm_layout::kill_page::Engager;
use shm_layout::topology::Counts as RoleCounts;
use shm_layout::types::{RejectReason, Role};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// File that marks a data directory as a demo's: only such a one is emptied.
const MARKER: &str = ".tickway-demo";
/// Longest wait until every process runs: a disk that was just given gigabytes holds a first sync up for half a minute.
const START: Duration = Duration::from_secs(120);
/// Longest wait until the sessions are up.
const SESSIONS: Duration = Duration::from_secs(30);
/// Nap between two looks.
const NAP: Duration = Duration::from_millis(10);
/// Binaries that a demo starts.
const BINARIES: [&str; 9] = [
    "exchange-sim",
    "tickway-supervisor",
    "tickway-feed-handler",
    "tickway-strategy",
    "tickway-risk",
    "tickway-execution-gateway",
    "tickway-recorder",
    "tickway-fused",
    "tickway",
];

/// A running demo.
#[derive(Debug)]
pub struct Running {
    /// The instance.
    pub instance: Instance,
    /// Its effective host file.
    pub file: HostFile,
    /// The venue.
    pub venue: Venue,
    supervisor: Child,
    held: Held,
    market: Market,
    files: Vec<PathBuf>,
    progress: Progress,
    anchor_before: Option<u64>,
    cpu_before: Option<CpuTime>,
    jitter_floor: report::JitterFloor,
    seconds: u64,
}

/// Runs the demo to its report.
///
/// # Errors
/// When it cannot be started.
pub fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let mut running = Running::start(arguments)?;
    let mut differences = running.trade(arguments.seconds)?;
    running.progress.finish();
    eprintln!("demo: bringing everything to rest");
    differences.extend(quiesce::quiesce(&mut running));
    running.settle(differences)
}

impl Running {
    fn start(arguments: &Arguments) -> Result<Self, Failure> {
        let base = Base::load(arguments)?;
        let instance = Instance::of(&base.file);
        BINARIES.iter().try_for_each(|name| binary_path(name).map(|_| ()))?;
        instance.check_data_space(supervisor::config::journal_bytes(&base.file)?)?;
        // Before the last demo's data goes: a wrong file costs nothing.
        let of_file = arguments.itch.as_deref().map(|path| scanned(path, arguments)).transpose()?;
        prepare(&instance)?;
        let anchor_before = anchor_ns();
        let jitter_floor =
            placement::plan(&base.file).map_or_else(|_| Default::default(), |plan| jitter_floor(&plan.cores));
        let terms = venue_arguments(arguments, &base.file);
        let (venue, listening) = Venue::start(&terms, &instance.log().join("venue.log"))?;
        // In the field the venue has a machine of its own: here it must not take every second turn from the gateway.
        if venue_core(&base.file).is_some_and(|core| shares_core(&base.file, core))
            && let Err(error) = runtime::scheduler::give_way(venue.pid())
        {
            eprintln!("demo: the venue holds up the gateway: {error}");
        }
        let market = match of_file {
            Some(market) => market,
            None => Market::of_listening(&listening, arguments.seed)?,
        };
        let file = base.fill_in(&listening, &market)?;
        let files = host::write(&file, &market, instance.data())?;
        for path in &files {
            eprintln!("demo: wrote {}", path.display());
        }
        // From here on the supervisor holds the lock.
        cleanup::give_lock_up();
        let own = std::process::id().to_string();
        let making = cleanup::making();
        let supervisor = launch::start(&instance, &files[0], &["--keep-regions", "--parent", &own])?;
        making.supervisor(supervisor.id(), &instance);
        let (progress, cpu_before) = (Progress::new(arguments.seconds), CpuTime::now());
        let mut running = Self {
            instance,
            file,
            venue,
            supervisor,
            held: Held::default(),
            market,
            files,
            progress,
            anchor_before,
            cpu_before,
            jitter_floor,
            seconds: 0,
        };
        launch::wait_until_running(&running.instance, &mut running.supervisor, START)?;
        running.held = Held::of(running.instance.regions())?;
        eprintln!("demo: {}", running.plan()?.line);
        running.wait_for_sessions()?;
        Ok(running)
    }

    /// How many processes of each role.
    #[must_use]
    pub fn counts(&self) -> RoleCounts {
        self.file.counts()
    }

    /// Asks the supervisor.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn ask(&self, request: &Request) -> Result<(), Failure> {
        Supervisor::connect(&self.instance)?.ask(request).map(|_| ())
    }

    /// Regions and processes as they now are.
    ///
    /// # Errors
    /// When the directory of regions cannot be listed.
    pub fn look(&self) -> Result<(Regions, Vec<ProcessRow>), Failure> {
        let regions = self.regions()?;
        let rows = roster::processes(&launch::place_of(&self.instance), &regions);
        Ok((regions, rows))
    }

    /// The processes as they now are.
    fn processes(&self) -> Result<Vec<ProcessRow>, Failure> {
        let regions = Regions::open_status(self.instance.regions())?;
        Ok(roster::processes(&launch::place_of(&self.instance), &regions))
    }

    /// The regions, those unlinked since the start included.
    fn regions(&self) -> Result<Regions, Failure> {
        let mut regions = Regions::open(self.instance.regions())?;
        self.held.complete(&mut regions);
        Ok(regions)
    }

    fn plan(&self) -> Result<CorePlan, Failure> {
        Ok(placement::plan(&self.file)?)
    }

    /// Waits until the gateway is logged in and the feed handler has heard the venue.
    fn wait_for_sessions(&mut self) -> Result<(), Failure> {
        let mut waited = Duration::ZERO;
        loop {
            let logins = self.venue.ask("account")?["sessions"]["logins"].as_u64().unwrap_or(0);
            let rows = self.processes()?;
            let feed = rows.iter().find(|row| row.role == Role::FeedHandler);
            let heard = feed.and_then(|row| row.counter("datagrams")).is_some_and(|datagrams| datagrams > 0);
            match (logins > 0, heard) {
                (true, true) => return Ok(()),
                (login, _) if waited >= SESSIONS || stop_requested() => {
                    let what =
                        if login { "the feed handler hears nothing of the venue" } else { "no order-entry session" };
                    let cure = format!("see the logs in {}", self.instance.log().display());
                    return Err(Failure::new(UNAVAILABLE, format!("{what} after {} ms", waited.as_millis()), cure));
                }
                _ => {}
            }
            std::thread::sleep(NAP);
            waited += NAP;
        }
    }

    /// Opens the market, arms the strategies and watches; returns what should not have happened.
    fn trade(&mut self, seconds: u64) -> Result<Vec<String>, Failure> {
        self.venue.tell("open")?;
        for strategy in 0..self.counts().strategies {
            self.ask(&Request::Arm { strategy })?;
        }
        let started = monotonic_ns();
        let mut differences = BTreeSet::new();
        let mut follow = Follow::new(&self.instance.journal(0));
        let mut told = 0;
        loop {
            let elapsed_ns = monotonic_ns() - started;
            self.seconds = (elapsed_ns + 500_000_000) / 1_000_000_000;
            if let Some(status) = self.supervisor.reap()? {
                differences.insert(format!("the supervisor ended during the demo with {status}"));
                break;
            }
            if elapsed_ns >= seconds * 1_000_000_000 || stop_requested() {
                break;
            }
            if elapsed_ns / 1_000_000_000 > told {
                told = elapsed_ns / 1_000_000_000;
                let snapshot = self.snapshot(&mut follow, &mut differences)?;
                self.progress.tell(told, &snapshot);
            }
            std::thread::sleep(NAP);
        }
        Ok(differences.into_iter().collect())
    }

    fn snapshot(&mut self, follow: &mut Follow, differences: &mut BTreeSet<String>) -> Result<Snapshot, Failure> {
        let venue = self.venue.ask("progress")?;
        let rows = self.processes()?;
        follow.look();
        for row in rows.iter().filter(|row| row.role == Role::ExecutionGateway && row.state != "running") {
            if differences.insert(format!("{} ended during the demo (state {})", row.name(), row.state)) {
                self.progress.say(&format!("{} has ended; the kill latches and the venue cancels", row.name()));
            }
        }
        let number = |key: &str| venue[key].as_u64().unwrap_or(0);
        Ok(Snapshot {
            messages: number("itch_messages"),
            orders: number("orders"),
            fills: number("fills"),
            tick_to_order_p50: follow.books.tick_to_order.figures().p50,
            restarts: rows.iter().filter_map(|row| row.restarts).sum(),
        })
    }

    /// Counts, stops, judges.
    fn settle(mut self, mut differences: Vec<String>) -> Result<Report, Failure> {
        let account = self.venue.ask("account")?;
        let (_, rows) = self.look()?;
        let mut counts = Counts {
            venue: VenueCounts::of(&account),
            feed: rows.iter().find(|row| row.role == Role::FeedHandler).map(FeedCounts::of).unwrap_or_default(),
            strategies: StrategyCounts::of(&rows),
            ..Counts::default()
        };
        // Processes are seen as they were before the stop: a stopped one has nothing more to say.
        for row in rows.iter().filter(|row| row.state != "running") {
            differences.push(format!("{} is {} at the end", row.name(), row.state));
        }
        differences.extend(rows.iter().filter_map(|row| self.halted(row)));
        if let Err(failure) = launch::stop(&self.instance, &mut self.supervisor, launch::STOP) {
            differences.push(format!("stop: {failure}"));
        }
        self.read_journals(&mut counts, &mut differences)?;
        let regions = self.regions()?;
        differences.extend(self.held.lost(&regions));
        match counts::rings(&regions, &self.instance.capture()) {
            Ok(rings) => counts.rings = rings,
            Err(failure) => differences.push(format!("capture: {failure}")),
        }
        if counts.venue.open > 0 || counts.journal.live > 0 {
            let (venue, journal) = (counts.venue.open, counts.journal.live);
            differences.push(format!("open orders at the end: {venue} at the venue, {journal} in the journal"));
        }
        let (equations, found) = verdict::judge(&counts);
        differences.extend(found);
        let kill = self.kill(&counts.books);
        let bytes = regions.bytes;
        let report = self.report(&counts, &rows, bytes)?;
        Ok(Report { equations, differences, kill, ..report }.sealed())
    }

    /// A gateway whose journal failed sends no order: what then balances is nothing.
    fn halted(&self, row: &ProcessRow) -> Option<String> {
        let label = format!("rejected.{}", RejectReason::JournalUnavailable.name());
        let count = row.counter(&label).filter(|count| *count > 0)?;
        let (name, log) = (row.name(), self.instance.log());
        Some(format!("{name} refused {count} orders: its journal cannot be written; its log is in {}", log.display()))
    }

    fn read_journals(&self, counts: &mut Counts, differences: &mut Vec<String>) -> Result<(), Failure> {
        let (instruments, strategies) = (self.file.instruments().len(), usize::from(self.counts().strategies).max(1));
        for gateway in ledger::gateways(&self.instance)? {
            let files = JournalFiles::read(&self.instance, gateway)?;
            counts.books.read(&files);
            let bad = journal::verify::verify(&files.slices()).findings;
            differences.extend(bad.into_iter().map(|finding| format!("journal of gateway {gateway}: {finding}")));
            match files.fold(instruments, strategies) {
                Ok(ledger) => add_positions(&mut counts.journal, &ledger, &self.file),
                Err(failure) => differences.push(failure.message),
            }
        }
        Ok(())
    }

    /// The kill, by its file and the journal: a release changes nothing of what the engagement came to.
    fn kill(&self, books: &Books) -> report::Kill {
        let Ok(kill) = kill_file::open_read_only(&self.instance.kill_file()) else { return report::Kill::default() };
        let engagements = Engager::ALL.iter().filter_map(|engager| kill.engagement(*engager));
        let Some(newest) = engagements.max_by_key(|engagement| engagement.engaged_ns) else {
            return report::Kill::default();
        };
        books.kill_of(&newest)
    }

    fn report(&self, counts: &Counts, rows: &[ProcessRow], bytes: u64) -> Result<Report, Failure> {
        let (venue, feed, books) = (&counts.venue, &counts.feed, &counts.books);
        let orders = report::Orders {
            sent: books.sent,
            accepted: books.reports.accepted,
            rejected_by_risk: books.reports.rejected_by_risk,
            rejected: books.reports.rejected,
            cancelled: books.reports.cancelled,
            replaced: books.reports.replaced,
        };
        let steal = self.cpu_before.zip(CpuTime::now()).and_then(|(before, now)| now.steal_pct_since(before));
        Ok(Report {
            seconds: self.seconds,
            market: report::Market {
                source: self.market.source.clone(),
                messages: venue.messages,
                itch_file: venue.itch_file.clone(),
                by_type: venue.by_type.clone(),
                injected: venue.injected,
                instruments: self.market.rows.len(),
                venue_core: venue_core(&self.file),
            },
            feed: report::Feed {
                received: feed.in_order + feed.recovered,
                gaps: feed.gaps,
                recovered: feed.recovered,
                duplicates: feed.duplicates,
                malformed: feed.malformed.clone(),
                integrity_faults: feed.integrity_faults.clone(),
            },
            orders,
            fills: report::Fills { count: venue.fills, quantity: venue.filled_quantity },
            positions: positions(counts),
            tick_to_order_ns: books.tick_to_order.figures(),
            timer_caused_orders: books.timer_caused,
            parts_ns: report::Parts {
                receive: books.receive.figures(),
                path: books.path.figures(),
                send: books.send.figures(),
            },
            hops_ns: report::Hops {
                market_data: books.market_data.figures(),
                order_intent: books.order_intent.figures(),
                order_entry: books.order_entry.figures(),
            },
            latencies: books.latencies(),
            anchor_ns: report::Anchor { before: self.anchor_before, after: anchor_ns() },
            cpu_steal_pct: steal,
            jitter_floor: self.jitter_floor.clone(),
            allocations_after_start: rows
                .iter()
                .map(|row| (row.name(), row.status.allocations_after_start()))
                .collect(),
            placement: self.file.host().placement.to_string(),
            wait_strategy: self.plan()?.wait.to_string(),
            processes: rows.iter().map(process).collect(),
            regions: backing(self.instance.regions(), bytes),
            rings: counts.rings.clone(),
            paths: report::Paths {
                data: self.instance.data().to_owned(),
                files: self.files.clone(),
                journal: self.instance.journal(0),
                capture: self.instance.capture(),
                log: self.instance.log(),
            },
            ..Report::default()
        })
    }
}

fn process(row: &ProcessRow) -> report::Process {
    report::Process {
        role: row.role.folder().to_owned(),
        index: row.index,
        pid: row.pid,
        core: row.core,
        restarts: row.restarts.unwrap_or(0),
    }
}

fn positions(counts: &Counts) -> Vec<report::Position> {
    let (venue, journal, strategies) = (&counts.venue, &counts.journal, &counts.strategies);
    let symbols: BTreeSet<&String> = venue.positions.keys().chain(journal.positions.keys()).collect();
    let whole = |units: Option<&i128>| {
        let (units, share) = (units.copied().unwrap_or(0), counts::shares(1));
        if units % share == 0 { i64::try_from(units / share).ok() } else { None }
    };
    let row = |symbol: &String| report::Position {
        symbol: symbol.clone(),
        quantity: Some(venue.positions.get(symbol).copied().unwrap_or(0)),
        journal: whole(journal.positions.get(symbol)),
        strategy: whole(strategies.positions.get(symbol)),
    };
    symbols.into_iter().map(row).collect()
}

fn add_positions(sum: &mut JournalPositions, ledger: &ledger::Ledger, file: &HostFile) {
    for (_, instrument, position) in ledger.state.positions() {
        let symbol = crate::order::symbol(file, instrument);
        *sum.positions.entry(symbol).or_default() += i128::from(position.qty.0);
        sum.quantity += position.bought_qty + position.sold_qty;
    }
    sum.live += ledger.state.live_orders().count() as u64;
}

fn scanned(path: &Path, arguments: &Arguments) -> Result<Market, Failure> {
    eprintln!("demo: scanning {}", path.display());
    let metadata = std::fs::metadata(path).map_err(|error| Failure::file("open", path, &error))?;
    if !metadata.is_file() {
        let what = format!("{}: not a file", path.display());
        return Err(Failure::new(DATA_ERROR, what, "name a Nasdaq ITCH 5.0 BinaryFILE"));
    }
    std::fs::File::open(path).map_err(|error| Failure::file("open", path, &error))?;
    Market::of_file(path, arguments.symbols.map_or(INSTRUMENTS_MAX, usize::from))
}

/// Takes the instance's locks and makes an empty data directory; an earlier demo's is emptied, anybody else's is refused.
fn prepare(instance: &Instance) -> Result<(), Failure> {
    let refuse = |what: String, cure: &str| Err(Failure::new(UNAVAILABLE, what, cure));
    InstanceLock::check_free(instance)?;
    let (data, data_lock) = (instance.data(), instance.data_lock_file());
    // The lock file is no file of anybody's: a killed process left it.
    let not_lock = |path: &PathBuf| *path != data_lock;
    let paths = || std::fs::read_dir(data).map(|entries| entries.flatten().map(|entry| entry.path()));
    let is_empty = paths().map_or(true, |mut paths| !paths.any(|path| not_lock(&path)));
    let marker = data.join(MARKER);
    if !is_empty && !marker.exists() {
        return refuse(format!("{} holds files that no demo made", data.display()), "name another --data");
    }
    let mut making = cleanup::making();
    making.directory(instance.regions());
    instance.create_directories(0)?;
    making.lock(InstanceLock::take(instance)?);
    // A demo that was killed whole: with its data its regions go, tails too, whose records would miss their files.
    launch::kill(instance, None);
    control_page::remove(instance)?;
    ports::remove_regions(instance)?;
    for path in paths().map_err(|error| Failure::file("list", data, &error))?.filter(not_lock) {
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.map_err(|error| Failure::file("remove", &path, &error))?;
    }
    std::fs::write(&marker, b"An earlier demo's: the next one empties this directory.\n")
        .map_err(|error| Failure::file("write", &marker, &error))?;
    let _making = cleanup::making();
    instance.create_directories(0)?;
    Ok(())
}

/// A CPU for the venue: one that no hot process has, else one that no feed handler has, so that the feed is read while the
/// venue still sends. `None` where there is but one CPU, or the plan is refused (which the start then tells).
fn venue_core(file: &HostFile) -> Option<usize> {
    let (plan, placement) = (placement::plan(file).ok()?, file.host().placement);
    let place = placement.place_of(file.counts(), Role::FeedHandler, 0)?;
    let feed = *plan.cores.get(place)?;
    let allowed = allowed_cpus().ok()?;
    let spare = allowed.iter().rev().find(|core| !plan.cores.contains(core));
    spare.or_else(|| allowed.iter().rev().find(|core| **core != feed)).copied()
}

/// Whether a hot process has this CPU, too.
fn shares_core(file: &HostFile, core: usize) -> bool {
    placement::plan(file).is_ok_and(|plan| plan.cores.contains(&core))
}

/// Multicast group and port of this process: two demos at once do not hear each other.
fn venue_arguments(arguments: &Arguments, file: &HostFile) -> Vec<String> {
    let pid = std::process::id();
    let group = format!("239.255.{}.{}", pid >> 8 & 0xff, (pid & 0xff).clamp(1, 254));
    let venue = &file.venues()[0];
    let mut all = vec![
        ("--seconds", arguments.seconds.to_string()),
        ("--seed", arguments.seed.to_string()),
        ("--group", group),
        ("--group-port", (20_000 + pid % 20_000).to_string()),
        ("--interface", venue.interface.to_string()),
        ("--username", venue.username.clone()),
        ("--password", venue.password.clone()),
    ];
    let mut given = |name: &'static str, value: Option<String>| all.extend(value.map(|value| (name, value)));
    let core = venue_core(file);
    given("--core", core.map(|core| core.to_string()));
    // Beside a hot process, which yields: the venue's own timer would hold up the gateway's next order. Elsewhere it has its
    // CPU with the cold processes, and naps as they do.
    given("--wait", core.filter(|core| shares_core(file, *core)).map(|_| "yield".to_owned()));
    given("--itch", arguments.itch.as_ref().map(|path| path.display().to_string()));
    given("--pace", arguments.pace.clone());
    given("--fault", arguments.fault.clone());
    given("--rate", arguments.rate.map(|rate| rate.to_string()));
    given("--symbols", arguments.symbols.filter(|_| arguments.itch.is_none()).map(|count| count.to_string()));
    all.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

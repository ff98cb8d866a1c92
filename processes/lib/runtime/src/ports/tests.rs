//! Regions made, attached, gated and refused through real files.

use super::*;
use crate::config::InstanceName;
use shm_layout::control_page::{CONTROL_PAGE_WORDS, ControlPage};
use shm_layout::image::{ImageReader, ImageWriter};
use shm_layout::ring::Full;
use shm_layout::topology::RingKind;

const NOW: Nanos = Nanos(1_000);
const RISK: Identity = Identity { role: Role::Risk, index: 0, epoch: 2 };
const STRATEGY: Identity = Identity { role: Role::Strategy, index: 0, epoch: 4 };
const INTENT: RingId = RingId { kind: RingKind::OrderIntent, writer: Role::Strategy, index: 0, gateway: 0 };

struct World {
    dir: tempfile::TempDir,
    file: HostFile,
    words: SharedWords,
    page: ControlPage,
}

impl World {
    fn new() -> Self {
        let text = include_str!("../../../../../tuning/demo.toml")
            .replacen("order_intent = 16384", "order_intent = 64", 1)
            .replacen("market_data = 65536", "market_data = 64", 1)
            .replacen("step = 65536", "step = 64", 1)
            .replacen("wire = 65536", "wire = 64", 1)
            .replacen("execution = 16384", "execution = 64", 1);
        let words = SharedWords::heap(CONTROL_PAGE_WORDS);
        let page = ControlPage::new(&words);
        let file = HostFile::parse("demo.toml", &text).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), file, words, page }
    }

    fn ports(&self, boot_stamp: u64) -> Ports {
        Ports::new(&self.instance(), &self.file, boot_stamp, ControlPageReader::new(&self.words))
    }

    fn instance(&self) -> Instance {
        let instance = Instance::beneath(&InstanceName::new("w").unwrap(), self.dir.path(), &self.dir.path().join("d"));
        instance.create_directories(1).unwrap();
        instance
    }
}

#[test]
fn a_region_whose_writer_lives_is_not_taken_over() {
    let world = World::new();
    let ports = world.ports(7);
    ports.create_all(NOW).unwrap();
    // A process of this binary's folder, as the next of a role finds a life before it there.
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let binary = tempfile::Builder::new().prefix("writer-").tempfile_in(folder).unwrap().into_temp_path();
    std::fs::copy("/bin/sleep", &binary).unwrap();
    // Another test may begin a process while the copy is written: until that is exec'd it holds the file, too.
    let begun = (0..500).find_map(|_| match std::process::Command::new(&binary).arg("60").spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
            std::thread::sleep(std::time::Duration::from_millis(10));
            None
        }
        begun => Some(begun.unwrap()),
    });
    let mut other = begun.expect("a copy that nobody writes");
    let path = world.instance().ring(INTENT);
    let header = ports.attach(&path, &ports.ring_spec(INTENT, NOW), Access::ReadWrite).unwrap();
    header.set_writer(3, other.id());
    let refused = ports.writer::<15>(INTENT, STRATEGY).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains(&path.display().to_string()), "{refused}");
    assert!(refused.contains(&format!("end process {} first", other.id())), "{refused}");
    assert_eq!((header.writer_epoch(), header.writer_pid()), (3, other.id()), "left as it was");
    other.kill().unwrap();
    other.wait().unwrap();
    ports.writer::<15>(INTENT, STRATEGY).unwrap();
    assert_eq!((header.writer_epoch(), header.writer_pid()), (STRATEGY.epoch, std::process::id()));
}

#[test]
fn a_gated_ring_carries_fills_drains_and_ignores_a_parked_reader() {
    let world = World::new();
    world.ports(7).create_all(NOW).unwrap();
    let (strategy, risk) = (world.ports(7), world.ports(7));
    let status = risk.status_writer(RISK, NOW).unwrap();
    let mut reader: RingReader<15> = risk.gating_reader(INTENT, RISK, &status, None).unwrap();
    let mut writer: RingWriter<15> = strategy.writer(INTENT, STRATEGY).unwrap();
    for value in 1..=64 {
        writer.push(&[value; 15]).unwrap();
    }
    assert_eq!(writer.push(&[65; 15]), Err(Full));
    let mut batch = [[0; 15]; 10];
    assert_eq!(reader.read_batch(&mut batch), Ok(10));
    assert_eq!(batch[9], [10; 15]);
    assert_eq!(writer.push(&[65; 15]), Err(Full), "not consumed yet");
    reader.commit();
    writer.push(&[65; 15]).unwrap();
    // Risk dies and returns: it goes on where its cursor stands.
    drop((reader, status));
    let status = risk.status_writer(Identity { epoch: 3, ..RISK }, NOW).unwrap();
    let mut reader: RingReader<15> = risk.gating_reader(INTENT, RISK, &status, None).unwrap();
    assert_eq!(reader.read_batch(&mut batch), Ok(10));
    assert_eq!(batch[0], [11; 15]);
    // Dead for longer: parked, so that the strategy is not held back.
    while writer.push(&[9; 15]).is_ok() {}
    let slot = wiring::roster_slot(risk.counts(), Role::Risk, 0).unwrap();
    world.page.set_parked(slot, true);
    writer.push(&[9; 15]).unwrap();
}

#[test]
fn a_restarted_writer_goes_on_and_its_header_names_it() {
    let world = World::new();
    let ports = world.ports(7);
    ports.create_all(NOW).unwrap();
    ports.status_writer(RISK, NOW).unwrap();
    let mut writer: RingWriter<15> = ports.writer(INTENT, STRATEGY).unwrap();
    writer.push(&[1; 15]).unwrap();
    drop(writer);
    let next = Identity { epoch: 5, ..STRATEGY };
    let mut writer: RingWriter<15> = ports.writer(INTENT, next).unwrap();
    assert_eq!(writer.push(&[2; 15]), Ok(2));
    let words = map_region(&world.instance().ring(INTENT), Access::ReadOnly, None).unwrap().words;
    let header = RegionHeader::read(&words).unwrap();
    assert_eq!((header.writer_epoch(), header.writer_pid()), (5, std::process::id()));
    let mut tap: RingReader<15> = ports.tap(INTENT, Start::Oldest).unwrap();
    let mut batch = [[0; 15]; 4];
    assert_eq!(tap.read_batch(&mut batch), Ok(2));
}

#[test]
fn other_boots_other_sizes_and_missing_regions_are_refused_by_name() {
    let world = World::new();
    let ports = world.ports(7);
    let missing = ports.tap::<15>(INTENT, Start::Oldest).unwrap_err().to_string();
    assert!(missing.contains("order_intent.0-0.ring") && missing.contains("start the instance"), "{missing}");
    ports.create_all(NOW).unwrap();
    let stale = world.ports(8).tap::<15>(INTENT, Start::Oldest).unwrap_err().to_string();
    assert!(stale.contains("another boot"), "{stale}");
    assert!(world.ports(0).tap::<15>(INTENT, Start::Oldest).is_ok(), "a tool reads any boot");
    let file = world.file.with_value("rings.order_intent", "128").unwrap();
    let other = Ports::new(&world.instance(), &file, 7, ControlPageReader::new(&world.words));
    let size = other.tap::<15>(INTENT, Start::Oldest).unwrap_err().to_string();
    assert!(size.contains("slots is 64") && size.contains("128"), "{size}");
    assert!(ports.create_all(NOW).is_err(), "never over an existing region");
    let foreign = world.instance().regions().join("notes.txt");
    std::fs::write(&foreign, b"not ours").unwrap();
    remove_regions(&world.instance()).unwrap();
    assert!(foreign.exists());
    world.ports(8).create_all(NOW).unwrap();
}

#[test]
fn image_status_and_foreign_regions_are_shared() {
    let world = World::new();
    let ports = world.ports(7);
    ports.create_all(NOW).unwrap();
    let feed = Identity { role: Role::FeedHandler, index: 0, epoch: 1 };
    let writer = ImageWriter::new(&ports.image(0, Some(feed)).unwrap());
    let reader = ImageReader::new(&ports.image(0, None).unwrap());
    assert_eq!((writer.instruments(), reader.instruments()), (1, 1));
    let status = ports.status_writer(feed, NOW).unwrap();
    status.add_progress(5);
    assert_eq!(ports.status_reader(Role::FeedHandler, 0).unwrap().progress(), 5);
    let spec = RegionSpec::foreign(shm_layout::region::RegionKind::JournalTail, Role::ExecutionGateway, 0, 99, 512);
    let gateway = Identity { role: Role::ExecutionGateway, index: 0, epoch: 1 };
    let path = world.instance().journal_tail(0);
    ports.foreign_writer(&path, spec, gateway).unwrap().store(511, 3, Ordering::Release);
    let again = ports.foreign_writer(&path, spec, gateway).unwrap();
    assert_eq!(again.load(511, Ordering::Acquire), 3, "a second life finds the first one's words");
    assert_eq!(ports.foreign_reader(&path, spec).unwrap().load(511, Ordering::Acquire), 3);
}

//! The feed handler as a process of its own: it never allocates after its start, and stops in order.
#![forbid(unsafe_code)]

mod world;

use runtime::clock::{Clock, calibrate};
use runtime::config::HostFile;
use runtime::control_page::{self, ControlPageRegion};
use runtime::instance::Instance;
use runtime::ports::{Identity, Ports};
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::status::ProcessState;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{Nanos, Role};
use socket2::{Domain, Socket, Type};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use world::host_text;
use world::venue::Venue;

/// Unlinks the control page, also when the test fails.
struct Page(Instance, ControlPageRegion);

impl Drop for Page {
    fn drop(&mut self) {
        control_page::remove(&self.0).unwrap();
    }
}

fn patiently(mut done: impl FnMut() -> bool) -> bool {
    (0..5_000).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        done()
    })
}

/// A child that does not outlive a failed test.
struct Living(Child);

impl Drop for Living {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_never_allocates_after_its_start_and_stops_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let group = SocketAddrV4::new(Ipv4Addr::new(239, 255, (std::process::id() % 250) as u8, 9), port);
    let path = |of: &str| dir.path().join(of).display().to_string();
    let text = host_text(group, server.local_addr().unwrap())
        .replacen("instance = \"demo\"", &format!("instance = \"feed-{}\"", std::process::id()), 1)
        .replacen("regions = \"\"", &format!("regions = \"{}\"", path("shm")), 1)
        .replacen("data = \"\"", &format!("data = \"{}\"", path("data")), 1);
    std::fs::write(path("host.toml"), &text).unwrap();
    let file = HostFile::parse("host.toml", &text).unwrap();
    let instance = Instance::of(&file);
    std::fs::create_dir_all(instance.regions()).unwrap();
    let region = ControlPageRegion::create_or_adopt(&instance, 7, Nanos(1)).unwrap();
    let page = Page(instance.clone(), region);
    page.1.page().publish_anchor(Clock::new(calibrate()).anchor());
    let ports = Ports::new(&instance, &file, 7, page.1.page().reader());
    ports.create_all(Nanos(1)).unwrap();
    let mut child = Living(
        Command::new(env!("CARGO_BIN_EXE_tickway-feed-handler"))
            .args(["--host", &path("host.toml"), "--epoch", "1"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let status = ports.status_reader(Role::FeedHandler, 0).unwrap();
    if !patiently(|| status.state() == Some(ProcessState::Running)) {
        child.0.kill().unwrap();
        let errors = std::io::read_to_string(child.0.stderr.take().unwrap()).unwrap();
        assert!(errors.contains("join multicast"), "{errors}");
        let _ = writeln!(std::io::stderr(), "skipped: no multicast on loopback here: {errors}");
        return;
    }
    let sender = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    sender.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    let venue = Venue::random(3, 1_000);
    let counter = |label: &str| status.counters().iter().find(|(name, _)| name == label).unwrap().1;
    // The second datagram does not come: held datagrams, requests, and an answer are part of the work.
    for sequence in (1..=1_000).step_by(10).filter(|sequence| *sequence != 11) {
        sender.send_to(&venue.packet(sequence, sequence + 10), &SocketAddr::V4(group).into()).unwrap();
    }
    let mut bytes = [0; 64];
    let (_, from) = server.recv_from(&mut bytes).unwrap();
    server.send_to(&venue.packet(11, 21), from).unwrap();
    assert!(patiently(|| counter("expected_sequence") == 1_001), "{}", counter("expected_sequence"));
    let supervisor = Identity { role: Role::Supervisor, index: 0, epoch: 1 };
    let control = RingId { kind: RingKind::Control, writer: Role::Supervisor, index: 0, gateway: 0 };
    let mut control = ports.writer::<7>(control, supervisor).unwrap();
    control.push(&Control { kind: ControlKind::Stop as u8, ..Control::default() }.encode()).unwrap();
    assert!(child.0.wait().unwrap().success());
    assert_eq!((status.state(), status.allocations_after_start()), (Some(ProcessState::Stopped), 0));
}

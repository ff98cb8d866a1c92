//! Datagrams of a stamped socket, several by one call (`recvmmsg`): a place left empty tells that no more waits.
//!
//! ```text
//! every place filled    more may wait
//! the last empty        the kernel has looked again and found nothing, or an error that the next call tells
//! ```
//! An empty socket is thus known without a call of its own, which cost the first datagram's answer as much as its reading.

use super::stamped::Datagram;
use crate::clock::realtime_ns;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;

/// A control message's header (`struct cmsghdr`): its length, level and type.
const CONTROL_HEADER_BYTES: usize = 16;
/// Room for the one control message that is asked for: three stamps of 16 bytes, the first the kernel's own.
const CONTROL_BYTES: usize = CONTROL_HEADER_BYTES + 3 * 16;

/// Room for control messages, which begin with a word.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// The next datagrams of a stamped socket, each into its buffer, in order; counts into `missing` what came without a stamp.
///
/// # Errors
/// What the kernel says of a socket that cannot go on.
pub(super) fn receive<const PLACES: usize>(
    socket: &impl AsRawFd,
    buffers: [&mut [u8]; PLACES],
    missing: &mut u64,
) -> io::Result<[Option<Datagram>; PLACES]> {
    let mut controls = [Control([0; CONTROL_BYTES]); PLACES];
    let mut names =
        [libc::sockaddr_in { sin_family: 0, sin_port: 0, sin_addr: libc::in_addr { s_addr: 0 }, sin_zero: [0; 8] };
            PLACES];
    let mut slices = buffers.map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() });
    // SAFETY: a header of zeros is one without name, buffer and control message.
    let mut headers: [libc::mmsghdr; PLACES] = unsafe { std::mem::zeroed() };
    for (place, header) in headers.iter_mut().enumerate() {
        let header = &mut header.msg_hdr;
        (header.msg_name, header.msg_namelen) =
            ((&raw mut names[place]).cast(), size_of::<libc::sockaddr_in>() as libc::socklen_t);
        (header.msg_iov, header.msg_iovlen) = (&raw mut slices[place], 1);
        (header.msg_control, header.msg_controllen) = ((&raw mut controls[place]).cast(), CONTROL_BYTES);
    }
    let (descriptor, none) = (socket.as_raw_fd(), std::ptr::null_mut());
    // SAFETY: each header names a buffer that the caller lends for the call, and a name and a control buffer of this
    // frame, all with their true lengths; the kernel writes within these and keeps none of them.
    let count =
        unsafe { libc::recvmmsg(descriptor, headers.as_mut_ptr(), PLACES as libc::c_uint, libc::MSG_DONTWAIT, none) };
    let Ok(count) = usize::try_from(count) else {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            // A connected socket also reports an earlier ICMP "port unreachable": the peer is not there yet.
            Some(libc::EAGAIN | libc::EINTR | libc::ECONNREFUSED) => Ok([None; PLACES]),
            _ => Err(error),
        };
    };
    Ok(std::array::from_fn(|place| {
        let (header, name) = (&headers[place], &names[place]);
        let stamp = stamp_of(&controls[place].0[..header.msg_hdr.msg_controllen.min(CONTROL_BYTES)]);
        (place < count).then(|| Datagram {
            length_bytes: header.msg_len as usize,
            realtime_ns: stamp.unwrap_or_else(|| {
                *missing += 1;
                realtime_ns()
            }),
            source: SocketAddrV4::new(Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr)), u16::from_be(name.sin_port)),
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
        })
    }))
}

/// The software stamp of a control message, in nanoseconds.
fn stamp_of(control: &[u8]) -> Option<u64> {
    let half = |at: usize| Some(i32::from_ne_bytes(control.get(at..at + 4)?.try_into().ok()?));
    let word = |at: usize| Some(u64::from_ne_bytes(control.get(at..at + 8)?.try_into().ok()?));
    if (half(8)?, half(12)?) != (libc::SOL_SOCKET, libc::SO_TIMESTAMPING) {
        return None;
    }
    let stamp = word(CONTROL_HEADER_BYTES)?.checked_mul(1_000_000_000)? + word(CONTROL_HEADER_BYTES + 8)?;
    (stamp != 0).then_some(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_where_the_manual_puts_it() {
        let mut control = [0_u8; CONTROL_BYTES];
        control[..8].copy_from_slice(&(CONTROL_BYTES as u64).to_ne_bytes());
        control[8..12].copy_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
        control[12..16].copy_from_slice(&libc::SO_TIMESTAMPING.to_ne_bytes());
        assert_eq!(stamp_of(&control), None, "no stamp was taken");
        control[16..24].copy_from_slice(&1_700_000_000_u64.to_ne_bytes());
        control[24..32].copy_from_slice(&999_999_999_u64.to_ne_bytes());
        assert_eq!(stamp_of(&control), Some(1_700_000_000_999_999_999));
        assert_eq!(stamp_of(&control[..20]), None);
        control[12] ^= 1;
        assert_eq!(stamp_of(&control), None, "another control message");
        assert_eq!(stamp_of(&[]), None);
    }
}

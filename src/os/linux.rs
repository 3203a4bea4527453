//! Linux: `/proc` and a few system calls.

use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::ops::Range;

use heapledger_alloc_sys::os_pages;

use super::Process;
use super::file::{File, Lines, decimal};

/// Three system calls for the file, one for each of the two directories.
pub(crate) fn process() -> Process {
    let (vms_bytes, rss_bytes) = memory().unzip();
    Process { rss_bytes, vms_bytes, threads: threads(), fds: fds() }
}

pub(crate) fn rss_bytes() -> Option<u64> {
    memory().map(|(_, rss_bytes)| rss_bytes)
}

/// Memory that the host could give out without swapping, by `/proc/meminfo`: not what
/// a container's limit leaves.
pub(crate) fn available_bytes() -> Option<u64> {
    let mut lines = Lines::<128>::open(c"/proc/meminfo")?;
    loop {
        if let Some(kib) = lines.next()?.strip_prefix(b"MemAvailable:") {
            return decimal(kib.trim_ascii_start())?.checked_mul(1024);
        }
    }
}

/// Virtual and resident size, by `/proc/self/statm`.
fn memory() -> Option<(u64, u64)> {
    let mut buffer = [0; 128];
    let file = File::open(c"/proc/self/statm")?;
    let mut fields = file.read(&mut buffer)?.split(|&byte| byte == b' ');
    let page_bytes = os_pages::page_size() as u64;
    let mut bytes = || Some(decimal(fields.next()?)? * page_bytes);
    Some((bytes()?, bytes()?))
}

fn stat(path: &CStr) -> Option<libc::stat> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the path is a C string, `stat` is valid for a write.
    let error = unsafe { libc::stat(path.as_ptr(), stat.as_mut_ptr()) };
    // SAFETY: the call succeeded, so it has filled it.
    (error == 0).then(|| unsafe { stat.assume_init() })
}

/// A directory has a link for itself, one in its parent, one for every
/// directory in it: here, one for every thread.
fn threads() -> Option<u64> {
    // Its type differs between architectures.
    #[allow(clippy::useless_conversion)]
    u64::from(stat(c"/proc/self/task")?.st_nlink).checked_sub(2)
}

/// Since Linux 6.2 the size of the directory; before, by counting.
fn fds() -> Option<u64> {
    match u64::try_from(stat(c"/proc/self/fd")?.st_size) {
        Ok(0) | Err(_) => count_fds(),
        Ok(fds) => Some(fds),
    }
}

#[repr(C, align(8))]
struct Entries([u8; 2048]);

/// Offset of an entry's length in what `getdents64` writes.
const ENTRY_LEN_OFFSET: usize = 16;

fn count_fds() -> Option<u64> {
    let directory = File::open(c"/proc/self/fd")?;
    let mut entries = Entries([0; 2048]);
    let mut count = 0_u64;
    loop {
        let (to, len) = (entries.0.as_mut_ptr(), entries.0.len());
        // SAFETY: the buffer is valid for writes of its length.
        let got = unsafe { libc::syscall(libc::SYS_getdents64, directory.fd(), to, len) };
        let mut left = entries.0.get(..usize::try_from(got).ok()?)?;
        if left.is_empty() {
            // `.`, `..`, and the directory opened here.
            return count.checked_sub(3);
        }
        while let Some(len) = left.get(ENTRY_LEN_OFFSET..ENTRY_LEN_OFFSET + 2) {
            let len = usize::from(u16::from_ne_bytes([len[0], len[1]]));
            left = left.get(len.max(1)..).unwrap_or_default();
            count += 1;
        }
    }
}

/// Bytes of the pages of a range that are in memory. A page that was only read
/// counts, although the kernel has one page of zeroes for all of those.
pub(crate) fn resident_in(range: &Range<usize>) -> Option<u64> {
    let page_bytes = os_pages::page_size();
    let mut start = range.start & !(page_bytes - 1);
    let end = range.end.next_multiple_of(page_bytes);
    let mut flags = [0_u8; 512];
    let mut pages = 0;
    while start < end {
        let span = (end - start).min(flags.len() * page_bytes);
        let address = core::ptr::without_provenance_mut(start);
        // SAFETY: the kernel checks the range; there is a flag for every page.
        if unsafe { libc::mincore(address, span, flags.as_mut_ptr()) } != 0 {
            return None;
        }
        let flags = flags.get(..span / page_bytes)?;
        pages += flags.iter().filter(|flag| *flag & 1 != 0).count();
        start += span;
    }
    Some((pages * page_bytes) as u64)
}

/// Milliseconds since the process started, by `/proc/self/stat`.
pub(crate) fn uptime_ms() -> Option<u64> {
    let mut buffer = [0; 1024];
    let file = File::open(c"/proc/self/stat")?;
    let stat = file.read(&mut buffer)?;
    // The second field is the program's name, which may hold spaces and brackets;
    // the 22nd is the start, in ticks since the system's.
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 2;
    let started = stat.get(after_name..)?.split(|&byte| byte == b' ').nth(19)?;
    // SAFETY: a number is asked for.
    let ticks_per_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok()?;
    let started_ms = decimal(started)?.checked_mul(1000)?.checked_div(ticks_per_second)?;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for a write.
    let error = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    let now_ms = time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000;
    (error == 0).then(|| now_ms.saturating_sub(started_ms))
}

/// Nanoseconds of a clock that never goes back; it stands while the system sleeps.
pub(crate) fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for a write. The clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// Nanoseconds of the clock that advances with the kernel's timer, every 1 to
/// 10 ms: a third of the price of the fine one.
#[cfg(feature = "cache")]
#[inline]
pub(crate) fn monotonic_coarse_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for a write. The clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_has_memory_threads_and_files() {
        let one = process();
        assert!(one.rss_bytes.unwrap() > 100_000);
        assert!(one.vms_bytes > one.rss_bytes);
        // 1 MiB to 1 PiB: kibibytes were told.
        assert!((1 << 20..1 << 50).contains(&available_bytes().unwrap()));
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let started = std::sync::Arc::new(std::sync::Barrier::new(2));
        let there = started.clone();
        let thread = std::thread::spawn(move || {
            there.wait();
            wait.recv().ok();
        });
        started.wait();
        assert!(process().threads.unwrap() >= 2);
        go.send(()).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn the_process_is_as_old_as_its_clock_says() {
        let (before, started) = (uptime_ms().unwrap(), std::time::Instant::now());
        assert!(before < 3_600_000, "{before}");
        while started.elapsed().as_millis() < 50 {}
        assert!(uptime_ms().unwrap() >= before + 30);
    }

    #[test]
    fn both_ways_to_count_descriptors_agree() {
        // Other tests of this process may open files between the two counts.
        let agree = (0..1000).any(|_| {
            let by_size = stat(c"/proc/self/fd").unwrap().st_size;
            by_size == 0 || count_fds() == u64::try_from(by_size).ok()
        });
        assert!(agree);
        assert!(count_fds().unwrap() >= 3);
    }

    #[test]
    fn only_touched_pages_are_resident() {
        let page = os_pages::page_size();
        let pages = os_pages::map_zeroed(2000 * page);
        let range = pages.addr()..pages.addr() + 2000 * page;
        assert_eq!(resident_in(&range), Some(0));
        for index in [0, 700, 1999] {
            // SAFETY: inside the mapping made above.
            unsafe { pages.add(index * page).write(1) };
        }
        assert_eq!(resident_in(&range), Some(3 * page as u64));
        assert_eq!(resident_in(&(range.start + 10..range.start + 11)), Some(page as u64));
        assert_eq!(resident_in(&(range.start..range.start)), Some(0));
    }
}

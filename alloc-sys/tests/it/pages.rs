//! Pages for tables: zeroed, taken one by one, and given back (hazard 14).

use heapledger_alloc_sys::os_pages::{map_zeroed, page_size, unmap};

#[test]
fn pages_are_zeroed_and_aligned() {
    for bytes in [1, 4096, 100_000, 4 << 20] {
        let pages = map_zeroed(bytes);
        assert!(!pages.is_null());
        assert_eq!(pages.addr() % page_size(), 0);
        // SAFETY: mapped above with this many bytes, and used by nothing else.
        let slice = unsafe { core::slice::from_raw_parts_mut(pages, bytes) };
        assert!(slice.iter().all(|byte| *byte == 0));
        slice.fill(1);
        // SAFETY: mapped above, and not used any more.
        unsafe { unmap(pages, bytes) };
    }
}

#[test]
fn impossible_mappings_are_null() {
    for bytes in [0, usize::MAX, usize::MAX / 2, isize::MAX as usize - 4096] {
        assert!(map_zeroed(bytes).is_null(), "{bytes}");
    }
}

/// How many pages of a mapping are in memory, by the kernel's account.
#[cfg(target_os = "linux")]
fn resident_pages(pages: *mut u8, bytes: usize) -> usize {
    let mut residency = vec![0_u8; bytes.div_ceil(page_size())];
    // SAFETY: the range is mapped, and there is a byte for each of its pages.
    let status = unsafe { libc::mincore(pages.cast(), bytes, residency.as_mut_ptr()) };
    assert_eq!(status, 0, "{}", std::io::Error::last_os_error());
    residency.iter().filter(|page| **page & 1 != 0).count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_sparse_mapping_costs_the_pages_touched() {
    for bytes in [1 << 20, 2 << 20, 4 << 20, 64 << 20] {
        let pages = map_zeroed(bytes);
        assert!(!pages.is_null());
        assert_eq!(resident_pages(pages, bytes), 0);
        // In the middle: a huge page would reach both ways.
        // SAFETY: inside the mapping.
        unsafe { pages.add(bytes / 2).write(1) };
        assert_eq!(resident_pages(pages, bytes), 1);
        // SAFETY: mapped above, and not used any more.
        unsafe { unmap(pages, bytes) };
    }
}

/// The lines of `smaps` about the mapping that holds an address.
#[cfg(target_os = "linux")]
fn smaps_of(address: usize) -> Option<String> {
    let smaps = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let is_holder = |line: &str| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        Some((start..end).contains(&address))
    };
    let mut lines = smaps.lines().skip_while(|line| is_holder(line) != Some(true));
    let head = lines.next()?.to_owned();
    Some(
        lines
            .take_while(|line| is_holder(line).is_none())
            .fold(head, |all, line| all + "\n" + line),
    )
}

#[cfg(target_os = "linux")]
#[test]
fn a_mapping_refuses_huge_pages_and_has_a_name() {
    let bytes = 4 << 20;
    let pages = map_zeroed(bytes);
    assert!(!pages.is_null());
    let smaps = smaps_of(pages.addr());
    // SAFETY: mapped above, and not used any more.
    unsafe { unmap(pages, bytes) };
    let Some(smaps) = smaps else { return };
    // `nh` is MADV_NOHUGEPAGE: no huge page, even where they are on for everything.
    if std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        let flags = smaps.lines().find_map(|line| line.strip_prefix("VmFlags:"));
        assert!(flags.is_none_or(|flags| flags.split(' ').any(|flag| flag == "nh")), "{smaps}");
    }
    // The kernel may be too old or built without names; a wrong name it cannot be.
    let head = smaps.lines().next().unwrap_or_default();
    assert!(head.contains("[anon:heapledger]") || !head.contains('['), "{head}");
}

/// What the kernel refuses must not show: a program may be about to read errno.
#[cfg(target_os = "linux")]
#[test]
fn errno_is_kept() {
    // SAFETY: errno has an address on every thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: the address is this thread's.
    unsafe { *errno = 77 };
    let pages = map_zeroed(4096);
    // SAFETY: the address is this thread's.
    assert_eq!(unsafe { *errno }, 77);
    // SAFETY: mapped above, and not used any more.
    unsafe { unmap(pages, 4096) };
}

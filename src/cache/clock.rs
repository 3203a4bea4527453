//! The time that entries expire by: ticks of a coarse clock, in four bytes.

use std::time::Duration;

use crate::os;

/// A tick is 2^this nanoseconds: 33.6 ms.
const TICK_SHIFT: u32 = 25;

/// A moment, in ticks since the cache was made; a deadline is one.
///
/// There are enough for four and a half years. A cache that is older takes every
/// deadline for passed: its entries with a time to live are not found again.
pub(super) type Tick = u32;

/// The deadline of what was pushed out: before any other.
pub(super) const PUSHED_OUT: Tick = 0;
/// The deadline of what does not expire.
pub(super) const NEVER: Tick = Tick::MAX;
/// The last moment there is.
pub(super) const LAST: Tick = NEVER - 1;

/// A clock of the program's own, for tests.
pub(super) type ClockFn = Box<dyn Fn() -> Duration + Send + Sync>;

/// Where the time comes from.
pub(super) struct Clock {
    source: Source,
    /// When the cache was made.
    epoch_ns: u64,
}

enum Source {
    System,
    Injected(ClockFn),
}

impl Clock {
    pub(super) fn new(injected: Option<ClockFn>) -> Self {
        let source = injected.map_or(Source::System, Source::Injected);
        let mut clock = Self { source, epoch_ns: 0 };
        clock.epoch_ns = clock.now_ns();
        clock
    }

    #[inline]
    pub(super) fn now(&self) -> Tick {
        ticks(self.now_ns().saturating_sub(self.epoch_ns))
    }

    #[inline]
    fn now_ns(&self) -> u64 {
        match &self.source {
            Source::Injected(now) => nanos(now()),
            Source::System => os::monotonic_coarse_ns(),
        }
    }
}

/// The deadline of what lives so long from now: at least that long, at most a tick
/// longer.
pub(super) fn deadline(now: Tick, time_to_live: Duration) -> Tick {
    let lives = nanos(time_to_live).div_ceil(1 << TICK_SHIFT);
    // Within the tick that has begun, `now` is up to a tick ago.
    let deadline = u64::from(now).saturating_add(lives).saturating_add(1);
    deadline.min(u64::from(LAST)) as Tick
}

/// How long ago `deadline` was asked for this one, to within two ticks; nobody knows where
/// it was beyond the last moment.
pub(super) fn age(now: Tick, deadline: Tick, time_to_live: Duration) -> Option<Duration> {
    let lives = nanos(time_to_live).div_ceil(1 << TICK_SHIFT);
    let age = (u64::from(now) + lives + 1).saturating_sub(deadline.into());
    (deadline < LAST).then(|| Duration::from_nanos(age << TICK_SHIFT))
}

#[inline]
fn ticks(nanos: u64) -> Tick {
    (nanos >> TICK_SHIFT).min(u64::from(LAST)) as Tick
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

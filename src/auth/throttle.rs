//! Slows down guessing: wrong credentials per address, and one log line a minute for each address.
//!
//! In: a refusal and where it came from. Out: the same refusal, or [`AuthError::Throttled`]. Bounded: past
//! [`ADDRESSES_MAX`] addresses, newcomers share one budget. An IPv6 network of 64 bits counts as one address.

use crate::protocol::AuthError;
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
};

/// Addresses that have a budget of their own at one time.
const ADDRESSES_MAX: usize = 10_000;

/// How many times the budget of a minute may be spent at once.
const BURST_MINUTES: u32 = 5;

/// The budget that is shared by everybody past [`ADDRESSES_MAX`].
const EVERYBODY_ELSE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

pub(super) struct Throttle {
    guesses: DefaultKeyedRateLimiter<IpAddr>,
    log_lines: DefaultKeyedRateLimiter<IpAddr>,
    unlogged: AtomicU64,
}

impl Throttle {
    pub(super) fn new(per_minute: u32) -> Self {
        let rate = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let burst = rate.saturating_mul(NonZeroU32::new(BURST_MINUTES).unwrap_or(NonZeroU32::MIN));
        Self {
            guesses: RateLimiter::dashmap(Quota::per_minute(rate).allow_burst(burst)),
            log_lines: RateLimiter::dashmap(Quota::per_minute(NonZeroU32::MIN)),
            unlogged: AtomicU64::new(0),
        }
    }

    /// Counts a refusal, logs it if it is time to, and says what to answer. Requests without an address come from
    /// the control socket of the machine itself and are not counted.
    pub(super) fn refused(&self, error: AuthError, guess: bool, peer: Option<IpAddr>) -> AuthError {
        let Some(peer) = peer else {
            return error;
        };
        let key = key(peer);
        self.log(&error, key, peer);
        if !guess {
            return error;
        }
        match self.guesses.check_key(&bounded(&self.guesses, key)) {
            Ok(()) => error,
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                let retry_after_s = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
                AuthError::Throttled { retry_after_s }
            }
        }
    }

    fn log(&self, error: &AuthError, key: IpAddr, peer: IpAddr) {
        if self.log_lines.check_key(&bounded(&self.log_lines, key)).is_ok() {
            let silent = self.unlogged.swap(0, Ordering::Relaxed);
            tracing::warn!(%peer, refused_before = silent, "refused a credential from {peer}: {error}");
        } else {
            self.unlogged.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The key of an address, or the shared one when the table is full.
fn bounded(limiter: &DefaultKeyedRateLimiter<IpAddr>, key: IpAddr) -> IpAddr {
    if limiter.len() < ADDRESSES_MAX {
        return key;
    }
    limiter.retain_recent();
    if limiter.len() < ADDRESSES_MAX { key } else { EVERYBODY_ELSE }
}

fn key(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_64_bits_is_one_address() {
        let at = |text: &str| key(text.parse().expect("an address"));
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
        assert_ne!(at("10.0.0.1"), at("10.0.0.2"));
    }

    #[test]
    fn the_table_of_addresses_is_bounded() {
        let throttle = Throttle::new(1);
        for n in 0..(ADDRESSES_MAX as u32 + 500) {
            throttle.refused(AuthError::Unknown, true, Some(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n))));
        }
        assert!(throttle.guesses.len() <= ADDRESSES_MAX + 1, "{}", throttle.guesses.len());
    }
}

//! How many requests each client may send: a bucket that fills at the rate, in a bounded table.
//! Pure: it is handed the time.
//!
//! A client is an IPv4 address or the /64 of an IPv6 one, for whoever has one address of those has
//! them all. Where the table is full of clients that are still owed something, newcomers share one
//! bucket: a flood from many addresses limits itself and costs no memory.

use rustc_hash::FxHashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

const CLIENTS_MAX: usize = 1024;
/// A bucket holds what the rate gives in this time. Units: seconds.
const BURST_S: f64 = 2.0;
/// The table is looked through for full buckets at most this often.
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// All that share one bucket.
const OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Units: requests.
    left: f64,
    at: Duration,
}

impl Bucket {
    fn fill(&mut self, rate: f64, now: Duration) {
        let gained = now.saturating_sub(self.at).as_secs_f64() * rate;
        *self = Self { left: (self.left + gained).min(rate * BURST_S), at: now };
    }
}

#[derive(Debug, Default)]
pub(crate) struct Buckets {
    clients: FxHashMap<IpAddr, Bucket>,
    tidied: Duration,
}

impl Buckets {
    /// Takes `cost` out of the client's bucket. If that is not in it: after how many whole seconds
    /// one request will be, and nothing is taken. `rate` is in requests a second.
    pub(crate) fn take(
        &mut self,
        client: IpAddr,
        rate: f64,
        cost: f64,
        now: Duration,
    ) -> Option<u64> {
        let client = self.known(client_of(client), rate, now);
        let full = Bucket { left: rate * BURST_S, at: now };
        let bucket = self.clients.entry(client).or_insert(full);
        bucket.fill(rate, now);
        if bucket.left < 1.0 {
            // Between 1 and 2 s at the least rate, which is one request a second.
            let seconds = ((1.0 - bucket.left) / rate).ceil().clamp(1.0, 60.0);
            return Some(seconds as u64);
        }
        // A dear request may leave it below nothing, which has to be made good first.
        bucket.left = (bucket.left - cost).max(-rate * BURST_S);
        None
    }

    /// The client, or [`OTHERS`] if there is no place for it.
    fn known(&mut self, client: IpAddr, rate: f64, now: Duration) -> IpAddr {
        if self.clients.contains_key(&client) || self.clients.len() < CLIENTS_MAX {
            return client;
        }
        if now.saturating_sub(self.tidied) >= TIDY_EVERY {
            self.tidied = now;
            self.clients.retain(|_, bucket| {
                bucket.fill(rate, now);
                bucket.left < rate * BURST_S
            });
        }
        if self.clients.len() < CLIENTS_MAX { client } else { OTHERS }
    }
}

fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let net = u128::from(v6) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(net | u128::from(v6.is_loopback())))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_client_has_its_burst_and_then_its_rate_and_others_are_not_touched() {
        let mut buckets = Buckets::default();
        for n in 0..20 {
            assert_eq!(buckets.take(A, 10.0, 1.0, at(0)), None, "{n}");
        }
        assert_eq!(buckets.take(A, 10.0, 1.0, at(0)), Some(1));
        assert_eq!(buckets.take("192.0.2.2".parse().unwrap(), 10.0, 1.0, at(0)), None);
        assert_eq!(buckets.take(A, 10.0, 1.0, at(100)), None);
        assert_eq!(buckets.take(A, 10.0, 1.0, at(100)), Some(1));
    }

    #[test]
    fn a_wrong_credential_costs_more_and_has_to_be_made_good() {
        let mut buckets = Buckets::default();
        for _ in 0..2 {
            assert_eq!(buckets.take(A, 10.0, 10.0, at(0)), None);
        }
        assert_eq!(buckets.take(A, 10.0, 1.0, at(50)), Some(1));
        assert_eq!(buckets.take(A, 10.0, 1.0, at(150)), None);
    }

    #[test]
    fn one_network_of_ipv6_is_one_client_and_mapped_addresses_are_ipv4() {
        let of = |text: &str| client_of(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), A);
        assert_ne!(of("::1"), OTHERS);
    }

    #[test]
    fn a_flood_from_everywhere_shares_one_bucket_and_the_table_stays_small() {
        let mut buckets = Buckets::default();
        let address = |n: u32| IpAddr::V4((0x0a00_0000 + n).into());
        let taken = |buckets: &mut Buckets, n, ms| buckets.take(address(n), 1.0, 1.0, at(ms));
        let passed = (0..100_000).filter(|n| taken(&mut buckets, *n, 0).is_none()).count();
        assert_eq!(passed, CLIENTS_MAX + 2);
        assert_eq!(buckets.clients.len(), CLIENTS_MAX + 1);
        assert_eq!(taken(&mut buckets, 200_000, 60_000), None, "those that are full made room");
        assert!(buckets.clients.len() < 3);
    }
}

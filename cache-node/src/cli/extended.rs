//! The options of `-o`: memcached's own, each with the range that memcached allows.

use super::apply::{number, seconds};
use super::{Plan, Refusal};
use std::ops::RangeInclusive;

/// Hash functions by memcached's names; ours is none of them.
const HASHES: [&str; 3] = ["jenkins", "murmur3", "xxh3"];
/// What memcached's own scripts pass and what has no meaning here.
const MEANINGLESS: [&str; 10] = [
    "modern",
    "inline_ascii_resp",
    "inline_ascii_response",
    "no_inline_ascii_resp",
    "drop_privileges",
    "no_drop_privileges",
    "relaxed_privileges",
    "resp_obj_mem_limit",
    "sock_cookie_id",
    "slab_sizes",
];

/// `list`: `a,b=c`.
pub(super) fn apply(plan: &mut Plan, list: &str) -> Result<(), Refusal> {
    for option in list.split(',').filter(|option| !option.is_empty()) {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        let known = served(plan, name, value)?
            || echoed_slabs(plan, name, value)?
            || echoed_lru(plan, name, value)?
            || MEANINGLESS.contains(&name);
        if name.starts_with("ext_") {
            plan.note(format!("-o {name}: there is no storage on disk; ignored"));
        } else if !known {
            return Err(Refusal::value(format!("Illegal suboption \"{option}\"")));
        }
    }
    Ok(())
}

/// Options that do what they say.
fn served(plan: &mut Plan, name: &str, value: Option<&str>) -> Result<bool, Refusal> {
    let needed = || needs(name, value);
    let settings = &mut plan.settings;
    match name {
        "maxconns_fast" => settings.refuses_at_once = true,
        "no_maxconns_fast" => settings.refuses_at_once = false,
        "idle_timeout" => settings.idle_timeout = seconds(needed()?, name)?,
        "read_buf_mem_limit" => {
            let mebibytes = number::<u32>(needed()?, name)?;
            settings.buffer_bytes_max = (mebibytes > 0).then(|| u64::from(mebibytes) << 20);
        }
        "watcher_logbuf_size" => {
            settings.watcher_bytes_max = u64::from(number::<u32>(needed()?, name)?) * 1024;
        }
        "worker_logbuf_size" => {
            settings.worker_log_bytes_max = u64::from(number::<u32>(needed()?, name)?) * 1024;
        }
        "track_sizes" => settings.track_sizes = true,
        "lru_crawler" => settings.crawler = true,
        "no_lru_crawler" => settings.crawler = false,
        "lru_crawler_sleep" => {
            settings.crawler_sleep = within(needed()?, name, 0..=1_000_000)?;
        }
        "lru_crawler_tocrawl" => settings.crawler_items = number(needed()?, name)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn echoed_slabs(plan: &mut Plan, name: &str, value: Option<&str>) -> Result<bool, Refusal> {
    let needed = || needs(name, value);
    let echoed = &mut plan.settings.echoed;
    match name {
        "hashpower" => echoed.hashpower_init = within(needed()?, name, 12..=32)?,
        "no_hashexpand" => echoed.hash_expand = false,
        "hash_algorithm" => {
            let name = needed()?;
            if !HASHES.contains(&name) {
                let text = format!("Unknown hash_algorithm option ({})", HASHES.join(", "));
                return Err(Refusal::value(text));
            }
            echoed.hash_algorithm = name.to_owned();
        }
        "slab_reassign" => echoed.slab_reassign = true,
        "no_slab_reassign" => echoed.slab_reassign = false,
        "slab_automove" => echoed.slab_automove = within(value.unwrap_or("1"), name, 0..=2)?,
        "no_slab_automove" => echoed.slab_automove = 0,
        "slab_automove_ratio" => echoed.slab_automove_ratio = ratio(needed()?, name)?,
        "slab_automove_window" => {
            echoed.slab_automove_window = within(needed()?, name, 3..=u32::MAX)?;
        }
        "slab_automove_freeratio" => echoed.slab_automove_freeratio = ratio(needed()?, name)?,
        "slab_chunk_max" => {
            // Kilobytes; bytes in memcached before 1.6.20.
            let number = within(needed()?, name, 1..=1 << 20)?;
            echoed.slab_chunk_max = u64::from(number) << if number <= 1024 { 10 } else { 0 };
            plan.chunk_max_given = true;
        }
        "no_chunked_items" => echoed.slab_chunk_max = 1 << 20,
        _ => return Ok(false),
    }
    Ok(true)
}

fn echoed_lru(plan: &mut Plan, name: &str, value: Option<&str>) -> Result<bool, Refusal> {
    let needed = || needs(name, value);
    let chunk_max_given = plan.chunk_max_given;
    let settings = &mut plan.settings;
    let echoed = &mut settings.echoed;
    match name {
        "tail_repair_time" => echoed.tail_repair_time = within(needed()?, name, 10..=u32::MAX)?,
        "lru_maintainer" => (echoed.lru_maintainer, echoed.lru_segmented) = (true, true),
        "no_lru_maintainer" => (echoed.lru_maintainer, echoed.lru_segmented) = (false, false),
        "hot_lru_pct" => echoed.hot_lru_pct = within(needed()?, name, 1..=79)?,
        "warm_lru_pct" => echoed.warm_lru_pct = within(needed()?, name, 1..=79)?,
        "hot_max_factor" => echoed.hot_max_factor = above_zero(needed()?, name)?,
        "warm_max_factor" => echoed.warm_max_factor = above_zero(needed()?, name)?,
        "temporary_ttl" => {
            echoed.temporary_ttl = number(needed()?, name)?;
            echoed.temp_lru = true;
        }
        "no_modern" => {
            if !chunk_max_given {
                echoed.slab_chunk_max = 1 << 20;
            }
            (echoed.slab_reassign, echoed.slab_automove) = (false, 0);
            (echoed.lru_maintainer, echoed.lru_segmented) = (false, false);
            "jenkins".clone_into(&mut echoed.hash_algorithm);
            (settings.refuses_at_once, settings.crawler) = (false, false);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn needs<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, Refusal> {
    value.ok_or_else(|| Refusal::value(format!("Missing {name} argument")))
}

fn within(text: &str, name: &str, range: RangeInclusive<u32>) -> Result<u32, Refusal> {
    let number = number(text, name)?;
    if range.contains(&number) {
        return Ok(number);
    }
    Err(Refusal::value(format!("{name} must be between {} and {}", range.start(), range.end())))
}

fn ratio(text: &str, name: &str) -> Result<f64, Refusal> {
    let ratio = text.parse().ok().filter(|ratio| *ratio > 0.0 && *ratio <= 1.0);
    ratio.ok_or_else(|| Refusal::value(format!("{name} must be > 0 and <= 1")))
}

fn above_zero(text: &str, name: &str) -> Result<f64, Refusal> {
    let factor = text.parse().ok().filter(|factor: &f64| *factor > 0.0 && factor.is_finite());
    factor.ok_or_else(|| Refusal::value(format!("{name} must be > 0")))
}

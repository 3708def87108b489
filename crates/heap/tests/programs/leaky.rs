//! Makes and drops strings without end, and forgets one of every so many at one place.

use std::collections::HashMap;
use std::time::Duration;

#[inline(never)]
fn forgets(number: u64) {
    std::mem::forget(format!("order {number} that nobody will ever look at again, however long"));
}

#[inline(never)]
fn keeps(kept: &mut HashMap<u64, Vec<String>>, number: u64) {
    let words = (0..3).map(|word| format!("{number} {word} and a little more")).collect();
    kept.insert(number % 500, words);
}

fn main() {
    let mut kept = HashMap::new();
    println!("ready");
    for number in 0.. {
        keeps(&mut kept, number);
        if number % 50 == 0 {
            forgets(number);
        }
        if number % 100 == 0 {
            std::thread::sleep(Duration::from_millis(4));
        }
    }
}

//! `mainstay-storm WHAT [COUNT [SEED]]`: the tests of the swap that take long.
//!
//! * `storm`: swaps under mixed load, with a table of the states met; one that was never met is a failure.
//! * `signals`: swaps under a hail of signals.
//! * `fast`: swaps one after the other, and what the process holds meanwhile.
//! * `golden FILE`: makes a golden snapshot.

use mainstay_swap_tests::storm::{Size, Storm};
use mainstay_swap_tests::{golden, series};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| words.get(at).map_or(Some(default), |word| word.parse().ok());
    let begun = Instant::now();
    let ended = match (words.first().map(String::as_str), number(1, 0), number(2, 1)) {
        (Some("golden"), ..) if words.len() == 2 => golden::make(words[1].as_ref()),
        (Some("storm"), Some(swaps), Some(seed)) => storm(if swaps == 0 { 200 } else { swaps as usize }, seed),
        (Some("signals"), Some(swaps), _) => series::under_signals(if swaps == 0 { 200 } else { swaps as usize }),
        (Some("fast"), Some(swaps), _) => series::fast(if swaps == 0 { 1000 } else { swaps as usize }),
        _ => {
            eprintln!("usage: mainstay-storm storm [SWAPS [SEED]] | signals [SWAPS] | fast [SWAPS] | golden FILE");
            return ExitCode::from(64);
        }
    };
    println!("took {:.0?}", begun.elapsed());
    match ended {
        Ok(()) => {
            println!("1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("{why}\n0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

fn storm(swaps: usize, seed: u64) -> Result<(), String> {
    println!("seed {seed}");
    let report = Storm::begin(Size { swaps, loads: 16, hosts: 16, libiscsi: 32, scenes: 64, seed })?.rage()?;
    println!("{}", report.text());
    match report.found.empty() {
        empty if empty.is_empty() => Ok(()),
        empty => Err(format!("states that were never met:\n  {}", empty.join("\n  "))),
    }
}

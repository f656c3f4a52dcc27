//! `mainstay-storm [SWAPS [SEED]]`: the storm, with its coverage table. A state that was never met is a failure.

use mainstay_swap_tests::storm::{Size, Storm, timed};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let (swaps, seed) = match (words.next().unwrap_or(Ok(200)), words.next().unwrap_or(Ok(1))) {
        (Ok(swaps), Ok(seed)) => (swaps as usize, seed),
        _ => {
            eprintln!("usage: mainstay-storm [SWAPS [SEED]]");
            return ExitCode::from(64);
        }
    };
    let size = Size { swaps, loads: 16, libiscsi: 32, scenes: 32, seed };
    println!("seed {seed}");
    let (ended, took) = timed(|| Storm::begin(size).and_then(Storm::rage));
    let report = match ended {
        Ok(report) => report,
        Err(why) => {
            println!("{why}\n0 passed, 1 failed");
            return ExitCode::FAILURE;
        }
    };
    println!("{}in {took:.0?}", report.text());
    match report.found.empty() {
        empty if empty.is_empty() => {
            println!("1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        empty => {
            println!("never met:\n  {}\n0 passed, 1 failed", empty.join("\n  "));
            ExitCode::FAILURE
        }
    }
}

//! A strip chart for a terminal: time to the right, latency upwards on a logarithmic scale.

use super::super::paint::Paint;
use mainstay_base::metrics::Histogram;
use std::time::Duration;

/// Columns of the scale beside the strip.
pub const MARGIN: usize = 8;
/// Rows of text for a factor of ten.
const ROWS: u32 = 3;
const MEDIAN: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const LONGEST: [&str; 5] = [" ", "⣀", "⣤", "⣶", "⣿"];

/// A chart of the latencies in `columns`, which together show `span`, with an arrow under the columns of `marks`.
pub fn draw(columns: &[Histogram], marks: &[usize], span: Duration, paint: Paint) -> String {
    let slices: Vec<(u64, u64)> = columns.iter().map(|slice| (slice.percentile(5_000), slice.summary().max)).collect();
    let shown = || slices.iter().filter(|(_, max)| *max > 0);
    // The scale goes from the power of ten (in nanoseconds) below the lowest bar to the one above the highest.
    let bottom = shown().map(|(median, _)| median.max(&1).ilog10()).min().unwrap_or(4);
    let top = shown().map(|(_, max)| (max - 1).max(1).ilog10() + 1).max().unwrap_or(5).max(bottom + 1);
    let mut out = "    ms  █ median, ⣿ longest of the commands answered in that time, ▲ swap\n".to_owned();
    for row in (0..=(top - bottom) * ROWS).rev() {
        out += &match row % ROWS {
            0 => format!("{:>6} ┤", label(bottom + row / ROWS)),
            _ => format!("{:>6} │", ""),
        };
        let cells = slices.iter().enumerate().map(|(column, &slice)| {
            let (text, median) = cell(slice, row, bottom);
            (
                text,
                if marks.contains(&column) {
                    Tint::Mark
                } else if median {
                    Tint::Median
                } else {
                    Tint::Longest
                },
            )
        });
        out = (out + &tinted(cells.collect(), paint)).trim_end().to_owned() + "\n";
    }
    let axis = (0..slices.len()).map(|column| match marks.contains(&column) {
        true => ("▲", Tint::Mark),
        false => ("─", Tint::Axis),
    });
    out += &format!("{:>6} └{}\n", "", tinted(axis.collect(), paint));
    out + &times(slices.len(), span) + "\n"
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tint {
    Axis,
    Median,
    Longest,
    Mark,
}

/// The cells in colours, with few changes of colour.
fn tinted(cells: Vec<(&str, Tint)>, paint: Paint) -> String {
    let runs = cells.chunk_by(|one, next| one.1 == next.1);
    let run = |run: &[(&str, Tint)]| {
        let text: String = run.iter().map(|(text, _)| *text).collect();
        match run[0].1 {
            _ if text.trim().is_empty() => text,
            Tint::Axis => text,
            Tint::Median => paint.green(&text),
            Tint::Longest => paint.dim(&text),
            Tint::Mark => paint.yellow(&text),
        }
    };
    runs.map(run).collect()
}

/// What stands in `row` for a slice of that median and maximum, and whether it belongs to the median. The value that a
/// row is labelled with is at the middle of its height.
fn cell((median, max): (u64, u64), row: u32, bottom: u32) -> (&'static str, bool) {
    let part = |nanos: u64, steps: usize| {
        let rows = ((nanos.max(1) as f64).log10() - f64::from(bottom)) * f64::from(ROWS) + 0.5;
        ((rows * steps as f64).round() as usize).saturating_sub(row as usize * steps).min(steps)
    };
    match (part(median, 8), part(max, 4)) {
        _ if max == 0 => (" ", false),
        (0, part) => (LONGEST[part], false),
        (part, _) => (MEDIAN[part], true),
    }
}

/// A power of ten of nanoseconds, in milliseconds.
fn label(power: u32) -> String {
    match power.checked_sub(6) {
        Some(zeros) => format!("1{}", "0".repeat(zeros as usize)),
        None => format!("0.{}1", "0".repeat(5 - power as usize)),
    }
}

/// The seconds under the axis, as many as fit.
fn times(columns: usize, span: Duration) -> String {
    let seconds = span.as_secs_f64();
    let steps = [1, 2, 5, 10, 20, 30, 60, 120];
    let fits = |step: &&u64| **step as f64 / seconds * columns as f64 >= 7.0;
    let step = *steps.iter().find(fits).unwrap_or(&300);
    let mut line = " ".repeat(MARGIN);
    for second in (0..=seconds as u64).step_by(step as usize) {
        let at = MARGIN + (second as f64 / seconds * columns as f64) as usize;
        let text = if second == 0 { "0 s".to_owned() } else { second.to_string() };
        if at + text.len() <= MARGIN + columns {
            line += &" ".repeat(at.saturating_sub(line.len()));
            line += &text;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(micros: &[u64]) -> Histogram {
        let mut slice = Histogram::default();
        micros.iter().for_each(|micros| slice.record(micros * 1000));
        slice
    }

    #[test]
    fn a_chart() {
        let columns: Vec<Histogram> = (0..24)
            .map(|column| match column {
                7 => slice(&[100, 101, 3_500]),
                8 => slice(&[]),
                9 => slice(&[9_000, 10_000, 12_000]),
                _ => slice(&[90 + column, 100, 100, 100, 250]),
            })
            .collect();
        let drawn = draw(&columns, &[7], Duration::from_secs(6), Paint(false));
        assert_eq!(drawn, include_str!("chart.txt"), "\n{drawn}");
        // Colours change no width.
        let mut bare = draw(&columns, &[7], Duration::from_secs(6), Paint(true));
        for code in ["\x1b[0m", "\x1b[2m", "\x1b[32m", "\x1b[33m"] {
            bare = bare.replace(code, "");
        }
        assert_eq!(bare, drawn);
    }

    #[test]
    fn nothing_and_extremes_have_a_chart() {
        for columns in [vec![], vec![slice(&[])], vec![slice(&[0]), slice(&[u64::MAX / 1000])]] {
            let drawn = draw(&columns, &[], Duration::from_secs(1), Paint(false));
            assert!(drawn.lines().count() > 4);
        }
        draw(&[slice(&[1])], &[0], Duration::ZERO, Paint(false));
        assert_eq!([3, 4, 5, 6, 8].map(label), ["0.001", "0.01", "0.1", "1", "100"]);
    }
}

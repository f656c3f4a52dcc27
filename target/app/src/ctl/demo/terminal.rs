//! Where a run is drawn: over and over on a terminal, line by line into anything else, not at all for `--json`.

use super::super::failure::{Failure, say};
use super::super::paint::{Paint, screen};
use super::show::{HEAD, Show};

/// Columns where there is no terminal, and at most.
const WIDTH: (usize, usize) = (80, 100);

/// Who draws.
#[derive(Debug)]
pub struct Terminal {
    silent: bool,
    paint: Paint,
    /// Columns and rows, if it can be painted over.
    screen: Option<(usize, usize)>,
    /// Lines that the next picture replaces; without a terminal, lines of swaps that were told.
    drawn: usize,
}

impl Terminal {
    /// Standard output as it is.
    pub fn new(silent: bool) -> Terminal {
        // Where lines would be broken, one picture at the end has to do.
        let screen = screen().filter(|(columns, _)| *columns >= WIDTH.0);
        Terminal { silent, paint: Paint::for_stdout(), screen, drawn: 0 }
    }

    /// Before everything else.
    pub fn begin(&self, show: &Show) -> Result<(), Failure> {
        if self.silent { Ok(()) } else { say(&(show.begin() + &self.paint.bold(HEAD) + "\n")) }
    }

    /// What there is by now.
    pub fn go_on(&mut self, show: &Show) -> Result<(), Failure> {
        match self.screen {
            _ if self.silent => Ok(()),
            Some((_, rows)) => {
                let page = self.page(show);
                let lines: Vec<&str> = page.lines().collect();
                // What has left the screen upwards cannot be painted over.
                let lines = &lines[lines.len().saturating_sub(rows - 1)..];
                self.replace("", &lines.iter().map(|line| format!("{line}\x1b[K\n")).collect::<String>())
            }
            None => {
                let news: String = (self.drawn..show.swaps.len()).map(|at| show.line(at, self.paint)).collect();
                self.drawn = show.swaps.len();
                if news.is_empty() { Ok(()) } else { say(&news) }
            }
        }
    }

    /// The last picture.
    pub fn end(&mut self, show: &Show) -> Result<(), Failure> {
        match self.screen {
            _ if self.silent => Ok(()),
            Some(_) => self.replace("\x1b[J", &self.page(show)),
            None => {
                self.go_on(show)?;
                say(&format!("\n{}", show.chart(WIDTH.0, self.paint)))
            }
        }
    }

    fn page(&self, show: &Show) -> String {
        let width = self.screen.map_or(WIDTH.0, |(columns, _)| columns.min(WIDTH.1));
        let swaps: String = (0..show.swaps.len()).map(|at| show.line(at, self.paint)).collect();
        format!("{swaps}\n{}", show.chart(width, self.paint))
    }

    /// Draws `text` where the last picture was, after `first`, in one write.
    fn replace(&mut self, first: &str, text: &str) -> Result<(), Failure> {
        let up = if self.drawn > 0 { format!("\x1b[{}A", self.drawn) } else { String::new() };
        self.drawn = text.lines().count();
        say(&format!("{up}{first}{text}\x1b[J"))
    }
}

//! `logs get`: the entries that match, of all logs together, in the order of time.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use marram_os::clock::{Clock, SystemClock};
use serde_json::json;
use time::OffsetDateTime;

use super::entry::Entry;
use super::files;
use super::filter::Filter;
use super::source::Source;
use super::window::Window;
use crate::local::{Options, expand_home};
use crate::output::{self, Output};

const SYSLOG_FILES: [&str; 3] = ["/var/log/messages", "/var/log/syslog", "/var/log/system.log"];
/// How often followed files are looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(100);
const BOLD_RED: &str = "\u{1b}[1;31m";
const PLAIN: &str = "\u{1b}[0m";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Filters:  --filter level=WARN --filter serviceName=com.a,serviceName=com.b\n\
                        A filter's commas mean \"or\"; several filters must all match. NAME=VALUE \
                        is a field, level=X means X or graver, error=any an exception; anything \
                        else is a regular expression on the line.\n\
                        Times:    --time-window -1h,-30min or 2026-01-31T12:00:00, (UTC)"
)]
pub(crate) struct Arguments {
    /// A log file; repeat for more [short: -lf]
    #[arg(long, value_name = "FILE")]
    log_file: Vec<PathBuf>,
    /// A folder with log files; repeat for more; without either, the device's [short: -ld]
    #[arg(long, value_name = "FOLDER")]
    log_dir: Vec<PathBuf>,
    /// Only entries between two times; repeat for more
    #[arg(short, long, value_name = "BEGIN,END", allow_hyphen_values = true)]
    time_window: Vec<String>,
    /// Only entries that match; repeat for more
    #[arg(short, long, value_name = "EXPRESSION")]
    filter: Vec<String>,
    /// Also so many lines before each match
    #[arg(short, long, value_name = "N", default_value_t = 0)]
    before: usize,
    /// Also so many lines after each match
    #[arg(short, long, value_name = "N", default_value_t = 0)]
    after: usize,
    /// Keep at most so many lines of each log in memory for --before
    #[arg(short, long, value_name = "N", default_value_t = 100)]
    max_log_queue_size: usize,
    /// Go on with what is written from now on [short: -fol]
    #[arg(long)]
    follow: bool,
    /// Do not mark what matched; it is only marked on a terminal [short: -nc]
    #[arg(long)]
    no_color: bool,
    /// Print entries as they are written
    #[arg(short, long)]
    verbose: bool,
    /// Read syslog files
    #[arg(short, long)]
    syslog: bool,
}

/// A line to print.
#[derive(Debug)]
struct Shown {
    ms: i64,
    line: String,
    text: String,
}

/// What decides about lines, for all logs.
#[derive(Debug)]
struct Search {
    filter: Filter,
    windows: Vec<Window>,
    before: usize,
    after: usize,
    is_verbose: bool,
    is_syslog: bool,
    is_colored: bool,
}

/// One log, and where the search in it is.
#[derive(Debug)]
struct Log {
    source: Source,
    /// The entry that a line without a beginning belongs to.
    entry: Option<Entry>,
    ms: i64,
    /// The lines before, if one of them may be wanted.
    before: VecDeque<Shown>,
    /// How many lines after a match are still wanted.
    after: usize,
    ready: VecDeque<Shown>,
}

pub(super) fn run(arguments: &Arguments, options: &Options) -> Result<()> {
    let now_ms = SystemClock.now_ms();
    let windows = arguments.time_window.iter().map(|text| Window::parse(text, now_ms));
    let search = Search {
        filter: Filter::parse(&arguments.filter)?,
        windows: windows.collect::<Result<_>>()?,
        before: arguments.before.min(arguments.max_log_queue_size),
        after: arguments.after,
        is_verbose: arguments.verbose,
        is_syslog: arguments.syslog,
        is_colored: !arguments.no_color
            && options.output == Output::Text
            && io::stdout().is_terminal(),
    };
    let mut logs = Vec::new();
    for files in files::by_log(inputs(arguments, options)?) {
        logs.extend(Source::open(files, arguments.follow)?.map(Log::new));
    }
    print_all(&mut logs, &search, options.output)?;
    while arguments.follow && !search.is_over(SystemClock.now_ms()) {
        std::thread::sleep(FOLLOW_INTERVAL);
        print_all(&mut logs, &search, options.output)?;
    }
    Ok(())
}

fn inputs(arguments: &Arguments, options: &Options) -> Result<Vec<PathBuf>> {
    if arguments.syslog && arguments.verbose {
        bail!("Syslog does not support verbosity!");
    }
    if arguments.syslog && !arguments.log_dir.is_empty() {
        bail!("Syslog does not support directory input!");
    }
    let mut paths: Vec<PathBuf> = arguments.log_file.iter().map(|f| expand_home(f)).collect();
    if let Some(path) = paths.iter().find(|path| !path.is_file()) {
        bail!("Log file provided invalid: {}; name a file that exists", path.display());
    }
    if arguments.syslog && paths.is_empty() {
        paths.extend(SYSLOG_FILES.iter().map(PathBuf::from).filter(|path| path.is_file()));
    } else if !arguments.syslog && (paths.is_empty() || !arguments.log_dir.is_empty()) {
        let none = "No valid log input. Please provide a log file or directory.";
        for folder in super::folders(&arguments.log_dir, options).context(none)? {
            paths.extend(files::in_folder(&folder)?);
        }
    }
    if paths.is_empty() {
        bail!("No valid log input. Please provide a log file or directory.");
    }
    Ok(paths)
}

/// Prints what the logs have now. Of each only the next line is held, so that logs of any size
/// are put in order.
fn print_all(logs: &mut [Log], search: &Search, output: Output) -> Result<()> {
    let mut next = Vec::with_capacity(logs.len());
    for log in logs.iter_mut() {
        next.push(log.next(search)?);
    }
    loop {
        let waiting =
            next.iter().enumerate().filter_map(|(i, shown)| Some((shown.as_ref()?.ms, i)));
        let Some((_, first)) = waiting.min() else { return Ok(()) };
        let following = logs[first].next(search)?;
        if let Some(shown) = std::mem::replace(&mut next[first], following) {
            match output {
                Output::Text => output::line(&shown.text)?,
                Output::Json => output::json(&json!({
                    "timestamp": shown.ms,
                    "file": logs[first].path(),
                    "line": shown.line,
                }))?,
            }
        }
    }
}

impl Search {
    fn is_over(&self, now_ms: i64) -> bool {
        !self.windows.is_empty() && self.windows.iter().all(|window| window.is_over(now_ms))
    }

    fn matches(&self, line: &str, entry: Option<&Entry>, ms: i64) -> bool {
        let is_in_time = self.windows.is_empty() || self.windows.iter().any(|w| w.contains(ms));
        is_in_time && self.filter.matches(line, entry)
    }

    fn marked(&self, text: String) -> String {
        if !self.is_colored {
            return text;
        }
        let mut marked = String::with_capacity(text.len());
        let mut done = 0;
        for (begin, end) in self.filter.marks(&text) {
            marked += &format!("{}{BOLD_RED}{}{PLAIN}", &text[done..begin], &text[begin..end]);
            done = end;
        }
        marked + &text[done..]
    }
}

impl Log {
    fn new(source: Source) -> Self {
        let (before, ready) = (VecDeque::new(), VecDeque::new());
        Self { source, entry: None, ms: SystemClock.now_ms(), before, after: 0, ready }
    }

    fn path(&self) -> &Path {
        self.source.path()
    }

    fn next(&mut self, search: &Search) -> Result<Option<Shown>> {
        loop {
            if let Some(shown) = self.ready.pop_front() {
                return Ok(Some(shown));
            }
            let Some(line) = self.source.next_line()? else { return Ok(None) };
            self.consider(line, search);
        }
    }

    fn consider(&mut self, line: String, search: &Search) {
        let begun = match search.is_syslog {
            true => Entry::parse_syslog(&line, OffsetDateTime::from(SystemClock.now())),
            false => Entry::parse(&line),
        };
        let text = match &begun {
            Some(entry) if !search.is_verbose => entry.shortened(&line),
            _ => line.clone(),
        };
        if let Some(entry) = begun {
            self.ms = entry.ms.unwrap_or(self.ms);
            self.entry = Some(entry);
        }
        let is_match = search.matches(&line, self.entry.as_ref(), self.ms);
        let shown = Shown { ms: self.ms, line, text };
        if is_match {
            self.ready.append(&mut self.before);
            self.ready.push_back(Shown { text: search.marked(shown.text), ..shown });
            self.after = search.after;
        } else if self.after > 0 {
            self.after -= 1;
            self.ready.push_back(shown);
        } else if search.before > 0 {
            if self.before.len() == search.before {
                self.before.pop_front();
            }
            self.before.push_back(shown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(filters: &[&str], before: usize, after: usize) -> Search {
        let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
        Search {
            filter: Filter::parse(&filters).unwrap(),
            windows: Vec::new(),
            before,
            after,
            is_verbose: true,
            is_syslog: false,
            is_colored: true,
        }
    }

    fn shown(content: &str, search: &Search) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, content).unwrap();
        let mut log = Log::new(Source::open(vec![path], false).unwrap().unwrap());
        std::iter::from_fn(|| log.next(search).unwrap()).map(|shown| shown.line).collect()
    }

    fn line(second: u8, level: &str, text: &str) -> String {
        format!("2026-01-01T00:00:0{second}.000Z [{level}] (t) a: {text}\n")
    }

    #[test]
    fn c15_lines_of_a_level_are_shown_with_their_stack_traces() {
        let content = line(0, "INFO", "i")
            + "\ttrace of i\n"
            + &line(1, "WARN", "w")
            + &line(2, "ERROR", "e")
            + "\ttrace of e\n";
        let lines = shown(&content, &search(&["level=WARN"], 0, 0));
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].contains("[WARN]") && lines[2].contains("trace of e"));
    }

    #[test]
    fn lines_before_and_after_a_match_come_once_each() {
        let lines = shown("a\nb\nc\nX\nd\nX\ne\nf\ng\n", &search(&["X"], 2, 1));
        assert_eq!(lines, ["b", "c", "X", "d", "X", "e"]);
    }

    #[test]
    fn what_matched_is_marked() {
        let marked = search(&["b+"], 0, 0).marked("abba".to_owned());
        assert_eq!(marked, "a\u{1b}[1;31mbb\u{1b}[0ma");
    }

    #[test]
    fn a_window_bounds_the_entries() {
        let mut search = search(&[], 0, 0);
        let window = "2026-01-01T00:00:00.500,2026-01-01T00:00:02";
        search.windows.push(Window::parse(window, 0).unwrap());
        let content = line(0, "INFO", "i") + &line(1, "INFO", "w") + &line(2, "INFO", "e");
        let lines = shown(&content, &search);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with('w'));
    }
}

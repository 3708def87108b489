//! `plimsoll top` in a real terminal: tmux, on a socket of its own.

use plimsoll_tests::{Agent, Load, binary, skipped, wait_for};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// A tmux server with one pane that runs a shell.
#[derive(Debug)]
struct Terminal {
    /// Where its socket is.
    dir: tempfile::TempDir,
}

impl Terminal {
    /// None if there is no tmux here.
    fn open() -> Option<Self> {
        let terminal = Self { dir: tempfile::tempdir().expect("a directory") };
        let shell = "env -u NO_COLOR PS1='ready> ' ENV= /bin/sh -i";
        let size = ["-x", "120", "-y", "40"];
        let mut tmux = terminal.command(&["-f", "/dev/null", "new-session", "-d"]);
        let Ok(started) = tmux.args(size).arg(shell).stdin(Stdio::null()).output() else {
            assert!(skipped("tmux is not installed"));
            return None;
        };
        assert!(started.status.success(), "{started:?}");
        terminal.wait("the shell", |screen| screen.contains("ready>"));
        Some(terminal)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-L", "plimsoll-test"]).args(args).env("TMUX_TMPDIR", self.dir.path());
        command.env("LC_ALL", "C.UTF-8").env_remove("TMUX");
        command
    }

    fn tmux(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("tmux answers")
    }

    fn keys(&self, keys: &[&str]) {
        assert!(self.tmux(&[&["send-keys"], keys].concat()).status.success());
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// What tmux knows of the pane, such as `alternate_on`.
    fn knows(&self, what: &str) -> String {
        let format = format!("#{{{what}}}");
        let said = self.tmux(&["display-message", "-p", &format]).stdout;
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    #[track_caller]
    fn wait(&self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        wait_for(what, PATIENCE, || {
            let screen = self.screen();
            if is_there(&screen) { Ok(screen) } else { Err(screen) }
        })
    }

    fn start_top(&self, agent: &Agent) {
        self.keys(&["echo before", "Enter"]);
        self.wait("the echo", |screen| screen.lines().any(|line| line == "before"));
        let top = binary("plimsoll").display().to_string();
        let line = format!("'{top}' top --sort used --url http://{}; echo ended=$?", agent.address);
        self.keys(&["-l", &line]);
        self.keys(&["Enter"]);
    }

    /// The shell is back and nothing of `top` is left behind.
    #[track_caller]
    fn is_clean_after(&self, code: i32) {
        let ended = format!("ended={code}");
        let screen = self.wait("top ends", |screen| screen.lines().any(|line| line == ended));
        assert!(
            screen.lines().any(|line| line == "before"),
            "the screen is not restored\n{screen}"
        );
        assert!(!screen.contains("TIME LEFT"), "{screen}");
        assert_eq!(self.knows("alternate_on"), "0");
        assert_eq!(self.knows("cursor_flag"), "1");
        assert_eq!(self.knows("mouse_any_flag"), "0");
        self.keys(&["echo is it a terminal", "Enter"]);
        self.wait("typed text is seen", |screen| screen.matches("is it a terminal").count() == 2);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Fails only if it never started.
        let _ = self.tmux(&["kill-server"]);
    }
}

/// Rows of the table whose name begins so.
fn rows<'a>(screen: &'a str, name: &str) -> Vec<&'a str> {
    screen.lines().filter(|line| line.contains(name)).collect()
}

#[test]
fn top_shows_the_node_obeys_its_keys_and_leaves_no_trace() {
    let agent = Agent::start(&[]);
    let _load = Load::named(Some("topmost-hoard"), &["hold", "700"], None);
    let Some(terminal) = Terminal::open() else { return };
    terminal.start_top(&agent);
    let screen = terminal.wait("header and the largest process", |screen| {
        screen.contains("[processes]") && screen.contains("topmost-hoard")
    });
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a host name");
    assert!(screen.starts_with(host.trim()), "{screen}");
    assert!(screen.contains(" cpus  ") && screen.contains("OOM kills"), "{screen}");
    assert!(screen.contains(" 7") && rows(&screen, "topmost-hoard").len() == 1, "{screen}");
    assert_eq!(terminal.knows("alternate_on"), "1");

    terminal.keys(&["?"]);
    terminal.wait("help", |screen| screen.contains("Any key closes this."));
    terminal.keys(&["j"]);
    terminal.wait("help is gone", |screen| !screen.contains("Any key closes this."));

    terminal.keys(&["/"]);
    terminal.keys(&["-l", "topmost"]);
    terminal.keys(&["Enter"]);
    terminal.wait("only what the filter leaves", |screen| {
        screen.contains("filter: topmost")
            && screen.contains("[processes] workloads  cgroups   1 of")
            || screen.contains("filter: topmost") && screen.contains("  1 of ")
    });
    terminal.keys(&["Enter"]);
    terminal
        .wait("details", |screen| screen.contains("── process:") && screen.contains("confidence"));
    terminal.keys(&["Escape"]);
    terminal.wait("details are closed", |screen| !screen.contains("── process:"));
    terminal.keys(&["Escape"]);
    terminal.wait("the filter is gone", |screen| !screen.contains("filter:"));
    terminal.keys(&["Tab"]);
    terminal.wait("the next table", |screen| screen.contains("[workloads]"));
    terminal.keys(&["q"]);
    terminal.is_clean_after(0);
}

#[test]
fn top_outlives_the_agent_and_says_that_it_is_gone() {
    let mut agent = Agent::start(&[]);
    let Some(terminal) = Terminal::open() else { return };
    terminal.start_top(&agent);
    terminal.wait("header", |screen| screen.contains("[processes]") && screen.contains("mem "));
    agent.kill();
    let screen = terminal.wait("a banner", |screen| screen.contains("this is old, trying again:"));
    assert!(screen.contains("no agent answers at http://127.0.0.1:"), "{screen}");
    assert!(screen.contains("[processes]") && screen.contains("mem "), "it keeps what it had");
    terminal.keys(&["C-c"]);
    terminal.is_clean_after(0);
}

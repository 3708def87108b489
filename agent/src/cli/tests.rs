//! Command lines, and what they are read as.

use super::*;

fn parsed(line: &str) -> Result<Command, clap::error::ErrorKind> {
    let args = line.split_whitespace();
    Cli::try_parse_from(args).map(Cli::chosen).map_err(|e| e.kind())
}

fn answered(line: &str) -> (Exit, String, String) {
    let Ok(Command::Tool(tool)) = parsed(line) else { panic!("'{line}' is no tool") };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = execute(tool, &mut out, &mut err);
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn the_command_line_holds_together() {
    Cli::command().debug_assert();
    assert!(matches!(parsed("plimsoll"), Ok(Command::Run(args)) if args == RunArgs::default()));
    assert!(matches!(parsed("plimsoll demo --seconds 5"), Ok(Command::Demo(d)) if d.seconds == 5));
    assert!(matches!(parsed("plimsoll demo"), Ok(Command::Demo(d)) if d.seconds == 90));
}

#[test]
fn a_bad_flag_is_a_usage_error_and_a_good_one_names_its_key() {
    let Ok(Command::Run(run)) =
        parsed("plimsoll run -c /dev/null --interval 1s --no-persist --insecure")
    else {
        panic!("flags of the interface are refused");
    };
    let flags = run.request(config::Env::new()).flags;
    let flags: Vec<_> = flags.iter().map(|(key, text)| (*key, text.as_str())).collect();
    let expected =
        [("sampling.interval", "1s"), ("http.insecure", "true"), ("history.persist", "true")];
    assert_eq!(flags, expected);
    assert!(!run.load(config::Env::new()).unwrap().config.history.persist);
    let wrong = Err(clap::error::ErrorKind::ValueValidation);
    for flag in ["--interval 5", "--listen here", "--log-format xml", "--proc-root proc"] {
        assert_eq!(parsed(&format!("plimsoll run {flag}")).map(|_| ()), wrong, "{flag}");
    }
}

#[test]
fn every_flag_of_the_table_is_a_flag_of_run_and_tells_its_variable() {
    let command = Cli::command();
    let run = command.find_subcommand("run").unwrap();
    for key in config::keys::KEYS {
        let Some(flag) = key.flag else { continue };
        let arg = run.get_arguments().find(|arg| arg.get_long() == Some(flag)).expect(flag);
        let help = arg.get_help().unwrap().to_string();
        assert!(help.contains(&format!("[env: {}]", key.env())), "{flag}: {help}");
    }
}

#[test]
fn exit_codes_tell_good_from_failed_from_bad_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.toml");
    std::fs::write(&file, "[sampling]\npss = false\n").unwrap();
    let (exit, out, _) = answered(&format!("plimsoll check-config {}", file.display()));
    assert_eq!(exit.code(), 0);
    let left = format!("p.toml; 1 set, {} left", crate::config::keys::KEYS.len() - 1);
    assert!(out.starts_with("ok: ") && out.contains(&left), "{out}");
    let (exit, out, _) = answered(&format!("plimsoll print-config -c {}", file.display()));
    assert_eq!(exit.code(), 0);
    assert!(out.contains(&format!("pss = false # file {}:2:7\n", file.display())), "{out}");
    std::fs::write(&file, "[sampling]\npss = 3\n[nonsense]\n").unwrap();
    let (exit, out, err) = answered(&format!("plimsoll check-config {}", file.display()));
    assert_eq!((exit.code(), out.as_str()), (78, ""));
    assert!(err.contains("p.toml:2:7: sampling.pss: ") && err.contains("p.toml:3:2: nonsense"));
    let (exit, out, err) = answered("plimsoll leaks --url http://127.0.0.1:1");
    assert_eq!((exit.code(), out.as_str()), (1, ""));
    assert!(err.starts_with("plimsoll: no agent answers at "), "{err}");
}

#[test]
fn generated_files_name_what_there_is() {
    let generated = |what: &str| answered(&format!("plimsoll generate {what}")).1;
    assert_eq!(generated("config"), config::reference_toml());
    assert!(generated("completion bash").contains("check-config"));
    let man = generated("man");
    assert!(man.starts_with(".ie") && man.contains("proc\\-root") && man.contains("Exit codes"));
}

/// A reader that has gone away.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_is_a_quiet_success() {
    for line in ["plimsoll generate config", "plimsoll generate man", "plimsoll doctor --json"] {
        let Ok(Command::Tool(tool)) = parsed(line) else { panic!("'{line}' is no tool") };
        let mut err = Vec::new();
        assert_eq!((execute(tool, &mut Closed, &mut err), err), (Exit::Good, vec![]), "{line}");
    }
}

//! Command lines, good and bad, against what memcached makes of them.

use super::*;
use crate::settings::Port;

fn asked(line: &str) -> Result<Ask, Refusal> {
    parse(line.split(' ').map(OsString::from), false)
}

#[track_caller]
fn plan(line: &str) -> Plan {
    match asked(line) {
        Ok(Ask::Run(plan)) => *plan,
        other => panic!("{line}: {other:?}"),
    }
}

#[track_caller]
fn code(line: &str) -> u8 {
    asked(line).expect_err(line).code
}

#[test]
fn flags_are_read_in_every_form_that_getopt_knows() {
    for line in ["x -p 7 -vv", "x -p7 -v -v", "x --port=7 -vv", "x --port 7 --verbose --verb"] {
        let plan = plan(line);
        assert_eq!((plan.settings.port, plan.settings.verbosity), (Port::At(7), 2), "{line}");
    }
}

#[test]
fn addresses_come_in_lists_with_and_without_ports() {
    let plan = plan("x -l 127.0.0.1,127.0.0.2:7 -l [::1]:8 -l ::1");
    let shown: Vec<String> =
        plan.settings.tcp_addresses().iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["127.0.0.1:11211", "127.0.0.2:7", "[::1]:8", "[::1]:11211"]);
    assert_eq!(plan.settings.interfaces.unwrap(), "127.0.0.1,127.0.0.2:7,[::1]:8,::1");
}

#[test]
fn under_the_name_of_memcached_no_port_is_taken_that_memcached_would_not_take() {
    assert_eq!(plan("memcached").settings.admin, None);
    assert!(plan("plimsoll-cache").settings.admin.is_some());
    assert!(plan("memcached --admin 127.0.0.1:0").settings.admin.is_some());
    assert_eq!(code("x --admin nowhere"), EX_USAGE);
}

#[test]
fn memory_is_a_share_unless_given_or_unless_the_name_is_memcached() {
    assert_eq!(plan("plimsoll-cache").memory, Memory::Auto);
    assert_eq!(plan("/usr/bin/memcached").memory, Memory::Given(64 << 20));
    assert_eq!(plan("plimsoll-cache -m 3").settings.memory_bytes, 3 << 20);
    assert_eq!(plan("plimsoll-cache --memory-share 0.5").memory, Memory::Share(0.5));
    assert_eq!(code("plimsoll-cache --memory-share 1.5"), EX_USAGE);
}

#[test]
fn only_the_debugging_name_or_the_environment_gives_a_debug_clock() {
    assert!(plan("./memcached-debug").settings.debug_clock);
    assert!(!plan("./memcached").settings.debug_clock);
    assert!(matches!(parse(["x".into()], true), Ok(Ask::Run(p)) if p.settings.debug_clock));
}

#[test]
fn nonsense_ends_with_the_exit_code_of_memcached() {
    for line in ["x -c 0", "x -c -1", "x -t 0", "x -R 0", "x -f 1", "x -n 0", "x -q", "x -p"] {
        assert_eq!(code(line), 1, "{line}");
    }
    for line in ["x -B http", "x -I 1000", "x -m 64 -I 33m", "x -p 65536", "x -l fo!ble", "x -S"] {
        assert_eq!(code(line), EX_USAGE, "{line}");
    }
    for line in ["x -o hashpower=11", "x -o hashpower", "x -o nonsense", "x -o hot_lru_pct=80"] {
        assert_eq!(code(line), 1, "{line}");
    }
    assert_eq!(code("x -o hot_lru_pct=50,warm_lru_pct=50"), EX_USAGE);
    assert_eq!(code("x --config /nonexistent"), EX_CONFIG);
    assert_eq!(code("x leftover"), 1);
}

#[test]
fn extended_options_of_memcached_are_understood() {
    let line = "x -o slab_reassign,lru_crawler,idle_timeout=3,no_maxconns_fast,temporary_ttl=61 \
                -o watcher_logbuf_size=8,ext_path=/x:64m,relaxed_privileges,slab_automove";
    let plan = plan(line);
    assert_eq!(plan.settings.idle_timeout.unwrap().as_secs(), 3);
    assert!(!plan.settings.refuses_at_once && plan.settings.echoed.temp_lru);
    assert_eq!(plan.settings.watcher_bytes_max, 8 << 10);
    assert_eq!(plan.notes.len(), 1, "{:?}", plan.notes);
}

#[test]
fn item_sizes_take_units_and_chunks_must_fit_them() {
    assert_eq!(plan("x -I 512k -o slab_chunk_max=16").settings.item_bytes_max, 512 << 10);
    assert_eq!(plan("x -m 256 -I 32m").settings.item_bytes_max, 32 << 20);
    assert_eq!(plan("x -I 1024 -o slab_chunk_max=1").settings.item_bytes_max, 1024);
    let bytes_of_old = plan("x -I 1024 -o slab_chunk_max=1024").settings.echoed.slab_chunk_max;
    assert_eq!(bytes_of_old, 1024);
    assert_eq!(plan("x -o slab_chunk_max=16384").settings.echoed.slab_chunk_max, 16 << 10);
    assert_eq!(code("x -I 500k -o slab_chunk_max=16"), EX_USAGE);
}

#[test]
fn a_udp_port_alone_is_the_tcp_port_too() {
    let plan = plan("x -U 7");
    assert_eq!((plan.settings.port, plan.settings.udp_port), (Port::At(7), Port::At(7)));
    let plan = super::tests::plan("x -p 0 -U 7");
    assert_eq!(plan.settings.port, Port::Off);
}

#[test]
fn what_is_on_the_command_line_beats_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "port = 1\nthreads = 2\nlisten = '127.0.0.9'").unwrap();
    let plan = plan(&format!("x --config {} -p 5", file.path().display()));
    assert_eq!((plan.settings.port, plan.settings.threads), (Port::At(5), 2));
    assert_eq!(plan.settings.tcp_addresses()[0].to_string(), "127.0.0.9:5");
    std::fs::write(file.path(), "threads = 0").unwrap();
    assert_eq!(code(&format!("x --config {}", file.path().display())), EX_CONFIG);
}

#[test]
fn the_help_names_every_flag_and_nothing_that_is_not_there() {
    let text = usage();
    assert!(text.contains("--unix-socket") && text.contains("--admin"));
    for absent in ["sasl", "ext_path", "proxy_config", "enable-ssl", "no_drop_privileges"] {
        assert!(!text.to_lowercase().contains(absent), "{absent}");
    }
    assert!(text.lines().all(|line| line.len() <= 100));
    assert!(version().starts_with("memcached 1.6."));
}

#[test]
fn every_command_line_of_the_documents_is_one_that_is_understood() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = std::fs::read_dir(top.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let is_text = |path: &PathBuf| path.extension().is_some_and(|of| of == "md");
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in docs.filter(is_text).chain([top.join("README.md")]) {
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            // In a block of code, or first in a piece of code within a line.
            let pieces =
                line.split('`').map(str::trim).filter(|at| at.starts_with("plimsoll-cache "));
            // Two blanks lead over to the explanation.
            let lines = pieces.filter_map(|piece| piece.split("  ").next());
            for line in lines.filter(|line| line.contains(" -") && !line.contains(['|', '['])) {
                seen += 1;
                if let Err(refusal) = asked(line) {
                    wrong.push(format!("{}: {line}: {refusal}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(seen > 2, "only {seen} command lines");
}

#[test]
fn who_may_ask_the_admin_side_is_said_by_flags_of_its_own() {
    let line = "x --admin 10.0.0.1:80 --admin-tokens /t --admin-web-config /w --admin-host a,b";
    let settings = plan(line).settings;
    assert_eq!(settings.admin_named.tokens_file.as_deref(), Some("/t".as_ref()));
    assert_eq!(settings.admin_named.web_config_file.as_deref(), Some("/w".as_ref()));
    assert_eq!(settings.admin_named.hosts, ["a", "b"]);
    assert!(!settings.admin_insecure && plan("x --admin-insecure").settings.admin_insecure);
}

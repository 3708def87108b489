//! Command lines with secrets in them.

use super::*;
use proptest::prelude::*;

/// Redacts arguments written with `|` for the NUL between them.
#[track_caller]
fn check(arguments: &str, expected: &str) {
    let cmdline = arguments.replace('|', "\0") + "\0";
    assert_eq!(Redactor::default().redact(cmdline.as_bytes()), expected);
}

#[test]
fn what_holds_no_secret_is_shown_whole() {
    for (arguments, expected) in [
        ("/usr/bin/java|-Xmx2g|-jar|app.jar", "/usr/bin/java -Xmx2g -jar app.jar"),
        ("nginx: worker process", "nginx: worker process"),
        ("sh|-c|sleep 5 && echo done", "sh -c sleep 5 && echo done"),
        ("env|PWD=/srv|HOME=/root|id", "env PWD=/srv HOME=/root id"),
        ("curl|http://host:8080/a?b=c", "curl http://host:8080/a?b=c"),
        ("git|clone|git@github.com:a/b.git", "git clone git@github.com:a/b.git"),
        ("npm|http://host/@scope/pkg", "npm http://host/@scope/pkg"),
        ("mysql|-u|root|-h|db", "mysql -u root -h db"),
        ("gh|auth|login", "gh auth login"),
        ("compass|--bypass=1", "compass --bypass=1"),
    ] {
        check(arguments, expected);
    }
}

#[test]
fn values_behind_secret_names_are_hidden() {
    for (arguments, expected) in [
        ("d|--password=hunter2|-v", "d --password=*** -v"),
        ("d|--password|hunter2|-v", "d --password *** -v"),
        ("d|--db-passwd|my long secret|-v", "d --db-passwd *** -v"),
        ("d|-password|hunter2", "d -password ***"),
        ("d|--API_KEY=k", "d --API_KEY=***"),
        ("d|--api-key|k", "d --api-key ***"),
        ("d|--apiKey=k", "d --apiKey=***"),
        ("d|--private-key=k|--access.key=k", "d --private-key=*** --access.key=***"),
        ("d|--client-credentials=k", "d --client-credentials=***"),
        ("env|DB_PASS=x|DB_PWD=y|TOKEN=z|run", "env DB_PASS=*** DB_PWD=*** TOKEN=*** run"),
        ("java|-Dspring.datasource.password=x|-jar", "java -Dspring.datasource.password=*** -jar"),
        ("d|--set|db.password=x", "d --set db.password=***"),
        ("openssl|rsa|-passin|pass:x", "openssl rsa -passin ***"),
        ("d|{\"user\":\"me\",\"password\":\"x\"}", "d {\"user\":\"me\",\"password\":***"),
        ("d|http://h/?a=b&token=x", "d http://h/?a=b&token=***"),
    ] {
        check(arguments, expected);
    }
}

#[test]
fn a_hidden_value_that_is_itself_a_secret_flag_hides_the_next_too() {
    check("d|--auth|--password|hunter2|-v", "d --auth *** *** -v");
}

#[test]
fn from_a_secret_on_the_rest_of_an_argument_is_hidden() {
    for (arguments, expected) in [
        ("sh|-c|PASSWORD='a b' run --fast|x", "sh -c PASSWORD=*** x"),
        ("sh|-c|mysql --password 'a b' -h db", "sh -c mysql --password ***"),
        ("psql|-c|ALTER USER x PASSWORD 'a b'", "psql -c ALTER USER x PASSWORD ***"),
        ("sh|-c|x --token|y", "sh -c x --token ***"),
        ("d|--password=a b c", "d --password=***"),
        ("d|--password= |x", "d --password=  ***"),
        ("d|--password=|x", "d --password= ***"),
    ] {
        check(arguments, expected);
    }
}

#[test]
fn authorization_headers_and_bearers_are_hidden() {
    for (arguments, expected) in [
        ("curl|-H|Authorization: Basic abc|u", "curl -H Authorization: *** u"),
        ("curl|-H|authorization:abc", "curl -H authorization:***"),
        ("curl|-H|X-Api-Key: abc", "curl -H X-Api-Key: ***"),
        ("curl|-H|Cookie: a=b", "curl -H Cookie: ***"),
        ("d|--header=X: Bearer abc def", "d --header=X: Bearer ***"),
        ("d|bearer|abc|x", "d bearer *** x"),
        ("sh|-c|curl -H \"Authorization: Bearer abc\" u", "sh -c curl -H \"Authorization: ***"),
    ] {
        check(arguments, expected);
    }
}

#[test]
fn passwords_in_addresses_are_hidden() {
    for (arguments, expected) in [
        ("d|postgres://me:pw@db/x", "d postgres://me:***@db/x"),
        ("d|redis://:pw@db:6379", "d redis://:***@db:6379"),
        ("d|postgres://me:p/w@w@db/x", "d postgres://me:***@db/x"),
        ("d|--url=amqp://me:pw@mq|x", "d --url=amqp://me:***@mq x"),
        ("git|clone|https://ghp_abc@github.com/a", "git clone https://***@github.com/a"),
        ("d|http://me:pw@h/?token=x", "d http://me:***@h/?token=***"),
        ("d|http://me:xtoken=y@h/", "d http://me:***"),
        ("d|root:pw@tcp(db:3306)/x", "d root:***@tcp(db:3306)/x"),
        ("curl|-u|me:p@w|http://h", "curl -u me:*** http://h"),
        ("curl|-u|--password=a:b", "curl -u --password=***"),
        ("curl|-u|me:pw|http://h", "curl -u me:*** http://h"),
        ("sh|-c|curl --user me:pw http://h", "sh -c curl --user me:***"),
    ] {
        check(arguments, expected);
    }
}

#[test]
fn names_of_the_configuration_are_hidden_in_any_spelling() {
    let redactor = Redactor::new(&["License_No".into(), String::new()]);
    let line = redactor.redact(b"d\0--license-no=7\0LICENSENO=8\0--other=9\0");
    assert_eq!(line, "d --license-no=*** LICENSENO=*** --other=9");
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    check("d|a\x1b[2J\nb|\u{202e}", "d a\\u{1b}[2J\\nb \\u{202e}");
    assert_eq!(Redactor::default().redact(b"d\0\xff\0"), "d \u{fffd}");
}

#[test]
fn padding_and_emptiness_leave_no_trace() {
    check("", "");
    check("a||b|||||", "a b");
}

#[test]
fn a_long_command_line_is_cut_between_words() {
    let mut cmdline = vec![b'a'; CMDLINE_MAX - 20];
    cmdline.extend(b"\0postgres://me:secretsecretsecret@db/x\0");
    let line = Redactor::default().redact(&cmdline);
    assert!(line.ends_with("aa…"), "{}", &line[line.len() - 30..]);
    assert_eq!(Redactor::default().redact(&[b'a'; CMDLINE_MAX + 1]), CUT);
    let escaped = Redactor::default().redact(&[1; CMDLINE_MAX]);
    assert_eq!(escaped.len(), CMDLINE_MAX + CUT.len());
}

proptest! {
    #[test]
    fn arbitrary_bytes_give_one_short_line(bytes: Vec<u8>) {
        let line = Redactor::default().redact(&bytes);
        prop_assert!(line.len() <= CMDLINE_MAX + CUT.len());
        prop_assert!(!line.contains(char::is_control));
    }

    #[test]
    fn a_password_never_shows_whatever_surrounds_it(
        before in "[ -~\0]{0,40}",
        sign in "=|: |:|\0| ",
        after in "[ -~\0]{0,40}",
    ) {
        let cmdline = format!("{before}\0--db-password{sign}Hunter2Hunter2 {after}");
        let line = Redactor::default().redact(cmdline.as_bytes());
        prop_assert!(!line.contains("Hunter2"), "{line}");
    }

    #[test]
    fn a_password_in_an_address_never_shows(
        before in "[ -~\0]{0,40}",
        password in "[!-~]{0,20}",
        after in "[ -~\0]{0,40}",
    ) {
        let cmdline = format!("{before}\0--at=http://me:{password}Hunter2@h/{after}");
        let line = Redactor::default().redact(cmdline.as_bytes());
        prop_assert!(!line.contains("Hunter2"), "{line}");
    }
}

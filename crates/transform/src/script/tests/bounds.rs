//! Careless scripts, and where their errors point.

use super::*;

/// Small, so that hostile scripts end soon.
const TIGHT: ScriptLimits = ScriptLimits {
    operations: 60_000,
    calls: 16,
    text: 10_000,
    items: 1_000,
};

fn failed(text: &str) -> String {
    let tight = Script::compile(text, TIGHT).unwrap();
    tight.apply(&event(r#","x":"secret""#)).unwrap_err().0
}

#[test]
fn errors_of_compilation_point_into_the_script() {
    let error = |text| Script::compile(text, ScriptLimits::default()).unwrap_err();
    let missing = error("let x = 1;\nlet y = ;\n");
    assert_eq!((missing.line, missing.column), (2, 9), "{missing}");
    let unknown = error("event.x = 1;\n  evnt.y = 2;");
    assert_eq!((unknown.line, unknown.column), (2, 3), "{unknown}");
    for beyond in [
        "import \"x\" as x;",
        "eval(\"1\")",
        "print(event)",
        "let f = Fn(\"f\");",
        "let x = 1; let f = || x;",
    ] {
        assert!(
            Script::compile(beyond, ScriptLimits::default()).is_err(),
            "{beyond}"
        );
    }
}

#[test]
fn a_script_cannot_wait_or_know_the_time() {
    assert_eq!(
        failed("sleep(1)"),
        "line 1, column 1: no function sleep (i64)"
    );
    assert_eq!(
        failed("timestamp()"),
        "line 1, column 1: no function timestamp ()"
    );
}

#[test]
fn errors_of_a_run_point_into_the_script_and_quote_no_event() {
    assert_eq!(
        failed("let x = 1;\n  nothing(x);"),
        "line 2, column 3: no function nothing (i64)"
    );
    assert_eq!(
        failed("\n throw \"a reason\""),
        "line 2, column 2: a reason"
    );
    assert_eq!(
        failed("fn f(x) {\n x.y.z = 1 }\nf(1)").split(':').next(),
        Some("line 2, column 4")
    );
    for quoting in [
        "parse_int(event.x)",
        "event.x.foo",
        "event[event.x][1]",
        "let y = [1]; y[event.x]",
        "throw event",
        "event.x - 1",
        "matches(event.x, \"(\" + event.x)",
    ] {
        let failure = failed(quoting);
        assert!(
            failure.starts_with("line 1, column ") && !failure.contains("secret"),
            "{quoting}: {failure}"
        );
    }
    assert!(failed("let s = \"x\"; s.pad(9000, \"é\"); throw s").len() < 500);
}

#[test]
fn careless_scripts_come_to_an_end() {
    for (text, reason) in [
        ("loop { }", "too many operations"),
        ("fn f() { f() } f()", "too many calls within calls"),
        (
            "fn f(x) { loop { } } try { f(1) } catch { } loop { }",
            "too many operations",
        ),
        (
            "rename_jobs(event, |id| { loop { } })",
            "too many operations",
        ),
        (
            "let s = \"x\"; loop { s += s; }",
            "too large: Length of string",
        ),
        (
            "let s = \"x\"; loop { s = `${s}${s}`; }",
            "too large: Length of string",
        ),
        (
            "let s = \"aaaaaaaa\"; loop { s.replace(\"a\", s); }",
            "the replaced text is too large",
        ),
        (
            "let s = \"aaaaaaaa\"; loop { s.replace('a', s); }",
            "the replaced text is too large",
        ),
        (
            "let s = \"aaaaaaaa\"; loop { s = regex_replace(s, \"a\", s); }",
            "the replaced text is too large",
        ),
        (
            "let a = []; loop { a.push(a); }",
            "too large: Size of array",
        ),
        (
            "let a = [1]; loop { a = [a, a]; }",
            "too large: Size of array",
        ),
        (
            "let a = []; a.pad(1000000000, 1);",
            "too large: Size of array",
        ),
        (
            "let m = #{}; let i = 0; loop { m.set(`${i}`, i); i += 1; }",
            "too large: Size of object map",
        ),
        (
            "loop { event.a = event; event.b = event; }",
            "too large: Length of string",
        ),
        (
            "let a = [0, 1]; loop { a[0] = a; a[1] = a; }",
            "too large: Size of array",
        ),
        (
            "let m = #{}; loop { m.a = m; }",
            "too large: Size of object map",
        ),
        (
            "let m = #{}; loop { m[\"a\"] = m; }",
            "too large: Size of object map",
        ),
        (
            "let m = #{}; loop { m = #{a: m, b: m}; }",
            "too large: Size of object map",
        ),
        (
            "let s = \"x\"; let a = []; s.pad(5000, 'x'); loop { a.push(s); }",
            "too large: Length of string",
        ),
        (
            "let p = \"\"; for i in 0..200 { p += \"/a\"; } set_at(event, p, 1)",
            "the JSON Pointer is longer than an event can be deep",
        ),
        (
            "matches(\"\", \"(\")",
            "not a regular expression, or too large a one",
        ),
        (
            "matches(\"\", \"((a{1000}){1000}){1000}\")",
            "not a regular expression, or too large a one",
        ),
    ] {
        let failure = failed(text);
        assert!(failure.contains(reason), "{text}: {failure}");
    }
}

#[test]
fn a_value_as_deep_as_the_limit_allows_is_survived() {
    let pointer = "/a".repeat(120);
    let nest = |rounds: u32| {
        let source = format!(
            "let i = 0; while i < {rounds} {{ let m = #{{}}; set_at(m, \"{pointer}\", event.a); event.a = m; i += 1; }}"
        );
        applied(&source, &event(""))
    };
    let Applied::Changed(text) = nest(160).unwrap() else {
        panic!("unchanged");
    };
    assert!(event("").rewritten(text).is_err(), "deeper than any event");
    assert!(nest(170).unwrap_err().0.contains("too large"));
}

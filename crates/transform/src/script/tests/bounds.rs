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
    let TransformOutput::Changed(text) = nest(160).unwrap() else {
        panic!("unchanged");
    };
    assert!(event("").rewritten(text).is_err(), "deeper than any event");
    assert!(nest(170).unwrap_err().0.contains("too large"));
}

#[test]
fn looking_through_large_texts_is_charged_by_their_size() {
    let large = event(&format!(r#","x":"{}""#, "a b".repeat(170_000)));
    for call in [
        r#"matches(event.x, "c$")"#,
        r#"captures(event.x, "c$")"#,
        r#"regex_replace(event.x, "c", "d")"#,
        r#"event.x.replace("c", "d")"#,
        "event.x.replace('c', 'd')",
        r#"event.x.contains("c")"#,
        "event.x.contains('c')",
        r#"event.x.index_of("c")"#,
        "event.x.index_of('c', -3)",
        r#"event.x.split("c")"#,
        r#"event.x.split_rev("c", 2)"#,
    ] {
        // Without a charge by size, these many calls are far within the limit.
        let script = format!("for i in 0..100 {{ {call}; }}");
        let script = Script::compile(&script, ScriptLimits::default()).unwrap();
        let failure = script.apply(&large).unwrap_err().0;
        assert!(failure.contains("too many operations"), "{call}: {failure}");
    }
    let many = Script::compile("event.x.split(' ')", ScriptLimits::default()).unwrap();
    let failure = many.apply(&large).unwrap_err().0;
    assert!(failure.contains("there are too many parts"), "{failure}");
}

#[test]
fn texts_are_searched_and_split_as_rhai_does() {
    let text = r#","x":"h\u00e9 h\u00e9llo""#;
    let source = r#"
        let x = event.x;
        event.r = [x.index_of("é"), x.index_of('é', 2), x.index_of("l", -3), x.index_of("z"), x.index_of("h", 99),
            x.contains("llo"), x.contains('z'), x.split(), x.split("é"), x.split('é', 2), x.split_rev(' ')];
        let y = "abab"; y.replace('a', 'c'); y.replace("b", 'd'); event.r += [y, "".index_of(""), "".split(",")];"#;
    let script = Script::compile(source, ScriptLimits::default()).unwrap();
    let Ok(TransformOutput::Changed(made)) = script.apply(&event(text)) else {
        panic!("nothing changed");
    };
    let expected = r#""r":[1,4,5,-1,-1,true,false,["hé","héllo"],["h"," h","llo"],["h"," héllo"],["héllo","hé"],"cdcd",-1,[""]]"#;
    assert!(made.contains(expected), "{made}");
}

#[test]
fn a_function_that_renames_has_to_give_the_name_back() {
    let failure = failed("rename_jobs(event, |id| { id.namespace = \"k\"; })");
    assert!(
        failure.contains("the function has to give the name back: end it with id"),
        "{failure}"
    );
}

//! Spellings of stores, and the laws of bringing them together.

mod cases;
mod drivers;
mod injective;
mod objects;
mod warehouses;
mod whole_names;
mod within;

use super::*;
use proptest::prelude::*;

fn id(namespace: &str, name: &str) -> Identity {
    Identity {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn normal(namespace: &str, name: &str) -> (String, String) {
    let Identity { namespace, name } = SPELLING.normalise(&id(namespace, name));
    (namespace, name)
}

/// Everything but the case of names.
const SPELLING: Normalise = Normalise {
    name_case: false,
    ..ALL
};

const ALL: Normalise = Normalise::all();

const NONE: Normalise = Normalise::NONE;

/// Each as it comes, and as it leaves.
fn each(cases: &[(&str, &str, &str, &str)]) {
    for (namespace, name, expected_namespace, expected_name) in cases {
        let found = normal(namespace, name);
        let found = (found.0.as_str(), found.1.as_str());
        assert_eq!(
            found,
            (*expected_namespace, *expected_name),
            "{namespace} {name}"
        );
        let again = normal(expected_namespace, expected_name);
        assert_eq!(
            (again.0.as_str(), again.1.as_str()),
            found,
            "{namespace} {name}: twice"
        );
    }
}

#[test]
fn variants_of_one_store_become_the_form_of_the_naming_page() {
    let full = "redshift://My-Cluster.abc123xyz.us-east-1.redshift.amazonaws.com";
    let serverless = "redshift://wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5440";
    for (namespace, name, expected) in [
        ("s3a://My-Bucket", "/in/a/", ("s3://My-Bucket", "in/a")),
        ("S3N://b/", "/", ("s3://b", "/")),
        ("s3://b", "in/a", ("s3://b", "in/a")),
        ("gs://b", "a/", ("gs://b", "a")),
        (
            "POSTGRES://Db.Example.com",
            "D.public.t",
            ("postgres://db.example.com:5432", "D.public.t"),
        ),
        (
            "jdbc:postgresql://u:p@db:5433/?ssl=true",
            "d.s.t",
            ("postgres://db:5433", "d.s.t"),
        ),
        ("mysql://root:pw@h", "d.t", ("mysql://h:3306", "d.t")),
        (
            "jdbc:postgresql://h:5432/shop?x=1",
            "public.t",
            ("postgres://h:5432", "shop.public.t"),
        ),
        (
            "postgres://h:5432/shop",
            "shop.public.t",
            ("postgres://h:5432", "shop.public.t"),
        ),
        (
            "postgres://h:5432/shop",
            "t",
            ("postgres://h:5432/shop", "t"),
        ),
        ("jdbc:mysql://h/shop?x=1", "t", ("mysql://h:3306", "shop.t")),
        ("mysql://h/shop", "other.t", ("mysql://h:3306", "other.t")),
        (
            "mongodb+srv://u:p@H.mongodb.net/?x=1",
            "d.c",
            ("mongodb+srv://h.mongodb.net", "d.c"),
        ),
        ("mongodb://u:p@h", "d.c", ("mongodb://h:27017", "d.c")),
        (
            "snowflake://u:p@org-acc/?warehouse=w",
            "d.s.t",
            ("snowflake://org-acc", "d.s.t"),
        ),
        (
            "jdbc:snowflake://org-acc/?user=u",
            "d.s.t",
            ("snowflake://org-acc", "d.s.t"),
        ),
        (
            "sqlserver://H;databaseName=x",
            "s.t",
            ("sqlserver://h:1433", "x.s.t"),
        ),
        ("mssql://h\\inst", "d.s.t", ("mssql://h\\inst", "d.s.t")),
        ("oracle://[::1]", "x.s.t", ("oracle://[::1]:1521", "x.s.t")),
        (
            "postgres://a:1,b:2",
            "d.s.t",
            ("postgres://a:1,b:2", "d.s.t"),
        ),
        (
            full,
            "dev.public.t",
            ("redshift://my-cluster.us-east-1:5439", "dev.public.t"),
        ),
        (
            serverless,
            "dev.public.t",
            ("redshift://wg.eu-west-1:5440", "dev.public.t"),
        ),
        (
            "redshift:iam://c.us-east-1:5439/dev",
            "public.t",
            ("redshift://c.us-east-1:5439", "dev.public.t"),
        ),
        (
            "redshift://10.1.2.3:5439",
            "dev.public.t",
            ("redshift://10.1.2.3:5439", "dev.public.t"),
        ),
        (
            "awsathena://athena.eu-west-1.amazonaws.com:443;S3OutputLocation=s3://b/x",
            "c.d.t",
            ("awsathena://athena.eu-west-1.amazonaws.com", "c.d.t"),
        ),
        (
            "jdbc:awsathena://AwsRegion=eu-west-1;Password=p",
            "c.d.t",
            ("awsathena://athena.eu-west-1.amazonaws.com", "c.d.t"),
        ),
        (
            "abfss://Data@Acc.dfs.core.windows.net",
            "/a/",
            ("abfss://Data@acc.dfs.core.windows.net", "a"),
        ),
    ] {
        let (got_namespace, got_name) = normal(namespace, name);
        assert_eq!(
            (got_namespace.as_str(), got_name.as_str()),
            expected,
            "{namespace}"
        );
    }
}

#[test]
fn what_is_unknown_or_no_uri_stays() {
    for (namespace, name) in [
        ("bigquery", "p.d.T"),
        ("file", "/a/b/"),
        ("dbfs", "/x/"),
        ("dbfs:/mnt", "/x/"),
        ("file:/srv/wh", "default.agg"),
        ("arn:aws:glue:us-east-1:123456789012", "table/Db/T"),
        ("duckdb:///srv/Shop.duckdb", "a.b.c"),
        ("jdbc:odd://u:p@H", "t"),
        ("Unknown://U:p@Host/", "/t/"),
        ("postgres://", "t"),
        ("s3:///", "t/"),
        ("", ""),
    ] {
        assert_eq!(
            normal(namespace, name),
            (namespace.to_owned(), name.to_owned())
        );
    }
}

#[test]
fn each_part_can_be_left_out() {
    let none = NONE;
    for namespace in [
        "S3A://b/",
        "redshift:iam://H:1/d",
        "jdbc:postgresql://u:p@H?x",
        "mysql://H",
    ] {
        let dataset = id(namespace, "/a/");
        assert_eq!(none.normalise(&dataset), dataset);
    }
}

fn namespace() -> impl Strategy<Value = String> {
    let scheme = "(jdbc:)?(s3a|S3|postgresql|Postgres|mysql|redshift|redshift:iam|awsathena|abfss|wasb|cosn|oss|hdfs|file|mssql|snowflake|mongodb|gs|oracle|oracle:thin:@|teradata|db2|trino|databricks|hive2|bigquery|kafka|odd)://";
    let rest = r"/?([uA:]{0,3}@)?[aA.\[\]=:,]{0,6}(\.b\.us-east-1\.redshift\.amazonaws\.com)?(:[0-9]{0,3})?[/;?@=a]{0,5}((Region|databaseName|db|schema|currentSchema|DATABASE|port|ProjectId)=x[,;&?/]?){0,3}";
    let uri = (scheme, rest).prop_map(|(scheme, rest)| format!("{scheme}{rest}"));
    prop_oneof![uri, ".{0,12}", "[a-z:/@]{0,12}"]
}

proptest! {
    #[test]
    fn doing_it_twice_does_nothing_more(namespace in namespace(), name in "[/a.\"A1:]{0,6}", flags in any::<[bool; 9]>()) {
        let [s3, objects, host_case, default_ports, redshift, glue, trailing_slash, jdbc, name_case] = flags;
        let rule = Normalise { s3, objects, host_case, default_ports, redshift, glue, trailing_slash, jdbc, name_case, case: None };
        let dataset = id(&namespace, &name);
        let once = rule.normalise(&dataset);
        prop_assert_eq!(once.namespace.is_empty(), namespace.is_empty());
        // A name may come out of the namespace, but none is lost.
        prop_assert!(name.is_empty() || !once.name.is_empty());
        prop_assert_eq!(rule.normalise(&once), once);
    }

    #[test]
    fn an_unknown_scheme_keeps_its_spelling(rest in ".{0,20}", name in ".{0,8}") {
        let dataset = id(&format!("X-{rest}"), &name);
        prop_assert_eq!(Normalise::all().normalise(&dataset), dataset);
    }
}

//! Stores of objects and files, and Glue's catalog.

use super::*;

#[test]
fn one_spelling_in_every_store_of_objects() {
    each(&[
        ("gs://b", "/dir/a", "gs://b", "dir/a"),
        ("gcs://b", "//dir/a/", "gs://b", "dir/a"),
        ("gs://b", "/", "gs://b", "/"),
        ("s3a://b", "//dir", "s3://b", "dir"),
        ("s3a://KEY:SECRET@b", "dir", "s3://b", "dir"),
        (
            "abfs://c@Acc.dfs.core.windows.net",
            "/dir",
            "abfss://c@acc.dfs.core.windows.net",
            "dir",
        ),
        (
            "abfss://c@acc.blob.core.windows.net",
            "dir",
            "abfss://c@acc.dfs.core.windows.net",
            "dir",
        ),
        (
            "abfss://c@acc.dfs.core.windows.net:443",
            "dir",
            "abfss://c@acc.dfs.core.windows.net",
            "dir",
        ),
        (
            "wasb://c@acc.blob.core.windows.net",
            "/dir",
            "wasbs://c@acc.dfs.core.windows.net",
            "dir",
        ),
        (
            "wasbs://c@acc.dfs.core.windows.net",
            "dir",
            "wasbs://c@acc.dfs.core.windows.net",
            "dir",
        ),
        (
            "abfss://ws@onelake.blob.fabric.microsoft.com",
            "dir",
            "abfss://ws@onelake.dfs.fabric.microsoft.com",
            "dir",
        ),
        (
            "oss://id:secret@b.oss-cn-hangzhou.aliyuncs.com",
            "/dir",
            "oss://b",
            "dir",
        ),
        ("oss://b", "dir", "oss://b", "dir"),
        ("cosn://b-125", "/dir", "cos://b-125", "dir"),
        (
            "cos://b-125.cos.ap-guangzhou.myqcloud.com",
            "dir",
            "cos://b-125",
            "dir",
        ),
        ("cos://b.service", "dir", "cos://b.service", "dir"),
        ("hdfs://NN:8020", "//user//x/", "hdfs://nn:8020", "/user/x"),
        (
            "hdfs://nn.example.com",
            "user/x",
            "hdfs://nn.example.com:8020",
            "/user/x",
        ),
        ("hdfs://cluster", "/user/x", "hdfs://cluster", "/user/x"),
    ]);
}

#[test]
fn what_a_store_of_objects_tells_apart_stays() {
    each(&[
        ("s3://b", "a//b", "s3://b", "a//b"),
        ("gs://b", "a//b", "gs://b", "a//b"),
        ("gs://b", "A", "gs://b", "A"),
        (
            "wasbs://c@a.dfs.core.windows.net",
            "a//b",
            "wasbs://c@a.dfs.core.windows.net",
            "a//b",
        ),
        ("s3://b/prefix", "key", "s3://b/prefix", "key"),
        ("dbfs://workspace", "/a", "dbfs://workspace", "/a"),
        ("file://host", "/a", "file://host", "/a"),
    ]);
}

#[test]
fn one_catalog_of_glue_whatever_it_was_called() {
    let arn = "arn:aws:glue:eu-west-1:123456789012";
    each(&[
        (
            "arn:aws:glue:eu-west-1:123456789012/",
            "table/d/t",
            arn,
            "table/d/t",
        ),
        ("aws:glue:eu-west-1:123456789012", "d.t", arn, "table/d/t"),
        (
            "aws:glue:eu-west-1:123456789012/",
            "table/d/t",
            arn,
            "table/d/t",
        ),
        (
            "aws:glue:cn-north-1:123456789012",
            "d.t",
            "arn:aws-cn:glue:cn-north-1:123456789012",
            "table/d/t",
        ),
        (
            "aws:glue:eu-west-1:123456789012",
            "a.b.c",
            "aws:glue:eu-west-1:123456789012",
            "a.b.c",
        ),
        ("aws:glue:eu-west-1", "d.t", "aws:glue:eu-west-1", "d.t"),
        (
            "arn:aws:glue:eu-west-1:123456789012:table",
            "d/t",
            "arn:aws:glue:eu-west-1:123456789012:table",
            "d/t",
        ),
    ]);
    let slash = Normalise {
        trailing_slash: true,
        ..NONE
    };
    assert_eq!(
        slash.normalise(&id(&format!("{arn}/"), "table/d/t")),
        id(arn, "table/d/t")
    );
}

#[test]
fn a_slash_behind_a_table_of_glue_names_no_other_table() {
    let arn = "arn:aws:glue:eu-west-1:123456789012";
    let table = |namespace: &str| normal(namespace, "table/d/t/");
    assert_eq!(table(arn), (arn.to_owned(), "table/d/t".to_owned()));
    assert_eq!(
        table("aws:glue:eu-west-1:123456789012"),
        (arn.to_owned(), "table/d/t".to_owned())
    );
    let left = id(arn, "table/d/t/");
    assert_eq!(NONE.normalise(&left), left);
}

#[test]
fn an_account_of_glue_is_in_the_partition_of_its_region() {
    for (region, partition) in [
        ("eu-west-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-isof-south-1", "aws-iso-f"),
        ("eusc-de-east-1", "aws-eusc"),
    ] {
        let (namespace, _) = normal(&format!("aws:glue:{region}:123456789012"), "d.t");
        assert_eq!(
            namespace,
            format!("arn:{partition}:glue:{region}:123456789012")
        );
    }
}

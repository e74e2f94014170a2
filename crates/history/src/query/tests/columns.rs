//! What columns are made of.

use super::*;

#[tokio::test]
async fn columns_are_those_of_the_newest_event_with_what_they_are_made_of() {
    let mut place = Place::new();
    let direct = field("staged", "amount", "DIRECT");
    let indirect = field("staged", "day", "INDIRECT");
    let old = field("staged", "old", "DIRECT");
    let event = |second, inputs: &str| {
        let outputs = wide(inputs);
        run_event(
            "mart",
            second,
            "COMPLETE",
            second,
            &io(&["staged"], &[&outputs]),
        )
    };
    place
        .deliver(&[
            event(5, &old),
            event(9, &format!("{direct},{indirect}")),
            event(7, &old), // it came late
        ])
        .await;
    let columns = place.history.columns(name("orders")).await.unwrap();
    let columns: Vec<_> = (columns.iter())
        .map(|it| (it.name.as_str(), it.of_type.as_deref(), it.before, it.after))
        .collect();
    assert_eq!(columns, [("id", Some("int"), 0, 0), ("total", None, 2, 0)]);
    let staged = place.history.columns(name("staged")).await.unwrap();
    let names: Vec<_> = staged
        .iter()
        .map(|it| (it.name.as_str(), it.after))
        .collect();
    assert_eq!(names, [("amount", 1), ("day", 1)]);

    let path = |dataset: &str, field: Option<&str>| {
        let column = ColumnRef {
            dataset: name(dataset),
            field: field.map(str::to_owned),
        };
        let reach = Reach { up: 3, down: 3 };
        let history = place.history.clone();
        async move { history.column_paths(vec![(column, reach)]).await.unwrap() }
    };
    let total = path("orders", Some("total")).await;
    let steps: Vec<_> = (total.edges.iter())
        .map(|step| (step.from.field.as_deref().unwrap(), step.kind))
        .collect();
    assert_eq!(
        steps,
        [("amount", EdgeKind::Direct), ("day", EdgeKind::Indirect)]
    );
    assert_eq!(total.edges[0].job.as_ref().unwrap().name, "mart");
    assert_eq!(path("staged", Some("amount")).await.edges.len(), 1);
    assert_eq!(path("orders", Some("id")).await.edges.len(), 0);
    assert_eq!(path("staged", None).await, total);
}

#[tokio::test]
async fn columns_of_an_edge_that_the_last_completed_run_does_not_have_are_old() {
    let mut place = Place::new();
    let outputs = wide(&field("staged", "amount", "DIRECT"));
    place
        .deliver(&[run_event(
            "mart",
            1,
            "COMPLETE",
            1,
            &io(&["staged"], &[&outputs]),
        )])
        .await;
    let counts = async |place: &Place| {
        let column = ColumnRef {
            dataset: name("orders"),
            field: Some("total".to_owned()),
        };
        let reach = Reach { up: 1, down: 1 };
        let path = place.history.column_paths(vec![(column, reach)]).await;
        let columns = place.history.columns(name("orders")).await.unwrap();
        (path.unwrap().edges.len(), columns[1].before)
    };
    assert_eq!(counts(&place).await, (1, 1));
    let elsewhere = run_event("mart", 2, "COMPLETE", 9, &io(&["staged"], &["other"]));
    let entry = place.entry(&elsewhere, "one", Outcome::Delivered, NOON);
    let entry = Entry {
        id: "0191f3a0-0000-7000-8000-ffffffffffff".to_owned(),
        ..entry
    };
    place.record(vec![entry]).await;
    assert_eq!(counts(&place).await, (0, 0));
}

#[tokio::test]
async fn the_paths_of_all_columns_that_are_asked_have_one_bound() {
    let mut place = Place::new();
    for output in 1..=2 {
        let fields = (0..3_000).map(|n| field("staged", &format!("f{n}"), "DIRECT"));
        let fields = fields.collect::<Vec<_>>().join(",");
        let outputs = wide(&fields).replace("orders", &format!("orders {output}"));
        place
            .deliver(&[run_event(
                &format!("mart {output}"),
                output,
                "COMPLETE",
                output,
                &io(&["staged"], &[&outputs]),
            )])
            .await;
    }
    let asked = ["orders 1", "orders 2"].map(|dataset| {
        let column = ColumnRef {
            dataset: name(dataset),
            field: None,
        };
        (column, Reach { up: 1, down: 1 })
    });
    let path = place.history.column_paths(asked.to_vec()).await.unwrap();
    assert_eq!((path.edges.len(), path.is_cut), (5_000, true));
    let datasets = vec![name("orders 1"), name("staged")];
    let opened = place.history.opened_columns(None, datasets, 9).await;
    let opened = opened.unwrap();
    assert!(opened.path.is_cut);
    assert_eq!(opened.columns[&name("orders 1")].len(), 2);
}

#[tokio::test]
async fn of_each_dataset_all_edges_of_its_columns_are_found_or_none() {
    let mut place = Place::new();
    for (output, count) in [(1, 3_000), (2, 2_001), (3, 2_000)] {
        let fields = (0..count).map(|n| field("staged", &format!("f{n}"), "DIRECT"));
        let fields = fields.collect::<Vec<_>>().join(",");
        let outputs = wide(&fields).replace("orders", &format!("orders {output}"));
        let job = format!("mart {output}");
        let io = io(&["staged"], &[&outputs]);
        place
            .deliver(&[run_event(&job, output, "COMPLETE", output, &io)])
            .await;
    }
    let counts = async |asked: &[&str]| {
        let datasets = asked.iter().map(|it| name(it)).collect();
        let steps = place.history.made_of(datasets).await.unwrap();
        let count = |dataset: &&str| {
            let of = steps.iter().filter(|it| it.to.dataset == name(dataset));
            of.count()
        };
        asked.iter().map(count).collect::<Vec<_>>()
    };
    let all = counts(&["orders 1", "orders 2", "orders 3"]).await;
    assert_eq!(all, [3_000, 0, 2_000]);
    assert_eq!(counts(&["orders 2"]).await, [2_001]);
}

#[tokio::test]
async fn a_dataset_that_is_asked_for_twice_counts_once() {
    let mut place = Place::new();
    let outputs = wide(&field("staged", "amount", "DIRECT"));
    let event = run_event("mart", 1, "COMPLETE", 1, &io(&["staged"], &[&outputs]));
    place.deliver(&[event]).await;
    let twice = vec![name("orders"), name("orders")];
    assert_eq!(place.history.made_of(twice).await.unwrap().len(), 1);
}

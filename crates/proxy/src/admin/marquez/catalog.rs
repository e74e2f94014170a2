//! Lists of jobs, datasets, runs, namespaces and sources, and each of them.

use ::history::{Name, NodeKind};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde_json::{Value, json};

use super::question::Question;
use super::text::{self, NodeText};
use super::{Answer, MAX_RUNS, Marquez, TextAnswer, answer, not_found, page, run_id, text_answer};

pub(super) async fn namespaces(State(it): State<Marquez>, uri: Uri) -> Answer {
    let question = Question::parse(uri.query(), 100)?;
    let all = it.namespaces().await?;
    let count = all.len();
    let shown: Vec<Value> = page(all, &question).map(answer::namespace).collect();
    Ok(Json(json!({"namespaces": shown, "totalCount": count})))
}

pub(super) async fn namespace(State(it): State<Marquez>, Path(name): Path<String>) -> Answer {
    it.namespace(name).await.map(answer::namespace).map(Json)
}

pub(super) async fn jobs(State(it): State<Marquez>, uri: Uri) -> TextAnswer {
    list_jobs(&it, None, uri).await
}

pub(super) async fn jobs_of(
    State(it): State<Marquez>,
    Path(namespace): Path<String>,
    uri: Uri,
) -> TextAnswer {
    list_jobs(&it, Some(namespace), uri).await
}

async fn list_jobs(it: &Marquez, namespace: Option<String>, uri: Uri) -> TextAnswer {
    let (question, states) = Question::of_jobs(uri.query())?;
    let listed = it.list(NodeKind::Job, namespace, states, &question);
    let (jobs, count) = listed.await?;
    let (facets, held) = it.facets_of_all(jobs.iter().map(|it| &it.node), None).await;
    let jobs = (jobs.iter()).map(|it| NodeText::of(answer::job(it), facets.get(&it.node.node)));
    let text = text::list("jobs", &jobs.collect::<Vec<_>>(), count);
    Ok(text_answer(text, held))
}

pub(super) async fn job(
    State(it): State<Marquez>,
    Path(named): Path<(String, String)>,
) -> TextAnswer {
    let found = it.node(NodeKind::Job, named).await?;
    let (facets, held) = it.facets_of(&found).await?;
    let text = NodeText::of(answer::job(&found), Some(&facets)).text();
    Ok(text_answer(text, held))
}

pub(super) async fn runs(
    State(it): State<Marquez>,
    Path((namespace, name)): Path<(String, String)>,
    uri: Uri,
) -> Answer {
    let question = Question::parse(uri.query(), 100)?;
    it.node(NodeKind::Job, (namespace.clone(), name.clone()))
        .await?;
    let job = Name { namespace, name };
    let asked = job.clone();
    let runs = it
        .ask(move |it| async move { it.runs(asked, MAX_RUNS).await })
        .await?;
    let count = runs.len();
    let runs = page(runs, &question).map(|run| answer::run(&run.run, Some(&job)));
    let runs: Vec<Value> = runs.collect();
    Ok(Json(json!({"runs": runs, "totalCount": count})))
}

pub(super) async fn datasets_of(
    State(it): State<Marquez>,
    Path(namespace): Path<String>,
    uri: Uri,
) -> TextAnswer {
    let question = Question::parse(uri.query(), 100)?;
    let (datasets, count) = it
        .list(NodeKind::Dataset, Some(namespace), None, &question)
        .await?;
    let columns = it.columns_of(datasets.iter()).await;
    let made_of = answer::made_of(&columns);
    let (facets, held) = it
        .facets_of_all(datasets.iter().map(|it| &it.node), None)
        .await;
    let shown = datasets.iter().map(|it| {
        let facets = facets.get(&it.node.node);
        NodeText::of(answer::dataset(it, &made_of), facets)
    });
    let text = text::list("datasets", &shown.collect::<Vec<_>>(), count);
    Ok(text_answer(text, held))
}

pub(super) async fn dataset(
    State(it): State<Marquez>,
    Path(named): Path<(String, String)>,
) -> TextAnswer {
    let found = it.node(NodeKind::Dataset, named).await?;
    let columns = it.columns_of(std::iter::once(&found)).await;
    let (facets, held) = it.facets_of(&found).await?;
    let dataset = answer::dataset(&found, &answer::made_of(&columns));
    let text = NodeText::of(dataset, Some(&facets)).text();
    Ok(text_answer(text, held))
}

pub(super) async fn versions(
    State(it): State<Marquez>,
    Path(named): Path<(String, String)>,
    uri: Uri,
) -> TextAnswer {
    let question = Question::parse(uri.query(), 100)?;
    let found = it.node(NodeKind::Dataset, named).await?;
    let (facets, held) = it.facets_of(&found).await?;
    let version = NodeText::of(answer::version(&found), Some(&facets)).text();
    let shown: String = page(vec![version], &question).collect();
    let text = format!(r#"{{"versions":[{shown}],"totalCount":1}}"#);
    Ok(text_answer(text, held))
}

pub(super) async fn version(
    State(it): State<Marquez>,
    Path((namespace, name, version)): Path<(String, String, String)>,
) -> TextAnswer {
    let found = it.node(NodeKind::Dataset, (namespace, name)).await?;
    let shown = answer::version(&found);
    if shown.get("version").and_then(Value::as_str) != Some(&version) {
        return Err(not_found("version"));
    }
    let (facets, held) = it.facets_of(&found).await?;
    let text = NodeText::of(shown, Some(&facets)).text();
    Ok(text_answer(text, held))
}

pub(super) async fn run(State(it): State<Marquez>, Path(id): Path<String>) -> Answer {
    let id = run_id(&id)?;
    let found = it
        .ask(move |it| async move { it.run(id.to_string()).await })
        .await?;
    let (run, job) = found.ok_or_else(|| not_found("run"))?;
    Ok(Json(answer::run(&run.run, job.as_ref())))
}

pub(super) async fn sources(State(it): State<Marquez>, uri: Uri) -> Answer {
    let question = Question::parse(uri.query(), 100)?;
    let sources = it.namespaces().await?.into_iter();
    let sources: Vec<_> = sources.filter(|it| it.datasets > 0).collect();
    let count = sources.len();
    let sources: Vec<Value> = page(sources, &question).map(answer::source).collect();
    Ok(Json(json!({"sources": sources, "totalCount": count})))
}

pub(super) async fn source(State(it): State<Marquez>, Path(name): Path<String>) -> Answer {
    let found = it.namespace(name).await?;
    match found.datasets {
        0 => Err(not_found("source")),
        _ => Ok(Json(answer::source(found))),
    }
}

pub(super) async fn tags(uri: Uri) -> Answer {
    Question::parse(uri.query(), 100)?;
    Ok(Json(json!({"tags": []})))
}

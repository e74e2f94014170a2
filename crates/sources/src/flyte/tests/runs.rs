//! Executions and tasks as runs: their parents, attempts, names and labels.

use super::*;

#[test]
fn the_parent_of_a_task_is_the_run_of_its_execution() {
    for flavour in FLAVOURS {
        let found = events(&bodies(flavour));
        let execution = &found[0];
        for event in found
            .iter()
            .filter(|event| event["job"]["name"] != execution["job"]["name"])
        {
            let parent = &event["run"]["facets"]["parent"];
            assert_eq!(parent["run"]["runId"], execution["run"]["runId"]);
            assert_eq!(parent["job"]["name"], execution["job"]["name"]);
            assert_eq!(parent["root"]["run"], parent["run"]);
        }
    }
}

#[test]
fn a_retry_is_a_run_of_its_own_that_says_why_the_first_failed() {
    let found = events(&bodies(FLAVOURS[0]));
    let (failed, retried) = (&found[3], &found[4]);
    assert_ne!(failed["run"]["runId"], retried["run"]["runId"]);
    assert_eq!(failed["run"]["facets"]["errorMessage"]["message"], "killed");
    assert_eq!(found[1]["run"]["runId"], found[2]["run"]["runId"]);
}

#[test]
fn a_cache_hit_says_where_its_result_came_from() {
    let found = events(&bodies(FLAVOURS[2]));
    let own = &found[5]["run"]["facets"]["lineageProxy_flyte_execution"];
    assert_eq!(own["cacheStatus"], "CACHE_HIT");
    assert_eq!(own["cacheSource"]["execution"], "oldexec");
    assert_eq!(
        found[5]["job"]["facets"]["ownership"]["owners"][0]["name"],
        "jane@example.com"
    );
    assert_eq!(own["launchPlan"]["name"], "news.workflows.covid.covid_wf");
}

#[test]
fn a_node_that_launches_an_execution_is_its_parent() {
    let node = cloud(
        "flyteidl.admin.NodeExecutionEventRequest",
        &json!({"event": {
            "id": {"nodeId": "n4", "executionId": {"project": "poc", "domain": "development", "name": "f1"}},
            "phase": "RUNNING",
            "occurredAt": "2026-11-20T10:00:00Z",
            "workflowNodeMetadata": {"executionId": {"project": "poc", "domain": "development", "name": "child"}},
        }}),
    );
    let workflow = |name: &str| {
        cloud(
            "flyteidl.admin.WorkflowExecutionEventRequest",
            &json!({"event": {
                "executionId": {"project": "poc", "domain": "development", "name": name},
                "phase": "RUNNING",
                "occurredAt": "2026-11-20T10:00:00Z",
            }}),
        )
    };
    let [node, child, parent] = [node, workflow("child"), workflow("f1")]
        .map(|body| json(&extract(&body, &options()).events[0]));
    assert_eq!(node["run"]["runId"], child["run"]["runId"]);
    assert_eq!(
        node["run"]["facets"]["parent"]["run"]["runId"],
        parent["run"]["runId"]
    );
    assert_eq!(node["eventType"], "RUNNING");
}

#[test]
fn an_execution_is_named_after_its_launch_plan_on_request() {
    let options = FlyteOptions {
        workflow_name: WorkflowName::LaunchPlan,
        ..options()
    };
    let start = cloud(
        "cloudevents.ExecutionStart",
        &json!({
            "executionId": {"project": "poc", "domain": "development", "name": "f1"},
            "launchPlanId": {"resourceType": "LAUNCH_PLAN", "name": "m.wf", "version": "v"},
            "principal": "jane",
        }),
    );
    let event = json(&extract(&start, &options).events[0]);
    assert_eq!(
        (event["job"]["name"].as_str(), event["eventType"].as_str()),
        (Some("poc.development.m.wf"), Some("START"))
    );
    let event = json(&extract(&task(&json!({})), &options).events[0]);
    assert_eq!(
        event["run"]["facets"]["parent"]["job"]["name"],
        "poc.development.m"
    );
}

#[test]
fn labels_are_tags_and_a_name_template_is_filled() {
    let body = cloud(
        "cloudevents.TaskExecution",
        &json!({
            "rawEvent": {
                "taskId": {"resourceType": "TASK", "name": "a.b.t"},
                "parentNodeExecutionId": {"nodeId": "n1", "executionId": {"project": "p", "domain": "d", "name": "f1"}},
                "phase": "RUNNING", "occurredAt": "2026-11-20T10:00:00Z",
            },
            "labels": {"team": "news"},
        }),
    );
    let options = FlyteOptions {
        task_name: TaskName::parse("{module}/{task}@{node}").unwrap(),
        ..options()
    };
    let event = json(&extract(&body, &options).events[0]);
    assert_eq!(event["job"]["name"], "a.b/t@n1");
    assert_eq!(
        event["run"]["facets"]["tags"]["tags"][0],
        json!({"key": "team", "value": "news", "source": "FLYTE"})
    );
}

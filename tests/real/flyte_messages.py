"""Messages of Flyte, made by its own package `flyteidl`, in each format in which flyteadmin publishes them.

Run as a program, it prints them as JSON lines: `case`, `format`, and `body`, the base64 that raw delivery leaves in a
queue. `crates/sources/tests/fixtures/flyte/flyteidl.jsonl` is what it prints.
"""

import base64
import json
import sys

from flyteidl.admin import event_pb2 as admin
from flyteidl.core import catalog_pb2, execution_pb2, identifier_pb2, interface_pb2, literals_pb2, types_pb2
from flyteidl.event import cloudevents_pb2, event_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, struct_pb2, timestamp_pb2

EXECUTION = identifier_pb2.WorkflowExecutionIdentifier(project="shop", domain="production", name="f0e1d2c3b4a5", org="o")
NODE = identifier_pb2.NodeExecutionIdentifier(node_id="n1", execution_id=EXECUTION)
TASK = identifier_pb2.Identifier(resource_type=identifier_pb2.TASK, project="shop", domain="production", name="etl.orders.join", version="v7")
LAUNCH_PLAN = identifier_pb2.Identifier(resource_type=identifier_pb2.LAUNCH_PLAN, project="shop", domain="production", name="etl.orders.daily", version="v7")
DATA = "s3://flyte-data/ab/f0e1d2c3b4a5-n1-0"


def cloud_event():
    """The class `io.cloudevents.v1.CloudEvent`, after the CloudEvents specification."""
    file = descriptor_pb2.FileDescriptorProto(name="cloudevents.proto", package="io.cloudevents.v1", syntax="proto3", dependency=["google/protobuf/timestamp.proto"])
    Field = descriptor_pb2.FieldDescriptorProto
    event = file.message_type.add(name="CloudEvent")
    for number, name, kind in ((1, "id", 9), (2, "source", 9), (3, "spec_version", 9), (4, "type", 9), (6, "binary_data", 12)):
        event.field.add(name=name, number=number, type=kind, label=Field.LABEL_OPTIONAL)
    entry = event.nested_type.add(name="AttributesEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=9, label=Field.LABEL_OPTIONAL)
    entry.field.add(name="value", number=2, type=11, type_name=".io.cloudevents.v1.Value", label=Field.LABEL_OPTIONAL)
    event.field.add(name="attributes", number=5, type=11, type_name=".io.cloudevents.v1.CloudEvent.AttributesEntry", label=Field.LABEL_REPEATED)
    value = file.message_type.add(name="Value")
    value.field.add(name="ce_string", number=3, type=9, label=Field.LABEL_OPTIONAL)
    value.field.add(name="ce_timestamp", number=7, type=11, type_name=".google.protobuf.Timestamp", label=Field.LABEL_OPTIONAL)
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("io.cloudevents.v1.CloudEvent"))


CloudEvent = cloud_event()


def at(second):
    return timestamp_pb2.Timestamp(seconds=1_795_000_000 + second, nanos=250_000_000)


def simple(kind):
    return types_pb2.LiteralType(simple=kind)


def blob(uri, format="csv", dimensionality=types_pb2.BlobType.SINGLE):
    kind = types_pb2.BlobType(format=format, dimensionality=dimensionality)
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(blob=literals_pb2.Blob(metadata=literals_pb2.BlobMetadata(type=kind), uri=uri)))


def structured():
    column = types_pb2.StructuredDatasetType.DatasetColumn
    number, text = simple(types_pb2.INTEGER), simple(types_pb2.STRING)
    columns = [
        column(name="id", literal_type=number),
        column(name="tags", literal_type=types_pb2.LiteralType(collection_type=text)),
        column(name="prices", literal_type=types_pb2.LiteralType(map_value_type=simple(types_pb2.FLOAT))),
        column(name="note", literal_type=types_pb2.LiteralType(union_type=types_pb2.UnionType(variants=[text, simple(types_pb2.NONE)]))),
        column(name="plain", literal_type=simple(types_pb2.NONE)),
        column(name="untyped"),
    ]
    kind = types_pb2.StructuredDatasetType(columns=columns, format="parquet", external_schema_type="arrow", external_schema_bytes=b"\xff\x00")
    data = literals_pb2.StructuredDataset(uri=f"{DATA}/orders", metadata=literals_pb2.StructuredDatasetMetadata(structured_dataset_type=kind))
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(structured_dataset=data), hash="h", metadata={"k": "v"})


def schema():
    column = types_pb2.SchemaType.SchemaColumn
    columns = [column(name=name.lower(), type=number) for name, number in column.SchemaColumnType.items()]
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(schema=literals_pb2.Schema(uri=f"{DATA}/old", type=types_pb2.SchemaType(columns=columns))))


def outputs():
    scalar = literals_pb2.Scalar
    custom = struct_pb2.Struct()
    custom.update({"a": None, "b": [1.5, True, {"c": "d"}]})
    union = literals_pb2.Union(value=blob(f"{DATA}/u.csv"), type=types_pb2.LiteralType(blob=types_pb2.BlobType(format="csv")))
    return literals_pb2.LiteralMap(literals={
        "orders": structured(),
        "old": schema(),
        "files": literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=[blob(f"{DATA}/1.csv"), blob(f"{DATA}/2.csv")])),
        "by_day": literals_pb2.Literal(map=literals_pb2.LiteralMap(literals={"mon": blob(f"{DATA}/mon", "", types_pb2.BlobType.MULTIPART)})),
        "maybe": literals_pb2.Literal(scalar=scalar(union=union)),
        "nothing": literals_pb2.Literal(scalar=scalar(none_type=literals_pb2.Void())),
        "count": literals_pb2.Literal(scalar=scalar(primitive=literals_pb2.Primitive(integer=2**60))),
        "json": literals_pb2.Literal(scalar=scalar(generic=custom)),
        "bytes": literals_pb2.Literal(scalar=scalar(binary=literals_pb2.Binary(value=b"\x00\xff", tag="msgpack"))),
        "large": literals_pb2.Literal(offloaded_metadata=literals_pb2.LiteralOffloadedMetadata(uri="s3://flyte-meta/offloaded.pb", size_bytes=2**40)),
    })


def task(**more):
    info = struct_pb2.Struct()
    info.update({"driver": {"pods": [1, None]}})
    phase = execution_pb2.TaskExecution.SUCCEEDED
    metadata = event_pb2.TaskExecutionMetadata(generated_name="f0e1d2c3b4a5-n1-2", external_resources=[event_pb2.ExternalResourceInfo(external_id="x", phase=phase, logs=[execution_pb2.TaskLog(uri="u")])], plugin_identifier="spark")
    logs = [execution_pb2.TaskLog(uri="https://logs.example.com/1", name="driver", message_format=execution_pb2.TaskLog.JSON)]
    event = {"task_id": TASK, "parent_node_execution_id": NODE, "retry_attempt": 2, "phase": phase, "producer_id": "propeller", "logs": logs, "occurred_at": at(9), "custom_info": info, "phase_version": 4, "reason": "done", "task_type": "spark", "metadata": metadata, "event_version": 1, "reported_at": at(10)}
    return event_pb2.TaskExecutionEvent(**{**event, **more})


def node(**more):
    event = {"id": NODE, "producer_id": "propeller", "phase": execution_pb2.NodeExecution.SUCCEEDED, "occurred_at": at(9), "input_uri": "s3://flyte-meta/p/shop-production-f0e1d2c3b4a5/n1/data/inputs.pb", "spec_node_id": "n1", "node_name": "join", "event_version": 1, "is_parent": False, "deck_uri": "s3://flyte-meta/deck.html", "reported_at": at(10)}
    return event_pb2.NodeExecutionEvent(**{**event, **more})


def workflow(**more):
    event = {"execution_id": EXECUTION, "producer_id": "propeller", "phase": execution_pb2.WorkflowExecution.RUNNING, "occurred_at": at(1)}
    return event_pb2.WorkflowExecutionEvent(**{**event, **more})


def cases():
    source = identifier_pb2.TaskExecutionIdentifier(task_id=TASK, node_execution_id=identifier_pb2.NodeExecutionIdentifier(node_id="n8", execution_id=identifier_pb2.WorkflowExecutionIdentifier(project="shop", domain="production", name="f9older")), retry_attempt=1)
    key = catalog_pb2.CatalogMetadata(artifact_tag=catalog_pb2.CatalogArtifactTag(artifact_id="a", name="t"), source_task_execution=source)
    hit = event_pb2.TaskNodeMetadata(cache_status=catalog_pb2.CACHE_HIT, catalog_key=key, reservation_status=catalog_pb2.CatalogReservation.RESERVATION_RELEASED, checkpoint_uri="s3://c")
    child = identifier_pb2.WorkflowExecutionIdentifier(project="shop", domain="production", name="f1child")
    Phase = execution_pb2.TaskExecution
    yield "task succeeded", task(output_data=outputs(), input_data=literals_pb2.LiteralMap(literals={"old": schema()}))
    yield "task failed", task(phase=Phase.RETRYABLE_FAILED, error=execution_pb2.ExecutionError(code="USER:X", message="Ünable to\njoin", error_uri="s3://e", kind=execution_pb2.ExecutionError.USER))
    for name, number in Phase.Phase.items():
        yield f"task {name}", task(phase=number)
    for name, number in execution_pb2.NodeExecution.Phase.items():
        yield f"node {name}", node(phase=number)
    for name, number in execution_pb2.WorkflowExecution.Phase.items():
        yield f"workflow {name}", workflow(phase=number)
    yield "cache hit", node(task_node_metadata=hit, parent_node_metadata=event_pb2.ParentNodeExecutionMetadata(node_id="n0"), output_data=outputs())
    yield "launched", node(phase=execution_pb2.NodeExecution.RUNNING, workflow_node_metadata=event_pb2.WorkflowNodeMetadata(execution_id=child), target_entity=LAUNCH_PLAN)


def second_version(event):
    """The message of cloudEvents v2 for an event."""
    labels = {"team": "sales", "env": "prod"}
    interface = interface_pb2.TypedInterface(outputs=interface_pb2.VariableMap(variables={"by_day": interface_pb2.Variable(type=simple(types_pb2.STRING), description="d")}))
    if isinstance(event, event_pb2.TaskExecutionEvent):
        return "TaskExecution", cloudevents_pb2.CloudEventTaskExecution(raw_event=event, labels=labels)
    more = {"raw_event": event, "output_interface": interface, "principal": "jane@example.com", "launch_plan_id": LAUNCH_PLAN, "labels": labels}
    if isinstance(event, event_pb2.NodeExecutionEvent):
        return "NodeExecution", cloudevents_pb2.CloudEventNodeExecution(**more)
    return "WorkflowExecution", cloudevents_pb2.CloudEventWorkflowExecution(reference_execution=EXECUTION, **more)


def in_cloud_event(kind, message, **options):
    data = json.dumps(json_format.MessageToDict(message, **options), sort_keys=True)  # maps have no order
    event = CloudEvent(id="not unique", source="https://github.com/flyteorg/flyte/flyteadmin", spec_version="1.0", type=f"com.flyte.resource.{kind}", binary_data=data.encode())
    event.attributes["time"].ce_timestamp.CopyFrom(at(9))
    event.attributes["datacontenttype"].ce_string = "application/json"
    return event


def messages():
    for case, event in cases():
        kind = type(event).__name__ + "Request"
        request = getattr(admin, kind)(request_id="r", event=event)
        first = f"flyteidl.admin.{kind}"
        yield case, "external", request
        if case in ("task succeeded", "task failed", "cache hit", "launched"):
            yield case, "v1", in_cloud_event(first, request)
            yield case, "v1 snake", in_cloud_event(first, request, preserving_proto_field_name=True)
            yield case, "v1 numbers", in_cloud_event(first, request, use_integers_for_enums=True, always_print_fields_with_no_presence=True)
        name, message = second_version(event)
        yield case, "v2", in_cloud_event(f"cloudevents.{name}", message)
    start = cloudevents_pb2.CloudEventExecutionStart(execution_id=EXECUTION, launch_plan_id=LAUNCH_PLAN, workflow_id=identifier_pb2.Identifier(resource_type=identifier_pb2.WORKFLOW, name="etl.orders.daily"), principal="jane@example.com")
    yield "created", "v2", in_cloud_event("cloudevents.ExecutionStart", start)


def lines():
    for case, format, message in messages():
        body = base64.b64encode(message.SerializeToString(deterministic=True)).decode()
        yield json.dumps({"case": case, "format": format, "body": body})


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())

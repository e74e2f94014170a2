"""Reads the calls of a target of DataHub with DataHub's own classes. Run by test_datahub.py with the Python that has them.

    check.py CALLS     a file with the body of a call on each line

Every proposal has to be one of DataHub's, every aspect has to be valid for its class and come back unchanged, every URN has to
be as DataHub's client would write it, and every patch has to be the one that DataHub's own builders make. Prints how many of
each aspect there were.
"""

import collections
import json
import sys

from datahub.emitter.serialization_helper import post_json_transform, pre_json_transform
from datahub.metadata.schema_classes import ASPECT_NAME_MAP, EdgeClass, FineGrainedLineageClass, MetadataChangeProposalClass, OwnerClass, TagAssociationClass, UpstreamClass
from datahub.metadata.urns import SchemaFieldUrn, Urn
from datahub.specific.aspect_helpers.tags import HasTagsPatch
from datahub.specific.datajob import DataJobPatchBuilder
from datahub.specific.dataset import DatasetPatchBuilder
from datahub.utilities.urns.urn import guess_entity_type

BUILDERS = {"dataset": DatasetPatchBuilder, "dataJob": DataJobPatchBuilder, "dataFlow": HasTagsPatch}


def urns(value):
    """Every URN in a value; those in the paths of patches included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from urns(inner) if key != "path" else ()
    elif isinstance(value, list):
        for inner in value:
            yield from urns(inner)
    elif isinstance(value, str) and value.startswith("urn:li:"):
        yield value


def check_urn(text):
    urn = Urn.from_string(text)
    assert str(urn) == text, (text, str(urn))
    if isinstance(urn, SchemaFieldUrn):
        check_urn(urn.parent)


def contains(whole, part, where):
    """Everything that was sent is still there; defaults may have been added."""
    if isinstance(part, dict):
        for key, value in part.items():
            assert key in whole, (where, key, "was dropped")
            contains(whole[key], value, f"{where}.{key}")
    elif isinstance(part, list):
        assert len(whole) == len(part), where
        for index, value in enumerate(part):
            contains(whole[index], value, f"{where}[{index}]")
    else:
        assert whole == part, (where, whole, part)


def check_upsert(aspect, value):
    read = ASPECT_NAME_MAP[aspect].from_obj(post_json_transform(value))
    assert read.validate(), (aspect, value)
    contains(pre_json_transform(read.to_obj()), value, aspect)


def unquoted(path):
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def check_patch(entity, urn, aspect, value):
    """The patch that DataHub's builder makes of the same values is the same."""
    keyed = isinstance(value, dict)
    builder = BUILDERS[entity](urn)
    for operation in value["patch"] if keyed else value:
        assert operation["op"] == "add", operation
        field, *keys = unquoted(operation["path"])
        added = post_json_transform(operation["value"])
        if field == "inputDatasetEdges":
            builder.add_input_dataset(EdgeClass.from_obj(added))
        elif field == "outputDatasetEdges":
            builder.add_output_dataset(EdgeClass.from_obj(added))
        elif field == "upstreams":
            builder.add_upstream_lineage(UpstreamClass.from_obj(added))
        elif field == "fineGrainedLineages":
            transform, downstream, query, upstream = keys
            assert query == "NONE"
            check_urn(downstream), check_urn(upstream)
            builder.add_fine_grained_lineage(FineGrainedLineageClass(upstreamType="FIELD_SET", downstreamType="FIELD", upstreams=[upstream], downstreams=[downstream], transformOperation=transform, confidenceScore=added["confidenceScore"]))
        elif field == "owners":
            builder.add_owner(OwnerClass.from_obj(added))
        elif field == "tags":
            builder.add_tag(TagAssociationClass.from_obj(added))
        elif (aspect, field) == ("datasetProperties", "description"):
            builder.set_description(added)
        else:
            raise AssertionError(operation)
    (built,) = list(builder.build())
    assert built.aspectName == aspect and built.changeType == "PATCH"
    assert built.aspect.contentType == "application/json-patch+json"
    theirs = json.loads(built.aspect.value)
    if aspect == "ownership":
        theirs = reordered(theirs, "owners", value["arrayPrimaryKeys"]["owners"])
    assert theirs == value, (theirs, value)


def reordered(patch, array, keys):
    """The patch with the keys of an array in this order: ours has those first that may be empty, for older servers."""
    theirs = patch["arrayPrimaryKeys"][array]
    assert sorted(keys) == sorted(theirs), (keys, theirs)

    def path(of):
        _, name, *parts = of.split("/")
        assert name == array and len(parts) == len(theirs), of
        return "/".join(["", name, *(parts[theirs.index(key)] for key in keys)])

    operations = [{**operation, "path": path(operation["path"])} for operation in patch["patch"]]
    return {**patch, "arrayPrimaryKeys": {**patch["arrayPrimaryKeys"], array: keys}, "patch": operations}


def check(proposal):
    read = MetadataChangeProposalClass.from_obj(post_json_transform({**proposal, "aspect": {**proposal["aspect"]}}))
    assert read.validate(), proposal
    check_urn(read.entityUrn)
    assert guess_entity_type(read.entityUrn) == read.entityType
    value = json.loads(proposal["aspect"]["value"])
    for urn in urns(value):
        check_urn(urn)
    if read.changeType == "PATCH":
        check_patch(read.entityType, read.entityUrn, read.aspectName, value)
    else:
        check_upsert(read.aspectName, value)
    return read.aspectName


def main():
    seen = collections.Counter()
    for line in open(sys.argv[1]):
        call = json.loads(line)
        assert call["async"] == "false" and 1 <= len(call["proposals"]) <= 200
        seen.update(map(check, call["proposals"]))
    print(json.dumps(seen))


if __name__ == "__main__":
    main()

"""Stands in for Terraform's provider hashicorp/aws, which comes from a registry that not every machine reaches: the types that the
example uses, with the arguments and attributes of the provider 6.25.0 (the bindings that HashiCorp generated from its schema,
@cdktf/provider-aws 21.22.1, and https://registry.terraform.io/providers/hashicorp/aws/6.25.0/docs). It plans, and creates nothing.
"""

from tf.runner import run_provider
from tf.schema import Attribute, Block, NestedBlock, NestMode, Schema
from tf.types import Bool, Map, Number, Set, String

STRINGS, TAGS = Set(String()), Map(String())


def required(**types):
    return [Attribute(name, of, required=True) for name, of in types.items()]


def optional(**types):
    return [Attribute(name, of, optional=True) for name, of in types.items()]


def computed(**types):
    return [Attribute(name, of, computed=True) for name, of in types.items()]


def either(**types):
    """What may be given, and is known after apply if it is not."""
    return [Attribute(name, of, optional=True, computed=True) for name, of in types.items()]


def feedback(*services):
    """Of an SNS topic: who is told of deliveries."""
    for service in services:
        yield from optional(**{f"{service}_failure_feedback_role_arn": String(), f"{service}_success_feedback_role_arn": String(), f"{service}_success_feedback_sample_rate": Number()})


ANY = either(id=String(), region=String()) + optional(tags=TAGS) + either(tags_all=TAGS)
TIMEOUTS = NestedBlock("timeouts", NestMode.Single, Block(attributes=optional(create=String(), delete=String(), update=String())))
RESOURCES = {
    "cloudformation_stack": Schema(
        attributes=ANY
        + required(name=String())
        + optional(
            capabilities=STRINGS, disable_rollback=Bool(), iam_role_arn=String(), notification_arns=STRINGS, on_failure=String(),
            policy_url=String(), template_url=String(), timeout_in_minutes=Number(),
        )
        + either(parameters=TAGS, policy_body=String(), template_body=String())
        + computed(outputs=TAGS),
        block_types=[TIMEOUTS],
    ),
    "s3_object": Schema(
        attributes=ANY
        + required(bucket=String(), key=String())
        + optional(
            cache_control=String(), checksum_algorithm=String(), content=String(), content_base64=String(), content_disposition=String(),
            content_encoding=String(), content_language=String(), force_destroy=Bool(), metadata=TAGS, object_lock_legal_hold_status=String(),
            object_lock_mode=String(), object_lock_retain_until_date=String(), source=String(), source_hash=String(), website_redirect=String(),
        )
        + either(
            acl=String(), bucket_key_enabled=Bool(), content_type=String(), etag=String(), kms_key_id=String(), server_side_encryption=String(),
            storage_class=String(),
        )
        + computed(arn=String(), version_id=String()),
    ),
    "sns_topic": Schema(
        attributes=ANY
        + either(name=String(), name_prefix=String(), policy=String(), signature_version=Number(), tracing_config=String(), fifo_throughput_scope=String())
        + optional(
            archive_policy=String(), content_based_deduplication=Bool(), delivery_policy=String(), display_name=String(), fifo_topic=Bool(),
            kms_master_key_id=String(),
        )
        + [*feedback("application", "firehose", "http", "lambda", "sqs")]
        + computed(arn=String(), beginning_archive_time=String(), owner=String()),
    ),
    "sns_topic_policy": Schema(attributes=either(id=String(), region=String()) + required(arn=String(), policy=String()) + computed(owner=String())),
}
IDENTITY = Schema(attributes=either(id=String()) + computed(account_id=String(), arn=String(), user_id=String()))
ACCOUNT = "111122223333"


class Planned:
    """A resource that is planned and never made."""

    def __init__(self, provider):
        pass

    def __init_subclass__(cls, name, schema):
        cls.get_name, cls.get_schema = classmethod(lambda _: name), classmethod(lambda _: schema)

    def validate(self, diagnostics, type_name, config):
        """Terraform has checked it against the schema."""

    def plan(self, context, current, planned):
        return planned

    def create(self, context, planned):
        context.diagnostics.add_error("nothing is created", "this provider stands in for another one")


class Identity:
    def __init__(self, provider):
        pass

    @classmethod
    def get_name(cls):
        return "caller_identity"

    @classmethod
    def get_schema(cls):
        return IDENTITY

    def validate(self, diagnostics, type_name, config):
        """It has no argument."""

    def read(self, context, config):
        return {"id": ACCOUNT, "account_id": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root", "user_id": ACCOUNT}


class Provider:
    def get_model_prefix(self):
        return "aws_"

    def full_name(self):
        return "registry.terraform.io/hashicorp/aws"

    def get_provider_schema(self, diagnostics):
        return Schema(attributes=optional(region=String(), profile=String()))

    def validate_config(self, diagnostics, config):
        """It needs none."""

    def configure_provider(self, diagnostics, config):
        """It calls nobody."""

    def get_resources(self):
        return [type(name, (Planned,), {}, name=name, schema=schema) for name, schema in RESOURCES.items()]

    def get_data_sources(self):
        return [Identity]

    def get_functions(self):
        return []

    def new_resource(self, kind):
        return kind(self)

    def new_data_source(self, kind):
        return kind(self)


if __name__ == "__main__":
    run_provider(Provider())

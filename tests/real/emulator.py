"""The emulator of AWS, over TLS, with what it has wrong put right. Run by the Python of its own environment.

IAM has no action sqs:SendMessageBatch, sns:PublishBatch and the like: batches are allowed by the action of the single message. A batch
keeps the system attributes of its messages. What a template takes from a parameter of type Number is a number. A template reserves concurrency, has alarms on metric math, and puts a
web ACL in front of an API. And saved queries of logs, which it does not know, are created with an id, and that is all. What IAM allows
is written into `allowed.jsonl`: role, `Sid` of the statement and action, once each. Certificates are written into the folder that is the
argument, too: `ca.pem` is what clients trust.
"""

import contextvars
import datetime
import ipaddress
import json
import os
import pathlib
import re
import sys
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SINGLE = {f"{name}Batch": name for name in ("SendMessage", "DeleteMessage", "ChangeMessageVisibility", "Publish")}
NUMBERS = ("BatchSize", "MaximumBatchingWindowInSeconds", "MaximumConcurrency")
MAPPING = "AWS::Lambda::EventSourceMapping"
QUERY = {
    "create": lambda logical_id, properties, stack: (str(uuid.uuid4()), {}),
    "update": lambda physical_id, old, new, stack: (physical_id, {}),
    "delete": lambda physical_id, properties: None,
}


def certificates(folder):
    """A certificate authority, and a certificate of it for this machine."""

    def certificate(name, key, issuer, issuer_key, extensions):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def name(common):
        return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, common)])

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    hosts = [x509.DNSName(host) for host in ("localhost", "*.localhost", "*.execute-api.localhost")]
    hosts.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    root = [(x509.BasicConstraints(ca=True, path_length=None), True)]
    leaf = [(x509.BasicConstraints(ca=False, path_length=None), True), (x509.SubjectAlternativeName(hosts), False)]
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.pem").write_bytes(certificate(name("emulator ca"), authority, name("emulator ca"), authority, root))
    (folder / "key.pem").write_bytes(private)
    (folder / "cert.pem").write_bytes(certificate(name("localhost"), key, name("emulator ca"), authority, leaf))


def as_single(find):
    def found(*arguments):
        action = find(*arguments)
        return SINGLE.get(action, action)

    return found


def with_system_attributes(sqs):
    """`AWSTraceHeader` of each entry of a batch, as that of a single message
    (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatchRequestEntry.html).
    """
    send, send_batch, entries = sqs._act_send_message, sqs._act_send_message_batch, contextvars.ContextVar("entries")

    def sent(data, url):
        # The batch sends its entries one by one, in order, and each as a message without these.
        entry = next(entries.get(iter(())), {})
        return send({"MessageSystemAttributes": entry.get("MessageSystemAttributes"), **data}, url)

    def sent_batch(data, url):
        batch = entries.set(iter(data.get("Entries", [])))
        try:
            return send_batch(data, url)
        finally:
            entries.reset(batch)

    return sent, sent_batch


def with_record(evaluate, file):
    """Writes down by which statements of roles IAM has allowed actions, before they are done."""
    seen = set()

    def evaluated(context, *policies):
        result = evaluate(context, *policies)
        role = context.principal_arn.partition(":assumed-role/")[2].partition("/")[0]
        line = json.dumps([role, result.matched_sid, context.action])
        if role and result.decision == "Allow" and line not in seen:
            seen.add(line)
            with open(file, "a") as record:
                record.write(line + "\n")
        return result

    return evaluated


def with_principal_arn(resolve):
    """Of a session, `aws:PrincipalArn` is its role
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn).
    """

    def resolved(key, context):
        found = resolve(key, context)
        return re.sub(":sts:(.*):assumed-role/([^/]+)/.*", r":iam:\1:role/\2", found) if key.lower() == "aws:principalarn" else found

    return resolved


def with_numbers(provision):
    def provisioned(*arguments):
        for properties in arguments:
            if isinstance(properties, dict):
                for holder in (properties, properties.get("ScalingConfig") or {}):
                    holder.update({name: int(holder[name]) for name in NUMBERS if name in holder})
        return provision(*arguments)

    return provisioned


def with_concurrency(provision):
    def provisioned(first, *arguments, **more):
        made = provision(first, *arguments, **more)
        name, properties = made[0], [argument for argument in arguments if isinstance(argument, dict)][-1]
        reserved = properties.get("ReservedConcurrentExecutions")
        lambda_svc._functions[name]["concurrency"] = None if reserved is None else int(reserved)
        return made

    from ministack.services import lambda_svc

    return provisioned


def with_metric_math(record):
    """Alarms on metric math are kept and described, and not evaluated: the tests do that themselves."""

    def recorded(name, properties):
        if "Metrics" not in properties:
            return record(name, properties)
        alarm = record(name, {key: value for key, value in properties.items() if key != "Metrics"} | {"MetricName": "math", "Namespace": "math"})
        return alarm | {"Metrics": properties["Metrics"]}

    return recorded


def web_acl_association():
    from ministack.services import waf

    def associate(logical_id, properties, stack_name):
        answer = waf._associate_web_acl(properties)
        assert answer[0] == 200, answer
        return f"{properties['ResourceArn']}|{properties['WebACLArn']}", {}

    def update(physical_id, before, after, stack_name):
        waf._disassociate_web_acl(before)
        return associate(None, after, stack_name)

    return {"create": associate, "update": update, "delete": lambda physical_id, properties: waf._disassociate_web_acl(properties)}


def put_right(folder):
    from ministack.core import iam_actions, iam_evaluator
    from ministack.services import sqs
    from ministack.services.cloudformation import provisioners

    for name in ("_action_from_query", "_action_from_target"):
        setattr(iam_actions, name, as_single(getattr(iam_actions, name)))
    iam_evaluator._resolve_condition_key = with_principal_arn(iam_evaluator._resolve_condition_key)
    iam_evaluator.evaluate = with_record(iam_evaluator.evaluate, folder / "allowed.jsonl")
    handlers = provisioners._RESOURCE_HANDLERS[MAPPING]
    provisioners._lambda_esm_create = with_numbers(provisioners._lambda_esm_create)
    provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = QUERY
    handlers.update(create=provisioners._lambda_esm_create, update=with_numbers(handlers["update"]))
    provisioners._cw_metric_alarm_record = with_metric_math(provisioners._cw_metric_alarm_record)
    provisioners._RESOURCE_HANDLERS["AWS::WAFv2::WebACLAssociation"] = web_acl_association()
    sqs._act_send_message, sqs._HANDLERS["SendMessageBatch"] = with_system_attributes(sqs)
    functions = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    functions.update({step: with_concurrency(functions[step]) for step in ("create", "update")})


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    if os.environ.get("USE_SSL") == "1":
        certificates(folder)
        os.environ |= {"MINISTACK_SSL_CERT": str(folder / "cert.pem"), "MINISTACK_SSL_KEY": str(folder / "key.pem")}
    del sys.argv[1:]
    put_right(folder)
    from ministack.app import main

    main()

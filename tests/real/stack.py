"""A stack, deployed as its users deploy it: `sync_assets.sh`, `aws cloudformation deploy`, the real template and bootstraps.

On the emulator with IAM evaluated and over TLS. What the emulator has no part of (DataZone, Redshift) is the stand-in;
whether a role may use it is asked of the emulator's IAM, and the stand-in refuses accordingly.
"""

import json
import os
import pathlib
import signal
import subprocess
import time
import uuid

import boto3
from parts import BIN, CREDENTIALS, Emulator, event, eventually, post

ROOT = pathlib.Path(__file__).parents[2]
PACKAGING = pathlib.Path(os.environ.get("PROXY_TEST_PACKAGING", "")) / "bin"  # asked for by those that deploy
BUCKET = "assets"
DOMAIN = "dzd_standin"
ACCOUNT = "000000000000"
REGION = CREDENTIALS["AWS_REGION"]

# What AWS itself does with a function's role, which the emulator does in no role's name: write its log, feed it.
LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
DOMAIN_KEY = {"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"}
# What it does for VPCs, traces and with customer keys; the emulator reports a missing body to all.
OF_AWS = ("Network", "NetworkOfLambdaOnly", "Trace", "Encrypt", "Decrypt", "DomainKey", "SecretsKey", "LargeMissing")
# What the stand-in answers, which asks nobody; `let_iam_decide` has it refuse, and a test fails, where IAM does not allow it.
ELSEWHERE = ("datazone:PostLineageEvent", "datazone:ListLineageEvents", "redshift-serverless:GetWorkgroup", "redshift:DescribeClusters")
# What the stand-in knows of Redshift.
REDSHIFT = {
    "workgroups": {"wg": {"account": "123456789012", "region": "eu-west-1", "port": 5439}},
    "clusters": {"cl": {"address": "cl.abc123xyz.eu-west-1.redshift.amazonaws.com", "port": 5439}},
}
# How long what a batch gave back, or was cut off with, may take until it is received again: the visibility timeout of the queue, in
# seconds, and some.
REDELIVERED = 300
POLLER = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


class Cloud:
    """The emulator, and its administrator."""

    def __init__(self, folder, stand_in):
        self.folder, self.stand_in = folder, stand_in
        self.deployed = {}  # the second in which each stack's last deploy ended
        endpoints = {f"AWS_ENDPOINT_URL_{name}": stand_in.url for name in ("DATAZONE", "REDSHIFT", "REDSHIFT_SERVERLESS")}
        self.emulator = Emulator(folder, secure=True, env=endpoints)
        trust = self.emulator.trust
        self.env = {**os.environ, **CREDENTIALS, **endpoints, **trust, **self.emulator.endpoints, "AWS_DEFAULT_REGION": REGION, "PATH": f"{PACKAGING}:{os.environ['PATH']}"}
        self.env["ZIPOPT"] = "-1"  # packed fast: these functions are large, and nobody downloads them
        session = boto3.Session("test", "test", region_name=REGION)
        self.client = lambda service: session.client(service, endpoint_url=self.emulator.url, verify=trust["AWS_CA_BUNDLE"])
        self.run("aws", "s3api", "create-bucket", "--bucket", BUCKET, "--create-bucket-configuration", f"LocationConstraint={REGION}")

    def run(self, *command, path=None, check=True):
        """What a command prints; its errors are shown when it fails."""
        env = self.env if path is None else {**self.env, "PATH": f"{path}:{self.env['PATH']}"}
        done = subprocess.run([str(word) for word in command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=3_000)
        assert done.returncode == 0 or not check, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done if not check else done.stdout

    def sync(self, *flags, out=None, **more):
        """Lines of `sync_assets.sh` that say what was uploaded and what was not. With `out`, the template is there and for its test alone."""
        output = self.run("./sync_assets.sh", "-b", BUCKET, "-a", "x86-64", "-o", out or self.folder, *flags, **more)
        return [line.split()[:2] for line in output.splitlines() if line.startswith(("uploaded", "unchanged", "would put"))]

    def deploy(self, name, out=None, **parameters):
        """Creates or updates a stack."""
        self.deploy_template("openlineage-proxy.yaml", name, out, **{"DomainId": DOMAIN, "BatchWindow": 1, **parameters})
        stack = Stack(self, name)
        stack.let_iam_decide()
        return stack

    def deploy_target(self, name, ingest, **parameters):
        """Creates or updates the stack of a further target: an OpenLineage endpoint, so that the stand-in is the first one's alone."""
        self.deploy_template("target.yaml", name, None, **{"IngestStackName": ingest.name, "Target": "openlineage", "BatchWindow": 1, **parameters})
        return Stack(self, name)

    def deploy_source(self, kind, name, main, **parameters):
        """Creates or updates the stack of a source, whose events go to the queue of a main stack, or to its topic."""
        topic = main.outputs.get("FanOutTopicArn")
        to = {"TopicArn": topic} if topic else {"QueueUrl": main.queue}
        self.deploy_template(f"source-{kind}.yaml", name, None, LargeEventsBucket=main.outputs["LargeEventsBucket"], **to, **parameters)
        return Stack(self, name)

    def deploy_template(self, template, name, out, **parameters):
        parameters = {"S3AssetsBucketName": BUCKET, "Architecture": "x86-64", **parameters}
        overrides = [f"{key}={value}" for key, value in parameters.items()]
        # The command names its change set by the second, and a stack has each name once.
        eventually(lambda: int(time.time()) > self.deployed.get(name, 0), "the next second")
        self.run(
            "aws", "cloudformation", "deploy", "--stack-name", name, "--template-file", (out or self.folder) / template, "--s3-bucket", BUCKET,
            "--capabilities", "CAPABILITY_IAM", "--parameter-overrides", *overrides, "--no-fail-on-empty-changeset",
        )
        self.deployed[name] = int(time.time())


class Stack:
    """A deployed stack."""

    def __init__(self, cloud, name):
        self.cloud, self.name = cloud, name
        self.sqs, self.iam, self.functions, self.s3, self.secrets = (cloud.client(service) for service in ("sqs", "iam", "lambda", "s3", "secretsmanager"))
        described = cloud.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        self.parameters = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in described.get("Parameters", [])}
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
        self.queue, self.dead = self.outputs.get("QueueUrl"), self.outputs.get("DeadLetterQueueUrl")  # none without a target

    # ------------------------------------------------------------ clients

    @property
    def key(self):
        return json.loads(self.secrets.get_secret_value(SecretId=self.outputs["KeysSecretArn"])["SecretString"])["current"]

    def host(self):
        """The API as clients reach it: by a host of its own."""
        api = self.outputs["LineageProxyApiUrl"].split("//")[1].split(".")[0]
        return self.cloud.emulator.url.replace("//localhost", f"//{api}.execute-api.localhost")

    def url(self):
        """The same by a path, for those that resolve no `*.localhost`."""
        api = self.outputs["LineageProxyApiUrl"].split("//")[1].split(".")[0]
        return f"{self.cloud.emulator.url}/_aws/execute-api/{api}"

    def post(self, body, path="/api/v1/lineage", key=None, **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return post(f"{self.url()}{path}", body, {"Authorization": f"Bearer {key or self.key}", **headers})

    def put(self, *bodies, **more):
        """Events put into the queue by another writer."""
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=body if isinstance(body, str) else json.dumps(body), **more)

    def proxy(self, *command, check=True):
        """The command line, as a person of the platform team has it."""
        return self.cloud.run(BIN / "lineage-proxy", *command, check=check)

    # ----------------------------------------------------------- what came

    def jobs(self):
        """Names of the jobs of all new events at DataZone."""
        return [json.loads(post["body"])["job"]["name"] for post in self.cloud.stand_in.posts()]

    def arrived(self, *names, patience=REDELIVERED):
        """Waits for these jobs' events, and for no other in the end."""
        eventually(lambda: set(names) <= set(self.jobs()), lambda: f"{names} among {self.jobs()}\n{self.log('Batch')[-3000:]}", patience)

    def waiting(self, queue=None):
        """Messages in a queue, those that are not visible included."""
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue or self.queue, AttributeNames=["All"])["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])

    def drained(self):
        """Waits until the queue is empty."""
        eventually(lambda: self.waiting() == 0, lambda: f"the queue is empty\n{self.log('Batch')[-3000:]}", REDELIVERED)

    def dead_letters(self):
        return json.loads(self.proxy("dead-letters", "list", "--stack", self.name, "--output", "json"))

    def large(self):
        """Keys in the bucket for large events."""
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=self.outputs["LargeEventsBucket"]).get("Contents", [])]

    def log(self, function):
        """What a function wrote."""
        return "\n".join(self.log_lines(function))

    def log_lines(self, function):
        group = self.outputs[f"{function}LogGroup"]
        pages = self.cloud.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        return [line["message"] for page in pages for line in page["events"]]

    # ------------------------------------------------------------- the day

    def empty(self):
        """Nothing is left of what was before. What should not have been left is left to no other test either."""
        try:
            self.drained()
        finally:
            self.cloud.stand_in.reset()
            self.sqs.purge_queue(QueueUrl=self.queue)
            self.sqs.purge_queue(QueueUrl=self.dead)
            for key in self.large():
                self.s3.delete_object(Bucket=self.outputs["LargeEventsBucket"], Key=key)

    def kill(self, function=None):
        """Kills the processes of the functions, or of one: what runs is cut off, and the next start is a cold one."""
        killed, named = 0, b"AWS_LAMBDA_FUNCTION_NAME=" + (function or self.name + "-").encode()
        of_this_emulator = b"AWS_ENDPOINT_URL=" + self.cloud.emulator.url.encode()  # others on this machine have stacks of that name
        for folder in pathlib.Path("/proc").iterdir():
            try:
                environment = (folder / "environ").read_bytes().split(b"\0") if folder.name.isdigit() else []
                if of_this_emulator in environment and any(line.startswith(named) for line in environment):
                    os.kill(int(folder.name), signal.SIGKILL)
                    killed += 1
            except (OSError, ProcessLookupError):
                continue  # gone, or not ours
        return killed

    def role(self, function):
        arn = self.functions.get_function_configuration(FunctionName=self.outputs[f"{function}Function"])["Role"]
        return arn, arn.rsplit("/", 1)[1]

    def may(self, function, action, resource):
        """Whether a function's role allows it."""
        answer = self.iam.simulate_principal_policy(PolicySourceArn=self.role(function)[0], ActionNames=[action], ResourceArns=[resource])
        return answer["EvaluationResults"][0]["EvalDecision"] == "allowed"

    def through(self, function, service, key):
        """What a function's role allows with a key through a service alone. The emulator's simulation knows no `kms:ViaService`."""
        document = self.iam.get_role_policy(RoleName=self.role(function)[1], PolicyName=function.lower())["PolicyDocument"]
        condition = {"StringEquals": {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}}
        return {action for statement in document["Statement"] if (statement["Effect"], statement["Resource"], statement.get("Condition")) == ("Allow", key, condition) for action in statement["Action"]}

    def unused(self, function, *sids):
        """Actions of a function's role, or of these statements of it, that nothing has done since the stack was created. What only AWS
        does, and what is done at the stand-in, is left out: the emulator's IAM is not asked.
        """
        name = self.role(function)[1]
        document = self.iam.get_role_policy(RoleName=name, PolicyName=function.lower())["PolicyDocument"]
        allowed = [json.loads(line) for line in (self.cloud.folder / "allowed.jsonl").read_text().splitlines()]
        used = {(sid, action) for role, sid, action in allowed if role == name}
        statements = {statement["Sid"]: statement["Action"] for statement in document["Statement"]}
        assert set(sids) <= set(statements), statements
        granted = {(sid, action) for sid in sids or statements for action in ([statements[sid]] if isinstance(statements[sid], str) else statements[sid])}
        return {(sid, action) for sid, action in granted - used if sid not in OF_AWS and action not in (*LOGS, *POLLER, *ELSEWHERE)}

    def let_iam_decide(self):
        """Has the stand-in refuse what the batch function's role may not do."""
        domain = f"arn:aws:datazone:{REGION}:{ACCOUNT}:domain/{DOMAIN}"
        workgroup = f"arn:aws:redshift-serverless:{REGION}:{ACCOUNT}:workgroup/0f0f0f0f"
        cluster = f"arn:aws:redshift:{REGION}:{ACCOUNT}:cluster:cl"
        if not self.queue:
            return
        denied = not self.may("Batch", "datazone:PostLineageEvent", domain)
        # Who posts to a domain with a customer key has to use that, too.
        if key := self.parameters.get("DomainKmsKeyArn"):
            denied |= not DOMAIN_KEY <= self.through("Batch", "datazone", key)
        self.cloud.stand_in.set(
            posts_denied=denied,
            workgroups_denied=not self.may("Batch", "redshift-serverless:GetWorkgroup", workgroup),
            clusters_denied=not self.may("Batch", "redshift:DescribeClusters", cluster),
        )

    def assert_aws_may(self):
        """What AWS does in the functions' names it may do."""
        queue = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        for function in ("Ingest", "Batch"):
            stream = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{self.outputs[f'{function}LogGroup']}:log-stream:x"
            for action in LOGS:
                assert self.may(function, action, stream), f"{function}: {action}"
        for action in POLLER:
            assert self.may("Batch", action, queue), f"Batch: {action}"
        # S3 reports a missing body only to callers that may list; the emulator reports it to all.
        assert self.may("Batch", "s3:ListBucket", f"arn:aws:s3:::{self.outputs['LargeEventsBucket']}"), "Batch: s3:ListBucket"


def name():
    """A name that no other event has."""
    return f"job {uuid.uuid4()}"


def large(name, size=2_000_000):
    """An event above the limit of SQS, with what may be cut off."""
    facet = {"_producer": "https://example.com", "_schemaURL": "https://example.com/f.json", "text": "x" * size}
    made = event(name, run=time.time_ns() % 10**9)
    made["run"]["facets"] = {"large": facet}
    return made

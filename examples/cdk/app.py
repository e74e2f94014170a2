"""lineage-proxy in an app of the AWS CDK: the project's own template, with parameters of this app.

    ./sync_assets.sh -b BUCKET -o examples/cdk/lineage-proxy   # uploads the code, and writes the templates that name it
    cd examples/cdk && pip install -r requirements.txt
    cdk deploy -c bucket=BUCKET -c domain=dzd_a1b2c3d4
"""

import aws_cdk as cdk
from aws_cdk import aws_sns as sns
from aws_cdk.cloudformation_include import CfnInclude


class Lineage(cdk.Stack):
    def __init__(self, scope, id, *, bucket, domain, template, **more):
        super().__init__(scope, id, **more)
        # A topic of this app receives the alarms, as it may receive those of other stacks.
        on_call = sns.Topic(self, "OnCall", enforce_ssl=True)
        on_call.grant_publish(cdk.aws_iam.ServicePrincipal("cloudwatch.amazonaws.com"))
        self.proxy = CfnInclude(
            self,
            "Proxy",
            template_file=template,
            preserve_logical_ids=True,  # the functions' policies and the command line know these names
            parameters={"S3AssetsBucketName": bucket, "DomainId": domain, "AlarmTopicArn": on_call.topic_arn},
        )
        # What other stacks of the app need, such as that of Airflow.
        url, path = (cdk.Token.as_string(self.proxy.get_output(name).value) for name in ("LineageProxyApiUrl", "LineageProxyApiPath"))
        cdk.CfnOutput(self, "OpenLineageUrl", value=cdk.Fn.join("", [url, path]))


app = cdk.App()
context = app.node.try_get_context
Lineage(
    app,
    "lineage-proxy",
    bucket=context("bucket"),
    domain=context("domain"),
    template=context("template") or "lineage-proxy/openlineage-proxy.yaml",
)
app.synth()

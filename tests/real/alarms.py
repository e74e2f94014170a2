"""The alarms of a stack, judged as CloudWatch would: namespace, metric, dimensions, statistic and threshold as deployed.

Points come from where AWS takes them: embedded metrics out of the functions' logs, attributes of the queues; what only
AWS itself can count is said by the test. Periods are taken as filled: how long a fault has to last is not waited for.
(The emulator would evaluate alarms, but looks at no dimensions.)
"""

import json
import pathlib
import statistics
import sys

sys.path.append(str(pathlib.Path(__file__).parents[1] / "infra"))

from metric_math import compared

STATISTICS = {"Sum": sum, "Average": statistics.fmean, "Maximum": max, "SampleCount": len}


class Alarms:
    def __init__(self, stack):
        self.stack, self.points = stack, {}
        cloudwatch = stack.cloud.client("cloudwatch")
        resources = stack.cloud.client("cloudformation").describe_stack_resources(StackName=stack.name)["StackResources"]
        named = {resource["PhysicalResourceId"]: resource["LogicalResourceId"] for resource in resources if resource["ResourceType"] == "AWS::CloudWatch::Alarm"}
        described = cloudwatch.describe_alarms(AlarmNames=list(named))["MetricAlarms"]
        self.alarms = {named[alarm["AlarmName"]]: alarm for alarm in described}
        assert len(self.alarms) == len(named) >= 14
        groups = [resource["PhysicalResourceId"] for resource in resources if resource["ResourceType"] == "AWS::Logs::LogGroup"]
        self.seen = {group: 0 for group in groups}
        self.read()
        self.points.clear()  # what was before is not of today

    def read(self):
        """Takes in what is new."""
        logs = self.stack.cloud.client("logs")
        for group, seen in self.seen.items():
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern="CloudWatchMetrics")
            lines = [line["message"] for page in pages for line in page["events"]]
            for line in lines[seen:]:
                self.embedded(json.loads(line))
            self.seen[group] = len(lines)
        for url in (self.stack.queue, self.stack.dead):
            attributes = self.stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            queue = {"QueueName": attributes["QueueArn"].rsplit(":", 1)[1]}
            self.point("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue, float(attributes["ApproximateNumberOfMessages"]))

    def embedded(self, document):
        """A document of the embedded metric format."""
        for directive in document["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: document[name] for name in names}
                for metric in directive["Metrics"]:
                    values = document[metric["Name"]]
                    for value in values if isinstance(values, list) else [values]:
                        self.point(directive["Namespace"], metric["Name"], dimensions, float(value))

    def point(self, namespace, metric, dimensions, value):
        self.points.setdefault((namespace, metric, frozenset(dimensions.items())), []).append(value)

    def state(self, name):
        """ALARM or OK; what has no points is OK, as all alarms here treat missing data as not breaching."""
        alarm = self.alarms[name]
        assert (alarm["ComparisonOperator"], alarm["TreatMissingData"]) == ("GreaterThanThreshold", "notBreaching")
        if "Metrics" in alarm:
            value = compared(alarm["Metrics"], lambda of: self.value(of["Metric"], of["Stat"]))
        else:
            value = self.value(alarm, alarm["Statistic"])
        return "ALARM" if value is not None and value > float(alarm["Threshold"]) else "OK"

    def value(self, metric, statistic):
        """The value of a metric, or None without points."""
        dimensions = frozenset((dimension["Name"], dimension["Value"]) for dimension in metric["Dimensions"])
        values = self.points.get((metric["Namespace"], metric["MetricName"], dimensions))
        return STATISTICS[statistic](values) if values else None

    def all(self):
        return {name: self.state(name) for name in self.alarms}

"""Metric math as CloudWatch does it, as far as the templates use it: what an alarm compares, from one value of each metric.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import ast
import operator

OPERATORS = {ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Lt: operator.lt, ast.GtE: operator.ge}


def compared(metrics, value_of):
    """What an alarm with these `Metrics` compares to its threshold, or None without a value. `value_of` gives that of a `MetricStat`."""
    by_id = {metric["Id"]: metric for metric in metrics}
    [returned] = (metric for metric in metrics if metric.get("ReturnData", True))
    periods = {int(metric["MetricStat"]["Period"]) for metric in metrics if "MetricStat" in metric}
    assert len(periods) == 1 and len(metrics) <= 10, metrics  # CloudWatch demands both

    def value(id):
        metric = by_id[id]
        return value_of(metric["MetricStat"]) if "MetricStat" in metric else evaluated(ast.parse(metric["Expression"], mode="eval").body)

    def applied(operation, *operands):
        values = [evaluated(operand) for operand in operands]
        return None if None in values else OPERATORS[type(operation)](*values)

    def evaluated(node):
        match node:
            case ast.Constant(value=constant):
                return constant
            case ast.Name(id=id):
                return value(id)
            case ast.BinOp(left=left, op=operation, right=right) | ast.Compare(left=left, ops=[operation], comparators=[right]):
                return applied(operation, left, right)
            case ast.Call(func=ast.Name(id="IF"), args=[condition, yes, no]):
                holds = evaluated(condition)
                return None if holds is None else evaluated(yes if holds else no)
            case ast.Call(func=ast.Name(id="FILL"), args=[series, other]):
                found = evaluated(series)
                return evaluated(other) if found is None else found
            case ast.Call(func=ast.Name(id="MAX"), args=[ast.List(elts=series)]):
                return max((one for one in map(evaluated, series) if one is not None), default=None)
        raise AssertionError(ast.dump(node))

    return value(returned["Id"])

"""`infra/rollout.sh` with an AWS CLI that is stood in for: which calls it makes, in which order. tests/real runs it on an emulator."""

import pathlib
import shutil
import subprocess

ROLLOUT = pathlib.Path(__file__).parents[2] / "infra/rollout.sh"
AWS = """#!/bin/bash
echo "$*" >>"$CALLS"
case "$*" in
*"wait change-set"*) [ -z "$UNCHANGED" ] ;;
*StatusReason*) echo "The submitted information didn't contain changes." ;;
*create-deployment*) [ -z "$UNPUBLISHED" ] ;;
*update-stack*) echo "$UPDATE"; exit "${#UPDATE}" ;;
*describe-stack-resources*IngestErrors*) echo lineage-IngestErrors-1 ;;
*describe-stack-resources*RestApi*) echo a1b2c3 ;;
*describe-stack-resources*) echo None ;;
*describe-alarms*) echo arn:aws:cloudwatch:eu-west-1:1:alarm:lineage-IngestErrors-1 ;;
*get-template-summary*) printf 'Order\\tTarget\\tVpcEndpointIds\\n' ;;
*ParameterKey*) printf 'Order\\tTarget\\n' ;;
*StackStatus*) head -1 "$STATES"; sed -i '1{$!d}' "$STATES" ;;
esac
"""
CLEAR = "cloudformation update-stack --stack-name lineage --use-previous-template --capabilities CAPABILITY_IAM --parameters ParameterKey=Order,UsePreviousValue=true ParameterKey=Target,UsePreviousValue=true --rollback-configuration RollbackTriggers=[],MonitoringTimeInMinutes=0 --output text"


def rollout(folder, *states, update="", parameters=(), unchanged=False, unpublished=False):
    """Runs it on a stack that has these states, one at each look. Gives what it did and its calls."""
    for name, does in (("aws", AWS), ("sleep", "#!/bin/sh\n")):
        (folder / name).write_text(does)
        (folder / name).chmod(0o755)
    (folder / "states").write_text("".join(f"{state}\n" for state in states))
    (folder / "template.yaml").write_text("Resources: {}\n")
    env = {"PATH": f"{folder}:/usr/bin:/bin", "CALLS": str(folder / "calls"), "STATES": str(folder / "states"), "AWS_REGION": "eu-west-1", "UPDATE": update}
    env |= {"UNCHANGED": "yes" if unchanged else "", "UNPUBLISHED": "yes" if unpublished else ""}
    done = subprocess.run([ROLLOUT, "-s", "lineage", "-b", "assets", "-t", folder / "template.yaml", "-m", "180", *parameters], env=env, capture_output=True, text=True)
    return done, (folder / "calls").read_text().splitlines()


def test_a_rollout_outlasts_the_waiter_of_the_cli_and_leaves_no_triggers(tmp_path):
    """The waiter gives up after 120 looks."""
    done, calls = rollout(tmp_path, *["UPDATE_IN_PROGRESS"] * 150, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE")
    assert (done.returncode, done.stderr) == (0, "") and "updated lineage" in done.stdout
    executed, cleared = ([number for number, call in enumerate(calls) if part in call] for part in ("execute-change-set", "update-stack"))
    assert [calls[number] for number in cleared] == [CLEAR]
    looks = [call for call in calls[executed[0] : cleared[0]] if "StackStatus" in call]
    assert len(looks) == 152


def test_a_rollout_that_was_rolled_back_leaves_no_triggers_either(tmp_path):
    done, calls = rollout(tmp_path, "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE")
    assert done.returncode == 1 and "lineage is UPDATE_ROLLBACK_COMPLETE" in done.stderr
    assert CLEAR in calls


def test_a_stack_that_cannot_be_updated_is_left_alone(tmp_path):
    done, calls = rollout(tmp_path, "UPDATE_ROLLBACK_FAILED")
    assert done.returncode == 1 and "lineage is UPDATE_ROLLBACK_FAILED" in done.stderr
    assert CLEAR not in calls


def test_triggers_that_stay_are_reported(tmp_path):
    update = "No updates are to be performed."
    done, _ = rollout(tmp_path, "UPDATE_COMPLETE", update=update)
    assert done.returncode == 0 and "updated lineage" in done.stdout
    assert "the rollback triggers stay on lineage" in done.stderr and update in done.stderr


PUBLISH = "apigateway create-deployment --rest-api-id a1b2c3 --stage-name lineage --output text"


def test_other_vpc_endpoints_are_published(tmp_path):
    done, calls = rollout(tmp_path, "UPDATE_COMPLETE", parameters=["VpcEndpointIds=vpce-1a,vpce-2b"])
    assert (done.returncode, done.stderr) == (0, "") and "updated lineage" in done.stdout
    assert calls[-1] == PUBLISH
    done, calls = rollout(tmp_path, "UPDATE_COMPLETE", parameters=["Order=none"])
    assert done.returncode == 0 and calls[-1] != PUBLISH
    done, calls = rollout(tmp_path, "UPDATE_ROLLBACK_COMPLETE", parameters=["VpcEndpointIds=vpce-1a"])
    assert done.returncode == 1 and calls[-1] != PUBLISH


def test_vpc_endpoints_that_the_stack_has_already_are_published_by_another_rollout(tmp_path):
    """They may be of `aws cloudformation deploy`, or of a rollout that could not publish them."""
    parameters = ["VpcEndpointIds=vpce-1a,vpce-2b"]
    done, _ = rollout(tmp_path, "UPDATE_COMPLETE", parameters=parameters, unpublished=True)
    assert done.returncode == 1 and "its VPC endpoints are not published" in done.stderr
    done, calls = rollout(tmp_path, parameters=parameters, unchanged=True)
    assert (done.returncode, done.stderr) == (0, "") and "lineage is up to date" in done.stdout
    assert calls[-1] == PUBLISH
    done, _ = rollout(tmp_path, parameters=parameters, unchanged=True, unpublished=True)
    assert done.returncode == 1 and "its VPC endpoints are not published" in done.stderr
    done, calls = rollout(tmp_path, parameters=["Order=none"], unchanged=True)
    assert done.returncode == 0 and calls[-1] != PUBLISH


def test_the_template_is_that_of_the_checkout_wherever_it_is_called(tmp_path):
    for folder in ("infra", "target/lambda", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROLLOUT, tmp_path / "infra")
    run = lambda: subprocess.run(["../infra/rollout.sh", "-s", "lineage", "-b", "assets"], cwd=tmp_path / "elsewhere", env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True)
    template = tmp_path / "target/lambda/openlineage-proxy.yaml"
    assert f"no template {template}: run sync_assets.sh" in run().stderr
    template.write_text("Resources: {}\n")
    (tmp_path / "aws").write_text("#!/bin/sh\necho None\n")
    (tmp_path / "aws").chmod(0o755)
    assert "the stack lineage has neither IngestErrors nor BatchErrors" in run().stderr

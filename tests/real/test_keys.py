"""Keys in a Secrets Manager secret, rotated while `serve` runs: no restart, and no refusal in between."""

import json

import boto3
from parts import event, eventually, post

OLD, NEW = "the-old-key-of-some-length", "the-new-key-of-some-length"


def test_a_key_is_rotated_without_a_restart(serve, emulator):
    secrets = boto3.Session("test", "test", region_name="eu-west-1").client("secretsmanager", endpoint_url=emulator.url)
    secrets.create_secret(Name="lineage-keys", SecretString=json.dumps([OLD]))
    proxy = serve(AUTH_SECRET_ID="lineage-keys", AWS_ENDPOINT_URL_SECRETS_MANAGER=emulator.url)
    send = lambda key: post(f"{proxy.url}/api/v1/lineage", json.dumps(event("x")).encode(), {"Authorization": f"Bearer {key}"})[0]
    assert (send(OLD), send(NEW), send("nobody")) == (200, 403, 403)
    secrets.put_secret_value(SecretId="lineage-keys", SecretString=json.dumps({"current": NEW, "previous": OLD}))
    eventually(lambda: send(NEW) == 200, "the new key is let in")
    assert send(OLD) == 200
    emulator.stop()
    assert (send(OLD), send(NEW)) == (200, 200)  # known keys go on being good while Secrets Manager is away
    assert OLD not in proxy.tail() and NEW not in proxy.tail()

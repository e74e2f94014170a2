"""Fixtures: each part is stopped after its test; its log is shown when the test failed."""

import http.server
import os
import socket
import threading

import pytest

import estate
from lineage_page import filled
from parts import Emulator, Serve, StandIn
from reliability import Account
from stack import ACCOUNT, REDSHIFT, REGION, Cloud


# What is deployed: one emulator, one build and one stand-in for all of it.
IN_CLOUD = ("test_rules_stack.py", "test_several_targets.py", "test_source_stack.py", "test_stack.py", "test_stack_bad_days.py", "test_target_stacks.py", "test_variants.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Side by side (-n 2) go whole files, and as one what is deployed. Those with most tests begin."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0].rsplit("/", 1)[-1]
            return "deployed" if file in IN_CLOUD else file

    return ByFile(config, log)


def pytest_itemcollected(item):
    assert ("cloud" in item.fixturenames) == (item.path.name in IN_CLOUD), f"{item.nodeid}: IN_CLOUD has to say so"


@pytest.fixture
def started(tmp_path):
    """Keeps processes to be stopped, while the folder with their logs is there."""
    processes = []
    yield processes
    for process in reversed(processes):
        process.stop()
        print(f"--- {process.log.name}\n{process.tail()}")


@pytest.fixture
def serve(tmp_path, started):
    """Starts a proxy with these settings."""

    def start(**settings):
        started.append(Serve(tmp_path, **settings))
        return started[-1]

    return start


@pytest.fixture
def stand_in(tmp_path, started):
    """Starts a stand-in with these flags."""

    def start(*flags):
        started.append(StandIn(tmp_path, *flags))
        return started[-1]

    return start


@pytest.fixture
def shop(serve):
    """A proxy with the lineage of a small shop."""
    return filled(serve, estate.shop(), datasets=5)


@pytest.fixture(scope="session")
def chromium():
    """The process of a real browser. Its modules are in an environment of its own (tests/run.sh)."""
    from browser import launched

    with launched() as chromium:
        yield chromium


@pytest.fixture
def browser(chromium):
    """A real browser, which must have nothing to complain about."""
    from browser import Browser

    browser = Browser(chromium)
    yield browser
    browser.close()
    assert not browser.complaints


@pytest.fixture
def other_site():
    """Starts a site with this page at each path. The path is its policy of referrers, if there is one."""
    servers = []

    def start(body):
        class Site(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("content-type", "text/html")
                if self.path != "/":
                    self.send_header("referrer-policy", self.path.strip("/"))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://localhost:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()


@pytest.fixture
def emulator(tmp_path, started):
    """A running emulator."""
    started.append(Emulator(tmp_path))
    return started[-1]


@pytest.fixture(scope="session")
def shared_emulator(tmp_path_factory):
    """One emulator for those whose queues are their own."""
    emulator = Emulator(tmp_path_factory.mktemp("emulator"))
    yield emulator
    emulator.stop()


@pytest.fixture
def account(shared_emulator, stand_in, tmp_path, started):
    """A queue and a target of the test's own."""
    account = Account(shared_emulator, stand_in("--rate", "0"), tmp_path, started)
    yield account
    account.between.stop()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    """The emulator as an account with IAM and TLS, and the code and templates uploaded to it."""
    folder, environment = tmp_path_factory.mktemp("cloud"), dict(os.environ)
    stand_in = StandIn(folder, "--rate", "0")
    cloud = None
    try:
        cloud = Cloud(folder, stand_in)
        assert [done for done, _ in cloud.sync()] == ["uploaded"] * 11  # four functions, and the templates
        yield cloud
    finally:
        for process in (cloud and cloud.emulator, stand_in):
            if process:
                process.stop()
        os.environ.clear()
        os.environ.update(environment)


@pytest.fixture(scope="session")
def deployed(cloud):
    cloud.stand_in.set(**REDSHIFT)
    return cloud.deploy("lineage", DomainKmsKeyArn=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/domain")


@pytest.fixture
def stack(deployed):
    """The one stack of those tests that deploy none of their own."""
    yield deployed
    deployed.empty()


@pytest.fixture
def deploy(cloud):
    """Deploys a stack of its own; the stand-in is empty before and after."""
    cloud.stand_in.reset()
    yield cloud.deploy
    cloud.stand_in.reset()


@pytest.fixture(autouse=True)
def localhost_names(monkeypatch):
    """`*.localhost` is the loopback address (RFC 6761), which not every resolver knows; the emulator's APIs have such names."""
    resolve = socket.getaddrinfo
    local = lambda host: "127.0.0.1" if isinstance(host, str) and host.endswith(".localhost") else host
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: resolve(local(host), *rest, **more))

"""One request to a bootstrap: the Lambda Runtime API, as small as it can be. Called by arm64.sh with the command to run."""

import http.server
import json
import os
import subprocess
import sys
import threading
import time

REQUEST = {
    "version": "2.0", "rawPath": "/healthz", "rawQueryString": "", "headers": {"host": "x"}, "isBase64Encoded": False,
    "requestContext": {"http": {"method": "GET", "path": "/healthz", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "x"}, "requestId": "1", "stage": "$default", "time": "", "timeEpoch": 0, "accountId": "0", "apiId": "x", "domainName": "x", "domainPrefix": "x"},
}
answers, asked = [], threading.Event()


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # .../invocation/next: one, and then none
        if asked.is_set():
            time.sleep(3_600)
        asked.set()
        body = json.dumps(REQUEST).encode()
        self.send_response(200)
        headers = {"Lambda-Runtime-Aws-Request-Id": "1", "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1_000) + 60_000), "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:x:0:function:x", "Content-Length": str(len(body))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):  # .../response, .../error
        answers.append((self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
settings = {"LINEAGE_PROXY_QUEUE_URL": "http://127.0.0.1:9/0/q", "LINEAGE_PROXY_AUTH_ALLOW_ANONYMOUS": "true"}
function = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}", "AWS_LAMBDA_FUNCTION_NAME": "x", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_FUNCTION_VERSION": "1"}
credentials = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
child = subprocess.Popen(sys.argv[1:], env={**os.environ, **settings, **function, **credentials})
started = time.monotonic()
while not answers and child.poll() is None and time.monotonic() - started < 60:
    time.sleep(0.05)
child.kill()
assert answers, f"no answer; exit status {child.returncode}"
path, body = answers[0]
answer = json.loads(body)
assert path.endswith("/response") and (answer["statusCode"], answer["body"]) == (200, "ok\n"), (path, body)
print(f"arm64 answered {answer['statusCode']} after {time.monotonic() - started:.1f} s")

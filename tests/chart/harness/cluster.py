"""An API server that knows one StatefulSet: enough for what Helm looks up, and nothing else."""

import contextlib
import http.server
import json
import threading

LISTS = {
    "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {
                "name": "apps",
                "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
            }
        ],
    },
    "/apis/apps/v1": {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "apps/v1",
        "resources": [
            {"name": "statefulsets", "singularName": "statefulset", "namespaced": True,
             "kind": "StatefulSet", "verbs": ["get"]},
        ],
    },
}  # fmt: skip


@contextlib.contextmanager
def with_stateful_set(found):
    """Its address, and the paths of what was asked."""
    asked = []
    path = f"/apis/apps/v1/namespaces/{found['metadata']['namespace']}/statefulsets/{found['metadata']['name']}"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            here = self.path.split("?")[0]
            asked.append(here)
            answer = {**LISTS, path: found}.get(here)
            missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            text = json.dumps(answer or missing).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()

"""The Docker Engine and the registry of the tests' machine, asked without a client: ten times a second, that matters."""

import hashlib
import http.client
import json
import socket
import urllib.parse
import urllib.request

REGISTRY = "http://127.0.0.1:5000"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class _Local(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect("/var/run/docker.sock")


def engine(path, timeout=5):
    """The answer of a GET to the Engine API, decoded; None where it does not answer with 200."""
    connection = _Local("docker", timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def containers(project):
    """What runs or ran of a Compose project, twins too, as /containers/json says; [] where the Engine does not answer."""
    filters = urllib.parse.quote(json.dumps({"label": [f"com.docker.compose.project={project}"]}))
    return engine(f"/containers/json?all=1&filters={filters}") or []


def address(container):
    """The first address of a container in any network, or None."""
    networks = container.get("NetworkSettings", {}).get("Networks", {})
    return next((network["IPAddress"] for network in networks.values() if network.get("IPAddress")), None)


def _registry(method, url, body=None, kind=None, accept=None):
    headers = {name: value for name, value in (("Content-Type", kind), ("Accept", accept)) if value}
    asked = urllib.request.Request(urllib.parse.urljoin(REGISTRY, url), method=method, headers=headers, data=body)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return answer.read(), answer.headers


def manifest(repository, reference):
    return json.loads(_registry("GET", f"/v2/{repository}/manifests/{reference}", accept=MANIFEST)[0])


def publish(repository, tag, content):
    """Puts a manifest under a tag, as a vendor's push does."""
    _registry("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(content).encode(), kind=MANIFEST)


def tag(repository, old, new):
    """Moves the tag `new` to what `old` names."""
    body = _registry("GET", f"/v2/{repository}/manifests/{old}", accept=MANIFEST)[0]
    _registry("PUT", f"/v2/{repository}/manifests/{new}", body, kind=MANIFEST)


def derive(repository, base, new, change):
    """An image that differs from the image `base` only in its configuration, without Docker: a Dockerfile of ENV, LABEL and ENTRYPOINT
    alone. `change` is given the members of "config" to change."""
    content = manifest(repository, base)
    whole = json.loads(_registry("GET", f"/v2/{repository}/blobs/{content['config']['digest']}")[0])
    change(whole["config"])
    blob = json.dumps(whole, sort_keys=True).encode()
    digest = "sha256:" + hashlib.sha256(blob).hexdigest()
    location = _registry("POST", f"/v2/{repository}/blobs/uploads/", b"")[1]["Location"]
    location += ("&" if "?" in location else "?") + urllib.parse.urlencode({"digest": digest})
    _registry("PUT", location, blob, kind="application/octet-stream")
    content["config"].update(digest=digest, size=len(blob))
    publish(repository, new, content)

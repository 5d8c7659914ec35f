"""A server that answers the web page as fluke does, from 10,000 items that are the same in every run.

`python3 tests/e2e/page_mock.py [PORT]` serves the page from serve/web, to work on it without the program."""

import base64
import hashlib
import http.server
import json
import math
import pathlib
import re
import sys
import threading
import urllib.parse

from page_mock_gallery import Refused, chance, draw_items, draw_photo, name_of, parse_filter

WEB = pathlib.Path(__file__).resolve().parents[2] / "serve" / "web"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
CSP = "default-src 'self'; img-src 'self' blob: data:"
STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "NOT_FOUND": 404,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "UNIMPLEMENTED": 501,
    "RESOURCE_EXHAUSTED": 429,
}


class Mock:
    """What the answers are made of; tests read `requests` and set the switches."""

    def __init__(self, items=10_000):
        self.items = draw_items(items)
        self.requests = []  # (method, request as sent, authorization)
        self.key = ""  # that callers must give
        self.read_only = False
        self.has_photos = True
        self.matches_regions = False
        self.busy = 0  # so many Scrolls of one item are refused
        self.small = False  # too small a gallery for Identify
        self.is_new = False  # what Identify says
        self.has_jobs = True
        self.snapshot = 7
        self.changed = 3
        self.polls = 0
        self.jobs = [
            self.job("j3", "humpbacks, resnet50", "RUNNING"),
            self.job("j2", "humpbacks, resnet18", "SUCCEEDED"),
            self.job("j1", "first try", "FAILED", "data.manifest, line 12: no such file 'a.jpg'"),
        ]

    def job(self, number, name, state, error=""):
        points = {"RUNNING": 120, "SUCCEEDED": 300, "FAILED": 0, "WAITING": 0}[state]
        return {
            "id": number,
            "name": name,
            "state": state,
            "error": error,
            "submitted_ms": "1760000000000",
            "started_ms": "1760000004000",
            "ended_ms": "0" if state == "RUNNING" else "1760003604000",
            "progress": points / 300,
            "log_tail": f"reading the manifest\n{points} steps done",
            "metrics": [point for step in range(1, points + 1) for point in self.points(step)],
            "collection": "",
            "publish": None,
            "config_yaml": "data: {manifest: flukes/manifest.csv}\ntrain: {epochs: 30}\n",
            "attempts": 1,
        }

    @staticmethod
    def points(step):
        noise = chance("noise", step) - 0.5
        found = [{"name": "loss", "step": str(step), "epoch": step / 10, "value": 9 * math.exp(-step / 70) + 0.5 * noise + 0.6}]
        if step % 10 == 0:
            for name, best in (("recall@1", 0.88), ("recall@5", 0.95), ("kaggle_map@5", 0.9)):
                found.append(
                    {"name": name, "step": str(step), "epoch": step / 10, "value": best * (1 - math.exp(-step / 60)) + 0.02 * noise}
                )
        return found

    # --- searching

    def like(self, example):
        """(a word that scores depend on, the identity that it is of, its own id or None)"""
        if example.get("item_id"):
            item = self.items.get(example["item_id"])
            if not item:
                raise Refused("NOT_FOUND", f"no item {example['item_id']!r}")
            return item["id"], item["identity"], item["id"]
        image = base64.b64decode(example.get("image", ""))
        if image[:2] != b"\xff\xd8" and image[:4] != b"\x89PNG":
            raise Refused("INVALID_ARGUMENT", "the image cannot be decoded")
        digest = hashlib.sha1(image).hexdigest()
        return digest, name_of(int(digest, 16) % 40), None

    def search(self, search, k):
        matches = parse_filter(search.get("filter", ""))
        likes = [self.like(example) for example in search.get("like", [])]
        unlikes = [self.like(example) for example in search.get("unlike", [])]
        out = {one[2] for one in likes + unlikes} | {search.get("exclude_id")}
        if not likes:
            likes = [self.like(search)]
            if search.get("exclude_self"):
                out.add(likes[0][2])
        scored = []
        for item in self.items.values():
            if item["id"] in out or not matches(item):
                continue
            value = max(self.score(one, item) for one in likes) - 0.2 * sum(self.score(one, item) for one in unlikes)
            scored.append((-value, item["id"]))
        scored.sort()
        return [{**self.items[name], "score": round(-value, 6)} for value, name in scored[:k]]

    def score(self, one, item):
        word, identity, own = one
        if own == item["id"]:
            return 1.0
        same = item["identity"] == identity and identity and not self.is_new
        return (0.68 + 0.3 * chance(word, item["id"])) if same else 0.05 + 0.5 * chance(word, item["id"])

    def groups(self, search, number, size):
        groups = {}
        for hit in self.search(search, len(self.items)):
            groups.setdefault(hit["identity"] or ("?", hit["id"]), []).append(hit)
            if len(groups) > 4 * number:
                break
        return [{"identity": hits[0]["identity"], "hits": hits[:size]} for hits in list(groups.values())[:number]]

    # --- methods, by name

    def Search(self, request):
        return {"hits": self.search(request, request.get("k") or 20)}

    def SearchGroups(self, request):
        return {"groups": self.groups(request["search"], request.get("groups") or 20, request.get("group_size") or 3)}

    def Match(self, request):
        regions = [
            {
                "query": {"x": 0.2 + 0.05 * i, "y": 0.5, "diameter": 0.08},
                "item": {"x": 0.3 + 0.05 * i, "y": 0.4 + 0.02 * i, "diameter": 0.06},
                "weight": 1 - 0.1 * i,
            }
            for i in range(8)
        ]
        return {"items": [{"regions": regions} for _ in request["ids"]]}

    def Identify(self, request):
        if self.small and "threshold" not in request:
            raise Refused(
                "FAILED_PRECONDITION",
                "the gallery has fewer than 20 individuals with two photographs: too few to calibrate a threshold; "
                "give one in the request",
            )
        known = [group for group in self.groups(request["search"], 12, 1) if group["identity"]]
        candidates = [
            {
                "identity": group["identity"],
                "best": group["hits"][0],
                "probability": max(0.0, min(0.985, (group["hits"][0]["score"] - 0.42) / 0.52)),
            }
            for group in known[:5]
        ]
        if "threshold" in request:
            return {
                "candidates": [{**candidate, "probability": 0} for candidate in candidates],
                "is_new": False,
                "threshold": request["threshold"],
            }
        return {
            "candidates": candidates,
            "is_new": not candidates or candidates[0]["best"]["score"] < 0.61,
            "threshold": 0.61,
            "calibration": {
                "photographs": "1000",
                "threshold": 0.61,
                "known_recognised": 0.941,
                "new_recognised": 0.887,
                "snapshot": str(self.snapshot),
            },
        }

    def Describe(self, request):
        return {
            "size": str(len(self.items)),
            "dimension": 512,
            "metric": "cosine",
            "index_type": "Flat",
            "model_fingerprint": "9f86d081884c7d65",
            "snapshot": str(self.snapshot),
            "accepts_images": True,
            "read_only": self.read_only,
            "changed": str(self.changed),
        }

    def Scroll(self, request):
        matches = parse_filter(request.get("filter", ""))
        size = request.get("page_size") or 100
        if size == 1 and self.busy > 0:
            self.busy -= 1
            raise Refused("RESOURCE_EXHAUSTED", "too many calls are waiting; try again later")
        found = []
        for name in sorted(self.items):
            if name > request.get("page_token", "") and matches(self.items[name]):
                found.append(self.items[name])
                if len(found) > size:
                    break
        return {
            "entries": [{"item": item, "vector": None} for item in found[:size]],
            "next_page_token": found[size - 1]["id"] if len(found) > size else "",
        }

    def Facet(self, request):
        matches = parse_filter(request.get("filter", ""))
        counts = {}
        for item in self.items.values():
            value = item["identity"] if request["field"] == "identity" else item["metadata"].get(request["field"], "")
            if value and matches(item):
                counts[value] = counts.get(value, 0) + 1
        ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        return {
            "counts": [{"value": value, "count": str(number)} for value, number in ordered[: request.get("limit") or 100]],
            "distinct": str(len(counts)),
        }

    def Count(self, request):
        matches = parse_filter(request.get("filter", ""))
        return {"count": str(sum(map(matches, self.items.values())))}

    def Get(self, request):
        return {"entries": [{"item": self.items[name], "vector": None} for name in request["ids"] if name in self.items]}

    def writable(self):
        if self.read_only:
            raise Refused("FAILED_PRECONDITION", "this server serves read-only")

    def Upsert(self, request):
        self.writable()
        for new in request["items"]:
            self.like({"image": new["photograph"]["image"]})
            self.items[new["item"]["id"]] = new["item"]
        self.changed += len(request["items"])
        return {"upserted": str(len(request["items"]))}

    def Update(self, request):
        self.writable()
        for item in request["items"]:
            if item["id"] not in self.items:
                raise Refused("NOT_FOUND", f"no item {item['id']!r}")
            self.items[item["id"]] = item
        return {}

    def collection(self, name):
        return {
            "name": name,
            "aliases": ["whales"] if name == "humpbacks" else [],
            "model": "",
            "model_fingerprint": "9f86d081884c7d65",
            "accepts_images": True,
            "read_only": self.read_only,
            "from_config": True,
            "size": str(len(self.items)),
            "dimension": 512,
            "metric": "cosine",
            "index_type": "Flat",
            "snapshot": str(self.snapshot),
            "changed": str(self.changed),
            "memory_bytes": "20971520",
            "disk_bytes": "23068672",
            "has_photos": self.has_photos,
            "matches_regions": self.matches_regions,
        }

    def ListCollections(self, request):
        return {"collections": [self.collection("humpbacks"), self.collection("northern-2025")], "next_page_token": ""}

    def DescribeCollection(self, request):
        name = request.get("name") or "humpbacks"
        if name == "whales":
            name = "humpbacks"
        if name not in ("humpbacks", "northern-2025"):
            raise Refused("NOT_FOUND", f"no collection {name!r}")
        return self.collection(name)

    def SnapshotCollection(self, request):
        self.writable()
        self.snapshot += 1
        self.changed = 0
        return {"snapshot": str(self.snapshot)}

    def find_job(self, request):
        for job in self.jobs:
            if job["id"] == request["id"]:
                return job
        raise Refused("NOT_FOUND", f"no job {request['id']!r}")

    def ListJobs(self, request):
        return {"jobs": [{**job, "metrics": [], "log_tail": "", "config_yaml": ""} for job in self.jobs], "next_page_token": ""}

    def GetJob(self, request):
        job = self.find_job(request)
        if job["state"] == "RUNNING":
            step = int(job["metrics"][-1]["step"]) + 1 if job["metrics"] else 1
            job["metrics"] += self.points(step)
            job["progress"] = min(1, step / 300)
            job["log_tail"] = f"reading the manifest\n{step} steps done"
        return job

    def SubmitJob(self, request):
        if "manifest" not in request["config_yaml"]:
            raise Refused("INVALID_ARGUMENT", "config, line 1: `data.manifest` is missing")
        self.jobs.insert(
            0,
            {
                **self.job(f"j{len(self.jobs) + 1}", request["name"], "WAITING"),
                "config_yaml": request["config_yaml"],
                "publish": request.get("publish"),
            },
        )
        return self.jobs[0]

    def CancelJob(self, request):
        job = self.find_job(request)
        if job["state"] not in ("WAITING", "RUNNING"):
            raise Refused("FAILED_PRECONDITION", "the job has ended already")
        job["state"] = "CANCELLED"
        return job

    def PublishJob(self, request):
        job = self.find_job(request)
        job.update(state="PUBLISHED", collection=request["target"]["alias"] + "-1")
        return job


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-security-policy", CSP)
        self.send_header("x-content-type-options", "nosniff")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def answer_json(self, status, answer):
        self.answer(status, "application/json", json.dumps(answer).encode())

    def may_pass(self):
        mock = self.server.mock
        return not mock.key or self.headers.get("authorization") == f"Bearer {mock.key}"

    def do_GET(self):
        mock, url = self.server.mock, urllib.parse.urlsplit(self.path)
        if url.path == "/photo":
            with self.server.lock:
                mock.requests.append(("photo", dict(urllib.parse.parse_qsl(url.query)), self.headers.get("authorization")))
            if not self.may_pass():
                return self.answer_json(401, {"code": "UNAUTHENTICATED", "message": "a key is needed"})
            item = mock.items.get(urllib.parse.parse_qs(url.query)["id"][0])
            if not item or not item["path"] or chance("lost", item["id"]) < 0.03:
                return self.answer_json(404, {"code": "NOT_FOUND", "message": "no photograph"})
            return self.answer(200, "image/svg+xml", draw_photo(item))
        if url.path == "/page.json":
            return self.answer_json(200, {"version": "0.1", "has_keys": bool(mock.key), "jobs": mock.has_jobs})
        if url.path in ("/metrics", "/healthz"):
            return self.answer(200, "text/plain", b"ok\n")
        file = WEB / (url.path.lstrip("/") or "index.html")
        if file.parent != WEB or not file.is_file():
            return self.answer_json(404, {"code": "NOT_FOUND", "message": "nothing here"})
        return self.answer(200, TYPES[file.suffix], file.read_bytes())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        mock = self.server.mock
        match = re.fullmatch(r"/api/fluke\.v1\.(\w+)/(\w+)", self.path)
        try:
            with self.server.lock:
                request = json.loads(body)
                mock.requests.append((match[2], request, self.headers.get("authorization")))
                if not self.may_pass():
                    raise Refused("UNAUTHENTICATED", "a key is needed")
                answer = getattr(mock, match[2])(request)
                text = json.dumps(answer).encode()
            self.answer(200, "application/json", text)
        except Refused as refused:
            self.answer_json(STATUS[refused.code], {"code": refused.code, "message": str(refused)})

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port=0, items=10_000):
        super().__init__(("127.0.0.1", port), Handler)
        self.mock = Mock(items)
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"

    def start(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self


if __name__ == "__main__":
    running = Server(int(sys.argv[1]) if len(sys.argv) > 1 else 8099)
    print(running.url, flush=True)
    running.serve_forever()

"""What deploy/ gives to container engines, systemd, Kubernetes and Prometheus: does it parse, does it agree with the program, do their own tools accept it?"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

try:
    import yaml
except ImportError:
    yaml = None

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
BINARY = os.environ.get("FLUKE_BINARY", "")


def check_config(text):
    """`fluke serve --check` of a config."""
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "serve.yaml")
        config.write_text(text)
        return subprocess.run([BINARY, "serve", str(config), "--check"], capture_output=True, text=True, timeout=60)


class Configs(unittest.TestCase):
    def assert_valid(self, text):
        done = check_config(text)
        self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(BINARY, "no $FLUKE_BINARY")
    def test_the_image_and_the_unit_serve_valid_configs(self):
        for name in ("container/serve.yaml", "systemd/serve.yaml"):
            with self.subTest(name):
                self.assert_valid((DEPLOY / name).read_text())

    @unittest.skipUnless(BINARY, "no $FLUKE_BINARY")
    def test_a_config_that_says_nonsense_is_found_out(self):
        for nonsense in ("index: x\nlisten_to: y\n", "index: x\nmax_k: -1\n", "index: [\n"):
            done = check_config(nonsense)
            self.assertEqual(done.returncode, 2, nonsense)
            self.assertIn("serve.yaml", done.stderr)

    @unittest.skipUnless(BINARY and yaml, "no $FLUKE_BINARY or no python3-yaml")
    def test_kubernetes_config_map_is_valid_and_agrees_with_the_rest(self):
        parts = {part["kind"]: part for part in yaml.safe_load_all((DEPLOY / "kubernetes" / "fluke.yaml").read_text())}
        text = parts["ConfigMap"]["data"]["serve.yaml"]
        self.assert_valid(text)
        config = yaml.safe_load(text)
        pod = parts["Deployment"]["spec"]["template"]["spec"]
        container = pod["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        self.assertEqual(config["listen"], f"0.0.0.0:{ports['grpc']}")
        self.assertEqual(config["http_listen"], f"0.0.0.0:{ports['http']}")
        self.assertEqual(container["livenessProbe"]["grpc"]["port"], ports["grpc"])
        self.assertGreater(pod["terminationGracePeriodSeconds"] * 1000, config["drain_timeout_ms"] + 5000)
        self.assertEqual(str(config["threads"]), container["resources"]["limits"]["cpu"])
        self.assertEqual(parts["Deployment"]["spec"]["strategy"]["type"], "Recreate")  # one writer
        self.assertEqual(parts["Deployment"]["spec"]["replicas"], 1)
        self.assertTrue(pod["securityContext"]["runAsNonRoot"])
        self.assertTrue(container["securityContext"]["readOnlyRootFilesystem"])
        self.assertEqual(container["securityContext"]["capabilities"], {"drop": ["ALL"]})
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        self.assertEqual(mounted["data"], "/data")
        self.assertTrue(config["index"].startswith(mounted["data"] + "/"))
        self.assertEqual({volume["name"] for volume in pod["volumes"]}, set(mounted))
        self.assertEqual(pod["volumes"][0]["persistentVolumeClaim"]["claimName"], parts["PersistentVolumeClaim"]["metadata"]["name"])
        self.assertEqual(parts["Service"]["spec"]["selector"], parts["Deployment"]["spec"]["template"]["metadata"]["labels"])

    def test_the_image_runs_as_the_user_that_kubernetes_names(self):
        last_stage = (DEPLOY / "container" / "Containerfile").read_text().rsplit("\nFROM ", 1)[1]
        user = re.search(r"^USER (\d+):(\d+)$", last_stage, re.M)
        self.assertIn(f"runAsUser: {user[1]}\n", (DEPLOY / "kubernetes" / "fluke.yaml").read_text())
        self.assertNotEqual(user[1], "0")
        self.assertIn("EXPOSE 50051 50080\n", last_stage)

    def test_the_unit_waits_longer_than_the_drain(self):
        unit = (DEPLOY / "systemd" / "fluke.service").read_text()
        drain_ms = int(re.search(r"^drain_timeout_ms: (\d+)", (DEPLOY / "systemd" / "serve.yaml").read_text(), re.M)[1])
        self.assertGreater(1000 * int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)[1]), drain_ms)

    @unittest.skipUnless(shutil.which("systemd-analyze") and BINARY, "no systemd-analyze, or no $FLUKE_BINARY")
    def test_systemd_accepts_the_unit(self):
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder, "fluke.service")
            unit.write_text((DEPLOY / "systemd" / "fluke.service").read_text().replace("/opt/fluke/bin/fluke", BINARY))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60)
            about_it = [line for line in done.stderr.splitlines() if "fluke" in line]
            self.assertEqual((done.returncode, about_it), (0, []), done.stderr)


class Monitoring(unittest.TestCase):
    def known(self):
        lines = pathlib.Path(__file__).with_name("metric_names.txt").read_text().splitlines()
        return {line for line in lines if line and not line.startswith("#")}

    def named(self, text):
        """Metrics that a text of PromQL names, without what a histogram adds."""
        names = re.findall(r"\b(?:fluke|process)_[a-z_]+\b", re.sub(r'"[^"]*"', '""', text))
        known = self.known()
        return {name if name in known else re.sub(r"_(bucket|sum|count)$", "", name) for name in names}

    def dashboard(self):
        return json.loads((DEPLOY / "monitoring" / "grafana.json").read_text())

    def test_the_dashboard_names_metrics_that_there_are_and_shows_each(self):
        panels = self.dashboard()["panels"]
        named = self.named("\n".join(target["expr"] for panel in panels for target in panel.get("targets", ())))
        self.assertEqual(named, self.known())

    def test_the_dashboards_panels_do_not_overlap_and_have_ids_of_their_own(self):
        panels = self.dashboard()["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        cells = [(x, y) for panel in panels for at in (panel["gridPos"],) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
        self.assertEqual(len(set(cells)), len(cells))
        self.assertLess(max(x for x, _ in cells), 24)

    @unittest.skipUnless(yaml, "no python3-yaml")
    def test_alert_rules_name_metrics_that_there_are(self):
        rules = [rule for group in yaml.safe_load((DEPLOY / "monitoring" / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
        self.assertGreaterEqual(len(rules), 7)
        self.assertLessEqual(self.named("\n".join(rule["expr"] for rule in rules)), self.known())
        for rule in rules:
            self.assertIn("summary", rule["annotations"], rule["alert"])

    @unittest.skipUnless(shutil.which("promtool"), "no promtool")
    def test_prometheus_accepts_the_rules_and_they_fire_when_they_should(self):
        for words in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]):
            done = subprocess.run(["promtool", *words], cwd=DEPLOY / "monitoring", capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    @unittest.skipUnless(shutil.which("promtool"), "no promtool")
    def test_prometheus_can_parse_what_the_dashboard_asks(self):
        expressions = [target["expr"] for panel in self.dashboard()["panels"] for target in panel.get("targets", ())]
        plain = lambda text: re.sub(r"\$__rate_interval", "5m", text)
        rules = "groups:\n  - name: dashboard\n    rules:\n" + "".join(
            f"      - record: panel:{i}\n        expr: {json.dumps(plain(e))}\n" for i, e in enumerate(expressions))
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "rules.yaml")
            file.write_text(rules)
            done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class TestTotals(unittest.TestCase):
    def totals(self, **files):
        """Of {preset: {test: its status in ctest's JUnit file}}: exit code and lines."""
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name, cases in files.items():
                paths.append(pathlib.Path(folder, f"{name.replace('_second', '.second')}.xml"))
                paths[-1].write_text("<testsuite>%s</testsuite>" % "".join(
                    f'<testcase name="{test}" status="{status.split()[0]}"><system-out>{status}</system-out></testcase>'
                    for test, status in cases.items()))
            done = subprocess.run(["python3", DEPLOY / "test_totals.py", *paths], capture_output=True, text=True, timeout=60)
            return done.returncode, done.stdout.splitlines()

    def test_what_failed_is_named_and_counts(self):
        self.assertEqual(self.totals(release={"a": "run", "b": "fail"}, asan={"a": "run"}),
                         (1, ["failed: b (preset release)", "2 passed, 1 failed, 0 skipped"]))

    def test_no_test_is_a_failure(self):
        self.assertEqual(self.totals(release={}), (1, ["failed: preset release ran no test", "0 passed, 1 failed, 0 skipped"]))

    def test_a_sanitizers_report_has_no_second_try(self):
        for said in ("WARNING: ThreadSanitizer: data race (pid=1)", "x.cc:3:1: runtime error: shift exponent 64 is too large"):
            self.assertEqual(self.totals(tsan={"a": f"fail {said}"}, tsan_second={"a": "run"}),
                             (1, ["sanitizer report: a (preset tsan)", "0 passed, 1 failed, 0 skipped"]))

    def test_a_second_try_counts_for_its_own_preset_and_is_named(self):
        self.assertEqual(self.totals(release={"a": "run", "b": "fail"}, release_second={"b": "run"}, asan={"b": "run"}),
                         (0, ["passed at the second try: b (preset release)", "3 passed, 0 failed, 0 skipped"]))
        self.assertEqual(self.totals(release={"b": "fail"}, release_second={"b": "fail"}, asan={"b": "run"})[0], 1)
        self.assertEqual(self.totals(release={"b": "run"}, asan={"b": "fail"}, release_second={"b": "run"})[0], 1)


if __name__ == "__main__":
    unittest.main()

"""Plants includes in a tree of its own and checks which of them include_direction.py reports."""
import pathlib
import tempfile
import unittest

import include_direction


class IncludeDirection(unittest.TestCase):
    def report(self, path, line):
        with tempfile.TemporaryDirectory() as root:
            file = pathlib.Path(root, path)
            file.parent.mkdir(parents=True)
            file.write_text("// A comment.\n" + line + "\n")
            return list(include_direction.violations(root))

    def assert_reported(self, path, line):
        found = self.report(path, line)
        self.assertEqual(len(found), 1, f"{path}: {line}")
        self.assertTrue(found[0].startswith(f"{path}:2: "), found[0])

    def assert_allowed(self, path, line):
        self.assertEqual(self.report(path, line), [])

    def test_a_room_may_include_itself_common_and_proto(self):
        for room in ("train", "index", "serve"):
            self.assert_allowed(f"{room}/a.cc", '#include "common/error.h"')
            self.assert_allowed(f"{room}/a.cc", f'#include "{room}/a.h"')
            self.assert_allowed(f"{room}/a.cc", '#include "fluke/v1/config.pb.h"')

    def test_rooms_do_not_include_one_another(self):
        self.assert_reported("train/data/a.cc", '#include "index/snapshot.h"')
        self.assert_reported("index/a.h", '#include "serve/server.h"')
        self.assert_reported("serve/a.cc", '#  include "train/trainer.h"')
        self.assert_reported("tests/serve/a_test.cc", '#include "index/snapshot.h"')

    def test_common_includes_no_other_room(self):
        self.assert_reported("common/a.h", '#include "train/trainer.h"')
        self.assert_reported("common/a.h", '#include "cli/verbs.h"')

    def test_no_room_includes_cli_but_cli_includes_every_room(self):
        self.assert_reported("serve/a.cc", '#include "cli/verbs.h"')
        for room in include_direction.ROOMS:
            self.assert_allowed("cli/a.cc", f'#include "{room}/a.h"')

    def test_each_library_stays_in_its_room(self):
        for header, owner in (("torch/torch.h", "train"), ("ATen/ATen.h", "train"), ("faiss/Index.h", "index"),
                              ("grpcpp/grpcpp.h", "serve"), ("fluke/v1/retrieval.grpc.pb.h", "serve")):
            for room in include_direction.ROOMS:
                check = self.assert_allowed if room == owner else self.assert_reported
                check(f"{room}/a.cc", f"#include <{header}>")
                check(f"tests/{room}/a_test.cc", f"#include <{header}>")

    def test_benchmarks_may_include_anything(self):
        self.assert_allowed("tests/bench/a.cc", "#include <faiss/Index.h>")


if __name__ == "__main__":
    unittest.main()

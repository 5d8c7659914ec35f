"""A training killed (-9) at random moments and resumed ends with the bytes of one that was left alone."""
import pathlib
import random
import time
import unittest

import fluke_program as fluke

RESULTS = ("model.safetensors", "metrics.csv", "checkpoint/best.safetensors")


class Resume(unittest.TestCase):
    def test_killed_and_resumed_training_is_byte_identical(self):
        with fluke.scratch_folder() as folder:
            folder = pathlib.Path(folder)
            config = fluke.write_config(folder / "config.yaml", fluke.draw_flukes(folder / "flukes"), epochs=5)
            began = time.monotonic()
            fluke.run("train", config, "--run", folder / "whole")
            whole_seconds = time.monotonic() - began

            seed = random.randrange(1 << 32)
            print(f"moments drawn with seed {seed}")
            moments = random.Random(seed)
            kills = 0
            for _ in range(4):
                seconds = moments.uniform(0.2, 0.9) * whole_seconds
                kills += fluke.kill_after(seconds, "train", config, "--run", folder / "killed", "--resume")
            fluke.run("train", config, "--run", folder / "killed", "--resume")

            self.assertGreater(kills, 0, "no kill came before the end")
            for name in RESULTS:
                whole, killed = (folder / run / name for run in ("whole", "killed"))
                self.assertEqual(whole.read_bytes(), killed.read_bytes(), f"{name} differs (seed {seed})")


if __name__ == "__main__":
    unittest.main()

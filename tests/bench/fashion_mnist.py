#!/usr/bin/env python3
"""Fashion-MNIST: 1-nearest-neighbour accuracy of the learned embedding on the 10,000 test images, the 60,000 training images being
the gallery. ResNet-18's published accuracy is .949; raw pixels give .8497."""
import common


def main():
    bench = common.Bench(common.parser(__doc__).parse_args())
    manifest = bench.data / "fashion_mnist"
    summary = bench.train("fashion_mnist", "fashion", manifest)
    gallery = bench.embed(["fashion"], manifest, "gallery", "--split", "train", "--batch-size", 512)
    queries = bench.embed(["fashion"], manifest, "queries", "--split", "test", "--batch-size", 512)
    report = bench.fluke_json("evaluate", "--embeddings", gallery, "--query-embeddings", queries, "--metrics", "precision@1")
    bench.close()
    common.emit("fashion_mnist", accuracy_1nn=round(report["metrics"]["precision@1"], 4), train_wall_s=summary["wall_s"],
                images_per_s=round(summary["images_per_s"], 1))


main()

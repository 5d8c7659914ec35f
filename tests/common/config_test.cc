#include "common/config.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "common/config_scalar.h"
#include "common/files.h"
#include "common/random.h"
#include "fluke/v1/config.pb.h"
#include "tests/common/scratch.h"

namespace fluke {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kData =
    "data: {manifest: photos.csv}\n";  // what every TrainConfig needs

v1::TrainConfig Parse(std::string_view yaml, const std::vector<std::string>& overrides = {}) {
  v1::TrainConfig config;
  ParseConfig(StrCat(kData, yaml), "train.yaml", overrides, &config);
  return config;
}

// The message of the error; line 1 of the file is `data`, so `yaml` begins in line 2.
std::string Wrong(std::string_view yaml, const std::vector<std::string>& overrides = {}) {
  const Error error = ErrorOf([&] { Parse(yaml, overrides); });
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  return error.what();
}

TEST(Config, ReadsSectionsListsAndScalarsOfEveryType) {
  const v1::TrainConfig config = Parse(R"(
seed: 18446744073709551615
input: {width: 128, mean: [.485, 0.456, 4.06e-1]}
model:
  backbone: densenet121
  gem_p: 2.5
  batch_norm: False
train:
  epochs: +3
  precision: "bf16"
validation:
  metrics:
    - recall@1
    - 'map@r'
)");
  EXPECT_EQ(config.seed(), 18446744073709551615u);
  EXPECT_EQ(config.data().manifest(), "photos.csv");
  EXPECT_EQ(config.input().width(), 128);
  EXPECT_THAT(config.input().mean(), ElementsAre(0.485f, 0.456f, 0.406f));
  EXPECT_EQ(config.model().backbone(), "densenet121");
  EXPECT_EQ(config.model().gem_p(), 2.5f);
  EXPECT_FALSE(config.model().batch_norm());
  EXPECT_EQ(config.train().epochs(), 3);
  EXPECT_EQ(config.train().precision(), "bf16");
  EXPECT_THAT(config.validation().metrics(), ElementsAre("recall@1", "map@r"));
}

TEST(Config, WhatIsNotWrittenHasItsDefault) {
  const v1::TrainConfig config = Parse("");
  EXPECT_EQ(config.train().epochs(), 70);
  EXPECT_EQ(config.optimizer().lr(), 2.5e-4);
  EXPECT_FALSE(config.model().has_init_from());
}

TEST(Config, NothingBehindAKeyIsAsIfItWereNotWritten) {
  const v1::TrainConfig config =
      Parse("train:\nloss:\nmodel: ~\noptimizer: {lr: null}\ninput: {}\n");
  EXPECT_EQ(config.train().epochs(), 70);
  EXPECT_EQ(config.loss_size(), 0);
  EXPECT_EQ(config.optimizer().lr(), 2.5e-4);
}

TEST(Config, PlainTextInATextFieldIsTextWhateverItLooksLike) {
  const v1::TrainConfig config =
      Parse("model: {init_from: 007}\n", {"data.drop_identities=[-1, true, 1.50]"});
  EXPECT_EQ(config.model().init_from(), "007");
  EXPECT_THAT(config.data().drop_identities(), ElementsAre("-1", "true", "1.50"));
}

TEST(Config, OneValueMayStandForAListOfOne) {
  EXPECT_THAT(Parse("validation: {metrics: recall@1}\n").validation().metrics(),
              ElementsAre("recall@1"));
}

TEST(Config, NamedEntriesMayBeWrittenAsAMapping) {
  const v1::TrainConfig config = Parse(R"(
loss: {arcface: 2, triplet: {weight: 0.5, margin: 0.3, miner: batch-hard}}
augment:
  flip:
  rotate: {limit: [-20, 20], crop: true}
)");
  ASSERT_EQ(config.loss_size(), 2);
  EXPECT_EQ(config.loss(0).name(), "arcface");
  EXPECT_EQ(config.loss(0).weight(), 2);
  EXPECT_EQ(config.loss(1).name(), "triplet");
  EXPECT_EQ(config.loss(1).weight(), 0.5f);
  EXPECT_EQ(config.loss(1).miner(), "batch-hard");
  EXPECT_THAT(config.loss(1).params().at("margin").value(), ElementsAre(0.3));
  ASSERT_EQ(config.augment_size(), 2);
  EXPECT_EQ(config.augment(0).name(), "flip");
  EXPECT_EQ(config.augment(0).p(), 0.5);
  EXPECT_THAT(config.augment(1).params().at("limit").value(), ElementsAre(-20, 20));
  EXPECT_THAT(config.augment(1).params().at("crop").value(), ElementsAre(1));
}

TEST(Config, NamedEntriesMayBeWrittenAsAListAndThenRepeat) {
  const v1::TrainConfig config = Parse(R"(
augment:
  - {name: rotate, p: 1, limit: 20}
  - name: rotate
    limit: 90
)");
  ASSERT_EQ(config.augment_size(), 2);
  EXPECT_THAT(config.augment(1).params().at("limit").value(), ElementsAre(90));
}

TEST(Config, UnknownKeysGetASuggestionAndTheirLine) {
  EXPECT_EQ(Wrong("train:\n  epoch: 3\n"),
            "train.yaml:3: train.epoch: unknown key; did you mean 'epochs'?");
  EXPECT_EQ(Wrong("trian: {}\n"), "train.yaml:2: trian: unknown key; did you mean 'train'?");
  EXPECT_EQ(Wrong("epochs: 3\n"),
            "train.yaml:2: epochs: unknown key; did you mean 'train.epochs'?");
  EXPECT_THAT(Wrong("schedule: {zigzag: 3}\n"),
              StartsWith("train.yaml:2: schedule.zigzag: unknown key; known: name, warmup_epochs"));
  EXPECT_THAT(Wrong("<<: {train: {}}\n"), StartsWith("train.yaml:2: <<: unknown key"));
}

TEST(Config, WrongTypesSayWhatWasExpectedAndFound) {
  EXPECT_EQ(Wrong("train:\n  epochs: ten\n"),
            "train.yaml:3: train.epochs: expected an integer, found 'ten'");
  const std::pair<const char*, const char*> cases[] = {
      {"train: {epochs: 3.5}", "train.epochs: expected an integer, found '3.5'"},
      {"train: {epochs: \"3\"}", "train.epochs: expected an integer, found the text \"3\""},
      {"train: {epochs: [3]}", "train.epochs: expected an integer, found a list"},
      {"train: {epochs: {a: 3}}", "train.epochs: expected an integer, found a mapping"},
      {"train: {epochs: 3 }x", "not valid YAML"},
      {"train: {epochs: 0x10}", "expected an integer, found '0x10'"},
      {"train: {epochs: -}", "train.yaml:2: "},
      {"seed: -1", "seed: expected an integer from 0 to 18446744073709551615, found '-1'"},
      {"train: {epochs: 99999999999}",
       "expected an integer from -2147483648 to 2147483647, found '99999999999'"},
      {"train: {channels_last: yes}", "train.channels_last: expected true or false, found 'yes'"},
      {"train: {channels_last: 1}", "expected true or false, found '1'"},
      {"optimizer: {lr: fast}", "optimizer.lr: expected a number, found 'fast'"},
      {"optimizer: {lr: 1e-3x}", "expected a number, found '1e-3x'"},
      {"optimizer: {lr: .nan}", "expected a finite number, found '.nan'"},
      {"optimizer: {lr: nan}", "expected a finite number, found 'nan'"},
      {"optimizer: {lr: -.INF}", "expected a finite number, found '-.INF'"},
      {"optimizer: {lr: 1e999}", "expected a number that a 64-bit float holds, found '1e999'"},
      {"model: {gem_p: 1e39}", "expected a number that a 32-bit float holds, found '1e39'"},
      {"model: {backbone: [a]}", "model.backbone: expected text, found a list"},
      {"model: resnet18", "model: expected a mapping, found 'resnet18'"},
      {"input: {mean: [0.5, x]}", "input.mean[1]: expected a number, found 'x'"},
      {"validation: {metrics: [recall@1, ~]}",
       "validation.metrics[1]: expected text, found nothing"},
      {"loss: arcface", "loss: expected a list, or a mapping by name, found 'arcface'"},
      {"loss: [arcface]", "loss[0]: expected a mapping with a name, found 'arcface'"},
      {"loss: {arcface: heavy}", "loss[0].weight: expected a number, found 'heavy'"},
      {"loss: {arcface: {scale: big}}", "loss[0].scale: expected a number, found 'big'"},
      {"loss: {arcface: {scale: {a: 1}}}", "loss[0].scale: expected a number, found a mapping"},
      {"loss: {arcface: {scale: [1, .inf]}}", "loss[0].scale[1]: expected a finite number"},
      {"loss: {arcface: {name: triplet}}", "loss[0].name: the entry's key is its name already"},
  };
  for (const auto& [yaml, message] : cases) EXPECT_THAT(Wrong(yaml), HasSubstr(message)) << yaml;
}

TEST(Config, ValuesOutOfRangeSayTheRange) {
  EXPECT_EQ(Wrong("train:\n\n  epochs: 0\n"),
            "train.yaml:4: train.epochs: expected at least 1, found '0'");
  EXPECT_EQ(Wrong("", {"data.val_fraction=1"}),
            "--set data.val_fraction: expected a number from 0 to 0.9, found '1'");
  EXPECT_THAT(Wrong("augment: {flip: 1.5}\n"),
              HasSubstr("augment[0].p: expected a number from 0 to 1, found '1.5'"));
  EXPECT_EQ(Parse("model: {dropout: 0.95}\n").model().dropout(),
            0.95f);  // the bound itself, as a float
  EXPECT_EQ(Parse("", {"data.val_fraction=0.9"}).data().val_fraction(), 0.9);
}

TEST(Config, RequiredFieldsMustBeGiven) {
  v1::TrainConfig config;
  const auto wrong = [&](std::string_view yaml) {
    return std::string(ErrorOf([&] { ParseConfig(yaml, "t.yaml", {}, &config); }).what());
  };
  EXPECT_EQ(wrong(""), "t.yaml: data: required, but not given");
  EXPECT_EQ(wrong("# nothing\n"), "t.yaml: data: required, but not given");
  EXPECT_EQ(wrong("- data\n"), "t.yaml: expected a mapping, found a list");
  EXPECT_EQ(wrong("seed: 1\ndata:\n"), "t.yaml:2: data: required, but not given");
  EXPECT_EQ(wrong("\ndata: {min_photos: 3}\n"), "t.yaml:2: data.manifest: required, but not given");
  EXPECT_EQ(wrong("data: {manifest: ''}\n"), "t.yaml:1: data.manifest: required, but empty");
  EXPECT_EQ(Wrong("loss:\n  - weight: 1\n  - {name: a}\n"),
            "train.yaml:3: loss[0].name: required, but not given");
}

TEST(Config, KeysWrittenTwiceAreRefused) {
  EXPECT_EQ(Wrong("seed: 1\ntrain: {}\nseed: 2\n"),
            "train.yaml:4: seed: 'seed' written twice, first in line 2");
  EXPECT_THAT(Wrong("train: {epochs: 1, epochs: 1}\n"),
              HasSubstr("train.epochs: 'epochs' written twice"));
  EXPECT_EQ(Wrong("loss:\n  arcface: 1\n  arcface: 2\n"),
            "train.yaml:4: loss[1]: 'arcface' written twice, first in line 3");
  EXPECT_THAT(Wrong("loss: {arcface: {scale: 1, scale: 1}}\n"), HasSubstr("loss[0].scale"));
}

TEST(Config, YamlBeyondTheStrictPartIsRefusedWithItsLine) {
  EXPECT_THAT(Wrong("seed: &s 1\ntrain: {epochs: *s}\n"), StartsWith("train.yaml:3: aliases"));
  EXPECT_THAT(Wrong("seed: !!int 1\n"), StartsWith("train.yaml:2: tags"));
  EXPECT_THAT(Wrong("seed: !!python/object:os.system 1\n"), HasSubstr("tags"));
  EXPECT_THAT(Wrong("--- \nseed: 1\n"), HasSubstr("a second document"));
  EXPECT_THAT(Wrong("[a, b]: 1\n"), HasSubstr("train.yaml:2: expected plain text as a key"));
  EXPECT_THAT(Wrong("train:\n\tepochs: 1\n"), StartsWith("train.yaml:3: not valid YAML"));
  EXPECT_THAT(Wrong("train: {epochs: 1\n"), HasSubstr("not valid YAML"));
  EXPECT_THAT(Wrong("seed: 1\n\x04train: {epochs: 3}\n"),
              StartsWith("train.yaml:3: a control character"));
}

TEST(Config, DepthAndSizeAreBounded) {
  EXPECT_THAT(Wrong("seed: " + std::string(40, '[') + std::string(40, ']')),
              HasSubstr("train.yaml:2: nested more than 32 deep"));
  EXPECT_THAT(Wrong("seed: " + std::string(100000, '[')), HasSubstr("train.yaml:2: "));
  EXPECT_THAT(Wrong("seed: " + std::string(100000, '[') + std::string(100000, ']')),
              HasSubstr("train.yaml:2: "));
  EXPECT_THAT(Wrong("seed: " + std::string(100000, '{')), HasSubstr("train.yaml:2: "));
  std::string steps = "seed:\n";
  for (int i = 1; i < 500; ++i) steps += std::string(i, ' ') + "a:\n";
  EXPECT_THAT(Wrong(steps), HasSubstr("nested more than 32 deep"));
  EXPECT_THAT(Wrong("#" + std::string(2 << 20, 'x')), HasSubstr("expected at most 1048576"));
}

TEST(Override, SetsValuesByPath) {
  const std::vector<std::string> overrides = {
      "train.epochs=3",           "model.init_from=a=b", "data.drop_identities=[a, b]",
      "input.mean=[0.1,0.2,0.3]", "input.mean[1]=0.5",   "validation.metrics=recall@5"};
  const v1::TrainConfig config = Parse("train: {epochs: 9, batch_size: 8}\n", overrides);
  EXPECT_EQ(config.train().epochs(), 3);
  EXPECT_EQ(config.train().batch_size(), 8);
  EXPECT_EQ(config.model().init_from(), "a=b");
  EXPECT_THAT(config.data().drop_identities(), ElementsAre("a", "b"));
  EXPECT_THAT(config.input().mean(), ElementsAre(0.1f, 0.5f, 0.3f));
  EXPECT_THAT(config.validation().metrics(), ElementsAre("recall@5"));
}

TEST(Override, ReachesNamedEntriesByNameAndByNumber) {
  const std::string yaml =
      "loss: {arcface: 1}\naugment: [{name: flip}, {name: rotate, limit: 20}]\n";
  const v1::TrainConfig config =
      Parse(yaml, {"loss.arcface.scale=30", "loss.arcface=2", "augment[0].p=0",
                   "augment.rotate.limit=[-5, 5]", "augment.rotate.p=1"});
  ASSERT_EQ(config.loss_size(), 1);
  EXPECT_EQ(config.loss(0).weight(), 2);
  EXPECT_THAT(config.loss(0).params().at("scale").value(), ElementsAre(30));
  EXPECT_EQ(config.augment(0).p(), 0);
  EXPECT_EQ(config.augment(1).p(), 1);
  EXPECT_THAT(config.augment(1).params().at("limit").value(), ElementsAre(-5, 5));
}

TEST(Override, AddsReplacesAndClears) {
  const std::string yaml =
      "loss: {arcface: {weight: 1, scale: 30, margin: 0.5}}\naugment: {flip: 1}\n";
  const v1::TrainConfig config = Parse(
      yaml,
      {"loss.triplet.weight=0.5", "loss.arcface.margin=", "loss.arcface.scale=64", "augment=[]"});
  ASSERT_EQ(config.loss_size(), 2);
  EXPECT_EQ(config.loss(1).name(), "triplet");
  EXPECT_EQ(config.loss(1).weight(), 0.5f);
  EXPECT_EQ(config.loss(0).params_size(), 1);
  EXPECT_THAT(config.loss(0).params().at("scale").value(), ElementsAre(64));
  EXPECT_EQ(config.augment_size(), 0);

  const v1::TrainConfig replaced =
      Parse(yaml, {"loss.arcface={scale: 8}", "augment={rotate: 0.3}"});
  ASSERT_EQ(replaced.loss_size(), 1);
  EXPECT_EQ(replaced.loss(0).name(), "arcface");
  EXPECT_EQ(replaced.loss(0).params_size(), 1);
  EXPECT_EQ(replaced.augment(0).name(), "rotate");
  EXPECT_EQ(replaced.augment(0).p(), 0.3);
}

TEST(Override, LaterOnesWin) {
  EXPECT_EQ(Parse("", {"seed=1", "seed=2"}).seed(), 2u);
  EXPECT_FALSE(Parse("seed: 3\n", {"seed="}).has_seed());
}

TEST(Override, ErrorsNameTheOverride) {
  const std::pair<const char*, const char*> cases[] = {
      {"train.epochs", "--set train.epochs: expected KEY=VALUE, as in train.epochs=3"},
      {"train.epochs=ten", "--set train.epochs: expected an integer, found 'ten'"},
      {"train.epoch=3", "--set train.epoch: unknown key; did you mean 'epochs'?"},
      {"trian.epochs=3", "--set trian.epochs: unknown key; did you mean 'train'?"},
      {"train.epochs.x=3", "--set train.epochs.x: has no parts of its own"},
      {"train[0].epochs=3", "--set train[0].epochs: is no list"},
      {"seed[0]=3", "--set seed[0]: is no list"},
      {"loss.arcface[0].weight=3", "--set loss.arcface[0].weight: 'arcface' is no list"},
      {"augment[0].p=1", "--set augment[0].p: has 0 entries, numbered from 0"},
      {"input.mean[0]=1", "--set input.mean[0]: has 0 entries, numbered from 0"},
      {"augment[x].p=1", "--set augment[x].p: expected a path"},
      {"augment[99999999999].p=1", "expected a path"},
      {"=1", "expected a path"},
      {"a..b=1", "expected a path"},
      {".a=1", "expected a path"},
      {"seed=[1",
       "--set seed:1: expected plain text as a key, found a list or a mapping; is a bracket"},
      {"seed=\"1", "--set seed:1: not valid YAML"},
      {"loss={arcface: x}", "--set loss: loss[0].weight: expected a number, found 'x'"},
      {"loss.arcface.scale=x", "--set loss.arcface.scale: expected a number, found 'x'"},
      {"data=", "data: required, but not given"},
  };
  for (const auto& [text, message] : cases)
    EXPECT_THAT(Wrong("", {text}), HasSubstr(message)) << text;
  EXPECT_THAT(Wrong("augment: [{name: flip}, {name: flip}]\n", {"augment.flip.p=1"}),
              HasSubstr("several entries are called 'flip'; write augment[0] or augment[1]"));
}

TEST(ConfigSource, TellsWhereEachValueCameFrom) {
  v1::TrainConfig config;
  const ConfigSource source = ParseConfig(
      "data: {manifest: a.csv}\ntrain:\n  epochs: 3\nloss:\n  arcface:\n    scale: 30\n",
      "train.yaml", {"train.batch_size=8", "loss.triplet.weight=1"}, &config);
  EXPECT_EQ(source.Where("train.epochs"), "train.yaml:3: train.epochs");
  EXPECT_EQ(source.Where("train.workers"),
            "train.yaml:2: train.workers");  // not written: its section's line
  EXPECT_EQ(source.Where("model.dim"), "train.yaml: model.dim");
  EXPECT_EQ(source.Where("train.batch_size"), "--set train.batch_size");
  EXPECT_EQ(source.Where("loss[0]"), "train.yaml:5: loss[0]");
  EXPECT_EQ(source.Where("loss[0].scale"), "train.yaml:6: loss[0].scale");
  EXPECT_EQ(source.Where("loss[0].margin"), "train.yaml:5: loss[0].margin");
  EXPECT_EQ(source.Where("loss[1].weight"), "--set loss.triplet.weight");
}

TEST(ConfigSource, ForgetsThePartsOfAReplacedValue) {
  v1::TrainConfig config;
  const ConfigSource source = ParseConfig("data: {manifest: a.csv}\nloss: {arcface: 1}\n",
                                          "train.yaml", {"loss={triplet: 1}"}, &config);
  EXPECT_EQ(source.Where("loss[0].weight"), "--set loss: loss[0].weight");
}

TEST(ConfigSource, KeepsTheOtherPartsOfAnEntryWhoseScalarIsReplaced) {
  v1::TrainConfig config;
  const ConfigSource source = ParseConfig("data: {manifest: a.csv}\nloss: {arcface: {scale: 30}}\n",
                                          "train.yaml", {"loss.arcface=2"}, &config);
  EXPECT_EQ(source.Where("loss[0].scale"), "train.yaml:2: loss[0].scale");
  EXPECT_EQ(source.Where("loss[0].weight"), "--set loss.arcface");
}

// The resolved config gives the same message again, to the bit, and is a fixed point.
void ExpectRoundTrip(const google::protobuf::Message& message) {
  const std::string yaml = ConfigToYaml(message);
  const std::unique_ptr<google::protobuf::Message> again(message.New());
  ParseConfig(yaml, "resolved.yaml", {}, again.get());
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equivalent(message, *again)) << yaml;
  EXPECT_EQ(ConfigToYaml(*again), yaml);
}

TEST(ConfigToYaml, WritesDefaultsAndReadsBackTheSame) {
  const v1::TrainConfig config = Parse(R"(
seed: 7
model: {init_from: ""}
loss: {arcface: {scale: 30, margin_rad: 0.5, limits: [-1, 1e-9, 1e300], none: []}, triplet: 1}
augment: [{name: flip}, {name: "odd: name # \"x\"", p: 0.1}]
optimizer: {lr: 0.1}
)");
  const std::string yaml = ConfigToYaml(config);
  EXPECT_THAT(yaml, HasSubstr("train:\n  epochs: 70\n"));
  EXPECT_THAT(yaml, HasSubstr("  final_lr: 5.0e-05\n"));
  EXPECT_THAT(yaml, HasSubstr("  lr: 0.1\n"));
  EXPECT_THAT(yaml, HasSubstr("  init_from: \"\"\n"));
  EXPECT_THAT(
      yaml,
      HasSubstr("loss:\n  - name: arcface\n    weight: 1\n    limits: [-1, 1.0e-09, 1.0e+300]\n"));
  EXPECT_THAT(yaml, HasSubstr("  metrics: []\n"));
  ExpectRoundTrip(config);
}

TEST(ConfigToYaml, WhatWasNotGivenAndHasNoDefaultStaysNotGiven) {
  v1::TrainConfig again;
  ParseConfig(ConfigToYaml(Parse("loss: {arcface: 1}\n")), "resolved.yaml", {}, &again);
  EXPECT_FALSE(again.model().has_init_from());
  EXPECT_FALSE(again.loss(0).has_miner());
}

TEST(ConfigToYaml, KeepsServeConfigs) {
  v1::ServeConfig config;
  ParseConfig("model: [run1, 'C: x']\nindex: idx\nlisten: \"[::]:50051\"\n", "s", {}, &config);
  ExpectRoundTrip(config);
}

TEST(ConfigToYaml, KeepsEveryFloatToTheBit) {
  Random random(3);
  for (int i = 0; i < 2000; ++i) {
    v1::TrainConfig config = Parse("");
    const uint64_t bits = random.Bits();
    double wide;
    float narrow;
    std::memcpy(&wide, &bits, sizeof wide);
    std::memcpy(&narrow, &bits, sizeof narrow);
    if (!std::isfinite(wide) || !std::isfinite(narrow)) continue;
    v1::LossTerm* loss = config.add_loss();
    loss->set_name("x");
    (*loss->mutable_params())["a"].add_value(wide);
    config.mutable_input()->add_mean(narrow);
    v1::TrainConfig again;
    ParseConfig(ConfigToYaml(config), "resolved.yaml", {}, &again);
    ASSERT_EQ(std::memcmp(&again.loss(0).params().at("a").value().at(0), &wide, sizeof wide), 0);
    const float mean = again.input().mean(0);
    ASSERT_EQ(std::memcmp(&mean, &narrow, sizeof narrow), 0);
  }
}

TEST(ConfigToYaml, KeepsEveryTextToTheByte) {
  Random random(4);
  const std::vector<std::string> words = {
      "~",        "null", "true", "NO", "3",  "-1", "1e3",    ".inf", "a: b",
      "- a",      "#x",   "a #b", " a", "a ", "'",  "\"",     "\\",   "*a",
      "&a",       "!a",   "%a",   "@a", "{",  "[]", "a\nb\n", "\t",   "\xC3\xA9",
      "\xFF\xFE", "=",    "<<",   "?",  "|",  ">",  "\x01"};
  v1::TrainConfig config = Parse("");
  for (const std::string& word : words) config.mutable_data()->add_drop_identities(word);
  for (int i = 0; i < 500; ++i) {
    std::string text;
    for (uint64_t n = random.Below(12); n > 0; --n)
      text += static_cast<char>(1 + random.Below(127));
    config.mutable_data()->add_drop_identities(text);
  }
  ExpectRoundTrip(config);
}

TEST(Config, TruncatedOrFlippedYamlNeverCrashes) {
  const std::string valid =
      "data: {manifest: photos.csv, drop_identities: [\"-1\", 'b']}\n"
      "loss: {arcface: {scale: 30, limit: [-1, 1]}}\naugment:\n  - name: flip\n    p: 0.3\n"
      "  - {name: rotate, limit: 20}\nmodel: # comment\n  backbone: |\n    resnet18\ntrain:\n  "
      "epochs: 3\n";
  const auto parse = [](std::string_view text) {
    v1::TrainConfig config;
    try {
      ParseConfig(text, "x", {}, &config);
    } catch (const Error&) {
    }
  };
  for (size_t size = 0; size <= valid.size(); ++size)
    parse(std::string_view(valid).substr(0, size));
  Random random(5);
  constexpr std::string_view kStructure = "{}[]:,-#&*!|>'\"%@`?~ \n\t<=.\\";
  for (int i = 0; i < 10000; ++i) {
    std::string damaged = valid;
    for (uint64_t flips = 1 + random.Below(4); flips > 0; --flips) {
      damaged[random.Below(damaged.size())] = i % 2 == 0
                                                  ? static_cast<char>(random.Below(256))
                                                  : kStructure[random.Below(kStructure.size())];
    }
    parse(damaged);
    v1::TrainConfig config;
    try {
      ParseConfig(kData, "x", {damaged.substr(random.Below(damaged.size()), 40)}, &config);
    } catch (const Error&) {
    }
  }
}

TEST(LoadConfig, ReadsAFileAndNamesIt) {
  const Scratch scratch;
  WriteFileAtomically(scratch / "t.yaml", "data: {manifest: x}\ntrain: {epochs: 2}\n");
  v1::TrainConfig config;
  LoadConfig(scratch / "t.yaml", {}, &config);
  EXPECT_EQ(config.train().epochs(), 2);
  WriteFileAtomically(scratch / "t.yaml", "\ntrain: {epochs: x}\n");
  EXPECT_THAT(ErrorOf([&] { LoadConfig(scratch / "t.yaml", {}, &config); }).what(),
              StartsWith((scratch / "t.yaml").string() + ":2: train.epochs: "));
  EXPECT_EQ(ErrorOf([&] { LoadConfig(scratch / "none.yaml", {}, &config); }).code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace fluke

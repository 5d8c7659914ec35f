#include "train/progress_state.h"

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace fluke::train {
namespace {

constexpr int kFormat = 1;

}  // namespace

std::string ProgressState::ToJson() const {
  return nlohmann::json{{"format", kFormat},
                        {"config", config_yaml},
                        {"epoch", epoch},
                        {"batch", batch},
                        {"step", step},
                        {"loss_sum", loss_sum},
                        {"best", best},
                        {"best_epoch", best_epoch},
                        {"metric_rows", metric_rows}}
      .dump();
}

ProgressState ProgressState::FromJson(const std::string& text, const std::string& origin) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    if (json.at("format").get<int>() != kFormat) {
      DataLoss(origin, ": checkpoint format ", json.at("format").get<int>(), ", expected ",
               kFormat);
    }
    ProgressState state;
    json.at("config").get_to(state.config_yaml);
    json.at("epoch").get_to(state.epoch);
    json.at("batch").get_to(state.batch);
    json.at("step").get_to(state.step);
    json.at("loss_sum").get_to(state.loss_sum);
    json.at("best").get_to(state.best);
    json.at("best_epoch").get_to(state.best_epoch);
    json.at("metric_rows").get_to(state.metric_rows);
    return state;
  } catch (const nlohmann::json::exception& error) {
    DataLoss(origin, ": not a checkpoint to resume from: ", error.what());
  }
}

}  // namespace fluke::train

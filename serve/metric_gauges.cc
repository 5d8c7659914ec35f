#include "serve/metric_gauges.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

namespace fluke::serve {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

MetricFamily FamilyOf(std::string name, std::string help, MetricType type = MetricType::Gauge) {
  return {.name = std::move(name), .help = std::move(help), .type = type, .metric = {}};
}

void Add(MetricFamily& family, Labels labels, double value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  metric.counter.value = value;  // the serializer looks at the one of the family's type
  family.metric.push_back(std::move(metric));
}

void AddProcessFigure(std::vector<MetricFamily>* families, std::string name, std::string help,
                      MetricType type, double value) {
  families->push_back(FamilyOf(std::move(name), std::move(help), type));
  Add(families->back(), {}, value);
}

// Seconds since 1970 at which this process began (proc(5): the 22nd field of stat, in ticks since
// the machine's start).
std::optional<double> StartTime() {
  std::ifstream stat("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  const size_t name_end = text.rfind(')');  // the name may hold spaces
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  std::ifstream machine("/proc/stat");
  std::string word;
  double boot = 0;
  while (machine >> word && word != "btime") {
  }
  machine >> boot;
  std::istringstream ticks(field);
  double since_boot = 0;
  if (!machine || !(ticks >> since_boot)) return std::nullopt;
  return boot + since_boot / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::optional<double> ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  double all_pages = 0, resident_pages = 0;
  if (!(statm >> all_pages >> resident_pages)) return std::nullopt;
  return resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double CpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

void AppendGauges(const Gauges& gauges, std::vector<MetricFamily>* families) {
  MetricFamily depth = FamilyOf("fluke_queue_depth", "Waiting in a queue.");
  for (const Gauges::Queue& queue : gauges.queues) {
    Add(depth, {{"queue", queue.name}}, static_cast<double>(queue.waiting));
  }
  MetricFamily items = FamilyOf("fluke_index_items", "Searchable items.");
  MetricFamily memory = FamilyOf("fluke_index_memory_bytes",
                                 "That the index needs, an estimate; the rest is mapped.");
  MetricFamily disk = FamilyOf("fluke_index_disk_bytes", "Of the live snapshot.");
  MetricFamily snapshot = FamilyOf("fluke_index_snapshot", "Number of the live snapshot.");
  MetricFamily changed =
      FamilyOf("fluke_index_changed_items", "Items that came or went since the snapshot.");
  MetricFamily model = FamilyOf("fluke_model_info", "1 for the model that is loaded.");
  for (const Gauges::Collection& collection : gauges.collections) {
    const Labels labels = {{"collection", collection.name}};
    Add(items, labels, static_cast<double>(collection.items));
    Add(memory, labels, static_cast<double>(collection.memory_bytes));
    Add(disk, labels, static_cast<double>(collection.disk_bytes));
    Add(snapshot, labels, static_cast<double>(collection.snapshot));
    Add(changed, labels, static_cast<double>(collection.changed_items));
    if (collection.model_fingerprint.empty()) continue;
    Add(model, {{"collection", collection.name}, {"fingerprint", collection.model_fingerprint}}, 1);
  }
  MetricFamily cache = FamilyOf("fluke_embedding_cache_bytes", "That the kept embeddings take.");
  Add(cache, {}, static_cast<double>(gauges.embedding_cache_bytes));
  MetricFamily calls = FamilyOf("fluke_calls_under_way", "Taken in and not answered yet.");
  Add(calls, {}, static_cast<double>(gauges.calls_under_way));
  for (MetricFamily* family :
       {&depth, &items, &memory, &disk, &snapshot, &changed, &model, &cache, &calls}) {
    if (!family->metric.empty()) families->push_back(std::move(*family));
  }
}

void AppendProcess(std::vector<MetricFamily>* families) {
  if (const auto bytes = ResidentBytes()) {
    AddProcessFigure(families, "process_resident_memory_bytes", "Resident memory.",
                     MetricType::Gauge, *bytes);
  }
  AddProcessFigure(families, "process_cpu_seconds_total", "Processor time, user and system.",
                   MetricType::Counter, CpuSeconds());
  if (const auto start = StartTime()) {
    AddProcessFigure(families, "process_start_time_seconds", "Since 1970, UTC.", MetricType::Gauge,
                     *start);
  }
}

}  // namespace fluke::serve

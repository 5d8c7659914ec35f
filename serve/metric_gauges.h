// Figures that are read at the moment when Prometheus asks.
#pragma once

#include <vector>

#include <prometheus/metric_family.h>

#include "serve/metrics.h"

namespace fluke::serve {

void AppendGauges(const Gauges& gauges, std::vector<prometheus::MetricFamily>* families);

// Memory, processor time, start and open files of this process, under the names that Prometheus'
// own clients use. What cannot be read is left out.
void AppendProcess(std::vector<prometheus::MetricFamily>* families);

}  // namespace fluke::serve

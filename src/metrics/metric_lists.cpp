// Lists of metrics, for one output of a model and for all.
#include <utility>

#include "stoker/metrics.h"

namespace stoker {

MetricList::MetricList(const char* name) : metrics_{Metric(name)} {}
MetricList::MetricList(const std::string& name) : metrics_{Metric(name)} {}
MetricList::MetricList(Metric metric) : metrics_{std::move(metric)} {}
MetricList::MetricList(std::initializer_list<Metric> metrics) : metrics_(metrics) {}
MetricList::MetricList(std::vector<Metric> metrics) : metrics_(std::move(metrics)) {}
MetricList::MetricList(const MetricList& other) = default;
MetricList::MetricList(MetricList&& other) noexcept = default;
MetricList& MetricList::operator=(const MetricList& other) = default;
MetricList& MetricList::operator=(MetricList&& other) noexcept = default;
MetricList::~MetricList() = default;

OutputMetrics::Entry::Entry(const char* metric) : list(metric) {}
OutputMetrics::Entry::Entry(const std::string& metric) : list(metric) {}
OutputMetrics::Entry::Entry(Metric metric) : list(std::move(metric)) {}
OutputMetrics::Entry::Entry(std::vector<Metric> metrics) : list(std::move(metrics)) {}
OutputMetrics::Entry::Entry(std::string name, MetricList list)
    : name(std::move(name)), list(std::move(list)) {}

OutputMetrics::OutputMetrics() = default;
OutputMetrics::OutputMetrics(const char* metric) : entries_{Entry(metric)} {}
OutputMetrics::OutputMetrics(Metric metric) : entries_{Entry(std::move(metric))} {}
OutputMetrics::OutputMetrics(std::initializer_list<Entry> entries) : entries_(entries) {}
OutputMetrics::OutputMetrics(std::vector<Entry> entries) : entries_(std::move(entries)) {}
OutputMetrics::OutputMetrics(const std::vector<Metric>& metrics)
    : entries_(metrics.begin(), metrics.end()) {}
OutputMetrics::OutputMetrics(const std::vector<std::vector<Metric>>& by_output)
    : entries_(by_output.begin(), by_output.end()) {}
OutputMetrics::OutputMetrics(const std::map<std::string, std::vector<Metric>>& by_name) {
  for (const auto& [name, metrics] : by_name) entries_.emplace_back(name, metrics);
}
OutputMetrics::OutputMetrics(const OutputMetrics& other) = default;
OutputMetrics::OutputMetrics(OutputMetrics&& other) noexcept = default;
OutputMetrics& OutputMetrics::operator=(const OutputMetrics& other) = default;
OutputMetrics& OutputMetrics::operator=(OutputMetrics&& other) noexcept = default;
OutputMetrics::~OutputMetrics() = default;

}  // namespace stoker

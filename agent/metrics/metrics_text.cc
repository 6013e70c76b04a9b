#include "agent/metrics/metrics_text.h"

#include <fmt/format.h>

#include <iterator>

namespace towpath::agent {
namespace {

void append_label_value(std::string& out, std::string_view value) {
  for (const char c : value) {
    switch (c) {
      case '\\': out += "\\\\"; break;
      case '"': out += "\\\""; break;
      case '\n': out += "\\n"; break;
      default: out += c;
    }
  }
}

}  // namespace

void MetricsText::family(std::string_view name, Type type, std::string_view help) {
  name_ = fmt::format("towpath_{}", name);
  fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name_, help, name_,
                 type == Type::kCounter ? "counter" : "gauge");
}

void MetricsText::sample(Labels labels, double value) {
  text_ += name_;
  char before = '{';
  for (const auto& [key, label] : labels) {
    text_ += before;
    text_ += key;
    text_ += "=\"";
    append_label_value(text_, label);
    text_ += '"';
    before = ',';
  }
  if (labels.size() > 0) text_ += '}';
  // The shortest text that reads back as the same number.
  fmt::format_to(std::back_inserter(text_), " {}\n", value);
}

}  // namespace towpath::agent

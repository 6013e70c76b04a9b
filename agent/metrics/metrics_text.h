// The text in which Prometheus reads metrics (its exposition format, version 0.0.4).
//
// family() says what follows, sample() gives one value of it: so all samples of a family stand together, as
// the format wants. Names and units are the caller's: seconds and bytes, "_total" for what only grows.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace towpath::agent {

class MetricsText {
 public:
  enum class Type : std::uint8_t { kGauge, kCounter };
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // `name` without the prefix "towpath_"; `help` is one line.
  void family(std::string_view name, Type type, std::string_view help);
  void sample(Labels labels, double value);
  void sample(double value) { sample({}, value); }

  const std::string& text() const { return text_; }

 private:
  std::string name_;
  std::string text_;
};

}  // namespace towpath::agent

// What came out, for people (table), programs (json) and continuous integration (junit).
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/requirement.h"
#include "conformance/subject.h"

namespace towpath::conformance {

enum class Verdict { kPass, kFail, kWarn, kSkipped };
std::string_view format(Verdict verdict);

struct Line {
  const Requirement* requirement = nullptr;
  Verdict verdict = Verdict::kPass;
  std::string evidence;
  std::chrono::milliseconds elapsed{0};
};

struct Report {
  std::string plugin;
  std::vector<std::string> versions;
  std::vector<Line> lines;
  std::size_t count(Verdict verdict) const;
};

Verdict verdict_of(const Requirement& requirement, const Outcome& outcome);

// One row; `evidence` of a pass only when verbose.
std::string table_row(const Line& line, bool verbose);
std::string table_end(const Report& report);
std::string as_json(const Report& report);
std::string as_junit(const Report& report);

// The requirements themselves: "table", "json" or "markdown".
std::string list_requirements(std::string_view style);

}  // namespace towpath::conformance

#include "conformance/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace towpath::conformance {
namespace {

using nlohmann::json;

std::string_view format(Level level) {
  return level == Level::kMust ? "MUST" : "SHOULD";
}

std::string kinds_of(const Requirement& r) {
  std::vector<std::string_view> words;
  if (r.kinds & kMain) words.push_back("main");
  if (r.kinds & kIpam) words.push_back("ipam");
  if (r.kinds & kMeta) words.push_back("meta");
  return fmt::format("{}", fmt::join(words, ", "));
}

std::string xml(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      default: result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
  }
  return result;
}

json described(const Requirement& r) {
  return {{"id", r.id},     {"verb", r.verb},   {"section", r.section}, {"level", format(r.level)},
          {"text", r.text}, {"since", r.since}, {"kinds", kinds_of(r)}};
}

double seconds(std::chrono::milliseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

// Invalid UTF-8 in evidence came from a plugin; it must not break the report.
std::string dump(const json& document) {
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string_view format(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass: return "pass";
    case Verdict::kFail: return "FAIL";
    case Verdict::kWarn: return "warn";
    case Verdict::kSkipped: return "skipped";
  }
  return "";
}

std::size_t Report::count(Verdict verdict) const {
  return static_cast<std::size_t>(std::ranges::count(lines, verdict, &Line::verdict));
}

Verdict verdict_of(const Requirement& requirement, const Outcome& outcome) {
  if (outcome) return Verdict::kPass;
  if (outcome.error().skipped) return Verdict::kSkipped;
  return requirement.level == Level::kMust ? Verdict::kFail : Verdict::kWarn;
}

std::string table_row(const Line& line, bool verbose) {
  const Requirement& r = *line.requirement;
  std::string row = fmt::format("{:<12} {:<7} {:<6} {:<6} {} [{}]\n", r.id, format(line.verdict),
                                format(r.level), r.verb, r.text, r.section);
  if (!line.evidence.empty() && (verbose || line.verdict != Verdict::kPass)) {
    row += fmt::format("{:<12} {:<7} {}\n", "", "", line.evidence);
  }
  return row;
}

std::string table_end(const Report& report) {
  return fmt::format(
      "\n{}: {} requirements: {} passed, {} failed, {} warnings, {} skipped (CNI 1.1.0; plugin speaks {})\n",
      report.plugin, report.lines.size(), report.count(Verdict::kPass), report.count(Verdict::kFail),
      report.count(Verdict::kWarn), report.count(Verdict::kSkipped),
      report.versions.empty() ? "nothing it tells" : fmt::format("{}", fmt::join(report.versions, " ")));
}

std::string as_json(const Report& report) {
  json results = json::array();
  for (const auto& line : report.lines) {
    json each = described(*line.requirement);
    std::string verdict(format(line.verdict));
    std::ranges::transform(verdict, verdict.begin(),
                           [](char c) { return static_cast<char>(std::tolower(c)); });
    each["result"] = verdict;
    each["evidence"] = line.evidence;
    each["seconds"] = seconds(line.elapsed);
    results.push_back(std::move(each));
  }
  return dump({{"plugin", report.plugin},
               {"specification", kNewestVersion},
               {"versions", report.versions},
               {"passed", report.count(Verdict::kPass)},
               {"failed", report.count(Verdict::kFail)},
               {"warnings", report.count(Verdict::kWarn)},
               {"skipped", report.count(Verdict::kSkipped)},
               {"results", results}});
}

std::string as_junit(const Report& report) {
  std::string text = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"CNI 1.1.0: {}\" tests=\"{}\" "
      "failures=\"{}\" "
      "skipped=\"{}\">\n",
      xml(report.plugin), report.lines.size(), report.count(Verdict::kFail), report.count(Verdict::kSkipped));
  for (const auto& line : report.lines) {
    const Requirement& r = *line.requirement;
    text += fmt::format("  <testcase classname=\"{}\" name=\"{}: {}\" time=\"{:.3f}\">", xml(r.verb),
                        xml(r.id), xml(r.text), seconds(line.elapsed));
    switch (line.verdict) {
      case Verdict::kPass: break;
      case Verdict::kFail: text += fmt::format("<failure message=\"{}\"/>", xml(line.evidence)); break;
      case Verdict::kWarn:
        text += fmt::format("<system-out>warning: {}</system-out>", xml(line.evidence));
        break;
      case Verdict::kSkipped: text += fmt::format("<skipped message=\"{}\"/>", xml(line.evidence)); break;
    }
    text += "</testcase>\n";
  }
  return text + "</testsuite>\n";
}

std::string list_requirements(std::string_view style) {
  std::string text;
  if (style == "json") {
    json all = json::array();
    for (const auto& r : all_requirements()) all.push_back(described(r));
    return dump(all);
  }
  if (style == "markdown")
    text = "| id | verb | level | kinds | section | requirement |\n|---|---|---|---|---|---|\n";
  for (const auto& r : all_requirements()) {
    if (style == "markdown") {
      text += fmt::format("| {} | {} | {} | {} | {} | {} |\n", r.id, r.verb, format(r.level), kinds_of(r),
                          r.section, r.text);
    } else {
      text += fmt::format("{:<12} {:<6} {:<6} {} [{}]\n", r.id, format(r.level), r.verb, r.text, r.section);
    }
  }
  return text;
}

}  // namespace towpath::conformance

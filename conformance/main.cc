// towpath-cni-conformance: puts the requirements of the CNI specification 1.1.0 to any plugin.
// docs/conformance.md
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "conformance/isolation.h"
#include "conformance/report.h"
#include "conformance/trial.h"

namespace towpath::conformance {
namespace {

enum ExitCode { kAllMet = 0, kSomeBroken = 1, kUsage = 2 };

struct Options {
  Subject subject;
  std::string directories;
  std::string config_path;
  std::string pool_config_path;
  std::string kind = "main";
  std::string output = "table";
  std::vector<std::string> only;
  std::vector<std::string> hidden;
  std::vector<std::string> environment;
  std::string report_path;
  bool list = false;
  bool verbose = false;
};

void declare(CLI::App& app, Options& o) {
  app.add_option("--plugin-dir", o.directories,
                 "folders with the plugins, separated by ':' (becomes CNI_PATH)");
  app.add_option(
      "--config", o.config_path,
      "network configuration: one plugin or a list; @DIR@ in it stands for a fresh folder per requirement");
  app.add_option("--pool-config", o.pool_config_path,
                 "the same network with a small pool, for the requirements that use a pool up");
  app.add_option("--pool-limit", o.subject.pool_limit,
                 "a pool that gives more addresses than this is not used up")
      ->capture_default_str();
  app.add_option("--type", o.kind, "what kind of plugin it is")
      ->check(CLI::IsMember({"main", "ipam", "meta"}))
      ->capture_default_str();
  app.add_option("--cni-version", o.subject.newest,
                 "use no newer version than this; if not given, than the configuration's own cniVersion")
      ->check(CLI::IsMember(std::vector<std::string>(kVersions.begin(), kVersions.end())));
  app.add_option("--only", o.only, "check only these ids, or groups of them (GC)")->delimiter(',');
  app.add_option("--host-setup", o.subject.host_setup,
                 "shell command run in each fresh host namespace, before the plugin");
  app.add_option("--hide", o.hidden, "folders of the machine that are covered by an empty one during the run")
      ->delimiter(',');
  app.add_option("--env", o.environment, "KEY=VALUE for the plugin, besides PATH and CNI_*");
  app.add_option("-o,--output", o.output, "form of the report; of --list also markdown")
      ->check(CLI::IsMember({"table", "json", "junit", "markdown"}))
      ->capture_default_str();
  app.add_option("--report", o.report_path, "write the report to this file instead of standard output");
  app.add_flag("--list", o.list, "print the requirements and end");
  app.add_flag("-v,--verbose", o.verbose, "evidence also for what passed");
  app.set_version_flag("--version", std::string(TOWPATH_VERSION));
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail(ErrorKind::kNotFound, "cannot read " + path);
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t end = text.find(by); end != std::string::npos; end = text.find(by, begin)) {
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  parts.push_back(text.substr(begin));
  return parts;
}

// "ADD-03" names one requirement, "ADD" the group.
bool is_named(const Requirement& r, const std::string& name) {
  return r.id == name || r.id.starts_with(name + "-");
}

// What a runtime would use with this configuration: the newest of `cniVersions`, or `cniVersion`. Empty: it
// says nothing that we know.
std::string newest_asked(const std::string& config) {
  const auto document = nlohmann::json::parse(config, nullptr, false);
  if (!document.is_object()) return "";
  std::string newest = text_at(document, "cniVersion");
  if (!is_known_version(newest)) newest.clear();
  for (const auto& each : list_at(document, "cniVersions")) {
    if (!each.is_string() || !is_known_version(each.get<std::string>())) continue;
    if (newest.empty() || compare_versions(each.get<std::string>(), newest) > 0) newest = each;
  }
  return newest;
}

// Fills the subject from the options; refuses what cannot work, naming it.
Status complete(Options& o) {
  Subject& s = o.subject;
  if (o.directories.empty() || o.config_path.empty()) {
    return fail(ErrorKind::kInvalid, "--plugin-dir and --config are both needed");
  }
  for (const auto& part : split(o.directories, ':')) s.directories.push_back(std::filesystem::absolute(part));
  s.kind = o.kind == "ipam" ? kIpam : o.kind == "meta" ? kMeta : kMain;
  TOWPATH_TRY(s.config, read_file(o.config_path));
  s.small_config = s.config;
  if (!o.pool_config_path.empty()) {
    TOWPATH_TRY(s.small_config, read_file(o.pool_config_path));
  }
  for (const auto& pair : o.environment) {
    const std::size_t at = pair.find('=');
    if (at == std::string::npos) return fail(ErrorKind::kInvalid, "--env " + pair + ": no '='");
    s.environment[pair.substr(0, at)] = pair.substr(at + 1);
  }
  for (const auto* text : {&s.config, &s.small_config}) {
    TOWPATH_TRY(const Network network, parse_network(*text));
    for (const auto& plugin : network.plugins) {
      const std::string name = s.executable_name(plugin);
      if (name.empty())
        return fail(ErrorKind::kInvalid, "the configuration has no ipam.type, which --type ipam needs");
      if (auto found = s.find(name); !found) return std::unexpected(found.error());
    }
  }
  for (const auto& wanted : o.only) {
    const bool known =
        std::ranges::any_of(all_requirements(), [&](const Requirement& r) { return is_named(r, wanted); });
    if (!known) return fail(ErrorKind::kInvalid, "--only " + wanted + ": no such requirement; see --list");
  }
  return {};
}

bool is_chosen(const Options& o, const Requirement& r) {
  if (!(r.kinds & o.subject.kind)) return false;
  return o.only.empty() || std::ranges::any_of(o.only, [&](const std::string& w) { return is_named(r, w); });
}

// Learns what the plugin speaks, and takes the newest that the specification knows.
void probe_versions(Subject& subject, const std::string& scratch) {
  const Requirement probe;
  Trial trial(subject, probe, scratch);
  if (!trial.prepare()) return;
  Request r = trial.request("VERSION", Attachment{});
  r.config = {{"cniVersion", kNewestVersion}};
  const Reply reply = trial.run(r);
  for (const auto& each : list_at(reply.document, "supportedVersions")) {
    if (each.is_string() && is_known_version(each.get<std::string>())) subject.versions.push_back(each);
  }
  std::ranges::sort(subject.versions,
                    [](const auto& a, const auto& b) { return compare_versions(a, b) < 0; });
  // A delegate may be older than the plugin, and whoever wrote the configuration knew. Where the plugin
  // itself speaks nothing newer there is nothing to hold back.
  const std::string asked = newest_asked(subject.config);
  if (subject.newest.empty() && !asked.empty() && !subject.versions.empty() &&
      compare_versions(subject.versions.back(), asked) > 0) {
    subject.newest = asked;
  }
  for (const auto& each : subject.versions) {
    if (subject.speaks(each)) subject.version = each;
  }
}

Outcome judge(const Requirement& r, const Subject& subject, const std::string& directory) {
  if (!r.since.empty() && !subject.versions.empty() && compare_versions(subject.version, r.since) < 0) {
    return skipped(fmt::format("asked since {}, and the plugin speaks {} at most", r.since, subject.version));
  }
  Trial trial(subject, r, directory);
  TOWPATH_TRY_STATUS(trial.prepare());
  return r.check(trial);
}

Line examine(const Requirement& r, const Subject& subject, const std::string& scratch) {
  const std::string directory = fmt::format("{}/{}", scratch, r.id);
  std::filesystem::create_directory(directory);
  const auto began = std::chrono::steady_clock::now();
  Outcome outcome = judge(r, subject, directory);
  const auto elapsed = std::chrono::steady_clock::now() - began;
  std::error_code ignored;  // what a plugin left mounted there ends with the run
  std::filesystem::remove_all(directory, ignored);
  return {&r, verdict_of(r, outcome), outcome ? *outcome : outcome.error().evidence,
          std::chrono::duration_cast<std::chrono::milliseconds>(elapsed)};
}

Status print_report(const Options& o, const Report& report) {
  std::string text;
  if (o.output == "json") {
    text = as_json(report);
  } else if (o.output == "junit") {
    text = as_junit(report);
  } else {
    // Without a file they are on the screen already.
    for (const auto& line : report.lines) {
      if (!o.report_path.empty()) text += table_row(line, o.verbose);
    }
    text += table_end(report);
  }
  if (o.report_path.empty()) {
    std::fputs(text.c_str(), stdout);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) return fail_errno(errno, "standard output");
    return {};
  }
  std::ofstream file(o.report_path);
  file << text;
  file.close();
  if (!file) return fail_errno(errno, fmt::format("--report {}", o.report_path));
  return {};
}

// In the worker.
int examine_all(const Options& options, const std::string& scratch) {
  Options o = options;
  probe_versions(o.subject, scratch);
  Report report;
  const auto network = parse_network(o.subject.config);
  const auto& plugins = network->plugins;
  report.plugin = o.subject.executable_name(o.subject.kind == kMeta ? plugins.back() : plugins.front());
  report.versions = o.subject.versions;
  for (const auto& r : all_requirements()) {
    if (!is_chosen(o, r)) continue;
    if (stop_requested()) break;
    report.lines.push_back(examine(r, o.subject, scratch));
    if (o.output == "table" && o.report_path.empty()) {
      std::fputs(table_row(report.lines.back(), o.verbose).c_str(), stdout);
      std::fflush(stdout);
    }
  }
  if (auto printed = print_report(o, report); !printed) {
    fmt::print(stderr, "towpath-cni-conformance: {}\n", printed.error().message);
    return kUsage;
  }
  return report.count(Verdict::kFail) == 0 ? kAllMet : kSomeBroken;
}

int run(int argc, char** argv) {
  Options o;
  CLI::App app("Checks a CNI plugin against the CNI specification 1.1.0.", "towpath-cni-conformance");
  declare(app, o);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kAllMet : kUsage;
  }
  if (o.list) {
    std::fputs(list_requirements(o.output).c_str(), stdout);
    return kAllMet;
  }
  if (auto ready = complete(o); !ready) {
    fmt::print(stderr, "towpath-cni-conformance: {}\n", ready.error().message);
    return kUsage;
  }
  return run_isolated(o.hidden, [&](const std::string& scratch) { return examine_all(o, scratch); });
}

}  // namespace
}  // namespace towpath::conformance

int main(int argc, char** argv) {
  return towpath::conformance::run(argc, argv);
}

// The agent's log: one line for each event, to standard error, as key=value pairs or as JSON.
//
// An event is a fixed sentence and its fields, so that a line can be searched for both by people and by
// machines:
//   log.info("session is up", {{"peer", "host-b"}, {"hold_time", 9}});
//   2026-01-31T12:00:00.123Z level=info msg="session is up" peer=host-b hold_time=9
//
// Only the caller that decides what to do about an event logs it, once. Secrets are never fields.
// Threading: safe from any thread. Failure: what cannot be written is lost; logging never fails its caller.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "agent/config/agent_config.h"

namespace spdlog {
class logger;
}

namespace towpath::agent {

struct LogField {
  LogField(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  LogField(std::string_view k, std::string_view v) : key(k), value(std::string(v)) {}
  LogField(std::string_view k, const char* v) : key(k), value(std::string(v)) {}
  LogField(std::string_view k, bool v) : key(k), value(v) {}
  template <std::integral T>
  LogField(std::string_view k, T v) : key(k), value(static_cast<std::int64_t>(v)) {}

  std::string_view key;
  std::variant<std::string, std::int64_t, bool> value;
};
using LogFields = std::initializer_list<LogField>;

// What follows the time and the level on a line.
std::string format_event(LogFormat format, std::string_view event, LogFields fields);

class Log {
 public:
  explicit Log(const LogConfig& config);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void configure(const LogConfig& config);

  void debug(std::string_view event, LogFields fields = {}) { write(LogLevel::kDebug, event, fields); }
  void info(std::string_view event, LogFields fields = {}) { write(LogLevel::kInfo, event, fields); }
  void warning(std::string_view event, LogFields fields = {}) { write(LogLevel::kWarning, event, fields); }
  void error(std::string_view event, LogFields fields = {}) { write(LogLevel::kError, event, fields); }

 private:
  void write(LogLevel level, std::string_view event, LogFields fields);
  std::shared_ptr<spdlog::logger> logger_;
  LogFormat format_ = LogFormat::kText;
};

}  // namespace towpath::agent
